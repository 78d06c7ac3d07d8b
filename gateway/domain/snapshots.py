"""An incident as everybody sees it, and the rest of it: together they bring it back after a start. Pure."""

from typing import NamedTuple

from gateway.domain.bells import Bell
from gateway.domain.incidents import TIMELINE_MAX, Incident, Verify, shortened
from gateway.domain.ladder import Climb
from protocol import messages
from protocol.topics import LIMITS


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


def core(incident: Incident) -> Core:
    """What `snapshot` does not say."""
    return Core(*(getattr(incident, name) for name in Core._fields))


def restored(shown: messages.Incident, hidden: Core) -> Incident:
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
        roll_call=tuple(shown.roll_call),
        deliveries=tuple(shown.deliveries),
        timeline=tuple(shown.timeline),
        **hidden._asdict(),
    )


def payload(incident: Incident, *, engine: str, group_name: str) -> bytes:
    """The snapshot as it is published. What is too long for its topic loses of what is between its beginning and its newest."""
    shown = snapshot(incident, engine=engine, group_name=group_name)
    found, longest = shown.payload(), TIMELINE_MAX
    while len(found) > LIMITS["incident"] and longest > 1:
        longest //= 2
        lists = {"activations": incident.activations, "deliveries": incident.deliveries, "timeline": incident.timeline}
        found = shown.model_copy(update={name: list(shortened(items, longest)) for name, items in lists.items()}).payload()
    return found


def snapshot(incident: Incident, *, engine: str, group_name: str) -> messages.Incident:
    """The incident as everybody sees it."""
    return messages.Incident(
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
        bells=[messages.Bell(device=bell.device, place=bell.place, state=bell.state, after_ms=bell.after_ms) for bell in incident.bells],
        roll_call=list(incident.roll_call),
        ladder=_ladder(incident),
        deliveries=list(incident.deliveries),
        timeline=list(incident.timeline),
    )


def _ladder(incident: Incident) -> messages.LadderPosition | None:
    climb = incident.climb
    if climb is None:
        return None
    due_ms = climb.start_ms + climb.wait_ms if incident.climbs else None
    return messages.LadderPosition(cause=climb.cause, round=climb.round, step=climb.step + 1, due_ms=due_ms, next=list(climb.next))
