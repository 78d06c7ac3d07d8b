"""Boards that are lost together are one fault; what is not known is never good."""

import hypothesis.strategies as st
import pytest
from commune import GROUP, LIFE, START_MS, World, site, with_people
from hypothesis import given, settings

from gateway.domain import facts, outages
from gateway.domain.rows import Lasting
from protocol.areas import KINDS
from protocol.messages import Report, Will
from protocol.site import Site

HOMES = [home.id for home in site().homes]
POINTS = [point.id for point in site().fire_points]
AREA = f"area:group-{GROUP}"


def fed(**spots: str) -> Site:
    """The commune with one feeder for all homes and points, and an access point for every four homes."""
    homes = [
        home | {"feeder": "F1", "access_point": f"AP{number // 4}"}
        for number, home in enumerate(site().model_dump(exclude_unset=True)["homes"])
    ]
    points = [point | {"feeder": "F1"} for point in site().model_dump(exclude_unset=True)["fire_points"]]
    return with_people({"id": "truc-ban-1", "name": "Trực ban", "role": "duty"}, homes=homes, fire_points=points)


def alive(world: World, *boards: str) -> None:
    for board in boards:
        with world.turn() as turn:
            facts.report(turn, board, Report(up=1, heap=1, waiting=0, dropped=0, refused=0))


def started(world: World) -> World:
    for board in world.commune.boards:
        world.born(board.id, group=world.commune.group_of(board.id))
    return world


def cut(world: World, *boards: str) -> None:
    """Their last wills come, one by one."""
    for board in boards:
        with world.turn() as turn:
            facts.will(turn, board, Will(life=LIFE, boot=1))


def back(world: World, *boards: str) -> None:
    for board in boards:
        world.born(board, boot=2, group=world.commune.group_of(board))


def shown(world: World) -> dict[int, tuple[str, str]]:
    """The log's lines of this world that stand for themselves: (device or point, what)."""
    return {number: line for number, line in world.lines.items() if number not in world.parts}


@pytest.fixture
def world() -> World:
    return started(Kept())


class Kept(World):
    """Keeps the lines of every turn, as the table does."""

    def __init__(self, commune: Site | None = None) -> None:
        super().__init__(commune=commune)
        self.lines: dict[int, tuple[str, str]] = {}
        self.parts: dict[int, int] = {}

    def turn(self):  # type: ignore[no-untyped-def]
        self.keep()
        return super().turn()

    def keep(self) -> None:
        for line in self.effects.lines:
            self.lines[line.id] = (line.entry.device or line.entry.point, line.entry.what)
            if line.part_of is not None:
                self.parts[line.id] = line.part_of

    def of_log(self) -> list[tuple[str, str]]:
        self.keep()
        return list(shown(self).values())


def test_a_group_that_dies_is_one_fault_with_count_and_names(world):
    cut(world, *HOMES)
    assert world.situation.faults == {AREA: f"12/12: {', '.join(HOMES)}"}
    assert world.situation.lasting[AREA].names == tuple(HOMES)
    assert [line for line in world.of_log() if line[1] != "unplaced_device"] == [(AREA, "area_lost")]
    assert world.situation.incidents == {}


def test_boards_that_fall_silent_together_are_one_fault_too(world):
    world.later(80)
    assert set(world.situation.faults) == {AREA, "area:group-DCC-N5"}
    assert sorted(world.of_log()) == [("area:group-DCC-N5", "area_lost"), (AREA, "area_lost")]


def test_a_lost_board_among_others_that_live_is_no_outage(world):
    cut(world, *HOMES[:5])
    assert world.situation.faults == {}
    assert sorted(world.of_log()) == [(home, "board_lost") for home in HOMES[:5]]


def test_boards_lost_on_different_days_are_no_outage(world):
    for home in HOMES:
        cut(world, home)
        for _ in range(4):
            world.later(40)
            alive(world, *[board.id for board in world.commune.boards if board.id not in HOMES[: HOMES.index(home) + 1]])
    assert world.situation.faults == {}


def test_two_boards_are_too_few_for_an_outage(world):
    cut(world, *POINTS[:2])
    assert world.situation.faults == {}


def test_the_greatest_common_cause_is_the_fault():
    world = started(Kept(fed()))
    cut(world, *HOMES[:4])
    assert set(world.situation.faults) == {"area:access_point-AP0"}
    cut(world, *HOMES[4:], *POINTS)
    assert set(world.situation.faults) == {"area:feeder-F1"}
    assert world.situation.faults["area:feeder-F1"].startswith("15/15: ")
    assert not [line for line in world.of_log() if line[1] == "board_lost"]


def test_it_is_over_when_the_boards_are_back_and_their_return_is_one_line(world):
    cut(world, *HOMES)
    back(world, *HOMES[:-1])
    assert world.situation.faults == {AREA: f"1/12: {HOMES[-1]}"}
    back(world, HOMES[-1])
    assert world.situation.faults == {}
    assert world.of_log() == [(AREA, "area_lost"), (AREA, "area_back")]


