from dataclasses import replace

import pytest
from commune import GROUP, START_MS, World, site

from gateway.domain import facts, incidents, snapshots
from gateway.domain.bells import Bell
from gateway.domain.incidents import NEXT
from gateway.store import journal
from protocol import incident as wire
from protocol.messages import decode, decode_event


def bell_states(world: World) -> set[str]:
    return {bell.state for bell in world.only.bells}


def whats(world: World) -> list[str]:
    return [entry.what for entry in world.only.timeline]


def test_a_press_opens_one_sounding_incident_that_asks_every_bell_of_the_group():
    world = World()
    world.press("H03-07")
    assert (world.only.kind, world.only.state, world.only.sounding, world.only.n) == ("fire", "open", True, 1)
    assert [bell.device for bell in world.only.bells] == site().bells_of(GROUP)
    assert bell_states(world) == {"waiting"}


def test_two_homes_of_a_group_share_an_incident_however_long_apart():
    world = World()
    world.press("H03-07")
    world.later(86_400)
    world.press("H03-08")
    assert world.only.n == 2


def test_two_groups_have_an_incident_each():
    world = World()
    world.press("H03-07")
    world.press("DCC-017")
    assert {incident.group for incident in world.situation.incidents.values()} == {GROUP, "DCC-N5"}


def test_a_board_that_the_site_does_not_know_opens_an_incident_without_a_place():
    world = World()
    world.press("H99-01")
    assert (world.only.group, world.only.place.id, world.only.state) == (None, None, "open")
    assert ("H99-01", "", "unplaced_device") in world.logged()


@pytest.mark.parametrize("before", ["open", "acknowledged", "resolved"])
@pytest.mark.parametrize("step", ["activate", "acknowledge", "silence", "resolve"])
def test_only_resolve_leads_to_resolved_and_nothing_leads_out(before, step):
    after = NEXT.get((before, step))
    assert (after == "resolved") == (step == "resolve" and before != "resolved")
    if before == "resolved":
        assert after is None


def test_d38_acknowledge_neither_closes_nor_silences():
    world = World()
    world.press("H03-07")
    assert world.command("acknowledge") == ""
    assert (world.only.state, world.only.sounding, world.only.acknowledged_by) == ("acknowledged", True, "truc-ban-1")


@pytest.mark.parametrize("do", ["acknowledge", "silence"])
def test_d37_a_press_next_door_after_acknowledge_or_silence_sounds_and_asks_again(do):
    world = World()
    world.press("H03-07")
    world.command(do)
    version = world.only.version
    world.press("H03-08")
    assert (world.only.state, world.only.sounding, world.only.n) == ("open", True, 2)
    assert world.only.version > version
    assert bell_states(world) == {"waiting"}


def test_after_resolve_the_next_press_opens_another_incident():
    world = World()
    world.press("H03-07")
    first = world.only.id
    assert world.command("resolve") == ""
    world.press("H03-07")
    assert world.only.id != first


def test_bells_end_after_ring_max_and_the_desk_sees_it():
    world = World()
    world.press("H03-07")
    world.later(1799)
    assert world.only.sounding
    world.later(1)
    assert not world.only.sounding
    assert whats(world)[-1] == "ring_ended"


def test_a_lone_smoke_contact_rings_nobody_until_it_has_lasted():
    world = World()
    world.event("H03-07", "smoke-1")
    assert (world.only.kind, world.only.sounding, world.only.bells) == ("smoke", False, ())
    assert GROUP not in world.situation.orders
    world.later(59)
    assert world.only.kind == "smoke"
    world.later(1)
    assert (world.only.kind, world.only.sounding) == ("fire", True)
    assert world.order.pattern == "fire"
    assert "H03-07" in world.order.covers


@pytest.mark.parametrize(("device", "point"), [("H03-08", "smoke-1"), ("H03-07", "button-1"), ("H03-01", "button-2")])
def test_a_second_source_makes_smoke_a_fire_at_once(device, point):
    world = World()
    world.event("H03-07", "smoke-1")
    world.event(device, point)
    assert (world.only.kind, world.only.sounding) == ("fire", True)


