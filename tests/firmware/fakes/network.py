"""`network` for a board under test: a Wi-Fi that is always in reach."""

STA_IF = 0
PHY_LAN8720 = 1


class WLAN:
    def __init__(self, interface):
        self._joined = False

    def active(self, on):
        self._joined = False

    def connect(self, ssid, key):
        self._joined = True

    def isconnected(self):
        return self._joined

    def ifconfig(self):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")

    def status(self, what):
        return -61


class LAN:
    """A cable that is always in."""

    def __init__(self, *, mdc, mdio, phy_type, phy_addr, power=None, ref_clk=None, ref_clk_mode=None):
        self._joined = False

    def active(self, on):
        self._joined = on

    def isconnected(self):
        return self._joined

    def ifconfig(self):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", "127.0.0.1")
