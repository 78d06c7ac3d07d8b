"""What holds after any sequence of facts."""

from commune import World
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.incidents import unresolved
from gateway.domain.placing import is_newer
from gateway.domain.policy import FAMILY
from gateway.domain.ringing import Order

DEVICES = st.sampled_from(["H03-01", "H03-02", "DCC-017", "H99-01"])
STEPS = st.one_of(
    st.tuples(st.just("press"), DEVICES),
    st.tuples(st.just("late"), DEVICES),
    st.tuples(st.just("clear"), DEVICES),
    st.tuples(st.just("smoke"), DEVICES),
    st.tuples(st.just("smoke clear"), DEVICES),
    st.tuples(st.just("sos"), DEVICES),
    st.tuples(st.just("key"), DEVICES),
    st.tuples(st.just("bell"), DEVICES),
    st.tuples(st.just("later"), st.sampled_from([0.5, 3, 61, 1900])),
    st.tuples(st.sampled_from(["acknowledge", "silence", "resolve"]), st.integers(0, 3)),
)


ALARMS = {
    "press": {"point": "button-1", "calling": True},
    "late": {"point": "button-2", "now": "clear", "age": 9_000_000},
    "smoke": {"point": "smoke-1"},
    "sos": {"point": "sos-1", "calling": True},
}
OTHERS = {"clear": ("button-1", "clear"), "smoke clear": ("smoke-1", "clear"), "key": ("key", "active")}


def take(world: World, what: str, which) -> str | None:
    """Do one step; the id of an alarm's event."""
    world.turn()  # a step that does nothing has no effects
    newest = list(world.situation.incidents.values())[-1:]
    if what in ALARMS:
        return world.event(which, **ALARMS[what])
    if what in OTHERS:
        world.event(which, *OTHERS[what])
    elif what == "later":
        world.later(which)
    elif what == "bell" and newest:
        world.rings(which, newest[0].id, n=newest[0].n)
    elif newest:
        world.command(what, incident=newest[0].id, version=newest[0].version)
    return None


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS.filter(lambda step: step[0] != "resolve"), max_size=25))
def test_no_ring_covers_smoke_that_waits_to_be_believed(steps):
    world = World()
    for what, which in steps:
        take(world, what, which)
        for incident in world.situation.incidents.values():
            covers = world.situation.orders.get(incident.group, Order()).covers
            waiting = incident.active if incident.verify else {}
            assert all(is_newer(event, covers.get(source.partition("/")[0])) for source, event in waiting.items())


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_d34_no_sequence_doubles_an_incident_loses_an_alarm_or_closes_without_resolve(steps):
    world = World()
    orders: dict[str, Order] = {}
    for what, which in steps:
        before = {incident.id for incident in unresolved(world.situation.incidents.values())}
        alarm = take(world, what, which)
        after = unresolved(world.situation.incidents.values())
        fires = [(incident.group, FAMILY[incident.kind]) for incident in after]
        assert len(fires) == len(set(fires))
        if what != "resolve":
            assert before <= {incident.id for incident in after}
        if alarm is not None:
            assert alarm in [event for incident in after for event in incident.events.values()]
        if what == "press":
            assert any(incident.state == "open" and incident.sounding and alarm in incident.events.values() for incident in after)
        for group, order in world.situation.orders.items():
            sounding = any(incident.sounding for incident in after if incident.group == group)
            assert sounding == (order.pattern is not None)
            was = orders.get(group, Order())
            shown = was._replace(rev=order.rev, heard=order.heard, acknowledged=order.acknowledged)
            assert order.rev == was.rev + (order != shown)
            assert (order != was) == (group in world.effects.orders)
            orders[group] = order
