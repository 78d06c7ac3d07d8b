from agent.points import NEVER, Point
from drivers.battery import Battery, percent
from drivers.light import Daylight
from drivers.ratiometric import level, pressure


def play(gauge, start, seconds, step_ms=1000):
    """[(ms, state)] of the changes of a gauge's point over so many seconds."""
    found = []
    for now in range(start, start + seconds * 1000, step_ms):
        state = gauge.sample(now)
        if state != gauge.point.state:
            gauge.point.state = state
            found.append((now, state))
    return found


def states(found):
    return [state for _, state in found]


class Transmitter:
    """0.5 to 4.5 V of a supply of 5 V, through the divider of 1:2; `broken` overrides with a voltage in mV at the transmitter."""

    def __init__(self, part):
        self.part = part
        self.supply_mv = 5000
        self.broken = None

    def read_uv(self):
        if self.broken is not None:
            return self.broken * 500
        return int(self.supply_mv * (0.1 + 0.8 * self.part) * 500)


def tank(part, **parameters):
    sensor = Transmitter(part)
    return sensor, level(Point("tank", "level", NEVER, None), sensor.read_uv, **parameters)


def test_level_reads_percent_over_its_whole_scale():
    for part in (0.0, 0.25, 0.715, 1.0):
        _, gauge = tank(part)
        gauge.sample(0)
        assert abs(gauge.value - 100 * part) < 0.3


def test_level_is_low_below_30_and_well_above_35_only_when_it_lasts():
    sensor, gauge = tank(0.8)
    assert play(gauge, 0, 60) == []
    sensor.part = 0.28
    assert play(gauge, 60_000, 10) == []
    sensor.part = 0.31  # a wave
    assert play(gauge, 70_000, 1) == []
    sensor.part = 0.28
    assert play(gauge, 71_000, 20) == [(81_000, "active")]
    sensor.part = 0.33
    assert play(gauge, 91_000, 60) == []
    sensor.part = 0.36
    assert states(play(gauge, 151_000, 20)) == ["clear"]


def test_cut_and_shorted_transmitters_are_faults_and_not_an_empty_or_full_tank():
    for broken, state in ((0, "open"), (5000, "short")):
        sensor, gauge = tank(0.8)
        play(gauge, 0, 20)
        sensor.broken = broken
        assert states(play(gauge, 20_000, 20)) == [state]
        assert gauge.value is None
        sensor.broken = None
        assert states(play(gauge, 40_000, 20)) == ["clear"]


def test_transmitter_whose_plug_rattles_is_no_fault():
    sensor, gauge = tank(0.8)
    play(gauge, 0, 20)
    for start in range(20_000, 60_000, 10_000):
        for broken in (0, 5000):
            sensor.broken = broken
            assert play(gauge, start, 2) == []
            sensor.broken = None
            assert play(gauge, start + 2_000, 3) == []


def test_tank_that_is_low_behind_a_mended_wire_is_low():
    sensor, gauge = tank(0.8)
    play(gauge, 0, 5)
    sensor.broken = 0
    play(gauge, 5_000, 10)
    sensor.broken = None
    sensor.part = 0.1
    assert states(play(gauge, 15_000, 20)) == ["active"]


def test_dip_of_the_supply_makes_no_low_level():
    sensor, gauge = tank(0.5)
    play(gauge, 0, 20)
    for start in range(20_000, 80_000, 10_000):
        sensor.supply_mv = 3000
        assert play(gauge, start, 1) == []
        sensor.supply_mv = 5000
        assert play(gauge, start + 1000, 9) == []


def test_supply_that_was_measured_is_taken_out_of_the_reading():
    sensor, gauge = tank(0.6, supply_mv=4800)
    sensor.supply_mv = 4800
    gauge.sample(0)
    assert abs(gauge.value - 60) < 0.5


