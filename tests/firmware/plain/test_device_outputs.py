# Every output of every kind, on whole boards in virtual time: what it plays, and what a test of it finds.
import json
import math
import random

from agent.outputs import Output
from virtual_board import Stage, online

NOON = 1_763_787_600_000  # 22/11/2025 12:00 in Vietnam


def lengths(beats):
    """[(on, ms)] of the whole steps of an output."""
    return [(beats[place][1], beats[place + 1][0] - beats[place][0]) for place in range(len(beats) - 1)]


def assert_temporal_3(steps):
    """ISO 8201: 0.5 s on, 0.5 s off, three times, then 1 s more off; each step and each cycle within 10 %."""
    assert len(steps) >= 12
    for place, (on, ms) in enumerate(steps):
        nominal = 1500 if place % 6 == 5 else 500
        assert on == (place % 2 == 0)
        assert abs(ms - nominal) <= nominal / 10
    for start in range(0, len(steps) - 5, 6):
        assert abs(sum([ms for _, ms in steps[start : start + 6]]) - 4000) <= 400


def answer(stage, ident="o-1"):
    found = [said for said in stage.answers() if said["id"] == ident]
    return {key: value for key, value in found[0].items() if key not in ("v", "id")} if found else None


def lamp_wave(stage, ampere):
    """What the ADC sees of a lamp that takes so much while the relay is on: 50 Hz, 200 mV for each A."""
    return lambda us: 1650 + (ampere * 200 * math.sqrt(2) * math.sin(2 * math.pi * us / 20_000) if stage.is_on("lamp") else 0)


def test_bell_of_a_whole_board_plays_temporal_3():
    stage = online()
    pressed = stage.ms
    stage.set("button-1", True)
    stage.live(30_000)
    assert_temporal_3(lengths(stage.beats("bell", pressed)))


def test_temporal_3_stays_within_10_percent_however_unevenly_the_board_polls():
    for seed in range(20):
        dice = random
        dice.seed(seed)
        beats = []
        now = dice.randrange(1_000_000_000)
        output = Output(lambda on: beats.append((now, on)))  # noqa: B023 - called at once
        output.play("fire", now)
        for _ in range(1000):
            now += dice.randrange(1, 41)
            output.poll(now)
        assert_temporal_3(lengths(beats[1:]))


def test_step_that_a_flash_erase_makes_late_takes_nothing_from_the_next():
    stage = online()
    stage.set("button-1", True)
    stage.live(4_300)
    for _ in range(3):
        beats = len(stage.beats("bell"))
        while len(stage.beats("bell")) == beats:
            stage.live(10)
        stage.live(450)
        stage.wait(400)  # stands still over the end of the beat
        stage.live(8_000)
    steps = lengths(stage.beats("bell"))[1:]
    late = [ms for _, ms in steps if 800 <= ms <= 900]
    assert late
    assert [ms for _, ms in steps if ms < 500] == []
    assert [ms for _, ms in steps if ms not in late and not (500 <= ms <= 550 or 1500 <= ms <= 1650)] == []


def test_bell_that_draws_current_is_measured():
    stage = online(bell_sense=True)
    stage.order("o-1", "test", what="bell", seconds=2)
    stage.live(2_500)
    assert answer(stage) == {"ok": True, "proof": "measured"}


def test_dead_bell_is_a_fault_before_the_fire():
    stage = online(bell_sense=True)
    stage.bell_wire_whole = False
    stage.order("o-1", "test")
    stage.live(2_500)
    assert answer(stage) == {"ok": False, "error": "no current seen on bell"}


def test_bell_that_nothing_measures_is_only_commanded():
    stage = online()
    stage.order("o-1", "test", what="bell")
    stage.live(2_500)
    assert answer(stage) == {"ok": True, "proof": "commanded"}


def test_sense_that_sees_current_while_the_bell_is_off_is_a_fault_and_proves_nothing():
    stage = online(bell_sense=True)
    stage.live(2_000)
    stage.bell_wire_whole = False
    stage.bell_sense_sticks = True  # its wire is cut, its comparator dead, its resistor burnt
    stage.live(3_000)
    assert stage.birth_faults() == ["bell: current seen while it is off"]
    stage.order("o-1", "test", what="bell")
    stage.live(2_500)
    assert answer(stage) == {"ok": True, "proof": "commanded"}
    stage.set("button-1", True)
    stage.live(500)
    assert [json.loads(event)["proof"] for event in stage.events("bell")] == ["commanded"]
    stage.set("button-1", False)
    stage.set("silence", True)
    stage.live(500)
    stage.bell_sense_sticks = False
    stage.bell_wire_whole = True
    stage.live(62_000)
    assert stage.birth_faults() == []
    stage.order("o-2", "test", what="bell")
    stage.live(2_500)
    assert answer(stage, "o-2") == {"ok": True, "proof": "measured"}


def test_current_that_ends_late_and_a_spike_at_the_sense_are_no_faults():
    stage = online(bell_sense=True)
    stage.live(1_200 - stage.ms % 1_000)  # so that the board looks before the next test
    for number in range(6):
        stage.order(f"o-{number}", "test", what="bell", seconds=1)
        stage.live(1_100)
        stage.bell_sense_sticks = True  # the coil's current dies away
        stage.live(800)
        stage.bell_sense_sticks = False
        stage.live(100)
    for _ in range(30):
        stage.bell_sense_sticks = True
        stage.live(700)
        stage.bell_sense_sticks = False
        stage.live(1_300)
    assert all(b"current" not in birth for birth in stage.said("dev/B1/state"))
    assert {said["proof"] for said in stage.answers()} == {"measured"}


