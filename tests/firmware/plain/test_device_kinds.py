# Each kind as a whole board in virtual time: every point of it, with the noise, bounce, drift, dips and broken wires of the field.
import math

from virtual_board import online

NOON = 1_763_787_600_000  # 22/11/2025 12:00 in Vietnam; that day the sun rises at 6:11 and sets at 17:16
MIDNIGHT = NOON + 12 * 3_600_000
HOUR_S = 3600


def bounce(stage, terminal, active, times=(1, 2, 4, 5, 9)):
    """A contact that bounces for 10 ms before it stays."""
    start = stage.ms
    for place, ms in enumerate(times):
        stage.at(start + ms, lambda level=(place % 2 == 0) == active: stage.set(terminal, level))
    stage.at(start + times[-1] + 1, lambda: stage.set(terminal, active))


def sounding(stage):
    return stage.parts.bell.sound


# Household


def test_every_contact_of_a_home_is_one_fact_however_it_bounces():
    optional = ("button-3", "button-4", "heat-1", "gas-1", "safe", "need-help", "coming", "tamper")
    stage = online(points=dict({name: {} for name in optional}, **{"extinguisher-1": None}))
    assert stage.faults == []
    names = [point.name for point in stage.parts.panel]
    assert len(names) == 4 + len(optional)
    for name in names:
        bounce(stage, name, True)
        stage.live(300)
        bounce(stage, name, False)
        stage.live(300)
        assert stage.states(name) == ["active", "clear"], name
        stage.receipt_all()


def test_spikes_of_noise_on_every_input_are_no_facts():
    stage = online(points={"heat-1": {}, "gas-1": {}, "tamper": {}, "mains": {}})
    names = [point.name for point in stage.parts.panel]
    start = stage.ms
    for number in range(200):
        at = start + 37 * number + number % 10
        name = names[number % len(names)]
        stage.at(at, lambda name=name: stage.set(name, True))
        stage.at(at + 2, lambda name=name: stage.set(name, False))
    stage.live(37 * 200 + 500)
    assert stage.said("dev/B1/event") == []
    assert stage.beats("bell", start) == []


def test_press_in_a_flash_erase_is_not_lost():
    stage = online()
    start = stage.ms
    stage.at(start + 50, lambda: stage.set("button-1", True))
    stage.at(start + 150, lambda: stage.set("button-1", False))
    stage.wait(400)
    stage.live(100)
    assert stage.states("button-1")[:1] == ["active"]
    assert sounding(stage) == "fire"


def test_smoke_sounds_pre_and_calls_after_its_time_and_its_key_cancels():
    stage = online()
    stage.set("smoke-1", True)
    stage.live(1_000)
    assert sounding(stage) == "pre"
    assert stage.said("group/G1/call/B1") == []
    stage.live(75_000)
    assert sounding(stage) == "fire"
    assert stage.said("group/G1/call/B1")
    other = online()
    other.set("smoke-1", True)
    other.live(1_000)
    other.set("silence", True)
    other.live(80_000, step_ms=20)
    assert sounding(other) is None
    assert other.said("group/G1/call/B1") == []


def test_heat_gas_and_buttons_call_at_once():
    for name in ("heat-1", "gas-1", "button-2"):
        stage = online(points={"heat-1": {}, "gas-1": {}})
        pressed = stage.ms
        stage.set(name, True)
        stage.live(200)
        assert stage.beats("bell", pressed)[0][0] - pressed <= 50
        assert len(stage.said("group/G1/call/B1")) == 1


def test_roll_call_keys_and_tamper_ring_nothing():
    names = ("safe", "need-help", "coming", "tamper")
    stage = online(points=dict({name: {} for name in names}, **{"extinguisher-1": None}))
    start = stage.ms
    for name in names:
        stage.set(name, True)
    stage.live(2_000)
    assert [stage.states(name) for name in names] == [["active"]] * 4
    assert stage.beats("bell", start) == []


def test_button_and_key_that_stick_are_faults_and_clear_when_they_let_go():
    stage = online(points={"button-1": {"stuck_s": 120}})
    stage.set("button-1", True)
    stage.set("silence", True)
    stage.live(61_000, step_ms=20)
    assert stage.states("silence") == ["active", "stuck"]
    stage.live(61_000, step_ms=20)
    assert stage.states("button-1") == ["active", "stuck"]
    stage.receipt_all()
    stage.set("button-1", False)
    stage.set("silence", False)
    stage.live(200)
    assert stage.states("button-1") == ["active", "stuck", "clear"]
    assert stage.states("silence") == ["active", "stuck", "clear"]


