"""An incident as everybody sees it, and the rest of it: together they bring it back after a start. Pure."""

from typing import NamedTuple

from gateway.domain.bells import SOUNDS, Bell
from gateway.domain.incidents import TIMELINE_MAX, Incident, Verify, shortened
from gateway.domain.ladder import Climb
from protocol import incident as wire
from protocol.topics import LIMITS

MANY = 50  # bells and homes: their names may not fit into the snapshot
WORST_FIRST = ("need_help", "no_answer", "coming", "safe")


class Core(NamedTuple):
    """What the engine knows of an incident beside its snapshot."""

    rung: bool
    sounding_ms: int
    silenced_ms: int | None
    alarm_ms: int
    climb: Climb | None
    verify: Verify | None
    active: dict[str, str]
    events: dict[str, str]
    bells: tuple[Bell, ...]
    roll_call: tuple[wire.RollCall, ...] = ()


def core(incident: Incident) -> Core:
    """What `snapshot` does not say; the roll call, too, if it may not say all of it."""
    found = Core(*(getattr(incident, name) for name in Core._fields))
    return found if len(incident.bells) + len(incident.roll_call) > MANY else found._replace(roll_call=())


def restored(shown: wire.Incident, hidden: Core) -> Incident:
    """The incident of a snapshot and its core."""
    return Incident(
        id=shown.id,
        kind=shown.kind,
        group=shown.group,
        groups=tuple(shown.groups),
        place=shown.place,
        opened_ms=shown.opened_ms,
        state=shown.state,
        version=shown.version,
        revision=shown.revision,
        n=shown.n,
        late=shown.late,
        sounding=shown.sounding,
        acknowledged_ms=shown.acknowledged_ms,
        acknowledged_by=shown.acknowledged_by,
        on_the_way_ms=shown.on_the_way_ms,
        on_the_way_by=shown.on_the_way_by,
        on_scene_ms=shown.on_scene_ms,
        on_scene_by=shown.on_scene_by,
        resolve_asked=shown.resolve_asked,
        resolved_ms=shown.resolved_ms,
        resolved_by=shown.resolved_by,
        outcome=shown.outcome,
        activations=tuple(shown.activations),
        deliveries=tuple(shown.deliveries),
        timeline=tuple(shown.timeline),
        **(hidden._asdict() | {"roll_call": hidden.roll_call or tuple(shown.roll_call)}),
    )


def payload(incident: Incident, *, engine: str, group_name: str) -> bytes:
    """The snapshot as it is published. What is too long for its topic loses of what is between its beginning and its newest."""
    shown = snapshot(incident, engine=engine, group_name=group_name)
    found, longest = shown.payload(), TIMELINE_MAX
    while len(found) > LIMITS["incident"] and longest > 1:
        longest //= 2
        lists = {"activations": incident.activations, "deliveries": incident.deliveries, "timeline": incident.timeline}
        shorter = shown.model_copy(update={name: list(shortened(items, longest)) for name, items in lists.items()})
        found = shorter.payload()
        if longest == 1 and len(found) > LIMITS["incident"]:
            found = _without_names(shorter)
    return found


def _without_names(shown: wire.Incident) -> bytes:
    """One that reaches whole villages: no names of bells and homes, and then no more of them than fit, those with trouble first."""
    bells = sorted((bell.model_copy(update={"place": ""}) for bell in shown.bells), key=lambda bell: bell.state in SOUNDS)
    homes = sorted((home.model_copy(update={"name": ""}) for home in shown.roll_call), key=lambda home: WORST_FIRST.index(home.says))
    most = max(len(bells), len(homes))
    while True:
        left_out = len(bells[most:]) + len(homes[most:])
        found = shown.model_copy(update={"bells": bells[:most], "roll_call": homes[:most], "left_out": left_out}).payload()
        if len(found) <= LIMITS["incident"] or not most:
            return found
        most //= 2


def snapshot(incident: Incident, *, engine: str, group_name: str) -> wire.Incident:
    """The incident as everybody sees it."""
    return wire.Incident(
        engine=engine,
        id=incident.id,
        version=incident.version,
        revision=incident.revision,
        kind=incident.kind,
        group=incident.group,
        groups=list(incident.groups),
        group_name=group_name,
        state=incident.state,
        late=incident.late,
        sounding=incident.sounding,
        n=incident.n,
        opened_ms=incident.opened_ms,
        acknowledged_ms=incident.acknowledged_ms,
        acknowledged_by=incident.acknowledged_by,
        on_the_way_ms=incident.on_the_way_ms,
        on_the_way_by=incident.on_the_way_by,
        on_scene_ms=incident.on_scene_ms,
        on_scene_by=incident.on_scene_by,
        resolve_asked=incident.resolve_asked,
        resolved_ms=incident.resolved_ms,
        resolved_by=incident.resolved_by,
        outcome=incident.outcome,
        place=incident.place,
        activations=list(incident.activations),
        bells=[wire.Bell(device=bell.device, place=bell.place, state=bell.state, after_ms=bell.after_ms) for bell in incident.bells],
        roll_call=list(incident.roll_call),
        ladder=_ladder(incident),
        deliveries=list(incident.deliveries),
        timeline=list(incident.timeline),
    )


def _ladder(incident: Incident) -> wire.LadderPosition | None:
    climb = incident.climb
    if climb is None:
        return None
    due_ms = climb.start_ms + climb.wait_ms if incident.climbs else None
    return wire.LadderPosition(cause=climb.cause, round=climb.round, step=climb.step + 1, due_ms=due_ms, next=list(climb.next))
