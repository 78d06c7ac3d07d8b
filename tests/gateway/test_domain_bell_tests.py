"""Bells that somebody has sound, to know that they can; and who may do what, cell by cell."""

from typing import Any, get_args

import pytest
from commune import World, with_people

from gateway.domain import facts
from gateway.domain.policy import may
from protocol.desk import Do
from protocol.messages import Answer
from protocol.people import Role

GROUP = "TLG-03"
LEADER, DUTY, HOUSEHOLD, TECHNICIAN = "to-truong-03", "truc-ban-1", "chu-ho-03-08", "ky-thuat-1"


def ask(world: World, user: str = LEADER, *, incident: str | None = None, **fields: Any) -> str:
    return world.command("test_bell", user=user, incident=incident, version=None, **({"group": GROUP} | fields))


def answer(world: World, device: str, ident: str, **fields: Any) -> None:
    with world.turn() as turn:
        facts.answer(turn, device, Answer.model_validate({"id": ident, "ok": True} | fields))


def asked(world: World) -> str:
    """The id of the orders that went out."""
    (ident,) = {order.id for _, order in world.effects.errands}
    return ident


def test_a_leader_has_every_bell_of_the_group_sound_for_two_seconds() -> None:
    world = World()
    assert ask(world) == ""
    assert [device for device, _ in world.effects.errands] == world.commune.bells_of(GROUP)
    order = world.effects.errands[0][1]
    assert (order.do, order.what, order.seconds, order.valid_s) == ("test", "bell", 2, 10)


def test_what_each_bell_answers_stands_in_the_log() -> None:
    world = World()
    ask(world)
    ident = asked(world)
    for device, fields, told in (
        ("H03-01", {"proof": "measured"}, "measured"),
        ("H03-02", {"proof": "commanded"}, "commanded"),
        ("H03-03", {"ok": False, "error": "loop open on bell"}, "loop open on bell"),
        ("H03-04", {}, "commanded"),
    ):
        answer(world, device, ident, **fields)
        assert [(entry.device, entry.point, entry.what, entry.detail) for entry in world.effects.entries] == [
            (device, "bell", "bell_test", told)
        ]


def test_a_bell_that_does_not_answer_is_named_once() -> None:
    world = World()
    ask(world, home="H03-08", user=HOUSEHOLD)
    world.later(19.9)
    assert not world.effects.entries
    world.later(0.2)
    assert [(entry.device, entry.detail) for entry in world.effects.entries] == [("H03-08", "no_answer")]
    world.later(60)
    assert not [entry for entry in world.effects.entries if entry.what == "bell_test"]


def test_an_answer_to_something_else_or_twice_is_no_result() -> None:
    world = World()
    ask(world)
    ident = asked(world)
    answer(world, "H03-01", "o-other", proof="measured")
    answer(world, "H03-99", ident, proof="measured")
    assert not [entry for entry in world.effects.entries if entry.what == "bell_test"]
    answer(world, "H03-01", ident, proof="measured")
    answer(world, "H03-01", ident, proof="measured")
    assert not world.effects.entries


def test_nobody_tests_bells_during_an_alarm() -> None:
    world = World()
    world.press("H03-07")
    assert "expected a group without an open incident" in ask(world)
    assert not world.effects.errands


def test_nobody_tests_bells_that_are_being_tested() -> None:
    world = World()
    assert ask(world, home="H03-08", user=HOUSEHOLD) == ""
    assert "expected bells that are not being tested, got H03-08" in ask(world)
    assert ask(world, user=DUTY, home="H03-07") == ""
    world.later(21)
    assert ask(world) == ""


def test_a_test_is_asked_for_in_time_and_of_bells() -> None:
    world = World()
    assert "30 s" in ask(world, t=world.now.ms - 31_000)
    assert "expected a group or a home with bells, got nowhere" in ask(world, group="nowhere")
    assert "expected a group or a home with bells, got H03-99" in ask(world, home="H03-99")
    assert "expected a person" in ask(world, user="nobody")