def test_smoke_that_is_gone_when_its_time_is_over_rings_nobody():
    world = World()
    world.event("H03-07", "smoke-1")
    world.event("H03-07", "smoke-1", "clear")
    world.later(61)
    assert (world.only.kind, world.only.state, world.only.sounding) == ("smoke", "open", False)


def test_a_key_in_the_house_holds_smoke_back_for_ten_minutes_at_most():
    world = World()
    world.event("H03-07", "smoke-1")
    world.event("H03-07", "key")
    world.later(599)
    assert world.only.kind == "smoke"
    world.later(1)
    assert world.only.kind == "fire"


def test_a_key_next_door_cancels_nothing():
    world = World()
    world.event("H03-07", "smoke-1")
    world.event("H03-08", "key")
    world.later(60)
    assert world.only.kind == "fire"


def test_a_cancel_ends_when_the_contact_clears():
    world = World()
    world.event("H03-07", "smoke-1")
    world.event("H03-07", "key")
    world.event("H03-07", "smoke-1", "clear")
    world.later(120)
    world.event("H03-07", "smoke-1")
    world.later(60)
    assert world.only.kind == "fire"


def test_a_chattering_detector_is_only_recorded_and_still_verified():
    world = World()
    world.event("H03-07", "smoke-1")
    world.later(30)
    world.event("H03-07", "smoke-1", "clear")
    world.later(10)
    world.event("H03-07", "smoke-1")
    assert (world.only.n, whats(world)[-1]) == (1, "recorded")
    world.later(20)
    assert world.only.kind == "fire"


@pytest.mark.parametrize(("after_s", "n"), [(59, 2), (61, 3)])
def test_a_detector_that_was_clear_for_a_minute_is_a_new_activation(after_s, n):
    world = World()
    world.press("H03-08")
    world.event("H03-07", "heat-1")
    world.event("H03-07", "heat-1", "clear")
    world.later(after_s)
    world.event("H03-07", "heat-1")
    assert world.only.n == n


def test_a_button_pressed_again_after_a_clear_is_a_new_activation():
    world = World()
    world.press("H03-07")
    world.event("H03-07", "button-1", "clear")
    world.press("H03-07")
    assert world.only.n == 2


def test_an_alarm_that_is_over_and_old_is_shown_and_rings_nobody():
    world = World()
    world.event("H03-07", "button-1", now="clear", age=1_800_001)
    assert (world.only.late, world.only.sounding, world.only.bells) == (True, False, ())
    assert world.order.covers == {"H03-07": world.only.activations[0].event}


@pytest.mark.parametrize(
    "fields",
    [
        {"now": "clear", "age": 1_799_000},
        {"now": "active", "age": 36_000_000},
        {"now": "clear", "age": 36_000_000, "calling": True},
        {"now": "clear", "age": None},
        {"now": "clear", "age": None, "t": 5},
    ],
    ids=["young", "still active", "still called", "no time at all", "clock never set"],
)
def test_everything_else_is_the_full_alarm(fields):
    world = World()
    world.event("H03-07", "button-1", **fields)
    assert (world.only.late, world.only.sounding) == (False, True)


def test_an_alarm_of_which_nobody_knows_when_it_was_counts_as_young():
    """Of an earlier start, from a board without a clock: it may be an hour old, or a minute."""
    world = World()
    world.born("H03-07")
    world.later(7200)
    world.event("H03-07", "button-1", age=None, now="clear")
    assert (world.only.late, world.only.sounding) == (False, True)
    assert world.only.activations[0].at_from == "before"


def test_a_true_alarm_after_a_late_one_rings():
    world = World()
    world.event("H03-07", "button-1", now="clear", age=7_200_000)
    world.press("H03-08")
    assert (world.only.late, world.only.sounding, world.only.n) == (False, True, 2)


def test_a_silent_sos_rings_nobody_and_a_calling_one_rings_as_sos():
    world = World()
    world.event("H03-07", "sos-1")
    assert (world.only.kind, world.only.sounding) == ("sos", False)
    world.event("H03-08", "sos-1", calling=True)
    assert world.order.pattern == "sos"


def test_a_self_test_is_never_an_incident():
    world = World()
    world.event("H03-07", "self-test", type="test")
    assert world.situation.incidents == {}
    assert world.logged() == [("H03-07", "self-test", "self_test")]


