import math

from agent.points import NEVER, Point
from drivers import sun
from drivers.lamp import SAMPLES, STEP_US, LampCurrent, rms_ma
from drivers.light import Daylight
from drivers.street import LightSensor, StreetLight

HOUR_MS = 3_600_000
NOON = 1_763_787_600_000  # 22/11/2025 12:00 in Vietnam; that day the sun rises at 6:11 and sets at 17:16
MIDNIGHT = NOON + 12 * HOUR_MS


def wave(ampere, *, phase=0.0, bias_mv=1650, hertz=50):
    """The µV readings of a burst on a sine of so many A rms behind an SCT-013-005: 200 mV for each A."""
    peak_uv = ampere * 200_000 * math.sqrt(2)
    return [bias_mv * 1000 + peak_uv * math.sin(phase + 2 * math.pi * hertz * STEP_US * number / 1e6) for number in range(SAMPLES)]


def test_current_is_that_of_whole_periods_whatever_the_phase_and_the_bias():
    for step in range(12):
        assert abs(rms_ma(wave(0.35, phase=step * math.pi / 6)) - 350) < 1
    assert abs(rms_ma(wave(0.35, bias_mv=1500)) - 350) < 1
    assert abs(rms_ma(wave(5)) - 5000) < 5


def test_mains_that_is_half_a_hertz_off_changes_the_current_by_less_than_2_percent():
    for hertz in (49.5, 50.5):
        for step in range(12):
            assert abs(rms_ma(wave(0.35, phase=step * math.pi / 6, hertz=hertz)) - 350) < 7


def test_noise_of_the_adc_is_no_current():
    noise = [1_650_000 + (3000 if number % 2 else -2800) for number in range(SAMPLES)]
    assert LampCurrent(None, lambda *_: noise).read_ma() == 0
    assert LampCurrent(None, lambda *_: wave(0.05)).read_ma() == 50


def test_table_gives_the_known_days():
    # Almanac values for Hà Nội, to the minute: 21/6 5:15 and 18:40, 21/12 6:29 and 17:19, 20/3 6:02 and 18:07.
    for day, rise, sets in ((171, 315, 1120), (354, 389, 1039), (78, 362, 1087)):
        found = sun.rise_and_set(day)
        assert abs(found[0] - rise) <= 5
        assert abs(found[1] - sets) <= 5


def test_local_time_knows_leap_years_and_the_zone():
    assert sun.local(NOON) == (325, 720)
    assert sun.local(1_709_139_600_000) == (59, 0)  # 29/2/2024 0:00 in Vietnam
    assert sun.local(1_735_577_999_000) == (364, 1439)  # 30/12/2024 23:59:59
    assert sun.local(1_735_664_400_000) == (0, 0)  # 1/1/2025 0:00
    assert sun.local(-1) == (0, 7 * 60 - 1)


def test_between_reaches_over_midnight():
    assert sun.is_between(MIDNIGHT, 23 * 60, 5 * 60)
    assert not sun.is_between(NOON, 23 * 60, 5 * 60)
    assert not sun.is_between(MIDNIGHT, 0, 0)
    assert sun.is_between(NOON, 11 * 60, 13 * 60)


class Pole:
    """A street light in virtual time: its lamp, its relay, the sky. `clock` None: nobody has told the time."""

    def __init__(self, *, clock=NOON, lux=60, sensor=True, **parameters):
        self.now = 0
        self.clock = clock
        self.lux = lux
        self.relay = False
        self.welded = False
        self.bypass = False
        self.dead = False
        self.ampere = 0.35
        self.bursts = 0
        self.point = Point("lamp", "lamp", NEVER, None)
        self.light = StreetLight(self.point, self.switch, LampCurrent(None, self.burst), self.unix, **parameters)
        if sensor:
            self.light.daylight = Daylight(lambda: self.lux * 50_000)
        self.told = []

    def switch(self, on):
        self.relay = on

    def unix(self, now):
        return None if self.clock is None else self.clock + now

    def burst(self, read_uv, samples, step_us):
        self.bursts += 1
        lit = (self.relay or self.welded or self.bypass) and not self.dead
        return wave(self.ampere if lit else 0, phase=self.bursts)

    def run(self, seconds):
        """The states told in so many seconds."""
        found = []
        for _ in range(seconds):
            self.now += 1000
            state = self.light.sample(self.now)
            if state != self.point.state:
                self.point.state = state
                found.append(state)
        return found


def at_night(**parameters):
    pole = Pole(clock=MIDNIGHT, lux=0, **parameters)
    assert pole.run(120) == []
    assert pole.relay
    return pole


def test_lamp_burns_from_sunset_to_sunrise_by_the_table_without_a_network():
    pole = Pole(sensor=False)
    changes = []
    for minute in range(24 * 60):
        before = pole.relay
        pole.now = minute * 60_000
        pole.light.sample(pole.now)
        if pole.relay != before:
            changes.append((12 * 60 + minute) % 1440)
    assert len(changes) == 2
    assert abs(changes[0] - (17 * 60 + 16 + 10)) <= 5
    assert abs(changes[1] - (6 * 60 + 11 - 10)) <= 5