def test_pressure_is_in_kilopascal_with_its_own_scale_and_threshold():
    sensor = Transmitter(0.5)
    gauge = pressure(Point("pump", "pressure", NEVER, None), sensor.read_uv, full=1200, low=500)
    assert play(gauge, 0, 30) == []
    assert abs(gauge.value - 600) < 4
    sensor.part = 0.4
    assert states(play(gauge, 30_000, 30)) == ["active"]


class Cell:
    """A cell of so much rest voltage and inner resistance; the bell draws 0.5 A."""

    def __init__(self, millivolts, milliohms=60):
        self.rest_mv = millivolts
        self.milliohms = milliohms
        self.is_driven = False  # as a bell says it

    def read_uv(self):
        return int((self.rest_mv - (self.milliohms // 2 if self.is_driven else 0)) * 500)


def battery(cell, **parameters):
    return Battery(Point("battery", "battery", NEVER, None), cell.read_uv, cell, **parameters)


def test_battery_curve_rises_and_ends_at_0_and_100():
    values = [percent(mv) for mv in range(2500, 4400, 10)]
    assert values[0] == 0
    assert values[-1] == 100
    assert values == sorted(values)


def test_battery_is_low_below_20_and_well_above_30_after_three_readings():
    cell = Cell(3900)
    gauge = battery(cell)
    assert play(gauge, 0, 3) == []
    assert gauge.percent == 64
    cell.rest_mv = 3500
    assert play(gauge, 3_000, 3) == [(5_000, "active")]
    cell.rest_mv = 3610
    assert play(gauge, 6_000, 3) == []
    cell.rest_mv = 3640
    assert play(gauge, 9_000, 3) == [(11_000, "clear")]
    cell.rest_mv = 200
    assert play(gauge, 12_000, 3) == [(14_000, "open")]
    assert gauge.percent is None
    cell.rest_mv = 3900
    assert play(gauge, 15_000, 3) == [(17_000, "clear")]


def test_hysteresis_and_hold_of_a_battery_are_parameters():
    cell = Cell(3900)
    gauge = battery(cell, hysteresis=2, hold_s=5)
    assert play(gauge, 0, 3) == []
    cell.rest_mv = 3500
    assert play(gauge, 3_000, 8) == [(8_000, "active")]
    cell.rest_mv = 3580  # 24 %
    assert play(gauge, 11_000, 8) == [(16_000, "clear")]


def test_one_dip_is_no_low_battery():
    cell = Cell(3900)
    gauge = battery(cell)
    for second, millivolts in enumerate((3900, 3200, 3200, 3900, 3200, 3200)):
        cell.rest_mv = millivolts
        assert gauge.sample(second * 1000) == "clear"


def test_charge_is_not_read_while_the_bell_loads_the_cell():
    cell = Cell(3800)
    gauge = battery(cell)
    play(gauge, 0, 5)
    cell.is_driven = True
    assert play(gauge, 5_000, 60) == []
    assert (gauge.percent, gauge.sag_mv, gauge.fault) == (53, 30, None)


def test_old_cell_fails_the_load_test_though_it_is_full():
    cell = Cell(4100, milliohms=800)
    gauge = battery(cell)
    assert play(gauge, 0, 5) == []
    cell.is_driven = True
    assert states(play(gauge, 5_000, 10)) == ["active"]
    assert gauge.fault == "weak, sags by 400 mV under the bell"
    cell.is_driven = False
    assert play(gauge, 15_000, 60) == []  # a rest makes it look well again
    cell.milliohms = 60  # replaced
    cell.is_driven = True
    assert states(play(gauge, 75_000, 10)) == ["clear"]
    assert gauge.fault is None


def test_cell_that_cannot_carry_the_bell_is_weak_whatever_sag_it_may_have():
    cell = Cell(3700, milliohms=1100)
    gauge = battery(cell, sag_mv=1000)
    assert play(gauge, 0, 5) == []
    cell.is_driven = True
    assert states(play(gauge, 5_000, 10)) == ["active"]
    assert gauge.fault == "weak, sags by 550 mV under the bell"


def test_bell_that_sounds_since_the_start_is_no_load_test():
    cell = Cell(3900, milliohms=800)
    cell.is_driven = True
    gauge = battery(cell)
    assert play(gauge, 0, 60) == []
    assert (gauge.percent, gauge.sag_mv) == (None, None)


HOUR_MS = 3_600_000


VOLTS = [min([mv for mv in range(3200, 4181, 2) if percent(mv) >= charge]) for charge in range(101)]


def volts(charge):
    """The open-circuit voltage of a cell of so many percent, in mV."""
    return VOLTS[max(0, round(charge))]


def test_hours_left_contain_the_truth_whatever_cell_and_load_there_really_are():
    loads = [(capacity_mah, load_ma) for capacity_mah in (2000, 2500, 2900) for load_ma in (70, 100, 140)]
    for wrong_mv in (-120, -60, -20, 0, 20, 60, 120):  # what the ADC reads too much or too little
        for start in (100, 70, 40):
            for capacity_mah, load_ma in loads:
                cell = Cell(volts(start) + wrong_mv)
                gauge = battery(cell)
                gauge.sample(0)
                assert gauge.hours_left(0, False)
                lifetime = capacity_mah / load_ma
                for minute in range(0, int(lifetime * 60 * start / 100), 30):
                    hours = minute / 60
                    cell.rest_mv = volts(start - 100 * hours / lifetime) + wrong_mv
                    now = minute * 60_000 + 1000
                    gauge.sample(now)
                    left, error = gauge.hours_left(now, True)
                    assert abs(lifetime * start / 100 - hours - left) <= error


def test_estimate_learns_the_real_load():
    cell = Cell(volts(100))
    gauge = battery(cell, capacity_mah=2500, load_ma=100)
    gauge.sample(0)
    left, error = gauge.hours_left(0, True)
    assert abs(left - 25) < 0.3
    assert error > 10
    cell.rest_mv = volts(50)
    gauge.sample(5 * HOUR_MS)
    left, error = gauge.hours_left(5 * HOUR_MS, True)
    assert abs(left - 5) < 0.3
    assert error < 5
    cell.rest_mv = volts(20)
    gauge.sample(8 * HOUR_MS)
    left, error = gauge.hours_left(8 * HOUR_MS, True)
    assert abs(left - 2) < 0.3
    assert error < 3


def test_time_on_mains_does_not_count_as_use():
    cell = Cell(volts(100))
    gauge = battery(cell)
    for hour, on_battery in ((0, False), (48, False), (49, True), (52, True)):
        cell.rest_mv = volts(100) if hour < 52 else volts(70)
        gauge.sample(hour * HOUR_MS)
        left, _ = gauge.hours_left(hour * HOUR_MS, on_battery)
    assert abs(left - 7) < 0.5


def test_hours_of_a_missing_cell_are_unknown():
    gauge = battery(Cell(100))
    gauge.sample(0)
    assert gauge.hours_left(0, True) is None


def test_daylight_is_unknown_until_it_lasts_and_headlights_make_no_day():
    lux = [0]
    sensor = Daylight(lambda: lux[0] * 50_000)
    assert [sensor.sample(now) for now in (0, 30_000, 59_000)] == [None] * 3
    assert sensor.sample(60_000) is True
    lux[0] = 60
    assert all(sensor.sample(now) for now in range(61_000, 120_000, 1000))
    lux[0] = 3
    assert sensor.sample(120_000) is True
    lux[0] = 60
    found = [sensor.sample(now) for now in range(121_000, 200_000, 1000)]
    assert found.index(False) == 60


def test_daylight_between_dark_and_bright_changes_nothing():
    lux = [3]
    sensor = Daylight(lambda: lux[0] * 50_000)
    for now in range(0, 100_000, 1000):
        sensor.sample(now)
    lux[0] = 30
    assert all(sensor.sample(now) for now in range(100_000, 400_000, 1000))
    assert sensor.lux == 30


def test_hold_of_daylight_is_a_parameter():
    daylight = Daylight(lambda: 0, hold_s=5)
    assert [daylight.sample(now) for now in range(0, 7_000, 1_000)] == [None] * 5 + [True] * 2