def test_what_a_birth_lists_opens_an_incident_if_its_event_does_not_come():
    world = World()
    world.born("H03-07", active={"smoke-1": "9c41f2aa-1-9", "extinguisher-1": "9c41f2aa-1-8"}, unknown=("smoke-1", "extinguisher-1"))
    assert world.situation.incidents == {}
    world.later(2)
    assert (world.only.kind, world.only.activations[0].at_from) == ("smoke", "before")
    assert ("H03-07", "extinguisher-1", "extinguisher_taken") in world.logged()


def test_an_event_right_behind_its_birth_is_placed_by_its_own_age():
    world = World()
    world.born("H03-07", active={"button-1": "9c41f2aa-1-9"}, unknown=("button-1",))
    world.press("H03-07", id="9c41f2aa-1-9", age=5000)
    world.later(10)
    assert world.only.n == 1
    assert (world.only.activations[0].at_from, world.only.activations[0].at_ms) == ("age", world.now.ms - 15_000)


def test_what_is_long_keeps_its_beginning_and_its_newest():
    world = World()
    for _ in range(100):
        world.press("H03-07")
    ns = [activation.n for activation in world.only.activations]
    assert (len(ns), ns[0], ns[-1]) == (incidents.ACTIVATIONS_MAX, 1, 100)
    assert world.only.timeline[0].what == "opened"
    assert len(world.only.timeline) == incidents.TIMELINE_MAX
    shown = snapshots.snapshot(world.only, engine="5be07711-1", group_name="Tổ")
    assert len(shown.payload()) < 65_536


def test_pressing_the_key_again_holds_smoke_back_no_longer():
    world = World()
    world.event("H03-07", "smoke-1")
    world.event("H03-07", "key")
    world.later(400)
    world.event("H03-07", "key")
    world.later(200)
    assert world.only.kind == "fire"


def test_a_key_that_was_pressed_before_the_smoke_cancels_nothing():
    world = World()
    world.event("H03-07", "smoke-1", id="9c41f2aa-1-9")
    world.event("H03-07", "key", id="9c41f2aa-1-8", age=3_600_000)
    world.later(60)
    assert world.only.kind == "fire"


def test_a_snapshot_fits_its_topic_however_long_it_lasts_and_whatever_fails():
    world = World(channels=tuple(f"hook-{number}" for number in range(3)))
    for _ in range(300):
        world.press("H03-07", age=0)
        world.command("acknowledge")
        for row in list(world.effects.deliveries):
            with world.turn() as turn:
                failed = row.delivery.model_copy(update={"state": "failed", "tries": 300, "error": "ế" * 200})
                facts.delivery(turn, row._replace(delivery=failed))
    place = world.only.place.model_copy(update={"way_in": "ngõ " * 100, "landmark": "chợ " * 100})
    activations = tuple(activation.model_copy(update={"place": place}) for activation in world.only.activations)
    payload = snapshots.payload(replace(world.only, activations=activations), engine="5be07711-1", group_name="Tổ")
    shown = decode(wire.Incident, payload)
    assert (shown.activations[0].n, shown.activations[-1].n) == (1, 300)


@pytest.mark.parametrize(("rung", "homes", "left_out"), [(40, 40, False), (229, 229, False), (3000, 3000, True), (1500, 100, True)])
def test_a_fire_through_whole_villages_fits_its_topic_and_forgets_nobody(rung, homes, left_out):
    """Groups that are neighbours join one after the other."""
    world = World(channels=("hook",))
    for _ in range(100):
        world.press("H03-07")
        world.command("acknowledge")
    bells = tuple(Bell(f"H{number:04d}-00", "Hộ mẫu (Đỗ Xuân Trường)", "measured", START_MS, START_MS, 120) for number in range(rung))
    bells = (*bells[:-1], bells[-1]._replace(state="silent"))
    calls = tuple(wire.RollCall(home=f"H{number:04d}", name="Hộ mẫu (Đỗ Xuân Trường)") for number in range(homes))
    calls = (*calls[:-1], calls[-1].model_copy(update={"says": "need_help"}))
    incident = replace(world.only, bells=bells, roll_call=calls)
    shown = decode(wire.Incident, snapshots.payload(incident, engine="5be07711-1", group_name="Tổ"))
    assert len(shown.bells) + len(shown.roll_call) + shown.left_out == rung + homes
    assert bool(shown.left_out) == left_out
    assert "need_help" in {home.says for home in shown.roll_call}
    assert "silent" in {bell.state for bell in shown.bells}
    row = journal._incident(incident, shown.payload())
    again = journal.read_incident(row[4], row[5])
    assert (again.bells, again.roll_call) == (bells, calls)


