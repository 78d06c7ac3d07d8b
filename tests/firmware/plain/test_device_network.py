# Names, Wi-Fi networks in turn, and the cable.
import asyncio

from agent import dns
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


def address(names, host, port=8883):
    return asyncio.run(names.address(host, port))


def test_address_is_never_asked_for_late_or_kept():
    server = Dns(Clock())
    names = Names(server.clock, None, server.look_up)
    for host in ("127.0.0.1", "fe80::1"):
        names.doubt()
        assert address(names, host) == ("10.0.0.1", 8883)
    assert names._found == {}


def test_name_is_asked_for_once_and_again_only_when_a_connection_has_failed():
    server = Dns(Clock())
    names = Names(server.clock, None, server.look_up)
    for _ in range(100):
        assert address(names, "pi.lan") == ("10.0.0.1", 8883)
        server.clock.ms += 60_000
    assert len(server.asked) == 1
    names.doubt()
    server.answer = "10.0.0.2"
    assert address(names, "pi.lan") == ("10.0.0.2", 8883)
    assert len(server.asked) == 2


def test_answer_from_before_serves_while_nobody_answers():
    server = Dns(Clock())
    names = Names(server.clock, None, server.look_up)
    address(names, "pi.lan")
    server.answer = None
    for _ in range(10):
        names.doubt()
        assert address(names, "pi.lan") == ("10.0.0.1", 8883)


def test_dead_name_server_is_asked_ever_more_seldom():
    """A board must not spend its time on it: the next broker of its list may be one that has an address."""
    server = Dns(Clock())
    server.answer, server.takes_ms = None, 6_000
    names = Names(server.clock, None, server.look_up)
    while server.clock.ms < 6 * 3_600_000:
        names.doubt()
        try:
            address(names, "pi.lan")
        except OSError:
            server.clock.ms += 4_000
    waited_ms = len(server.asked) * server.takes_ms
    assert 0 < waited_ms < server.clock.ms / 40, waited_ms
    server.answer = "10.0.0.1"
    server.clock.ms += AGAIN_MS[1]
    assert address(names, "pi.lan") == ("10.0.0.1", 8883)


QUERY = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x02pi\x03lan\x00\x00\x01\x00\x01"
HEAD = b"\x12\x34\x81\x80\x00\x01\x00", b"\x00\x00\x00\x00\x02PI\x03lan\x00\x00\x01\x00\x01"
RECORD = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\xa8\x0a\x02"
ALIAS = b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03gw1\xc0\x0f"
OF_ALIAS = b"\x03gw1\x03lan\x00" + RECORD[2:]


def head(count):
    """The head of an answer of so many records; the server writes names as it likes."""
    return HEAD[0] + bytes([count]) + HEAD[1]


def test_question_is_that_of_rfc_1035():
    asked = dns.query("pi.lan")
    assert asked[2:] == QUERY[2:] == dns.query("pi.lan.")[2:]
    assert len({dns.query("pi.lan")[:2] for _ in range(20)}) > 10, "nobody may guess it"
    for host in ("pi..lan", "x" * 64 + ".lan", ""):
        try:
            dns.query(host)
        except OSError as exc:
            assert "1 to 63 letters" in str(exc)
        else:
            raise AssertionError(host)


def test_answer_is_the_first_address_behind_all_aliases():
    assert dns.answer(QUERY, head(1) + RECORD) == "192.168.10.2"
    assert dns.answer(QUERY, head(2) + ALIAS + OF_ALIAS) == "192.168.10.2"
    flushing = RECORD[:4] + b"\x80" + RECORD[5:]  # RFC 6762, section 10.2
    assert dns.answer(QUERY, head(1) + flushing) == "192.168.10.2"


def test_what_is_no_answer_to_the_question_is_left_alone():
    good = head(1) + RECORD
    for place, byte in ((0, 0x13), (2, 0x01), (13, 0x71), (len(QUERY) - 3, 28)):
        assert dns.answer(QUERY, good[:place] + bytes([byte]) + good[place + 1 :]) is None, place
    for length in range(len(good)):
        assert dns.answer(QUERY, good[:length]) is None, length


def test_answer_without_an_address_says_so():
    six = RECORD[:2] + b"\x00\x1c" + RECORD[4:]
    for reply, why in (
        (head(0), "no IPv4 address"),
        (head(1) + six, "no IPv4 address"),
        ((head(0))[:3] + b"\x83" + (head(0))[4:], "no such name"),
        ((head(0))[:3] + b"\x85" + (head(0))[4:], "error 5"),
    ):
        try:
            dns.answer(QUERY, reply)
        except OSError as exc:
            assert why in str(exc), exc
        else:
            raise AssertionError(reply)


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
