from agent import patterns
from agent.bell import Bell, Cause
from agent.clock import Clock
from agent.outputs import Output
from agent.points import AT_ONCE, BLIND_MS, DEBOUNCE_MS, NEVER, Contact, Panel, Point

from protocol.wire import TIME_MAX

PERIOD = 1 << 30  # of ticks_ms on an ESP32
CALL = ("9c41f2aa-17-42", 1)
RING = ("2026-000001", 1)


class Wire:
    """A bell's output with the current behind it: `whole` False is a cut wire."""

    def __init__(self, whole=True):
        self.whole = whole
        self.on = False
        self.changes = []

    def drive(self, on):
        self.on = on
        self.changes.append(on)

    def sense(self):
        return self.on and self.whole


class Gauge:
    def __init__(self, point, value):
        self.point = point
        self.value = value


def run(bell, start, end, step=10):
    facts = []
    for now in range(start, end, step):
        facts += bell.poll(now)
    return facts


def test_pitfall_16_clock_counts_on_when_the_ticks_wrap():
    ticks = [PERIOD - 5]
    clock = Clock(lambda: ticks[0])
    assert clock.now() == 0
    ticks[0] = 7
    assert clock.now() == 12
    for _ in range(5):
        ticks[0] = (ticks[0] + PERIOD - 1) % PERIOD
        before = clock.now()
        assert clock.now() == before
    assert clock.now() == 12 + 5 * (PERIOD - 1)


def test_clock_knows_no_time_until_it_is_told():
    ticks = [100]
    clock = Clock(lambda: ticks[0])
    assert clock.unix(0) is None
    ticks[0] = 1100
    clock.set_unix(1_763_791_234_610)
    assert clock.unix(clock.now()) == 1_763_791_234_610
    assert clock.unix(0) == 1_763_791_233_610


def test_clock_never_tells_more_than_the_wire_can_carry():
    ticks = [0]
    clock = Clock(lambda: ticks[0])
    clock.set_unix(TIME_MAX)
    ticks[0] = 60_000
    assert clock.unix(clock.now()) == TIME_MAX
    clock.set_unix(0)
    assert clock.unix(0) == 0


def test_contact_changes_after_30_ms_and_not_before():
    contact = Contact()
    assert not contact.sample(True, 0)
    assert not contact.sample(True, DEBOUNCE_MS - 1)
    assert contact.sample(True, DEBOUNCE_MS)
    assert contact.active
    assert not contact.sample(True, DEBOUNCE_MS + 10)


def test_contact_that_bounces_starts_anew():
    contact = Contact()
    for now in range(0, 200, 10):
        assert not contact.sample(now % 20 == 0, now)
    assert not contact.active


def test_press_within_a_stall_is_one_press_and_then_clear():
    contact = Contact()
    assert not contact.sample(False, 0)
    assert contact.sample(False, 400, edge=True)
    assert contact.active
    assert [now for now in range(410, 600, 10) if contact.sample(False, now)] == [440]
    assert not contact.active


def test_press_seen_before_a_stall_and_over_after_it_counts():
    contact = Contact()
    contact.sample(False, 0)
    assert not contact.sample(True, 10, edge=True)
    assert contact.sample(False, 410)
    assert contact.active


def test_spike_while_the_board_reads_counts_for_nothing_even_before_a_stall():
    contact = Contact()
    for now in range(0, 1000, 10):
        assert not contact.sample(False, now, edge=True)
    assert not contact.sample(True, 1000, edge=True)
    assert not contact.sample(False, 1010)
    assert not contact.sample(False, 1500)
    assert not contact.sample(False, 1500 + BLIND_MS - 1, edge=True)


def test_edge_of_the_power_coming_back_counts_for_nothing():
    contact = Contact()
    assert not contact.sample(False, 400, edge=True)
    assert not contact.sample(False, 900)


def test_bouncing_release_of_a_held_button_is_no_second_press():
    contact = Contact(active=True)
    contact.sample(True, 0)
    assert not contact.sample(False, 400, edge=True)
    assert contact.sample(False, 430)
    assert not contact.sample(False, 900)
    assert not contact.active


def test_point_asks_its_latch_at_every_reading():
    edges = [False, True]
    button = Point("button-1", "button", AT_ONCE, lambda: False, lambda: edges.pop(0))
    assert button.sense(0) == "clear"
    assert button.sense(100) == "active"


def test_panel_lists_what_is_not_clear():
    door = Point("door", "door", NEVER, None)
    battery = Point("battery", "battery", NEVER, None)
    panel = Panel([door], [Gauge(battery, 86)])
    assert panel.uncleared() == {}
    battery.restore("open", "9c41f2aa-16-9")
    assert panel.uncleared() == {"battery": "9c41f2aa-16-9"}
    assert panel.active() == []
    door.restore("active", "9c41f2aa-16-10")
    assert panel.active() == ["door"]
    assert panel.state_of("door") == "active"
    assert panel.state_of("window") is None
    assert panel.values() == {"battery": 86}


def test_restored_point_does_not_change_while_its_contact_stays():
    door = Point("door", "door", NEVER, None)
    door.restore("active", "9c41f2aa-16-10")
    assert not any(door.contact.sample(True, now) for now in range(0, 100, 10))


def test_fire_is_temporal_3():
    output = Output(lambda _: None)
    on = []
    for ms in range(0, 8000, 250):
        output.play("fire", ms)
        on.append(output.on)
    cycle = [True, True, False, False] * 3 + [False] * 4
    assert on == cycle * 2