def test_a_board_that_is_pressed_again_and_again_does_not_flood_the_channels():
    world = World(channels=("hook",))
    told = []
    for _ in range(600):
        world.press("H03-07")
        told += [row.delivery.what for row in world.effects.deliveries]
        world.later(0.1)
    assert told == ["opened"]
    assert world.only.n == 600
    world.command("acknowledge")
    world.press("H03-07")
    assert [row.delivery.what for row in world.effects.deliveries] == ["re_alarmed"]
    world.press("H03-08")
    assert [row.delivery.what for row in world.effects.deliveries] == ["re_alarmed"]


def test_a_board_that_invents_points_makes_no_incident_that_grows_for_ever():
    world = World()
    world.event("H03-08", "smoke-1")
    for number in range(300):
        world.event("H03-07", f"button-{number}", type="button", calling=True)
    assert len(world.only.active) <= 50
    assert "H03-08/smoke-1" in world.only.active, "what others have raised stays"
    assert list(world.only.active)[-1] == "H03-07/button-299"
    assert world.only.n == 301


def test_an_alarm_in_a_version_that_nobody_knows_is_an_alarm():
    world = World()
    raw = b'{"v":2,"id":"9c41f2aa-1-1","point":"button-1","type":"button","state":"active","now":{"new":1}}'
    with world.turn() as turn:
        facts.odd_event(turn, "H03-07", decode_event(raw))
    assert (world.only.sounding, world.only.activations[0].at_from) == (True, "before")
    assert ("H03-07", "", "odd_event") in world.logged()


def test_a_board_that_moved_to_another_group_still_ends_its_alarm():
    world = World()
    world.event("H03-07", "smoke-1")
    world.situation.devices["H03-07"].group = "DCC-N5"
    world.event("H03-07", "smoke-1", "clear")
    world.later(61)
    assert (world.only.kind, world.only.active) == ("smoke", {})


@pytest.mark.parametrize("step_s", [3600 * 24 * 365, -3600 * 24 * 365, 30, -30], ids=["a year on", "a year back", "30 s on", "30 s back"])
def test_a_clock_that_is_set_anew_ends_no_ring_and_names_no_bell(step_s):
    world = World()
    world.press("H03-07")
    world.event("DCC-017", "smoke-1")
    world.set_clock(step_s)
    world.later(2)
    fire, smoke = world.situation.incidents.values()
    assert (fire.sounding, {bell.state for bell in fire.bells}, smoke.kind) == (True, {"waiting"}, "smoke")
    world.later(58)
    fire, smoke = world.situation.incidents.values()
    assert ({bell.state for bell in fire.bells}, smoke.kind) == ({"silent"}, "fire")
    world.later(1739)
    assert world.situation.incidents[fire.id].sounding
    world.later(1)
    assert not world.situation.incidents[fire.id].sounding


def test_a_lone_smoke_contact_beside_a_late_alarm_is_still_to_be_believed():
    world = World()
    world.event("H03-08", "button-1", now="clear", age=7_200_000)
    event = world.event("H03-07", "smoke-1")
    assert (world.only.kind, world.only.sounding, world.only.late) == ("smoke", False, False)
    assert event not in world.order.covers.values()
    world.later(60)
    assert (world.only.kind, world.only.sounding) == ("fire", True)


def test_a_start_with_a_clock_that_is_behind_rings_the_whole_time_anew():
    world = World()
    world.press("H03-07")
    world.now = world.now._replace(ms=world.now.ms - 3_600_000)
    world.later(0)
    assert (world.only.sounding, world.order.pattern) == (True, "fire")
    world.later(1799)
    assert world.only.sounding
    world.later(1)
    assert not world.only.sounding