def test_lamp_rests_in_the_hours_about_midnight_if_it_is_told_to():
    pole = Pole(sensor=False, before_sunrise_min=20, off_from=23 * 60, off_to=5 * 60)
    hours = []
    for hour in range(24):
        pole.now = hour * HOUR_MS
        pole.light.sample(pole.now)
        if pole.relay:
            hours.append((12 + hour) % 24)
    assert hours == [18, 19, 20, 21, 22, 5]


def test_lamp_without_a_clock_goes_by_daylight():
    pole = Pole(clock=None)
    pole.run(120)
    assert not pole.relay
    pole.lux = 2
    pole.run(30)
    assert not pole.relay
    pole.run(60)
    assert pole.relay


def test_dead_lamp_is_silent_and_found_in_15_seconds():
    pole = at_night()
    pole.dead = True
    assert pole.run(15) == ["silent"]
    pole.dead = False
    assert pole.run(15) == ["clear"]


def test_lamp_with_one_module_of_three_is_lit_and_a_driver_that_only_hums_is_dead():
    for ampere, told in ((0.115, []), (0.09, ["silent"])):
        pole = at_night()
        pole.ampere = ampere
        assert pole.run(30) == told


def test_hold_of_a_lamp_is_a_parameter():
    pole = at_night(hold_s=60)
    pole.dead = True
    assert pole.run(58) == []
    assert pole.run(5) == ["silent"]


def test_lamp_that_fails_at_dusk_is_not_blamed_while_it_starts():
    pole = Pole(clock=MIDNIGHT - 7 * HOUR_MS, lux=0)
    pole.dead = True
    assert pole.run(2) == []


def test_lamp_has_two_seconds_to_start_even_with_the_shortest_hold():
    pole = Pole(clock=MIDNIGHT, lux=0, hold_s=1)
    pole.dead = True
    told = pole.run(3)
    pole.dead = False
    assert told + pole.run(60) == []


def test_relay_that_sticks_at_dawn_is_stuck():
    pole = at_night()
    pole.welded = True
    pole.clock = NOON
    pole.lux = 60
    assert pole.run(60) == ["stuck"]
    assert not pole.relay
    pole.welded = False
    assert pole.run(60) == ["clear"]


def test_lamp_that_somebody_lights_past_the_relay_by_day_is_a_day_burner():
    pole = at_night()
    pole.clock = NOON
    pole.lux = 60
    assert pole.run(60) == []
    pole.bypass = True
    assert pole.run(60) == ["active"]


def test_lamp_that_burns_in_sunshine_by_a_wrong_clock_is_a_day_burner_and_dusk_is_not():
    pole = at_night()
    pole.lux = 60
    assert pole.run(29 * 60) == []
    pole.lux = 0
    assert pole.run(5 * 60) == []
    pole.lux = 60
    assert pole.run(35 * 60) == ["active"]


def test_all_on_lights_the_lamp_by_day_for_its_time_and_is_no_day_burner():
    pole = Pole()
    assert pole.run(120) == []
    pole.light.all_on(pole.now, 3600)
    assert pole.run(3599) == []
    assert pole.relay
    assert pole.run(60) == []
    assert not pole.relay


def test_all_on_overrides_the_rest_at_midnight_and_0_seconds_end_it():
    pole = Pole(clock=MIDNIGHT, lux=0, off_from=23 * 60, off_to=5 * 60)
    pole.run(10)
    assert not pole.relay
    pole.light.all_on(pole.now, 3600)
    pole.run(5)
    assert pole.relay
    pole.light.all_on(pole.now, 0)
    pole.run(5)
    assert not pole.relay


def test_flicker_of_the_mains_is_no_fault():
    pole = at_night()
    for _ in range(20):
        pole.dead = True
        assert pole.run(3) == []
        pole.dead = False
        assert pole.run(10) == []


def test_sensor_that_contradicts_the_sun_for_hours_is_stuck():
    pole = Pole(lux=0)
    sensor = LightSensor(Point("light", "light", NEVER, None), pole.light.daylight, pole.light.is_night)
    states = []
    for minute in range(5 * 60):
        pole.now = minute * 60_000
        pole.light.sample(pole.now)
        state = sensor.sample(pole.now)
        if state != sensor.point.state:
            sensor.point.state = state
            states.append((minute // 60, state))
    assert states == [(3, "stuck")]
    assert sensor.value == 0


def test_sensor_is_not_judged_without_a_clock():
    pole = Pole(clock=None, lux=0)
    sensor = LightSensor(Point("light", "light", NEVER, None), pole.light.daylight, pole.light.is_night)
    for minute in range(5 * 60):
        pole.light.sample(minute * 60_000)
        assert sensor.sample(minute * 60_000) == "clear"