def test_gravest_pattern_is_heard():
    assert patterns.gravest([]) is None
    assert patterns.gravest([Cause(sound, None, None) for sound in ("drill", "pre", "fire", "sos")]) == "fire"
    assert patterns.gravest([Cause(sound, None, None) for sound in ("drill", "pre")]) == "pre"
    assert set(patterns.GRAVEST_FIRST) == set(patterns.SOUNDS)


def test_output_goes_on_unbroken_when_told_the_same_again():
    wire = Wire()
    output = Output(wire.drive)
    output.play("fire", 0)
    output.poll(600)
    output.play("fire", 700)
    output.poll(1100)
    assert wire.changes == [False, True, False, True]
    output.play(None, 1100)
    assert wire.changes[-1] is False


def test_bell_with_current_is_proved_measured_once_for_each_call_and_ring():
    wire = Wire()
    bell = Bell(wire.drive, wire.sense)
    facts = bell.update([Cause("fire", *CALL)], "time", 0)
    assert wire.on
    assert [(fact.state, (fact.id, fact.count), fact.proof) for fact in facts] == [("active", CALL, "measured")]
    assert run(bell, 10, 5000) == []
    facts = bell.update([Cause("fire", *CALL), Cause("fire", *RING)], "time", 5000)
    assert [(fact.state, (fact.id, fact.count), fact.proof) for fact in facts] == [("active", RING, "measured")]


def test_bell_answers_a_whole_group_that_calls_little_by_little_and_each_call_once():
    wire = Wire()
    bell = Bell(wire.drive, wire.sense)
    calls = [Cause("fire", f"0badcafe-1-{number + 1}", 1) for number in range(10)]
    turns = [bell.update(calls[:9], "time", 0), bell.update(calls, "time", 5), bell.poll(10), bell.poll(20)]
    assert [len(facts) for facts in turns] == [4, 4, 2, 0]
    assert [fact.id for facts in turns for fact in facts] == [call.id for call in calls]


def test_bell_answers_no_call_that_has_ended_before_its_turn_and_one_that_comes_again_once_more():
    wire = Wire()
    bell = Bell(wire.drive, wire.sense)
    calls = [Cause("fire", f"0badcafe-1-{number + 1}", 1) for number in range(6)]
    bell.update(calls, "time", 0)
    assert [fact.id for fact in bell.update(calls[:5], "time", 5)] == [calls[4].id]
    bell.update([], "time", 10)
    assert bell.poll(20) == []
    assert [fact.id for fact in bell.update(calls[5:], "time", 30)] == [calls[5].id]
    wire.whole = False
    again = run(bell, 40, 4000)
    assert [(fact.state, fact.id) for fact in again] == [("silent", calls[5].id)]


def test_bell_that_stops_and_sounds_again_for_the_same_ring_proves_it_again():
    wire = Wire()
    bell = Bell(wire.drive, wire.sense)
    for now in (0, 1000):
        assert [fact.id for fact in bell.update([Cause("fire", *RING)], "time", now)] == [RING[0]]
        bell.update([], "time", now + 500)


def test_bell_between_two_beats_answers_a_ring_at_once():
    wire = Wire()
    bell = Bell(wire.drive, wire.sense)
    bell.update([Cause("fire", *CALL)], "time", 0)
    run(bell, 10, 3000)
    assert not wire.on
    facts = bell.update([Cause("fire", *RING)], "time", 3000)
    assert [fact.proof for fact in facts] == ["measured"]


def test_bell_without_sense_is_proved_commanded():
    wire = Wire()
    bell = Bell(wire.drive, None)
    facts = bell.update([Cause("fire", *CALL)], "time", 0)
    assert [(fact.state, fact.proof) for fact in facts] == [("active", "commanded")]


def test_bell_with_cut_wire_says_silent_within_3_s_and_never_active():
    wire = Wire(whole=False)
    bell = Bell(wire.drive, wire.sense)
    facts = bell.update([Cause("fire", *CALL)], "time", 0) + run(bell, 10, 3000)
    assert [(fact.state, (fact.id, fact.count), fact.proof) for fact in facts] == [("silent", CALL, None)]
    assert bell.state == "silent"


def test_bell_wire_cut_and_mended_while_it_rings_is_told_both_times():
    wire = Wire()
    bell = Bell(wire.drive, wire.sense)
    bell.update([Cause("fire", *RING)], "time", 0)
    wire.whole = False
    assert [fact.state for fact in run(bell, 10, 4000)] == ["silent"]
    wire.whole = True
    assert [(fact.state, fact.proof) for fact in run(bell, 4000, 8000)] == [("active", "measured")]


def test_stalled_board_does_not_take_its_stall_for_a_silent_bell():
    wire = Wire()
    current = [False]
    bell = Bell(wire.drive, lambda: current[0])
    bell.update([Cause("fire", *CALL)], "time", 0)
    assert bell.poll(400) == []  # a flash erase: one reading in 400 ms, before the bell's relay has closed
    current[0] = True
    assert [fact.state for fact in bell.poll(410)] == ["active"]


def test_bell_says_what_has_stopped_it():
    wire = Wire()
    bell = Bell(wire.drive, wire.sense)
    bell.update([Cause("fire", *CALL)], "time", 0)
    facts = bell.update([], "key", 100)
    assert [(fact.state, (fact.id, fact.count), fact.by) for fact in facts] == [("clear", CALL, "key")]
    assert not wire.on
    assert bell.update([], "time", 200) == []


def test_pre_alarm_rings_and_answers_nobody():
    wire = Wire()
    bell = Bell(wire.drive, wire.sense)
    assert bell.update([Cause("pre", None, None)], "time", 0) == []
    assert run(bell, 10, 3000) == []
    assert wire.changes.count(True) == 3
    assert bell.update([], "time", 3000) == []
