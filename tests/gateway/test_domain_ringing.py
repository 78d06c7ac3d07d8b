from commune import GROUP, LIFE, World

from gateway.domain import facts
from gateway.domain.placing import is_newer
from gateway.domain.ringing import COVERS_MAX, Order, message
from protocol import topics
from protocol.messages import Event


def test_an_order_names_incident_place_activation_and_what_it_covers():
    world = World()
    event = world.press("H03-07")
    assert world.order == Order(1, world.only.id, "fire", 1, "H03-07", {"H03-07": event}, [])
    assert world.effects.orders == {GROUP: world.order}


def test_rev_rises_with_each_change_and_over_incidents():
    world = World()
    world.press("H03-07")
    world.command("silence")
    assert (world.order.rev, world.order.pattern) == (2, None)
    world.command("resolve")
    world.press("H03-08")
    assert (world.order.rev, world.order.pattern) == (4, "fire")


def test_what_changes_nothing_for_the_bells_makes_no_order():
    world = World()
    call = world.press("H03-07")
    world.rings("H03-07", call, k=1)
    assert (world.order.rev, world.effects.orders) == (1, {})


def test_the_first_proof_of_another_house_is_shown_at_once_under_the_same_rev():
    world = World()
    call = world.press("H03-07")
    world.rings("H03-07", call, k=1)
    assert (world.order.heard, world.effects.orders) == (False, {})
    world.rings("H03-01", call, k=1)
    assert (world.order.rev, world.order.heard) == (1, True)
    assert world.effects.orders == {GROUP: world.order}
    world.rings("H03-02", call, k=1)
    assert world.effects.orders == {}


def test_acknowledged_is_shown_at_once_and_a_new_press_shows_it_no_more():
    world = World()
    world.press("H03-07")
    world.command("acknowledge")
    assert (world.order.rev, world.order.pattern, world.order.acknowledged) == (1, "fire", True)
    assert world.effects.orders == {GROUP: world.order}
    world.later(11)
    world.press("H03-08")
    assert (world.order.rev, world.order.n, world.order.acknowledged, world.order.heard) == (2, 2, False, False)


def test_a_quiet_order_still_covers_what_it_silenced():
    world = World()
    event = world.press("H03-07")
    world.command("resolve")
    assert (world.order.pattern, world.order.incident, world.order.covers) == (None, None, {"H03-07": event})


def test_smoke_that_rang_nobody_is_covered_only_once_the_desk_has_ended_it():
    world = World()
    event = world.event("H03-07", "smoke-1")
    assert GROUP not in world.situation.orders
    world.command("resolve", outcome="false_alarm")
    assert world.order.covers == {"H03-07": event}


def test_of_two_incidents_the_gravest_sounds():
    world = World()
    world.event("H03-08", "sos-1", calling=True)
    world.press("H03-07")
    assert world.order.pattern == "fire"


def test_the_longest_order_fits_its_topic():
    name = "A" * 32
    covers = {f"{number:032d}": "ffffffff-2147483647-2147483647" for number in range(COVERS_MAX)}
    order = Order(2_147_483_647, name, "fire", 2_147_483_647, name, covers, [], True, True)
    assert len(message(order, "ffffffff-2147483647").payload()) <= topics.LIMITS["ring"]


def test_ids_of_different_lives_are_not_compared():
    assert is_newer("00000001-1-1", "ffffffff-9-9")
    assert is_newer("00000001-2-1", "00000001-1-9")
    assert not is_newer("00000001-1-9", "00000001-1-9")


def test_events_of_a_board_that_come_in_another_order_are_all_covered():
    world = World()
    with world.turn() as turn:
        for seq in (2, 1):
            event = Event(id=f"{LIFE}-1-{seq}", age=0, point=f"button-{seq}", type="button", state="active", now="active", calling=True)
            facts.event(turn, "H03-07", event, event.payload(), is_doubled=False)
    assert world.order.covers == {"H03-07": f"{LIFE}-1-2"}


def test_an_alarm_that_only_a_late_incident_took_is_never_covered_unheard():
    world = World()
    world.event("H03-08", "heat-1", "clear")
    world.event("H03-07", "button-1", now="clear", age=7_200_000)
    event = world.event("H03-08", "heat-1")
    assert (world.only.sounding, world.order.covers["H03-08"]) == (True, event)


def test_a_ring_for_something_else_does_not_cover_smoke_that_waits_to_be_believed():
    world = World()
    smoke = world.event("H03-07", "smoke-1")
    sos = world.event("H03-07", "sos-1", calling=True)
    assert (world.order.pattern, world.order.covers) == ("sos", {})
    world.later(60)
    assert (world.order.pattern, world.order.covers) == ("fire", {"H03-07": sos})
    assert is_newer(sos, smoke)


def test_what_the_desk_has_ended_is_covered_whatever_else_waits():
    world = World()
    world.event("H03-07", "smoke-1")
    sos = world.event("H03-07", "sos-1", calling=True)
    incident = list(world.situation.incidents.values())[-1]
    world.command("resolve", incident=incident.id, version=incident.version)
    assert world.order.covers == {"H03-07": sos}
