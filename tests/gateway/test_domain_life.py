"""The life of an incident beside alarms: taken on, on the way, on scene, silenced, joined, drilled, long without an alarm."""

import itertools
from typing import get_args

import pytest
from commune import GROUP, World, with_people

from gateway.domain import incidents
from gateway.domain.incidents import NEXT
from protocol.site import Site

DUTY = {"id": "truc-ban-1", "name": "Trực ban", "role": "duty"}
TEAM = {"id": "dan-phong", "name": "Dân phòng", "role": "team", "group": GROUP}
OWNER = {"id": "chu-ho", "name": "Chủ hộ", "role": "household", "group": GROUP}


def near(**policy: object) -> Site:
    """The commune whose groups are neighbours."""
    return with_people(DUTY, TEAM, OWNER, policy={"neighbours_m": 50} | policy)


def test_the_table_has_every_pair_that_is_allowed_and_no_other():
    states, steps = get_args(incidents.State), get_args(incidents.Step)
    refused = set(itertools.product(states, steps)) - set(NEXT)
    expected = {("resolved", step) for step in steps} | {(state, step) for state in incidents.TAKEN_ON for step in ("acknowledge", "rearm")}
    assert refused == expected | {("on_the_way", "on_the_way"), ("on_scene", "on_the_way"), ("on_scene", "on_scene")}
    assert {step for (_, step), after in NEXT.items() if after == "resolved"} == {"resolve"}
    assert all(NEXT[state, "activate"] == "open" for state in states if state != "resolved")


def test_somebody_takes_it_on_goes_there_and_is_there():
    world = World()
    world.press("H03-07")
    for do in ("acknowledge", "on_the_way", "on_scene"):
        assert world.command(do) == ""
    assert (world.only.state, world.only.on_the_way_by, world.only.on_scene_by) == ("on_scene", "truc-ban-1", "truc-ban-1")
    assert [entry.what for entry in world.only.timeline][-3:] == ["acknowledged", "on_the_way", "on_scene"]
    assert "got one that is on_scene" in world.command("on_the_way")
    assert world.only.sounding


def test_who_is_on_the_way_has_taken_it_on():
    world = World()
    world.press("H03-07")
    world.command("on_the_way")
    assert (world.only.acknowledged_by, world.only.climbs, world.order.acknowledged) == ("truc-ban-1", False, True)


def test_a_new_alarm_opens_again_what_somebody_is_at():
    world = World()
    world.press("H03-07")
    world.command("on_scene")
    world.press("H03-08")
    assert (world.only.state, world.only.climbs, world.only.on_scene_by) == ("open", True, "truc-ban-1")


@pytest.mark.parametrize(("do", "allowed"), [("acknowledge", True), ("on_scene", True), ("silence", False), ("resolve", False)])
def test_the_fire_team_may_go_there_and_not_end_it(do, allowed):
    world = World(commune=near())
    world.press("H03-07")
    assert (world.command(do, "dan-phong") == "") is allowed
    assert "role household" in world.command(do, "chu-ho")


def test_silenced_bells_sound_again_when_nobody_takes_it_on():
    world = World()
    world.press("H03-07")
    world.command("silence")
    n = world.only.n
    world.later(299)
    assert (world.only.sounding, world.order.pattern) == (False, None)
    world.later(1)
    assert (world.only.sounding, world.order.pattern, world.only.n) == (True, "fire", n + 1)
    assert world.only.timeline[-1].what == "rearmed"
    assert [bell.state for bell in world.only.bells] == ["waiting"] * len(world.only.bells)


def test_silenced_bells_stay_quiet_once_somebody_has_taken_it_on():
    world = World()
    world.press("H03-07")
    world.command("silence")
    world.command("acknowledge")
    world.later(3600)
    assert not world.only.sounding


@pytest.mark.parametrize("years", [1, -1])
def test_a_clock_that_is_set_neither_ends_a_silence_nor_asks_whether_it_is_over_before_its_time(years):
    world = World()
    world.press("H03-07")
    world.command("silence")
    world.later(100)
    world.set_clock(years * 365 * 86_400)
    world.later(199)
    assert not world.only.sounding
    world.later(1)
    assert world.only.sounding
    world.command("acknowledge")
    world.set_clock(-years * 365 * 86_400)
    world.later(12 * 3600 - 301)
    assert not world.only.resolve_asked
    world.later(1)
    assert world.only.resolve_asked


