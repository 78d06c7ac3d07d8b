"""No live desk page is a fault, and the ladder knows it."""

import pytest
from commune import World, with_people

from gateway.domain import desks, facts
from protocol.desk import DeskAlive
from protocol.tomlfile import FileMistakes

DUTY = {"id": "duty", "name": "Trực ban", "role": "duty", "phone": "+840000000001"}
LEADER = {"id": "leader", "name": "Tổ trưởng", "role": "leader", "group": "TLG-03", "phone": "+840000000003"}
LADDERS = [
    {"cause": "fire", "steps": [{"to": ["on_duty"], "wait_s": 60}, {"to": ["leader"], "wait_s": 60}, {"to": ["duty"], "wait_s": 60}]},
    {"cause": "drill", "steps": [{"to": ["on_duty"], "wait_s": 60}, {"to": ["leader"]}], "repeat_s": 0},
]


class Watched(World):
    """A commune whose desk is looked for, as the engine does."""

    def __init__(self, **policy: object) -> None:
        super().__init__(commune=with_people(DUTY, LEADER, policy={"ladders": LADDERS} | policy))
        self.told: list[tuple[str, str]] = []

    def later(self, seconds: float) -> None:
        super().later(seconds)
        self.told += [(row.delivery.person, row.delivery.channel) for row in self.effects.deliveries]
        for act in desks.due(self.situation, now_s=self.now.s):
            with self.turn() as turn:
                act(turn)

    def alive(self, pages: int = 1, audible: int = 1) -> None:
        with self.turn() as turn:
            desks.alive(turn, DeskAlive(pages=pages, audible=audible))

    @property
    def fault(self) -> str | None:
        return self.situation.faults.get("desk")


def test_a_desk_that_was_never_heard_is_missing_after_its_time():
    world = Watched()
    world.later(0)
    world.later(59)
    assert world.fault is None
    world.later(1)
    assert world.fault == "the console is not heard"


def test_a_live_desk_is_no_fault_and_one_that_comes_back_ends_it():
    world = Watched()
    for _ in range(20):
        world.alive()
        world.later(10)
    assert world.fault is None
    world.later(60)
    assert world.fault == "the console is not heard"
    world.alive()
    assert world.fault is None


@pytest.mark.parametrize(("pages", "words"), [(0, "no page is open"), (2, "a page is open, but its sound is off")])
def test_a_page_that_cannot_be_heard_is_no_desk(pages, words):
    world = Watched()
    for _ in range(8):
        world.alive(pages, 0)
        world.later(10)
    assert world.fault == words


def test_where_no_desk_is_expected_none_is_missing():
    world = Watched(desk_s=0)
    world.later(100_000)
    world.later(100_000)
    assert world.fault is None


def test_with_a_live_desk_the_second_step_waits():
    world = Watched()
    world.alive()
    world.press("H03-07")
    world.later(0)
    assert world.told == [("duty", "sms")]
    world.later(59)
    assert world.told == [("duty", "sms")]


def test_without_a_desk_the_ladder_takes_its_second_step_at_once_and_the_third_in_its_time():
    world = Watched()
    world.later(0)
    world.later(60)
    world.press("H03-07")
    world.later(0)
    assert world.told == [("duty", "sms"), ("leader", "sms")]
    assert "desk_missing" in [entry.what for entry in world.only.timeline]
    world.later(59)
    assert len(world.told) == 2
    world.later(1)
    assert world.told[2:] == [("duty", "voice")]


def test_a_desk_that_dies_during_an_alarm_hurries_the_step_that_waits():
    world = Watched()
    world.later(0)
    world.later(30)
    world.press("H03-07")
    world.later(0)
    assert world.told == [("duty", "sms")]
    world.later(30)
    assert world.fault
    world.later(0)
    assert world.told == [("duty", "sms"), ("leader", "sms")]


def test_an_alarm_that_somebody_has_taken_on_is_hurried_by_nothing():
    world = Watched()
    world.later(0)
    world.press("H03-07")
    world.later(0)
    assert world.command("acknowledge", user="duty") == ""
    world.later(60)
    world.later(0)
    assert world.fault
    assert world.told == [("duty", "sms")]


def test_a_drill_is_hurried_by_nothing():
    world = Watched()
    world.later(0)
    world.later(60)
    assert world.command("drill", user="duty", incident=None, version=None, group="TLG-03") == ""
    world.later(0)
    assert world.told == [("duty", "sms")]


def test_the_fault_of_an_earlier_start_lasts_until_a_desk_is_heard():
    world = Watched()
    world.later(0)
    world.later(60)
    before = world.situation
    after = Watched()
    after.situation.faults, after.situation.lasting = before.faults, before.lasting
    after.later(0)
    assert after.fault
    after.alive()
    assert after.fault is None


def test_a_time_that_a_page_cannot_keep_is_refused(tmp_path):
    from protocol import site  # noqa: PLC0415

    text = 'site = {id = "x", name = "X"}\npolicy = {desk_s = 10}\n[[groups]]\nid = "G"\nname = "G"\n'
    (tmp_path / "site.toml").write_text(text)
    with pytest.raises(FileMistakes, match="desk_s: expected 0"):
        site.load(tmp_path / "site.toml")


def test_a_desk_that_could_not_be_heard_has_its_whole_time_again():
    world = Watched()
    world.alive()
    longest_s = world.situation.commune.policy.desk_s
    world.now = world.now._replace(s=world.now.s + longest_s - 1)  # no act of time meanwhile
    with world.turn() as turn:
        facts.watch_again(turn)
    world.later(longest_s - 1)
    assert world.fault is None
    world.later(1)
    assert world.fault is not None