def test_loop_of_a_home_tells_contact_cut_short_and_drift_apart():
    stage = online(points={"heat-1": {"loop": "loop-3"}})
    for millivolts, told, sound in (
        (3100, "open", None),
        (2245, "clear", None),
        (142, "short", None),
        (2245, "clear", None),
        (1336, "active", "fire"),
    ):
        stage.analog["loop-3"] = millivolts
        stage.live(700)
        assert stage.states("heat-1")[-1] == told
        assert sounding(stage) == sound
    stage = online(points={"heat-1": {"loop": "loop-3"}})
    stage.analog["loop-3"] = 1990  # water in the cable
    stage.live(12_000)
    assert stage.states("heat-1") == []
    assert [text[:14] for text in stage.parts.faults.texts()] == ["heat-1: drifts"]


def test_brown_out_that_the_board_survives_is_no_alarm_on_a_loop():
    stage = online(points={"heat-1": {"loop": "loop-3"}})
    start = stage.ms
    # The supply of the loop dips from 3.3 to 2.43 V, where an ESP32 resets itself, for half a second; with 60 mV of noise.
    stage.analog["loop-3"] = lambda us: (1653 if 1_000_000 < us - start * 1000 < 1_500_000 else 2245) + 60 * math.sin(us / 700)
    stage.live(3_000)
    assert stage.said("dev/B1/event") == []


def test_button_on_a_loop_held_for_as_long_as_it_says_survives_two_slow_erases():
    stage = online(points={"button-1": {"loop": "loop-1"}})
    start = stage.ms
    stage.at(start + 5, lambda: stage.analog.update({"loop-1": 1336}))
    stage.at(start + 905, lambda: stage.analog.update({"loop-1": 2245}))
    stage.wait(850)
    stage.live(100)
    assert stage.states("button-1")[:1] == ["active"]


# Fire point

BOTTLES = ["extinguisher-%d" % number for number in range(1, 9)]  # noqa: UP031 - as MicroPython has it


def fire_point(**points):
    fitted = {name: {} for name in BOTTLES[2:] + ["tank", "pump", "mains", "strobe"]}
    return online("fire_point", dict(fitted, **points))


def test_every_contact_of_a_fire_point_is_told_by_name_and_only_the_button_calls():
    stage = fire_point()
    assert stage.faults == []
    start = stage.ms
    for name in BOTTLES + ["door", "tamper"]:
        bounce(stage, name, True)
        stage.live(300)
        assert stage.states(name) == ["active"], name
        stage.receipt_all()
    assert stage.beats("bell", start) == []
    assert stage.said("group/G1/call/B1") == []
    stage.set("button-1", True)
    stage.live(3_000)
    assert sounding(stage) == "fire"
    assert len([on for _, on in stage.beats("strobe", start) if on]) == 3


def test_tank_and_pump_tell_low_cut_and_shorted_apart_and_waves_are_nothing():
    stage = fire_point()
    said = {}
    for name, low_mv in (("tank", 600), ("pump", 600)):
        stage.analog[name] = lambda us: 1250 + 150 * math.sin(us / 900_000)  # waves
        stage.live(30_000, step_ms=100)
        assert stage.states(name) == []
        for millivolts in (low_mv, 0, low_mv, 1250, 2500, 1250):
            stage.analog[name] = millivolts
            stage.live(12_000, step_ms=100)
            stage.receipt_all()
        said[name] = stage.states(name)
    assert said["tank"] == ["active", "open", "active", "clear", "short", "clear"]
    assert said["pump"] == said["tank"]


def test_cut_wire_of_a_normally_closed_switch_looks_like_something_to_look_at():
    stage = fire_point()
    for name in ("door", "tamper", "extinguisher-5"):
        gpio, active = stage.pins.INPUTS[name]
        assert active == 1, name  # a pull-up makes 1 of a cut wire
        assert gpio not in stage.pins.NO_PULL


# SOS post