def test_after_twelve_hours_without_an_alarm_the_desk_is_asked_whether_it_is_over():
    world = World()
    world.press("H03-07")
    world.command("acknowledge")
    world.later(12 * 3600 - 1)
    assert not world.only.resolve_asked
    world.later(1)
    assert (world.only.resolve_asked, world.only.timeline[-1].what) == (True, "resolve_asked")
    world.later(3600)
    assert [entry.what for entry in world.only.timeline].count("resolve_asked") == 1
    world.press("H03-08")
    assert not world.only.resolve_asked


def test_a_neighbouring_group_joins_a_young_fire_and_both_ring():
    world = World(commune=near())
    world.press("H03-07")
    world.later(299)
    world.press("DCC-017")
    assert (world.only.groups, world.only.n, world.only.group) == ((GROUP, "DCC-N5"), 2, GROUP)
    assert [world.situation.orders[group].pattern for group in world.only.groups] == ["fire", "fire"]
    assert [world.situation.orders[group].incident for group in world.only.groups] == [world.only.id] * 2
    assert set(world.situation.orders["DCC-N5"].covers) == {"DCC-017"}
    assert {bell.device for bell in world.only.bells} == {*world.commune.bells_of(GROUP), *world.commune.bells_of("DCC-N5")}
    world.press("DCC-018")
    assert world.only.n == 3
    world.command("resolve")
    assert [world.situation.orders[group].pattern for group in (GROUP, "DCC-N5")] == [None, None]
    assert world.situation.incidents == {}


@pytest.mark.parametrize(("neighbours_m", "after_s"), [(50, 301), (0, 10), (1, 10)])
def test_a_group_that_is_too_far_or_too_late_has_an_incident_of_its_own(neighbours_m, after_s):
    world = World(commune=near(neighbours_m=neighbours_m))
    world.press("H03-07")
    world.later(after_s)
    world.press("DCC-017")
    assert [incident.groups for incident in world.situation.incidents.values()] == [(GROUP,), ("DCC-N5",)]


def test_yesterdays_alarm_next_door_takes_no_fire_of_today():
    world = World(commune=near())
    world.event("H03-07", "button-1", now="clear", age=1_800_001)
    world.later(10)
    world.press("DCC-017")
    assert [(one.groups, one.late, one.sounding) for one in world.situation.incidents.values()] == [
        ((GROUP,), True, False),
        (("DCC-N5",), False, True),
    ]


def test_a_call_for_help_is_never_a_neighbours():
    world = World(commune=near())
    world.event("H03-07", "sos-1", calling=True)
    world.event("DCC-017", "sos-1", calling=True)
    assert len(world.situation.incidents) == 2


def test_fire_and_sos_in_one_group_are_two_incidents_and_the_fire_sounds():
    world = World()
    world.event("H03-07", "sos-1", calling=True)
    assert world.order.pattern == "sos"
    world.press("H03-08")
    assert [incident.kind for incident in world.situation.incidents.values()] == ["sos", "fire"]
    assert world.order.pattern == "fire"


def drill(world: World, user: str = "truc-ban-1", group: str = GROUP) -> str:
    return world.command("drill", user, incident=None, version=None, group=group)


def test_a_drill_sounds_as_one_and_a_real_press_is_a_fire_beside_it():
    world = World()
    assert drill(world) == ""
    assert (world.only.kind, world.order.pattern) == ("drill", "drill")
    world.press("H03-07")
    drilled, fire = world.situation.incidents.values()
    assert (drilled.kind, drilled.n, fire.kind, fire.n) == ("drill", 1, "fire", 1)
    assert (world.order.pattern, world.order.incident) == ("fire", fire.id)


def test_a_drill_ends_as_a_drill():
    world = World()
    drill(world)
    assert "expected outcome drill or test" in world.command("resolve", outcome="fire")
    assert world.command("resolve", outcome="drill") == ""
    assert world.order.pattern is None


