import pytest
from commune import LIFE, START_MS, World

from gateway.domain import facts
from gateway.domain.placing import EARLIEST_MS, is_due, place
from protocol.messages import Report, Will


def states(world: World, device: str) -> str:
    return world.situation.devices[device].state


def test_d20_d28_a_board_is_lost_after_80_s_without_a_message_and_never_an_alarm():
    world = World()
    world.born("H03-07")
    world.later(79)
    assert states(world, "H03-07") == "online"
    world.later(1)
    assert states(world, "H03-07") == "lost"
    assert world.logged() == [("H03-07", "", "board_lost")]
    assert world.situation.incidents == {}
    world.event("H03-07", "door")
    assert world.logged()[0] == ("H03-07", "", "board_back")


def test_d21_every_board_is_lost_80_s_after_its_last_message_and_no_later_new_or_old_whatever_the_clock_says():
    world = World()
    heard_s: dict[str, float] = {}
    lost_after_s = {}
    for second in range(200):
        board = world.commune.boards[second % len(world.commune.boards)].id
        if board not in heard_s:
            world.born(board)
            heard_s[board] = second
        if second in (40, 60):
            world.set_clock({40: 365 * 86_400, 60: -2 * 365 * 86_400}[second])
        world.later(1)
        for ident, last_s in heard_s.items():
            if states(world, ident) == "lost":
                lost_after_s.setdefault(ident, second + 1 - last_s)
    assert lost_after_s == dict.fromkeys((board.id for board in world.commune.boards), 80)


def test_d28_a_board_that_drops_off_again_and_again_is_a_fault_each_time_and_never_rings():
    world = World(channels=("hook",))
    lost = 0
    for boot in range(1, 21):
        world.born("H03-07", boot=boot)
        world.later(80)
        lost += ("H03-07", "", "board_lost") in world.logged()
        assert world.situation.incidents == {}
        assert [group for group, order in world.situation.orders.items() if order.pattern] == []
    assert lost == 20


def test_a_sleeping_board_has_twice_its_time():
    world = World()
    world.born("H03-07", sleeping=True, next_s=3600)
    world.later(7199)
    assert states(world, "H03-07") == "online"
    world.later(1)
    assert states(world, "H03-07") == "lost"


def test_a_sleeping_board_is_known_as_such_after_a_restart_of_the_engine():
    world = World()
    world.born("H03-07", retained=True, sleeping=True, next_s=600)
    world.later(1199)
    assert states(world, "H03-07") == "online"
    world.later(1)
    assert states(world, "H03-07") == "lost"


def test_a_board_that_wakes_for_good_is_watched_as_any_other():
    world = World()
    world.born("H03-07", sleeping=True, next_s=600)
    world.born("H03-07")
    world.later(80)
    assert states(world, "H03-07") == "lost"


def test_a_board_on_battery_that_reports_every_63_s_is_never_lost():
    world = World()
    world.born("H03-07")
    for _ in range(60):
        world.later(63)
        with world.turn() as turn:
            facts.report(turn, "H03-07", Report(up=1, heap=1, mains=False, waiting=0, dropped=0, refused=0))
        assert (states(world, "H03-07"), world.situation.devices["H03-07"].mains) == ("online", False)


def test_a_board_that_was_never_heard_is_unknown_and_not_lost():
    world = World()
    world.later(100_000)
    assert (states(world, "H03-07"), world.logged()) == ("unknown", [])


@pytest.mark.parametrize(("life", "boot", "state"), [(LIFE, 1, "lost"), (LIFE, 0, "online"), ("00000000", 1, "online")])
def test_a_last_will_counts_only_for_the_newest_birth(life, boot, state):
    world = World()
    world.born("H03-07")
    with world.turn() as turn:
        facts.will(turn, "H03-07", Will(life=life, boot=boot))
    assert states(world, "H03-07") == state


def test_d60_a_retained_birth_does_not_bring_a_lost_board_back():
    world = World()
    world.born("H03-07")
    world.later(80)
    world.born("H03-07", retained=True)
    assert states(world, "H03-07") == "lost"
    assert world.effects.hellos == [("H03-07", f"{LIFE}-1")]


def test_a_birth_with_another_group_is_a_fault_once_a_start():
    world = World()
    for boot in (1, 1, 2):
        world.born("H03-07", boot=boot, group="DCC-N5")
        assert ("group_fault" in world.situation.devices["H03-07"].faults) is True
    world.born("H03-07", boot=2, group="DCC-N5")
    assert world.logged() == []
    world.born("H03-07", boot=3)
    assert world.situation.devices["H03-07"].faults == {}


