from drivers.loop import ACTIVE_HOLD_MS, ACTIVE_MV, DRIFT_PERCENT, NORMAL_MV, OPEN_MV, OTHER_HOLD_MS, SHORT_MV, Loop

SUPPLY_MV = 3300
PULL_UP = 4700
END_OF_LINE = 10_000
SERIES = 4700
ENDLESS = 1e12


def millivolts(*, contacts=0, leak=ENDLESS, wire=0, line=END_OF_LINE, supply_mv=SUPPLY_MV, gain=1.0, series=SERIES):
    """What the ADC reads of a loop: `leak` ohms of water across it, `wire` ohms in it."""
    conductance = 1 / line + contacts / series + 1 / leak
    resistance = wire + 1 / conductance
    return min(3100, max(142, supply_mv * gain * resistance / (resistance + PULL_UP)))


SHORTED = {"leak": 1}
CUT = {"line": ENDLESS}


class Noise:
    """Reproducible noise of so many mV to either side (xorshift, Marsaglia 2003)."""

    def __init__(self, span_mv):
        self._state = 2463534242
        self._span = span_mv

    def __call__(self):
        word = self._state
        word ^= (word << 13) & 0xFFFFFFFF
        word ^= word >> 17
        word ^= (word << 5) & 0xFFFFFFFF
        self._state = word
        return word % (2 * self._span + 1) - self._span


def run(loop, start, end, noise=None, **circuit):
    """[(ms, state)] of the changes, a reading every 10 ms."""
    reading = millivolts(**circuit)
    noisy = noise or (lambda: 0)
    return [(now, loop.state) for now in range(start, end, 10) if loop.sample(int((reading + noisy()) * 1000), now)]


def test_normal_active_open_and_short_are_four_things():
    for circuit, state in (({"contacts": 1}, "active"), (CUT, "open"), (SHORTED, "short")):
        loop = Loop()
        assert run(loop, 0, 2000) == []
        found = run(loop, 2000, 4000, **circuit)
        assert [after for _, after in found] == [state]
        assert run(loop, 4000, 8000)[-1][1] == "clear"


def test_thresholds_follow_from_the_resistors():
    assert round(millivolts()) == NORMAL_MV
    one = millivolts(contacts=1)
    eight = millivolts(contacts=8)
    assert round(one) == 1336
    assert round(eight) == 348
    assert one * 1.15 < ACTIVE_MV < NORMAL_MV * 0.75
    assert millivolts(supply_mv=2430) > ACTIVE_MV  # the brown-out detector's level
    assert millivolts(leak=1) < SHORT_MV < eight
    assert NORMAL_MV * 1.1 < OPEN_MV < 3100


def test_any_number_of_contacts_up_to_eight_is_active_and_never_short():
    for contacts in range(1, 9):
        loop = Loop()
        assert run(loop, 0, 3000, contacts=contacts) == [(ACTIVE_HOLD_MS, "active")]


def test_resistors_wires_and_gain_at_their_worst_leave_the_four_apart():
    for gain in (0.97, 1.03):
        for series in (4465, 4935):
            for wire in (0, 100):
                for state, circuit in (("clear", {}), ("active", {"contacts": 1}), ("active", {"contacts": 6}), ("open", CUT)):
                    loop = Loop()
                    run(loop, 0, 2000, gain=gain, series=series, wire=wire, **circuit)
                    assert loop.state == state


def test_calibration_takes_a_crooked_adc_out_of_the_thresholds():
    gain = 0.9
    loop = Loop(normal_mv=int(NORMAL_MV * gain))
    assert run(loop, 0, 3000, gain=gain) == []
    assert loop.drift_percent == 0
    assert run(loop, 3000, 6000, gain=gain, contacts=1) == [(3000 + ACTIVE_HOLD_MS, "active")]


def test_noise_makes_no_fact_and_hides_none():
    noise = Noise(120)
    loop = Loop()
    assert run(loop, 0, 600_000, noise) == []
    assert [state for _, state in run(loop, 600_000, 660_000, noise, contacts=1)] == ["active"]
    assert [state for _, state in run(loop, 660_000, 720_000, noise)] == ["clear"]


