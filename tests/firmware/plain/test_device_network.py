# Names, Wi-Fi networks in turn, and the cable.
import asyncio

from agent.names import AGAIN_MS, Names
from virtual_board import Machine, Stage

board = __import__("agent.board", None, None, ("Network",))


class Clock:
    ms = 0

    def now(self):
        return self.ms


class Dns:
    """A name server that takes its time, and may not answer. `asked`: for what it was asked."""

    def __init__(self, clock):
        self.clock = clock
        self.asked = []
        self.answer = "10.0.0.1"
        self.takes_ms = 0

    def look_up(self, host, port, *_):
        self.asked.append(host)
        self.clock.ms += self.takes_ms
        if self.answer is None:
            raise OSError(-202)
        return [(0, 0, 0, "", (self.answer, port))]


def test_address_is_never_looked_up_late_or_kept():
    dns = Dns(Clock())
    names = Names(dns.clock, dns.look_up)
    for host in ("127.0.0.1", "fe80::1"):
        names.doubt()
        assert names.address(host, 8883) == ("10.0.0.1", 8883)
    assert names._found == {}


def test_name_is_asked_for_once_and_again_only_when_a_connection_has_failed():
    dns = Dns(Clock())
    names = Names(dns.clock, dns.look_up)
    for _ in range(100):
        assert names.address("pi.lan", 1) == ("10.0.0.1", 1)
        dns.clock.ms += 60_000
    assert len(dns.asked) == 1
    names.doubt()
    dns.answer = "10.0.0.2"
    assert names.address("pi.lan", 1) == ("10.0.0.2", 1)
    assert len(dns.asked) == 2


def test_answer_from_before_serves_while_nobody_answers():
    dns = Dns(Clock())
    names = Names(dns.clock, dns.look_up)
    names.address("pi.lan", 1)
    dns.answer = None
    for _ in range(10):
        names.doubt()
        assert names.address("pi.lan", 1) == ("10.0.0.1", 1)


def test_dead_name_server_stops_the_board_for_an_eighth_of_the_time_at_most():
    dns = Dns(Clock())
    dns.answer, dns.takes_ms = None, 42_000
    names = Names(dns.clock, dns.look_up)
    while dns.clock.ms < 6 * 3_600_000:
        names.doubt()
        try:
            names.address("pi.lan", 1)
        except OSError:
            dns.clock.ms += 4_000
    stood_still_ms = len(dns.asked) * dns.takes_ms
    assert 0 < stood_still_ms < dns.clock.ms / 7.5, stood_still_ms
    dns.answer = "10.0.0.1"
    dns.clock.ms += AGAIN_MS[1]
    assert names.address("pi.lan", 1) == ("10.0.0.1", 1)


class Air:
    """`network`: access points in reach, and what was joined. `lan`: whether the cable is in."""

    STA_IF = 0
    PHY_LAN8720 = "lan8720"

    def __init__(self, *reach, lan=None):
        self.reach = list(reach)
        self.lan = lan
        self.joined = None
        self.joins = []
        self.cable = None

    def WLAN(self, interface):  # noqa: N802  MicroPython's name
        return self

    def LAN(self, **arguments):  # noqa: N802
        self.cable = arguments
        if self.lan is None:
            raise OSError(-1)
        return Cable(self)

    def active(self, on):
        self.joined = None

    def connect(self, ssid, key):
        self.joins.append(ssid)
        self.joined = ssid

    def isconnected(self):
        return self.joined in self.reach

    def status(self, what):
        return -61


class Cable:
    def __init__(self, air):
        self._air = air

    def active(self, on):
        self.on = on

    def isconnected(self):
        return self.on and self._air.lan


def on_air(air, play, lan=None, known=(("lane", "a"), ("home", "b"))):
    """play(network) with time that passes at once."""
    real = board.network, board.JOIN_MS, board.JOIN_STEP_MS
    board.network, board.JOIN_MS, board.JOIN_STEP_MS = air, 2, 1
    Machine.stage = None
    try:
        asyncio.run(play(board.Network(list(known), lan)))
    finally:
        board.network, board.JOIN_MS, board.JOIN_STEP_MS = real


async def is_ready(way):
    try:
        await way.ready()
    except OSError:
        return False
    return True


def test_networks_are_tried_in_turn_until_one_is_in_reach():
    air = Air()

    async def play(way):
        for _ in range(3):
            assert not await is_ready(way)
        assert air.joins == ["lane", "home", "lane"]
        air.reach = ["home"]
        assert await is_ready(way)
        assert air.joins[3:] == ["home"]

    on_air(air, play)


def test_board_stays_where_it_is_when_its_first_network_comes_back():
    air = Air("home")

    async def play(way):
        assert not await is_ready(way)
        for _ in range(500):
            assert await is_ready(way)
            way.found()
            air.reach = ["lane", "home"]
        assert air.joins == ["lane", "home"]

    on_air(air, play)


def test_network_without_a_broker_is_left_after_two_minutes_of_tries_and_not_sooner():
    air = Air("lane", "home")

    async def play(way):
        for _ in range(1 + 20):
            assert await is_ready(way)
        assert air.joins == ["lane"]
        assert await is_ready(way)
        assert air.joins == ["lane", "home"]
        way.found()
        for _ in range(20):
            assert await is_ready(way)
        assert air.joins == ["lane", "home"]

    on_air(air, play)


def test_only_network_is_never_left_for_want_of_a_broker():
    air = Air("lane")

    async def play(way):
        for _ in range(100):
            assert await is_ready(way)
        assert air.joins == ["lane"]

    on_air(air, play, known=[("lane", "a")])


LAN = {"mdc": 23, "mdio": 18, "power": 16, "phy_type": "PHY_LAN8720", "phy_addr": 1}


def test_cable_is_used_where_it_is_in_and_wifi_where_not():
    air = Air("lane", lan=True)
    Machine.stage = Stage()

    async def play(way):
        assert await is_ready(way)
        assert air.joins == []
        assert way.rssi() is None
        air.lan = False
        assert await is_ready(way)
        assert air.joins == ["lane"]
        assert way.rssi() == -61

    on_air(air, play, LAN)
    assert (air.cable["phy_type"], air.cable["phy_addr"], air.cable["mdc"].gpio) == ("lan8720", 1, 23)


def test_board_whose_ethernet_chip_is_silent_uses_its_wifi():
    air = Air("lane")

    async def play(way):
        assert await is_ready(way)
        assert air.joins == ["lane"]

    on_air(air, play, LAN)


def test_cable_that_is_out_and_no_wifi_is_said():
    async def play(way):
        way._wlan = None
        assert not await is_ready(way)

    on_air(Air(lan=False), play, LAN)