def test_sense_to_which_nothing_is_wired_is_one_fault_however_it_flickers():
    stage = online(bell_sense=True)
    for second in range(300):
        stage.bell_sense_sticks = second * second % 11 in (0, 1, 4)
        stage.live(1_000)
        if second == 20:
            assert stage.birth_faults() == ["bell: current seen while it is off"]
            stage.hello()
            stage.live(1_000)
            stage.line.said = []
    assert stage.said("dev/B1/state") == []


def test_current_that_was_seen_before_a_test_proves_nothing_in_it():
    stage = online(points={"mains": {}}, bell_sense=True)
    stage.set("mains", True)
    stage.live(4_500)  # it chirps, and that is seen
    stage.bell_wire_whole = False
    stage.order("o-1", "test", what="bell")
    stage.live(2_500)
    assert answer(stage) == {"ok": False, "error": "no current seen on bell"}


def test_identify_proves_nothing():
    stage = online(bell_sense=True)
    stage.bell_wire_whole = False
    stage.order("o-1", "identify", seconds=1)
    stage.live(1_500)
    assert answer(stage) == {"ok": True}


def test_indicator_shows_its_test_and_is_only_commanded():
    stage = online(points={"indicator": {}})
    start = stage.ms
    stage.order("o-1", "test", what="indicator", seconds=4)
    stage.live(4_500)
    assert answer(stage) == {"ok": True, "proof": "commanded"}
    steps = lengths(stage.beats("indicator", start))
    assert len([ms for _, ms in steps if 200 <= ms <= 300]) >= 14
    assert not stage.beats("bell", start)


def test_strobe_flashes_in_its_test():
    stage = online("fire_point", {"strobe": {}})
    start = stage.ms
    stage.order("o-1", "test", what="strobe", seconds=5)
    stage.live(8_000)
    assert answer(stage) == {"ok": True, "proof": "commanded"}
    assert len([ms for ms, on in stage.beats("strobe", start) if on]) == 5


def test_beacon_of_an_sos_post_flashes_in_its_test_and_once_a_second_with_its_alarm():
    stage = online("sos_post")
    start = stage.ms
    stage.order("o-1", "test", what="light", seconds=2)
    stage.live(2_500)
    assert answer(stage) == {"ok": True, "proof": "commanded"}
    assert len([ms for ms, on in stage.beats("light", start) if on]) == 2
    pressed = stage.ms
    stage.set("sos-1", True)
    stage.live(11_000)
    flashes = [ms for ms, on in stage.beats("light", pressed) if on]
    assert 9 <= len(flashes) <= 11


def test_lamp_that_takes_current_is_measured_by_day_too():
    stage = online("street_light")
    stage.hello(NOON)
    stage.analog["lamp-current"] = lamp_wave(stage, 0.35)
    stage.order("o-1", "test", what="lamp", seconds=2)
    stage.live(5_000)
    assert stage.is_on("lamp")
    stage.live(3_500)
    assert answer(stage) == {"ok": True, "proof": "measured"}
    assert not stage.is_on("lamp")
    assert stage.events("lamp") == []


def test_dead_lamp_is_found_by_day():
    stage = online("street_light")
    stage.hello(NOON)
    stage.order("o-1", "test", what="lamp")
    stage.live(8_500)
    assert answer(stage) == {"ok": False, "error": "no current seen on lamp"}


def test_output_that_is_not_there_is_named():
    for kind, what in (("household", "strobe"), ("fire_point", "light"), ("street_light", "bell"), ("sos_post", "lamp")):
        stage = online(kind)
        stage.order("o-1", "test", what=what)
        stage.live(200)
        assert answer(stage) == {"ok": False, "error": f"no {what} here"}


def test_one_test_at_a_time():
    stage = online("fire_point", {"strobe": {}})
    stage.order("o-1", "test", what="bell")
    stage.order("o-2", "test", what="strobe")
    stage.live(200)
    assert answer(stage, "o-2") == {"ok": False, "error": "a test goes on"}


def test_alarm_is_no_moment_to_test_the_bell_and_no_test_hides_an_alarm():
    stage = online("fire_point", {"strobe": {}})
    stage.set("button-1", True)
    stage.live(200)
    stage.order("o-1", "test", what="bell")
    stage.live(200)
    assert answer(stage) == {"ok": False, "error": "the bell sounds"}
    again = online()
    again.order("o-1", "test", what="bell", seconds=10)
    again.live(1_000)
    again.set("button-1", True)
    again.live(100)
    assert again.parts.bell.sound == "fire"


def test_no_output_is_on_after_a_start():
    for kind, outputs in (("household", ("bell", "indicator")), ("fire_point", ("bell", "strobe")), ("sos_post", ("bell", "light"))):
        stage = Stage(kind, {name: {} for name in outputs if name in ("indicator", "strobe")})
        assert [name for name in outputs if stage.is_on(name)] == []
