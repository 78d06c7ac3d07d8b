# A whole board that crashes, keeps its clock, and leaves safe mode, in virtual time.
from agent import blackbox, floor
from virtual_board import Machine, Stage, online, quietly

DAY_S = 86_400
TOLD_S = 1_763_791_234
HOUR_MS = 3_600_000


def crashed(times, text="agent/bell.py poll; OSError: 5", **keywords):
    """A stage whose last starts have ended in crashes after 3 s."""
    stage = Stage(**keywords)
    for _ in range(times):
        blackbox.add(stage.files, text, 3)
    return Stage(folder=stage.folder, **keywords)


def stumble(stage, exc):
    async def run():
        stage.parts.watch.caught(exc)

    quietly(run)


def test_crash_of_the_start_before_is_told_until_an_engine_has_answered_and_then_kept():
    stage = crashed(3)
    stage.agent.link_up([])
    stage.live(6_000)
    births = stage.said("dev/B1/state")
    assert len(births) == 2
    assert all(b'"crash":"agent/bell.py poll; OSError: 5","safe":true' in birth for birth in births)
    stage.hello()
    stage.parts.faults.set("group", "a new birth")
    stage.live(100)
    birth = stage.said("dev/B1/state")[-1]
    assert b"a new birth" in birth
    assert b"crash" not in birth
    assert b'"safe":true' in birth
    kept = blackbox.load(stage.files)
    assert (kept.text, kept.told) == ("agent/bell.py poll; OSError: 5", True)


def test_hello_that_answers_no_birth_with_the_crash_leaves_it_to_be_told():
    stage = online()
    stumble(stage, KeyError("x"))
    stage.line.takes = False
    stage.live(1_000)
    stage.hear("dev/B1/hello", b'{"v":1,"engine":"5be07711-3","t":1,"for":"%s","group":"G1","ring":null}' % stage.who.start.encode())
    stage.line.takes = True
    stage.live(1_000)
    assert b"KeyError" in stage.said("dev/B1/state")[-1]
    assert not blackbox.load(stage.files).told


def test_what_a_loop_has_caught_is_told_in_a_new_birth_and_kept_at_most_once_an_hour():
    stage = online()
    stumble(stage, KeyError("x"))
    stage.live(1_000)
    assert b"KeyError" in stage.said("dev/B1/state")[-1]
    kept = blackbox.load(stage.files)
    assert "KeyError" in kept.text
    assert (kept.told, kept.runs) == (False, [])
    stumble(stage, ValueError("y"))
    stage.us += (HOUR_MS - 10_000) * 1000
    stage.live(2_000)
    assert "KeyError" in blackbox.load(stage.files).text
    stage.us += 10_000 * 1000
    stage.live(2_000)
    assert "ValueError" in blackbox.load(stage.files).text


def test_ten_minutes_without_a_crash_and_those_before_count_no_more():
    stage = crashed(2)
    stage.live(1_000)
    stage.us += 598_000_000
    stage.live(500)
    assert blackbox.load(stage.files).runs == [3, 3]
    stage.live(2_000)
    assert blackbox.load(stage.files).runs == []
    assert stage.resets == 0


def test_restart_order_ends_safe_mode():
    stage = crashed(3)
    stage.hello()
    stage.order("o-1", "restart")
    stage.live(3_000)
    assert stage.resets
    again = Stage(folder=stage.folder)
    assert not again.parts.crashes.safe


def test_safe_mode_ends_after_six_quiet_hours_but_not_while_the_bell_sounds():
    stage = crashed(3, points={"battery": {}, "indicator": {}})
    assert stage.parts.battery is None
    assert stage.parts.signals == []
    stage.live(1_000)
    stage.us += (6 * 3600 - 60) * 1_000_000
    stage.live(5_000)
    assert stage.resets == 0
    stage.us += 60 * 1_000_000
    stage.set("button-1", True)
    stage.live(5_000)
    assert stage.bell or stage.beats("bell")
    assert stage.resets == 0
    stage.set("button-1", False)
    stage.set("silence", True)
    stage.hello()
    stage.receipt_all()
    stage.live(5_000)
    assert stage.resets
    again = Stage(folder=stage.folder, points={"battery": {}, "indicator": {}})
    assert not again.parts.crashes.safe
    assert again.parts.battery is not None


def test_beacon_of_an_sos_post_is_dark_in_safe_mode_and_its_bell_sounds():
    stage = crashed(3, kind="sos_post")
    assert stage.parts.crashes.safe
    stage.set("sos-1", True)
    stage.live(3_000)
    assert stage.parts.bell.sound == "sos"
    assert stage.beats("light") == []


def test_watchdog_is_named_as_the_reason_and_as_the_crash():
    stage = Stage(cause=Machine.WDT_RESET)
    stage.agent.link_up([])
    stage.live(500)
    assert b'"reset":"watchdog"' in stage.said("dev/B1/state")[-1]
    assert b'"crash":"watchdog: the board stood still"' in stage.said("dev/B1/state")[-1]


def test_board_without_network_for_a_day_starts_not_once_again():
    stage = Stage()
    stage.line.up = False
    for _ in range(24 * 6):
        stage.live(500)
        stage.us += 600_000_000
    assert stage.resets == 0
    assert stage.parts.crashes.text is None


def test_twin_is_a_fault_of_the_birth():
    stage = online()
    stage.line.twin = True
    stage.live(2_000)
    assert stage.birth_faults() == ["link: taken away again and again, perhaps by another board of this id"]
    stage.line.twin = False
    stage.live(2_000)
    assert stage.birth_faults() == []


def test_clock_starts_at_the_date_of_the_bundle_and_then_at_the_floor():
    stage = online()
    assert stage.date == (2025, 11, 13, 0, 2, 13, 20, 0)  # Machine.BUILT_S
    stage.live(1_000)
    assert floor.NAME not in stage.files.names()
    stage.us += HOUR_MS * 1000
    stage.live(1_000)
    kept_s = int(stage.files.read(floor.NAME).split()[0])
    assert kept_s == Machine.BUILT_S + stage.ms // 1000 + DAY_S < TOLD_S
    assert stage.date[:3] == (2025, 11, 14)
    assert Stage(folder=stage.folder).date == stage.date


def test_clock_of_a_port_whose_epoch_is_2000_is_set_right():
    stage = Stage()
    right = stage.date

    class Epoch2000:
        @staticmethod
        def gmtime(seconds):
            return (2000, 1, 1, 0, 0, 0) if seconds == 0 else original.gmtime(seconds + 946_684_800)

    module = __import__("agent.board", None, None, ("time",))
    original, module.time = module.time, Epoch2000
    try:
        assert Stage().date == right
    finally:
        module.time = original
