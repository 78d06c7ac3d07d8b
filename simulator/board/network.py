"""`network` as MicroPython has it on an ESP32: one access point, in reach unless the world says otherwise."""

import wires

STA_IF = 0
STAT_IDLE = 1000
STAT_GOT_IP = 1010


class WLAN:
    def __init__(self, interface=STA_IF):
        self._on = False
        self._joined = False

    def active(self, on=None):
        if on is None:
            return self._on
        self._on = bool(on)
        if not on:
            self._joined = False
        return None

    def connect(self, ssid=None, key=None, **options):
        if not self._on:
            raise OSError("Wifi Not Started")
        self._joined = True

    def disconnect(self):
        self._joined = False

    def isconnected(self):
        wires.refresh()
        return self._joined and wires.wifi_in_reach

    def config(self, *names, **values):
        return None

    def ifconfig(self, settings=None):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")

    def status(self, what=None):
        if what == "rssi":
            return -61
        return STAT_GOT_IP if self.isconnected() else STAT_IDLE
