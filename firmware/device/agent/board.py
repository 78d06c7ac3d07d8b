"""The hardware: resets, clock and Wi-Fi. Only this module, terminals.py and main.py know `machine` and `network`."""

import asyncio
import gc
import time

import machine
import network

JOIN_MS = 15_000
DNS_PORT = 53
JOIN_STEP_MS = 100
USELESS = 20  # tries to reach a broker over one network, some two minutes, before another is joined
LAN_PINS = ("mdc", "mdio", "power", "ref_clk")
EPOCH_2000_S = 946_684_800  # that of time.gmtime() on an ESP32, in Unix s

RESETS = {
    machine.PWRON_RESET: "power",
    machine.HARD_RESET: "hard",
    machine.WDT_RESET: "watchdog",
    machine.DEEPSLEEP_RESET: "deepsleep",
    machine.SOFT_RESET: "soft",
}


class Board:
    """What of it stays in use; its terminals are wired once: terminals.Terminals."""

    def reset_reason(self):
        """Why the board has started, in a word."""
        return RESETS.get(machine.reset_cause(), "unknown")

    def set_clock(self, unix_s):
        """Set the clock by which certificates are judged."""
        year, month, day, hour, minute, second = time.gmtime(unix_s - EPOCH_2000_S if time.gmtime(0)[0] == 2000 else unix_s)[:6]
        machine.RTC().datetime((year, month, day, 0, hour, minute, second, 0))

    def free_memory(self):
        """Free bytes of the heap, rubbish cleared away."""
        gc.collect()
        return gc.mem_free()

    def reset(self):
        """Start again. Does not return."""
        machine.reset()


class Latch:
    """Remembers that an edge has come."""

    def __init__(self, pin, trigger):
        self._set = False
        pin.irq(handler=self._note, trigger=trigger)

    def _note(self, _):
        self._set = True

    def take(self):
        """True if an edge has come since the last call."""
        was_set = self._set
        self._set = False
        return was_set


class Network:
    """The cable, where the board type has one (`lan`: its LAN), else Wi-Fi; `networks`: [(ssid, key)], tried in turn. With neither the
    network needs no joining.

    A network that is joined is kept, whichever it is, as long as the broker is found over it: a board does not return to its first
    network because that is back. Once it was of no use for USELESS times, it is the next one's turn.
    """

    def __init__(self, networks, lan=None):
        self._networks = networks
        self._turn = 0
        self._tries = 0
        self._lan = _cable(lan) if lan else None
        self._wlan = network.WLAN(network.STA_IF) if networks else None

    async def ready(self):
        """Return when joined. Raises OSError if there is no cable and the next network cannot be joined in JOIN_MS."""
        if self._lan and self._lan.isconnected():
            return
        if self._wlan is None:
            if self._lan is None:
                return
            raise OSError("no cable")
        self._tries += 1
        if self._wlan.isconnected() and (self._tries <= USELESS or len(self._networks) == 1):
            return
        await self._join(*self._networks[self._turn % len(self._networks)])

    def found(self):
        """The broker was found over the present network."""
        self._tries = 0

    def name_server(self):
        """(host, port) of the one that the network has told of, None where there is no network to join."""
        way = self._lan if self._lan and self._lan.isconnected() else self._wlan
        return (way.ifconfig()[3], DNS_PORT) if way else None

    def rssi(self):
        """Signal strength in dBm, None where there is none."""
        return self._wlan.status("rssi") if self._wlan and self._wlan.isconnected() else None

    async def _join(self, ssid, key):
        self._turn += 1
        self._tries = 0
        self._wlan.active(False)  # forgets a half-made connection
        self._wlan.active(True)
        self._wlan.connect(ssid, key)
        for _ in range(JOIN_MS // JOIN_STEP_MS):
            if self._wlan.isconnected():
                return
            await asyncio.sleep(JOIN_STEP_MS / 1000)
        raise OSError("no Wi-Fi %s" % ssid)


def _cable(lan):
    """The Ethernet interface, or None if there is no such chip: then Wi-Fi must do. `lan`: network.LAN's arguments, GPIOs as numbers."""
    arguments = {name: machine.Pin(value) if name in LAN_PINS else value for name, value in lan.items()}
    arguments["phy_type"] = getattr(network, lan["phy_type"])
    try:
        cable = network.LAN(**arguments)
        cable.active(True)
    except OSError as exc:
        print("no Ethernet: %s" % exc)  # noqa: T201 - the technician's serial console
        return None
    return cable