def test_touch_of_an_sos_button_is_no_call_and_a_held_one_is():
    stage = online("sos_post")
    start = stage.ms
    for _ in range(20):  # children
        stage.set("sos-1", True)
        stage.live(900)
        stage.set("sos-1", False)
        stage.live(100)
    assert stage.said("dev/B1/event") == []
    assert stage.beats("bell", start) == []
    stage.set("sos-1", True)
    stage.live(1_100)
    assert sounding(stage) == "sos"
    assert b'"pattern":"sos"' in stage.said("group/G1/call/B1")[0]
    stage.live(200)
    assert [on for _, on in stage.beats("light", start) if on]


def test_touch_of_an_sos_button_in_a_flash_erase_is_no_call_either():
    stage = online("sos_post")
    start = stage.ms
    stage.at(start + 10, lambda: stage.set("sos-1", True))
    stage.at(start + 350, lambda: stage.set("sos-1", False))
    stage.wait(400)
    stage.live(500)
    assert stage.said("dev/B1/event") == []


def test_silent_alarm_is_told_to_the_engine_and_to_nobody_else():
    stage = online("sos_post", {"sos-2": {}})
    start = stage.ms
    stage.set("sos-2", True)
    stage.live(5_000)
    assert stage.states("sos-2") == ["active"]
    assert b"calling" not in stage.events("sos-2")[0]
    assert stage.beats("bell", start) + stage.beats("light", start) + stage.said("group/G1/call/B1") == []


# Street light


class Pole:
    """A street light, its lamp and its sky in the hands of a test."""

    def __init__(self, unix, lux, **points):
        self.lux = lux
        self.ampere = 0.35
        self.welded = self.bypass = False
        self.stage = online("street_light", points)
        self.stage.hello(unix)
        self.stage.analog["light"] = lambda us: min(self.lux * 50, 3100)
        self.stage.analog["lamp-current"] = self.current
        self.stage.live(65_000, step_ms=1000)

    def current(self, us):
        lit = self.stage.is_on("lamp") or self.welded or self.bypass
        return 1650 + 3 * math.sin(us / 311) + (self.ampere * 200 * math.sqrt(2) * math.sin(2 * math.pi * us / 20_000) if lit else 0)

    def run(self, seconds):
        self.stage.live(seconds * 1000, step_ms=1000 if seconds < 1000 else 10_000)
        return self.stage.states("lamp")


def test_dead_lamp_day_burner_and_stuck_relay_are_three_different_things():
    dead = Pole(MIDNIGHT, 0)
    assert dead.run(30) == []
    dead.ampere = 0
    assert dead.run(30) == ["silent"]
    welded = Pole(MIDNIGHT + 5 * 3_600_000 + 1_500_000, 0)  # 5:25, before sunrise
    assert welded.run(30) == []
    welded.welded = True
    assert welded.run(HOUR_S) == ["stuck"]
    bypass = Pole(NOON, 60)
    assert bypass.run(30) == []
    bypass.bypass = True
    assert bypass.run(30) == ["active"]


def test_lamp_keeps_its_hours_without_a_network_once_it_knows_the_time():
    pole = Pole(NOON, 60, lamp={"off_from": 23 * 60, "off_to": 4 * 60})
    pole.stage.line.up = False
    hours = []
    for hour in range(13, 37):
        pole.lux = 60 if 7 <= hour % 24 < 17 else 0
        pole.stage.live(HOUR_S * 1000, step_ms=20_000)
        if pole.stage.is_on("lamp"):
            hours.append(hour % 24)
    assert hours == [18, 19, 20, 21, 22, 4, 5]
    assert pole.stage.states("lamp") == []


def test_all_on_in_an_emergency_burns_for_its_time_and_is_no_day_burner():
    pole = Pole(NOON, 60)
    pole.stage.order("o-1", "set", what="lamp", seconds=7200)
    pole.run(5)
    assert pole.stage.is_on("lamp")
    assert pole.run(7000) == []
    assert pole.stage.is_on("lamp")
    pole.run(300)
    assert not pole.stage.is_on("lamp")


def test_painted_light_sensor_is_stuck_after_hours_and_switches_nothing():
    pole = Pole(NOON, 0)
    pole.run(2 * HOUR_S)
    assert pole.stage.states("light") == []
    pole.run(2 * HOUR_S)
    assert pole.stage.states("light") == ["stuck"]
    assert not pole.stage.is_on("lamp")
    assert pole.stage.states("lamp") == []