def test_who_does_not_come_back_is_named_by_itself(world):
    cut(world, *HOMES)
    back(world, *HOMES[2:])
    for _ in range(6):
        alive(world, *HOMES[2:], *POINTS)
        world.later(30)
    assert world.situation.faults == {}
    assert [entry.detail for entry in world.effects.entries if entry.what == "area_back"] == [
        f"Tổ liên gia 03, ngõ Thử 5 still missing: {HOMES[0]}, {HOMES[1]}"
    ]
    assert world.of_log() == [(AREA, "area_lost"), (AREA, "area_back"), (HOMES[0], "board_lost"), (HOMES[1], "board_lost")]


def test_an_outage_lasts_while_most_are_missing(world):
    cut(world, *HOMES)
    back(world, *HOMES[:3])
    for _ in range(20):
        world.later(60)
        alive(world, *HOMES[:3], *POINTS)
    assert world.situation.faults[AREA].startswith("9/12: ")


def test_a_restart_goes_on_with_the_outage(world):
    cut(world, *HOMES)
    situation = world.situation
    situation.outages = {}
    outages.restore(situation, {key: known.since_ms for key, known in situation.lasting.items()})
    assert outages.missing(situation, AREA) == HOMES
    back(world, *HOMES)
    assert world.situation.faults == {}


def test_an_area_that_the_site_lost_during_its_outage_leaves_nothing(world):
    situation = world.situation
    situation.faults["area:lane-old"], situation.lasting["area:lane-old"] = "5/5: ", Lasting(START_MS)
    outages.restore(situation, {key: known.since_ms for key, known in situation.lasting.items()})
    assert set(situation.lasting) == set(situation.faults) == set()


def test_an_outage_whose_boards_came_while_the_engine_was_away_ends(world):
    cut(world, *HOMES)
    for home in HOMES:
        world.situation.devices[home].state = "online"
    world.later(1)
    assert world.situation.faults == {}


@pytest.mark.parametrize("seconds", [-31_536_000, 31_536_000])
def test_a_clock_that_is_set_parts_nobody_from_the_others(world, seconds):
    cut(world, *HOMES[:6])
    world.set_clock(seconds)
    cut(world, *HOMES[6:])
    assert world.situation.faults[AREA].startswith("12/12: ")
    back(world, *HOMES)
    assert set(world.situation.faults) == {"clock_stepped"}


def test_of_areas_that_explain_the_same_the_cause_is_named_first():
    assert KINDS == ("feeder", "access_point", "lane", "group")


def test_an_alarm_in_a_dead_area_is_an_alarm(world):
    cut(world, *HOMES)
    world.press(HOMES[0])
    assert world.only.kind == "fire"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["cut", "back", "wait"]), st.sampled_from(HOMES + POINTS)), max_size=60))
def test_whatever_comes_and_goes_every_lost_board_is_seen_and_no_other(steps):
    """Each board that is lost is named by a fault that lasts, or by a line of its own."""
    world = started(Kept(fed()))
    known = world.situation.devices
    for step, board in steps:
        if step == "cut":
            cut(world, board)
        elif step == "back":
            # The next start of this board, whichever number it has.
            boot = (world.situation.devices[board].boot or 0) + 1
            world.born(board, boot=boot, group=world.commune.group_of(board))
        else:
            world.later(60)
            alive(world, *[one for one in known if world.situation.devices[one].state == "online"])
        lost = {device.id for device in world.situation.devices.values() if device.state == "lost"}
        named = [board for key in world.situation.outages for board in outages.missing(world.situation, key)]
        assert set(named) <= lost
        alone = {device for device, what in world.of_log() if what in ("board_lost", "flood")}
        assert lost <= {*named, *alone} or "" in alone
        assert set(world.situation.outages) == {key for key in world.situation.faults if key.startswith("area:")}
        assert all(names for names in ([*known.names] for key, known in world.situation.lasting.items() if key.startswith("area:")))


# D60: unknown is never good.


def test_d60_a_dead_battery_is_not_well_again_when_its_board_goes_offline(world):
    world.event(HOMES[0], "battery")
    assert world.logged() == [(HOMES[0], "battery", "battery_low")]
    world.later(81)
    assert world.situation.devices[HOMES[0]].state == "lost"
    assert "battery_ok" not in [what for _, _, what in world.logged()]
    assert world.situation.points[HOMES[0], "battery"].state == "active"
    back(world, HOMES[0])
    assert "battery_ok" not in [what for _, _, what in world.logged()]
    assert world.situation.points[HOMES[0], "battery"].state == "active"
    world.event(HOMES[0], "battery", "clear", id=f"{LIFE}-2-1")
    assert world.logged() == [(HOMES[0], "battery", "battery_ok")]


def test_the_time_of_a_loss_is_the_loss_and_not_its_discovery_by_others(world):
    world.later(40)
    alive(world, *HOMES[1:], *POINTS)
    world.later(40)
    assert world.situation.devices[HOMES[0]].lost_ms == START_MS + 80_000