def test_a_household_tests_its_own_bell_alone() -> None:
    world = World()
    assert "household" in ask(world, user=HOUSEHOLD)
    assert "household" in ask(world, user=HOUSEHOLD, home="H03-07")
    assert ask(world, user=HOUSEHOLD, home="H03-08") == ""
    assert [device for device, _ in world.effects.errands] == ["H03-08"]
    assert "technician" in ask(world, user=TECHNICIAN, home="H03-07")
    assert "leader" in ask(world, user=LEADER, group="DCC-N5")


def test_a_household_answers_for_its_own_home_alone() -> None:
    world = World()
    world.press("H03-07")
    world.later(1)
    assert "household" in world.command("roll_call", user=HOUSEHOLD, home="H03-07", says="safe")
    assert world.command("roll_call", user=HOUSEHOLD, home="H03-08", says="need_help") == ""
    says = {entry.home: (entry.says, entry.by) for entry in world.only.roll_call}
    assert says["H03-08"] == ("need_help", HOUSEHOLD)
    assert says["H03-07"] == ("no_answer", "")


def test_a_household_answers_for_no_home_of_another_group() -> None:
    world = World()
    world.press("DCC-017")
    world.later(1)
    assert "expected a home of the roll call" in world.command("roll_call", user=HOUSEHOLD, home="H03-08", says="safe")


# Who may do what in the own group; what they may elsewhere, and about the own home, is below. A new role or deed must be put here.
OWN_GROUP = {
    #                  acknowledge on_the_way on_scene silence alarm_again called_114 resolve roll_call drill test_bell
    "duty": "yes yes yes yes yes yes yes yes yes yes",
    "chief": "yes yes yes yes yes yes yes yes yes yes",
    "leader": "yes yes yes yes yes yes yes yes yes yes",
    "team": "yes yes yes no no yes no yes no no",
    "household": "no no no no no no no no no no",
    "technician": "no no no no no no no no no no",
    "viewer": "no no no no no no no no no no",
    "administrator": "no no no no no no no no no no",
}


@pytest.mark.parametrize("role", get_args(Role))
@pytest.mark.parametrize("do", get_args(Do))
def test_who_may_do_what(role: str, do: Do) -> None:
    allowed = dict(zip(get_args(Do), OWN_GROUP[role].split(), strict=True))[do] == "yes"
    everywhere = role in ("duty", "chief")
    assert may(role, do, own_group=True, own_home=False) == allowed
    assert may(role, do, own_group=False, own_home=False) == (allowed and everywhere)
    assert may(role, do, own_group=True, own_home=True) == (allowed or do in ("roll_call", "test_bell"))


@pytest.mark.parametrize("role", get_args(Role))
@pytest.mark.parametrize("do", get_args(Do))
@pytest.mark.parametrize("group", ["TLG-03", "DCC-N5"])
def test_the_engine_itself_asks_who_it_is(role: Role, do: Do, group: str) -> None:
    """The whole way of a command, for somebody of every role in the incident's group and in another one."""
    somebody = {"id": "somebody", "name": "Mẫu", "role": role, "group": group, "home": "H03-05" if group == "TLG-03" else None}
    world = World(commune=with_people(somebody, {"id": "other", "name": "Trực", "role": "duty"}))
    fields: dict[str, Any] = {}
    if do in ("drill", "test_bell"):
        fields = {"group": "TLG-03", "incident": None, "version": None}
    else:
        world.press("H03-07")
        world.later(1)
        if do == "alarm_again":
            assert world.command("silence", user="other") == ""
    if do == "roll_call":
        fields = {"home": "H03-07", "says": "safe"}
    refused = world.command(do, user="somebody", **fields)
    assert (refused == "") == may(role, do, own_group=group == "TLG-03", own_home=False), refused
    if refused:
        assert role in refused