def test_nobody_drills_in_a_group_with_an_incident_or_without_bells_or_without_the_right():
    world = World()
    assert "expected somebody who may" in drill(world, "ky-thuat-1")
    assert "expected a group with bells" in drill(world, group="TLG-99")
    world.press("H03-07")
    assert "expected a group without an open incident" in drill(world)


def test_the_desk_answers_the_roll_call_for_a_home_that_has_telephoned():
    world = World()
    world.press("H03-07")
    world.later(0)
    version = world.only.version
    known = {"incident": world.only.id, "version": None, "says": "safe"}
    assert world.command("roll_call", home="H03-08", **known) == ""
    assert "expected a home of the roll call" in world.command("roll_call", home="H99-01", **known)
    answer = next(entry for entry in world.only.roll_call if entry.home == "H03-08")
    assert (answer.says, answer.by, world.only.version) == ("safe", "truc-ban-1", version)


def test_a_stuck_button_is_a_fault_that_neither_ends_the_incident_nor_hides_a_press():
    world = World()
    world.press("H03-07")
    world.event("H03-07", "button-1", "stuck")
    assert world.logged() == [("H03-07", "button-1", "point_fault")]
    assert world.only.timeline[-1].what == "stuck"
    assert world.only.state == "open"
    world.command("resolve")
    world.press("H03-08")
    assert world.only.n == 1


def meaning(**fields: str) -> Site:
    return with_people(DUTY, policy={"meanings": [fields]})


def test_what_a_point_means_is_the_communes_to_say():
    world = World(commune=meaning(type="smoke", means="fire"))
    world.event("H03-07", "smoke-1")
    assert (world.only.kind, world.order.pattern) == ("fire", "fire")
    world = World(commune=meaning(type="smoke", at="home", means="nothing"))
    world.event("H03-07", "smoke-1")
    assert world.situation.incidents == {}
    world.event("DCC-017", "smoke-1")
    assert world.only.kind == "smoke"


@pytest.mark.parametrize("do", ["acknowledge", "on_the_way", "on_scene"])
def test_raised_again_it_rings_and_tells_people_although_somebody_had_taken_it_on(do):
    world = World()
    world.press("H03-07")
    world.command(do)
    world.command("silence")
    n, rev = world.only.n, world.order.rev
    assert world.command("alarm_again") == ""
    assert (world.only.state, world.only.acknowledged_by, world.only.climbs) == ("open", "", True)
    assert (world.order.pattern, world.order.n) == ("fire", n + 1)
    assert world.order.rev > rev
    assert (world.only.timeline[-1].what, world.only.timeline[-1].who) == ("alarm_again", "truc-ban-1")
    assert all(bell.state == "waiting" for bell in world.only.bells)


def test_smoke_that_somebody_raises_is_a_fire():
    world = World()
    world.event("H03-07", "smoke-1")
    assert (world.only.kind, world.only.sounding) == ("smoke", False)
    world.command("alarm_again")
    assert (world.only.kind, world.only.sounding, world.only.verify) == ("fire", True, None)
    assert world.only.climb.cause == "fire"


def test_a_silent_sos_that_is_raised_again_stays_silent():
    world = World()
    world.event("H03-07", "sos-1", calling=False)
    world.command("acknowledge")
    world.command("alarm_again")
    assert (world.only.state, world.only.sounding, world.only.climb.cause) == ("open", False, "silent_sos")


def test_raising_again_is_decided_on_the_newest_picture_and_by_who_is_responsible():
    world = World(commune=near())
    world.press("H03-07")
    world.command("silence")
    assert "expected version" in world.command("alarm_again", incident=world.only.id, version=1)
    assert "role team" in world.command("alarm_again", "dan-phong")
    assert not world.only.sounding


def test_that_114_was_called_is_written_down_and_makes_no_order_stale():
    world = World()
    world.press("H03-07")
    ident, version = world.only.id, world.only.version
    assert world.command("called_114", incident=world.only.id, version=None) == ""
    assert (world.only.timeline[-1].what, world.only.timeline[-1].who) == ("called_114", "truc-ban-1")
    assert world.command("acknowledge", incident=world.only.id, version=version) == ""
    world.command("resolve")
    assert "not resolved" in world.command("called_114", incident=ident, version=None)