def test_a_crash_that_a_birth_tells_is_logged_once_a_start_and_shown_until_the_next():
    world = World()
    world.born("H03-07", boot=2, crash="agent/points.py sense; KeyError: x", safe=True)
    assert world.logged() == [("H03-07", "", "board_crash"), ("H03-07", "", "safe_mode")]
    world.born("H03-07", boot=2, crash="agent/points.py sense; KeyError: x", safe=True)
    assert world.logged() == []
    assert "agent/points.py sense; KeyError: x" in world.situation.devices["H03-07"].faults.values()
    world.born("H03-07", boot=2, crash="agent/bell.py poll; OSError: 5", safe=True)
    assert world.logged() == [("H03-07", "", "board_crash")]
    world.born("H03-07", boot=3)
    assert world.situation.devices["H03-07"].faults == {}


def test_a_doubled_id_is_acted_on_and_shown():
    world = World()
    world.press("H03-07", doubled=True)
    assert world.only.sounding
    assert ("H03-07", "", "doubled_id") in world.logged()


def test_an_unknown_type_is_kept_and_shown():
    world = World()
    world.event("H03-07", "radar-1", type="radar")
    assert ("H03-07", "", "odd_event") in world.logged()
    assert len(world.effects.events) == 1


@pytest.mark.parametrize(
    ("device", "point", "type_", "taken", "back"),
    [
        ("DCC-017", "extinguisher-2", "presence", "extinguisher_taken", "extinguisher_back"),
        ("DCC-017", "door", "door", "cabinet_open", "cabinet_closed"),
        ("DCC-017", "battery", "battery", "battery_low", "battery_ok"),
        ("DCC-017", "tamper", "tamper", "tamper", "tamper_over"),
    ],
)
def test_the_log_says_what_happened_to_the_kit(device, point, type_, taken, back):
    world = World()
    world.event(device, point, "clear", type=type_)
    assert world.logged() == []
    world.event(device, point, "active", type=type_)
    assert world.logged() == [(device, point, taken)]
    world.event(device, point, "active", type=type_)
    assert world.logged() == []
    world.event(device, point, "clear", type=type_)
    assert world.logged() == [(device, point, back)]


def test_a_fault_of_a_point_is_logged_and_ends():
    world = World()
    world.event("H03-07", "button-1", "stuck")
    assert world.logged() == [("H03-07", "button-1", "point_fault")]
    assert world.situation.incidents == {}
    world.event("H03-07", "button-1", "clear")
    assert world.logged() == [("H03-07", "button-1", "point_ok")]


def test_an_older_event_that_comes_late_does_not_change_the_point():
    world = World()
    world.event("DCC-017", "door", "clear", id=f"{LIFE}-1-9")
    world.event("DCC-017", "door", "active", id=f"{LIFE}-1-8")
    assert (world.logged(), world.situation.points["DCC-017", "door"].state) == ([], "clear")


def test_an_event_is_placed_by_age_else_by_clock_else_before_the_birth():
    assert place(age=250, t=START_MS, received_ms=START_MS, born_ms=None)[:2] == (START_MS - 250, "age")
    assert place(age=None, t=START_MS - 9000, received_ms=START_MS, born_ms=None)[:2] == (START_MS - 9000, "t")
    assert place(age=None, t=None, received_ms=START_MS, born_ms=START_MS - 70)[:2] == (START_MS - 70, "before")


@pytest.mark.parametrize("t", [0, EARLIEST_MS - 1, START_MS + 60_001, START_MS - 400_000])
def test_a_wrong_clock_is_a_fault_and_refuses_nothing(t):
    placed = place(age=0, t=t, received_ms=START_MS, born_ms=None)
    assert (placed.at_ms, placed.at_from) == (START_MS, "age")
    assert placed.clock


def test_a_deadline_whose_start_lies_in_the_future_is_due_now():
    assert is_due(START_MS + 1, 1000, START_MS)
    assert not is_due(START_MS, 1000, START_MS + 999)
    assert is_due(START_MS, 1000, START_MS + 1000)


def test_a_birth_of_an_older_start_is_not_the_newest():
    world = World()
    world.born("H03-07", boot=3)
    world.born("H03-07", boot=2, faults=["old"])
    device = world.situation.devices["H03-07"]
    assert (device.boot, device.faults) == (3, {})
    assert world.effects.hellos == [("H03-07", f"{LIFE}-2")]