def test_reading_that_lingers_at_a_threshold_does_not_chatter():
    noise = Noise(50)
    loop = Loop()
    found = [now for now in range(0, 60_000, 10) if loop.sample((ACTIVE_MV + noise()) * 1000, now)]
    assert len(found) <= 1
    for end in (SHORT_MV, ACTIVE_MV, OPEN_MV):
        slow = Loop()  # 1 s below the threshold, 1 s above it, by less than its noise
        swings = [now for now in range(0, 60_000, 10) if slow.sample((end + (25 if now // 1000 % 2 else -25)) * 1000, now)]
        assert len(swings) <= 1


def test_dip_of_the_supply_that_the_board_survives_is_no_alarm():
    loop = Loop()
    run(loop, 0, 1000)
    for start in range(1000, 20_000, 1000):
        assert run(loop, start, start + 500, supply_mv=2430) == []
        assert run(loop, start + 500, start + 1000) == []


def test_spark_shorter_than_the_hold_is_nothing():
    loop = Loop()
    run(loop, 0, 1000)
    assert run(loop, 1000, 1000 + ACTIVE_HOLD_MS, contacts=1) == []
    assert run(loop, 1050, 3000) == []
    assert run(loop, 3000, 3000 + OTHER_HOLD_MS, **CUT) == []
    assert run(loop, 3500, 6000) == []


def test_loop_that_is_open_or_short_for_a_moment_while_contacts_switch_is_no_fault():
    for circuit in (CUT, SHORTED):
        loop = Loop()
        assert run(loop, 0, 1000) == []
        for start in range(1000, 9000, 2000):
            assert run(loop, start, start + 480, **circuit) == []
            assert run(loop, start + 480, start + 2000) == []
        assert run(loop, 9000, 9600, **circuit)


def test_wire_that_burns_through_after_the_alarm_is_told_as_what_it_is():
    loop = Loop()
    run(loop, 0, 1000)
    assert [state for _, state in run(loop, 1000, 3000, contacts=1)] == ["active"]
    assert [state for _, state in run(loop, 3000, 5000, **SHORTED)] == ["short"]


def test_water_in_the_cable_is_told_before_it_reads_as_an_alarm():
    loop = Loop()
    run(loop, 0, 20_000)
    assert loop.fault is None
    assert run(loop, 20_000, 60_000, leak=28_000) == []
    assert -14 <= loop.drift_percent <= -DRIFT_PERCENT
    assert "drifts" in loop.fault
    run(loop, 60_000, 100_000)
    assert loop.fault is None


def test_drift_near_its_limit_does_not_come_and_go():
    loop = Loop()
    run(loop, 0, 40_000, gain=0.895)
    assert loop.fault
    run(loop, 40_000, 80_000, gain=0.915)
    assert loop.fault
    run(loop, 80_000, 120_000, gain=0.94)
    assert loop.fault is None


def test_alarm_does_not_count_as_drift():
    loop = Loop()
    run(loop, 0, 20_000)
    run(loop, 20_000, 80_000, contacts=1)
    assert abs(loop.drift_percent) <= 1


def test_loop_that_stays_active_is_stuck_until_it_is_something_else():
    for circuit, after in (({}, "clear"), (CUT, "open"), (SHORTED, "short")):
        loop = Loop(stuck_ms=60_000)
        assert [state for _, state in run(loop, 0, 60_000, contacts=1)] == ["active"]
        assert [state for _, state in run(loop, 60_000, 200_000, contacts=1)] == ["stuck"]
        assert [state for _, state in run(loop, 200_000, 202_000, **circuit)] == [after]
        assert [state for _, state in run(loop, 202_000, 204_000, contacts=1)] == ["active"]
    assert [state for _, state in run(Loop(), 0, 4_000_000, contacts=1)] == ["active"]


def test_loop_stuck_before_a_restart_says_nothing_new_until_it_lets_go():
    loop = Loop(stuck_ms=60_000)
    loop.restore("stuck")
    assert run(loop, 0, 100_000, contacts=1) == []
    assert [state for _, state in run(loop, 100_000, 102_000)] == ["clear"]


def test_restored_loop_says_nothing_new_while_it_stays():
    for state, circuit in (("active", {"contacts": 1}), ("open", CUT), ("short", SHORTED)):
        loop = Loop()
        loop.restore(state)
        assert loop.state == state
        assert run(loop, 0, 5000, **circuit) == []
        assert [after for _, after in run(loop, 5000, 8000)] == ["clear"]
