"""`network` as MicroPython has it on an ESP32: one access point, in reach unless the world says otherwise."""

import wires

STA_IF = 0
PHY_LAN8720 = 1
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


class LAN:
    """The socket of a board with Ethernet: its cable leads to the access point's switch, and is in while that is in reach."""

    def __init__(self, *, mdc, mdio, phy_type, phy_addr, power=None, ref_clk=None, ref_clk_mode=None):
        self._on = False

    def active(self, on=None):
        if on is None:
            return self._on
        self._on = bool(on)
        return None

    def isconnected(self):
        wires.refresh()
        return self._on and wires.wifi_in_reach

    def ifconfig(self, settings=None):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")
