# Mains and battery of a whole board, in virtual time.
import json

from agent import patterns
from virtual_board import online

FITTED = {"mains": {}, "battery": {}}
MINUTE = 60_000
LOST_MS = 80_000  # when the engine misses a board


def without_mains(**keywords):
    stage = online(points=FITTED, **keywords)
    stage.set("mains", True)
    stage.live(4_000)
    return stage


def chirps(stage, since):
    return [ms for ms, on in stage.beats("bell", since) if on]


def gaps(times):
    return [times[place + 1] - times[place] for place in range(len(times) - 1)]


def report_times(stage):
    return [at for at, entry in zip(stage.line.times, stage.line.said) if entry[0] == "dev/B1/report"]  # noqa: B905 - not on MicroPython


def reports(stage):
    return [json.loads(payload) for payload in stage.said("dev/B1/report")]


def test_loss_of_mains_is_a_fact_and_a_dip_is_none():
    stage = online(points=FITTED)
    stage.set("mains", True)
    stage.live(2_900)
    stage.set("mains", False)
    stage.live(5_000)
    assert stage.events("mains") == []
    stage.set("mains", True)
    stage.live(3_200)
    assert stage.states("mains") == ["active"]
    stage.set("mains", False)
    stage.live(3_200)
    assert stage.states("mains") == ["active", "clear"]


def test_board_without_mains_chirps_once_a_minute_until_mains_is_back():
    stage = without_mains()
    start = stage.ms
    stage.live(2 * MINUTE)
    beats = stage.beats("bell", start)
    assert [on for _, on in beats] == [True, False] * 2
    assert max(gaps([ms for ms, _ in beats])[::2]) <= 70
    stage.set("mains", False)
    stage.live(4_000)
    end = stage.ms
    stage.live(MINUTE + 1_000)
    assert chirps(stage, end) == []


def test_key_hushes_the_chirp_until_mains_goes_again():
    stage = without_mains()
    stage.set("silence", True)
    stage.live(100)
    stage.set("silence", False)
    hushed = stage.ms
    stage.live(MINUTE + 1_000)
    assert chirps(stage, hushed) == []
    for lost in (False, True):
        stage.set("mains", lost)
        stage.live(4_000)
    again = stage.ms
    stage.live(MINUTE + 1_000)
    assert len(chirps(stage, again)) == 1


def test_alarm_takes_the_place_of_the_chirp_and_the_chirp_makes_no_bell_event():
    stage = without_mains()
    stage.live(2 * MINUTE)
    assert stage.events("bell") == []
    pressed = stage.ms
    stage.set("button-1", True)
    stage.live(2_000)
    assert stage.parts.bell.sound == "fire"
    assert chirps(stage, pressed)[0] - pressed <= 50


def test_chirp_is_shorter_than_any_beat_of_an_alarm():
    def beats(steps):
        return [ms for place, ms in enumerate(steps) if place % 2 == 0]

    chirp = max(beats(patterns.FAULT))
    for sound in ("fire", "sos", "pre", "drill"):
        assert min(beats(patterns.SOUNDS[sound])) > chirp
    assert sum(patterns.FAULT) == MINUTE


def test_board_on_battery_reports_less_often_and_never_so_seldom_that_it_is_missed():
    stage = without_mains()
    for lost, least, most in ((True, 19, 22), (False, 36, 45)):
        stage.set("mains", lost)
        stage.live(4_000)
        stage.line.said = []
        stage.line.times = []
        stage.live(20 * MINUTE, step_ms=100)
        times = report_times(stage)
        assert least <= len(times) <= most
        assert max(gaps(times)) < LOST_MS - 10_000


def test_reports_of_boards_that_started_together_do_not_stay_together():
    gaps = []
    for _ in range(3):
        stage = online()
        stage.live(240_000, step_ms=100)
        times = report_times(stage)
        gaps.append([later - at for at, later in zip(times, times[1:])])  # noqa: B905, RUF007 - not on MicroPython
        assert len(gaps[-1]) >= 6
        assert all(27_000 <= gap <= 33_200 for gap in gaps[-1]), gaps
    assert len({gap for each in gaps for gap in each}) > 8, "27 to 33 s, at random"


def test_report_that_the_link_did_not_take_comes_again_before_the_board_is_missed():
    stage = without_mains()
    stage.live(2 * MINUTE, step_ms=100)
    times = report_times(stage)
    stage.live(times[-1] + 57_000 - stage.ms, step_ms=100)
    stage.line.takes = False
    stage.live(8_000, step_ms=100)
    stage.line.takes = True
    stage.live(8_000, step_ms=100)
    later = report_times(stage)
    assert len(later) > len(times)
    assert later[len(times)] - times[-1] < LOST_MS


def test_report_says_charge_hours_and_their_error():
    stage = without_mains()
    stage.live(MINUTE + 5_000)
    said = reports(stage)[-1]
    assert (said["mains"], said["battery"]) == (False, 93)
    assert abs(said["values"]["hours_left"] - 23) < 1
    assert 15 < said["values"]["hours_left_error"] < 23


def test_brown_out_of_the_cell_under_a_transmission_is_no_fact():
    stage = without_mains()
    said = len(stage.events("battery"))
    for _ in range(20):
        stage.analog["battery"] = 1650  # 3.3 V for a moment
        stage.live(1_900)
        stage.analog["battery"] = 2050
        stage.live(1_100)
    assert len(stage.events("battery")) == said


def test_weak_cell_is_found_by_the_bell_test():
    stage = online(points=FITTED)
    stage.live(2_000)
    stage.analog["battery"] = lambda us: 1850 if stage.bell else 2050
    stage.order("o-1", "test", what="bell", seconds=5)
    stage.live(6_000)
    assert stage.states("battery") == ["active"]
    assert stage.parts.faults.texts() == ["battery: weak, sags by 400 mV under the bell"]
