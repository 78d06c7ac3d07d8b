"""The life of an incident, from the first press to its end. Pure: every function returns the incident after something happened,
the same object if that means nothing to it. Times are Unix milliseconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from gateway.domain import bells
from gateway.domain.bells import Bell
from gateway.domain.placing import AtFrom, is_newer
from gateway.domain.policy import PATTERN, Kind
from protocol.messages import Activation, Delivery, Event, Place, RollCall, Says, TimelineEntry

State = Literal["open", "acknowledged", "resolved"]
Step = Literal["activate", "acknowledge", "silence", "resolve"]
Outcome = Literal["fire", "false_alarm", "drill", "test"]

# What can follow in which state. A pair without a row is refused: nothing leaves "resolved", and nothing but "resolve" leads there.
NEXT: dict[tuple[State, Step], State] = {
    ("open", "activate"): "open",
    ("open", "acknowledge"): "acknowledged",
    ("open", "silence"): "open",
    ("open", "resolve"): "resolved",
    ("acknowledged", "activate"): "open",
    ("acknowledged", "silence"): "acknowledged",
    ("acknowledged", "resolve"): "resolved",
}

What = Literal[
    "opened",
    "activated",
    "late_alarm",
    "recorded",
    "confirmed",
    "cleared",
    "cancelled",
    "bell_silent",
    "bell_fault",
    "bell_late",
    "bell_silenced",
    "acknowledged",
    "roll_call",
    "silenced",
    "ring_ended",
    "resolved",
    "delivered",
    "delivery_failed",
]

# What of a message's life stands in the timeline; the rest is in the list of messages.
_DELIVERY_NEWS: dict[str, What] = {"delivered": "delivered", "failed": "delivery_failed"}

AGAIN_MS = 10_000  # a finger that trembles, a contact that chatters, and a message to everybody for each of it
CANCEL_MS = 600_000  # a cancel by key holds until the contact clears, at most 10 min
# An incident is published whole in at most 64 kB and written whole with each change: the first and the newest of what is long.
ACTIVATIONS_MAX = 30
TIMELINE_MAX = 90


class Alarm(NamedTuple):
    """A point that became active. `late`: over and old. `quiet`: it wants no bells (a silent SOS). `chatter`: just cleared before."""

    event: str
    device: str
    place: Place
    point: str
    type: str
    kind: Kind
    at_ms: int
    at_from: AtFrom
    is_active: bool = True
    late: bool = False
    quiet: bool = False
    chatter: bool = False

    @property
    def source(self) -> str:
        """The point and its board: what a second source is told by."""
        return f"{self.device}/{self.point}"


class Verify(NamedTuple):
    """A smoke contact waits to be believed, as start and duration."""

    start_ms: int
    duration_ms: int
    cancelled: bool = False


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One fire, or what may become one. `rung`: its group's bells were ever asked. `events`: board -> its newest alarm event."""

    id: str
    kind: Kind
    group: str | None
    place: Place
    opened_ms: int
    state: State = "open"
    version: int = 0
    revision: int = 0
    n: int = 0
    late: bool = False
    rung: bool = False
    sounding: bool = False
    sounding_ms: int = 0
    verify: Verify | None = None
    acknowledged_ms: int | None = None
    acknowledged_by: str = ""
    resolved_ms: int | None = None
    resolved_by: str = ""
    outcome: Outcome | None = None
    active: dict[str, str] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)
    activations: tuple[Activation, ...] = ()
    bells: tuple[Bell, ...] = ()
    roll_call: tuple[RollCall, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()

    @property
    def settled(self) -> bool:
        """Nothing more can come: resolved, and every delivery is through or given up."""
        return self.state == "resolved" and all(delivery.state != "waiting" for delivery in self.deliveries)


class Asked(NamedTuple):
    """Whom an activation rings, how long a lone smoke contact waits, and the homes (id, name) that are asked how they are."""

    bells: tuple[tuple[str, str], ...]
    verify_ms: int
    homes: tuple[tuple[str, str], ...] = ()


def opened(ident: str, alarm: Alarm, *, group: str | None, asked: Asked, now_ms: int) -> Incident:
    """A new incident, with its first activation. A late one is shown and rings nobody."""
    incident = Incident(
        id=ident, kind=alarm.kind, group=group, place=alarm.place, opened_ms=now_ms, late=alarm.late, active=_active({}, alarm)
    )
    return _activated(incident, alarm, asked, now_ms, "late_alarm" if alarm.late else "opened")


def activated(incident: Incident, alarm: Alarm, *, asked: Asked, now_ms: int) -> Incident:
    """The incident after a further alarm of its family and group. A late one is only recorded, and a chattering one unless nothing
    but late ones were before."""
    second_source = any(source != alarm.source for source in incident.active)
    incident = replace(incident, active=_active(incident.active, alarm))
    if alarm.late or (alarm.chatter and not incident.late):
        incident = noted(incident, now_ms, "late_alarm" if alarm.late else "recorded", alarm.device, alarm.point)
        incident = replace(incident, events=_newest(incident.events, alarm))
        return _verifying(incident, alarm, asked, now_ms)
    if incident.late and alarm.kind == "smoke":
        incident = replace(incident, kind="smoke")  # what is over is no second source
    elif incident.kind == "smoke" and (alarm.kind == "fire" or second_source):
        incident = noted(replace(incident, kind="fire", verify=None), now_ms, "confirmed", alarm.device, alarm.point)
    return _activated(replace(incident, late=False), alarm, asked, now_ms, "activated")


def cleared(incident: Incident, *, device: str, point: str, now_ms: int) -> Incident:
    """A point is clear again. This ends a cancel and never the incident."""
    source = f"{device}/{point}"
    if source not in incident.active:
        return incident
    active = {known: event for known, event in incident.active.items() if known != source}
    verify = incident.verify
    if not active and verify and verify.cancelled:
        verify = None
    return noted(replace(incident, active=active, verify=verify), now_ms, "cleared", device, point)


def cancelled(incident: Incident, *, device: str, event: str, now_ms: int) -> Incident:
    """A key was pressed in the house whose lone smoke contact waits to be believed: it may be the kitchen. It counts once, and only for
    what was before it."""
    smoke = [known for source, known in incident.active.items() if source.startswith(device + "/")]
    if incident.verify is None or incident.verify.cancelled or not any(is_newer(event, known) for known in smoke):
        return incident
    return noted(replace(incident, verify=Verify(now_ms, CANCEL_MS, cancelled=True)), now_ms, "cancelled", device)


def heard(incident: Incident, event: Event, *, device: str, at_ms: int, now_ms: int) -> Incident:
    """A bell says what it does. Proof counts for the activation that it answers: not for a later one."""
    index = next((index for index, bell in enumerate(incident.bells) if bell.device == device), None)
    if index is None or (event.state == "active" and not _answers_newest(incident, event)):
        return incident
    before = incident.bells[index]
    after = bells.answered(before, event, at_ms=at_ms)
    if after == before:
        return incident
    incident = replace(incident, bells=(*incident.bells[:index], after, *incident.bells[index + 1 :]))
    if after._replace(event=before.event) == before:
        return incident
    what = _bell_news(before, after)
    return noted(incident, now_ms, what, device) if what else replace(incident, revision=incident.revision + 1)


def says_it_again(incident: Incident, alarm: Alarm) -> bool:
    """True if a point raises again what it has just raised, sounds and nobody has acknowledged: no news for the channels."""
    return incident.sounding and incident.state == "open" and any(_is_again(before, alarm) for before in incident.activations)


def acknowledged(incident: Incident, *, by: str, now_ms: int) -> Incident:
    """Somebody has taken it on. The bells sound on, and the incident stays open until it is resolved."""
    incident = _stepped(incident, "acknowledge")
    return noted(replace(incident, acknowledged_ms=now_ms, acknowledged_by=by), now_ms, "acknowledged", by)


def silenced(incident: Incident, *, by: str, now_ms: int) -> Incident:
    """The bells stop until the next activation."""
    return noted(replace(_stepped(incident, "silence"), sounding=False), now_ms, "silenced", by)


def resolved(incident: Incident, *, by: str, outcome: Outcome, reason: str, now_ms: int) -> Incident:
    """It is over: the bells stop, and the next alarm opens another incident."""
    incident = replace(_stepped(incident, "resolve"), sounding=False, verify=None)
    incident = replace(incident, resolved_ms=now_ms, resolved_by=by, outcome=outcome)
    return noted(incident, now_ms, "resolved", by, reason or outcome)


def answered(incident: Incident, *, home: str | None, says: Says, by: str, now_ms: int) -> Incident:
    """A home says how it is: by a key, a message, or somebody at the desk who was told. The newest word counts."""
    roll_call = tuple(
        entry.model_copy(update={"says": says, "by": by, "at_ms": now_ms}) if entry.home == home else entry for entry in incident.roll_call
    )
    detail = f"{home}: {says}" if home else says
    return noted(replace(incident, roll_call=roll_call), now_ms, "roll_call", by, detail)


def delivered(incident: Incident, delivery: Delivery, *, now_ms: int) -> Incident:
    """A message has come this far. It takes the place of the same one before; of one that is over, by the same channel to the same
    receiver about the same, only the newest is shown.
    """
    others = tuple(before for before in incident.deliveries if not _takes_place_of(delivery, before))
    was = next((before for before in incident.deliveries if before.id == delivery.id), None)
    incident = replace(incident, deliveries=_room((*others, delivery)), revision=incident.revision + 1)
    what = _DELIVERY_NEWS.get(delivery.state)
    if what is None or (was and was.state == delivery.state):
        return incident
    return noted(incident, now_ms, what, delivery.person or delivery.channel, delivery.channel if delivery.person else delivery.what)


def _activated(incident: Incident, alarm: Alarm, asked: Asked, now_ms: int, what: What) -> Incident:
    incident = _stepped(incident, "activate")
    activation = Activation(
        n=incident.n + 1,
        event=alarm.event,
        device=alarm.device,
        place=alarm.place,
        point=alarm.point,
        type=alarm.type,
        at_ms=alarm.at_ms,
        at_from=alarm.at_from,
    )
    incident = replace(
        incident,
        n=activation.n,
        acknowledged_ms=None,
        acknowledged_by="",
        activations=shortened((*incident.activations, activation), ACTIVATIONS_MAX),
        events=_newest(incident.events, alarm),
    )
    incident = noted(incident, now_ms, what, alarm.device, alarm.point)
    if alarm.late:
        return incident
    if PATTERN[incident.kind] is None or alarm.quiet:
        return _verifying(incident, alarm, asked, now_ms)
    return sounding(incident, asked, pressed_ms=alarm.at_ms, now_ms=now_ms)


def sounding(incident: Incident, asked: Asked, *, pressed_ms: int, now_ms: int) -> Incident:
    """The incident with all bells of its group asked, for a press at `pressed_ms`."""
    waiting = bells.ask(asked.bells, pressed_ms=pressed_ms, now_ms=now_ms)
    called = {entry.home for entry in incident.roll_call}
    roll_call = (*incident.roll_call, *(RollCall(home=home, name=name) for home, name in asked.homes if home not in called))
    return replace(incident, rung=True, sounding=True, sounding_ms=now_ms, bells=waiting, roll_call=roll_call)


def _verifying(incident: Incident, alarm: Alarm, asked: Asked, now_ms: int) -> Incident:
    if incident.kind != "smoke" or incident.verify or not alarm.is_active or alarm.late:
        return incident
    return replace(incident, verify=Verify(now_ms, asked.verify_ms))


def _stepped(incident: Incident, step: Step) -> Incident:
    """Raises KeyError where the table has no row: the desk asks `allowed` first."""
    return replace(incident, state=NEXT[incident.state, step], version=incident.version + 1)


def allowed(incident: Incident, step: Step) -> bool:
    """True if the table has a row for it."""
    return (incident.state, step) in NEXT


def _answers_newest(incident: Incident, event: Event) -> bool:
    if event.cause == incident.id:
        return event.n == incident.n
    return event.cause == incident.activations[-1].event


def _takes_place_of(new: Delivery, old: Delivery) -> bool:
    same = (old.channel, old.person, old.what) == (new.channel, new.person, new.what)
    return old.id == new.id or (bool(new.person) and same and old.state != "waiting")


def _room(deliveries: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
    """Those that are over make room first: with one that waits forgotten, its incident would be settled too early."""
    if len(deliveries) <= TIMELINE_MAX:
        return deliveries
    oldest = next((index for index, one in enumerate(deliveries) if one.state != "waiting"), 0)
    return (*deliveries[:oldest], *deliveries[oldest + 1 :])


def _is_again(before: Activation, alarm: Alarm) -> bool:
    return (before.device, before.point) == (alarm.device, alarm.point) and abs(alarm.at_ms - before.at_ms) < AGAIN_MS


def _bell_news(before: Bell, after: Bell) -> What | None:
    if after.state == "silenced":
        return "bell_silenced"
    if after.state == "fault" and before.state != "fault":
        return "bell_fault"
    if after.state == "silent":
        return "bell_silent"
    return "bell_late" if before.state == "silent" else None


def _newest(events: dict[str, str], alarm: Alarm) -> dict[str, str]:
    return events | {alarm.device: alarm.event} if is_newer(alarm.event, events.get(alarm.device)) else events


def _active(active: dict[str, str], alarm: Alarm) -> dict[str, str]:
    return active | {alarm.source: alarm.event} if alarm.is_active else active


def noted(incident: Incident, at_ms: int, what: What, who: str = "", detail: str = "") -> Incident:
    """The incident with one more line in its timeline."""
    entry = TimelineEntry(at_ms=at_ms, what=what, who=who, detail=detail)
    return replace(incident, revision=incident.revision + 1, timeline=shortened((*incident.timeline, entry), TIMELINE_MAX))


def unresolved(incidents: Iterable[Incident]) -> list[Incident]:
    """Those that are not over."""
    return [incident for incident in incidents if incident.state != "resolved"]


def shortened(items: tuple, longest: int) -> tuple:  # type: ignore[type-arg]
    """The first third and the newest of what is longer than `longest`."""
    first = longest // 3
    return items if len(items) <= longest else (*items[:first], *items[first - longest :])
