"""What points of the other kinds of device mean: roll-call keys, a silent SOS, a street light's three faults."""

import pytest
from commune import World

from gateway.domain import maintenance
from gateway.domain.policy import type_of


@pytest.mark.parametrize("key", ["safe", "need-help", "coming"])
def test_a_roll_call_key_holds_no_smoke_back(key: str) -> None:
    world = World()
    world.event("H03-07", "smoke-1")
    world.event("H03-07", key, type="key")
    world.later(60)
    assert world.only.kind == "fire"


def test_the_silence_key_holds_smoke_back() -> None:
    world = World()
    world.event("H03-07", "smoke-1")
    world.event("H03-07", "silence", type="key")
    world.later(60)
    assert world.only.kind == "smoke"


def test_points_are_known_by_their_names() -> None:
    names = {"tank": "level", "pump": "pressure", "lamp": "lamp", "light": "light", "sos-2": "sos", "heat-1": "heat", "need-help": "key"}
    assert {name: type_of(name) for name in names} == names


def test_a_dead_lamp_a_stuck_relay_and_a_day_burner_are_three_entries() -> None:
    assert maintenance.meanings("lamp", "clear", "silent") == [("point_fault", "silent")]
    assert maintenance.meanings("lamp", "clear", "stuck") == [("point_fault", "stuck")]
    assert maintenance.meanings("lamp", "clear", "active") == [("lamp_fault", "")]


def test_an_sos_that_does_not_call_rings_no_bell_and_one_that_calls_does() -> None:
    world = World()
    world.event("H03-07", "sos-2", calling=False)
    assert (world.only.kind, world.only.sounding) == ("sos", False)
    world = World()
    world.event("H03-07", "sos-1", calling=True)
    assert (world.only.kind, world.only.sounding) == ("sos", True)


def test_a_second_contact_confirms_the_first_though_it_has_just_been_clear() -> None:
    world = World()
    world.event("H03-07", "smoke-1")
    world.later(10)
    world.event("H03-07", "smoke-1", "clear")
    world.event("H03-08", "smoke-1")
    assert world.only.kind == "smoke"
    world.event("H03-07", "smoke-1")
    assert (world.only.kind, world.only.sounding) == ("fire", True)
