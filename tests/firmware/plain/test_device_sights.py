from agent.alarms import Alarms
from agent.bell import Bell, Cause
from agent.events import Event
from agent.outbox import Outbox
from agent.points import AT_ONCE, NEVER, Panel, Point
from agent.presence import Presence
from agent.sights import Flash
from agent.standing import INDICATOR, SHOWN_MS, Indicator, Standing

from protocol import wire

PRESS = "9c41f2aa-17-42"


class House:
    """One board's knowledge, in virtual time, an engine listening unless told otherwise."""

    def __init__(self):
        self.alarms = Alarms("H1", 60_000)
        self.outbox = Outbox()
        self.presence = Presence("9c41f2aa-17", lambda: 0.0)
        self.button = Point("button-1", "button", AT_ONCE, None)
        self.panel = Panel([self.button, Point("door", "door", NEVER, None)])
        self.standing = Standing(self.alarms, self.outbox, self.presence, self.panel)
        self.rev = 0

    def tick(self, now):
        self.presence.tick("5be07711-1", now)

    def press(self, now, ident=PRESS):
        self.button.state = "active"
        self.button.event_id = ident
        self.alarms.raised(self.button, ident, now)

    def ring(self, now, pattern, ident=PRESS, *, incident="2026-1", heard=False, acknowledged=False, rev=1):
        self.rev += rev
        covers = wire.covers_of({"H1": ident})
        self.alarms.ring_heard(wire.Ring("5be07711-1", self.rev, incident, pattern, 1, None, 60, covers, [], heard, acknowledged), now)


def test_path_of_an_alarm_is_seen_step_by_step():
    house = House()
    assert house.standing.word(0) == "nobody"
    house.tick(0)
    assert house.standing.word(10) == "idle"
    house.press(20)
    assert house.standing.word(20) == "calling"
    house.outbox.add(Event(PRESS, "button-1", "button", "active", at=20), 40)
    assert house.standing.word(50) == "calling"
    house.outbox.receipt(PRESS)
    assert house.standing.word(60) == "stored"
    house.ring(70, "fire")
    assert house.standing.word(80) == "ringing"
    house.button.state = "clear"
    house.button.event_id = "9c41f2aa-17-43"
    assert house.standing.word(90) == "ringing"
    house.ring(1000, "fire", heard=True, rev=0)
    assert house.standing.word(1010) == "heard"
    house.ring(5000, "fire", heard=True, acknowledged=True, rev=0)
    assert house.standing.word(5010) == "acknowledged"


def test_bells_that_went_quiet_without_a_person_are_not_shown_as_acknowledged():
    house = House()
    house.tick(0)
    house.press(10)
    house.standing.word(10)
    house.ring(20, "fire", heard=True)
    house.ring(30 * 60_000 - 1000, None, heard=True)
    house.tick(30 * 60_000 - 1000)
    assert house.standing.word(30 * 60_000 - 500) == "stored"
    house.ring(30 * 60_000 - 400, None, incident=None)
    assert house.standing.word(30 * 60_000 - 300) == "acknowledged"


def test_own_key_does_not_look_like_an_acknowledgement():
    house = House()
    house.tick(0)
    house.press(10)
    house.standing.word(10)
    house.ring(20, "fire")
    house.alarms.key("fire", 30)
    assert house.standing.word(40) == "ringing"


def test_ring_of_an_engine_that_fell_silent_is_shown_no_longer_as_ringing():
    house = House()
    house.press(10)
    house.standing.word(10)
    house.ring(20, "fire", heard=True)
    house.alarms.expire(300_100, ())
    assert house.standing.word(300_100) == "stored"


def test_press_that_nobody_hears_says_so():
    house = House()
    house.press(100)
    assert house.standing.word(110) == "calling"
    house.outbox.add(Event(PRESS, "button-1", "button", "active", at=100), 120)
    assert house.standing.word(130) == "nobody"
    house.tick(1000)
    assert house.standing.word(1010) == "calling"


def test_second_press_begins_anew():
    house = House()
    house.tick(0)
    house.press(10)
    house.standing.word(10)
    house.ring(20, None, acknowledged=True)
    assert house.standing.word(30) == "acknowledged"
    house.press(40, "9c41f2aa-17-50")
    assert house.standing.word(40) == "calling"


def test_alarm_is_shown_for_half_an_hour_and_as_long_as_bells_ring_for_it():
    house = House()
    house.press(0)
    house.standing.word(0)
    house.ring(10, "fire")
    house.tick(SHOWN_MS + 100)
    assert house.standing.word(SHOWN_MS + 100) == "ringing"
    house.ring(SHOWN_MS + 200, None)
    assert house.standing.word(SHOWN_MS + 300) == "idle"


def test_alarm_of_an_earlier_start_is_not_shown_as_new():
    house = House()
    house.button.restore("active", "9c41f2aa-16-9")
    house.standing = Standing(house.alarms, house.outbox, house.presence, house.panel)
    house.tick(0)
    assert house.standing.word(10) == "idle"


def test_no_two_words_have_the_same_rhythm():
    seen = set()
    for steps in INDICATOR.values():
        whole = sum(steps)
        lit = sum([ms for place, ms in enumerate(steps) if place % 2 == 0])
        seen.add((lit * 100 // whole, whole))
    assert len(seen) == len(INDICATOR)


def test_indicator_plays_the_word():
    house = House()
    house.tick(0)
    levels = []
    indicator = Indicator("indicator", levels.append, house.standing)
    for now in range(0, 10_000, 10):
        indicator.poll(now)
    assert levels == [False, True, False, True, False]


def test_strobe_flashes_once_a_second_with_an_alarm_and_with_nothing_less():
    changes = []
    bell = Bell(lambda on: None, None)
    clock = [0]
    strobe = Flash("strobe", lambda on: changes.append((clock[0], on)), bell)
    for sound, flashes in (("fire", 10), ("sos", 10), ("pre", 0), ("drill", 0)):
        del changes[:]
        bell.update([Cause(sound, None, None)], "time", clock[0])
        for _ in range(1000):
            strobe.poll(clock[0])
            clock[0] += 10
        assert len([at for at, on in changes if on]) == flashes
        bell.update([], "time", clock[0])
        strobe.poll(clock[0])
    assert not changes or changes[-1][1] is False
