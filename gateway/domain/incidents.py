"""The life of an incident as a table, and what it is made of. Pure: every function of alarms.py, decisions.py, proofs.py, deadlines.py
and deliveries.py returns the incident after something happened, the same object if that means nothing to it. Unix milliseconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple

from gateway.domain.bells import Bell
from gateway.domain.ladder import Climb
from gateway.domain.placing import AtFrom
from gateway.domain.policy import Kind
from protocol.incident import Activation, Delivery, Place, RollCall, TimelineEntry

State = Literal["open", "acknowledged", "on_the_way", "on_scene", "resolved"]
Step = Literal["activate", "acknowledge", "on_the_way", "on_scene", "silence", "rearm", "again", "resolve"]
Outcome = Literal["fire", "false_alarm", "drill", "test"]

# What can follow in which state. A pair without a row is refused: nothing leaves "resolved", and nothing but "resolve" leads there. A new
# alarm opens again what somebody had taken on: whoever is on the way does not know of it.
NEXT: dict[tuple[State, Step], State] = {
    ("open", "activate"): "open",
    ("open", "acknowledge"): "acknowledged",
    ("open", "on_the_way"): "on_the_way",
    ("open", "on_scene"): "on_scene",
    ("open", "silence"): "open",
    ("open", "rearm"): "open",  # silenced, and nobody has taken it on
    ("open", "again"): "open",
    ("open", "resolve"): "resolved",
    ("acknowledged", "activate"): "open",
    ("acknowledged", "on_the_way"): "on_the_way",
    ("acknowledged", "on_scene"): "on_scene",
    ("acknowledged", "silence"): "acknowledged",
    ("acknowledged", "again"): "open",
    ("acknowledged", "resolve"): "resolved",
    ("on_the_way", "activate"): "open",
    ("on_the_way", "on_scene"): "on_scene",
    ("on_the_way", "silence"): "on_the_way",
    ("on_the_way", "again"): "open",
    ("on_the_way", "resolve"): "resolved",
    ("on_scene", "activate"): "open",
    ("on_scene", "silence"): "on_scene",
    ("on_scene", "again"): "open",
    ("on_scene", "resolve"): "resolved",
}

TAKEN_ON: tuple[State, ...] = ("acknowledged", "on_the_way", "on_scene")

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
    "stuck",
    "joined",
    "acknowledged",
    "on_the_way",
    "on_scene",
    "roll_call",
    "called_114",
    "alarm_again",
    "nobody_to_tell",
    "desk_missing",
    "resolve_asked",
    "silenced",
    "rearmed",
    "ring_ended",
    "resolved",
    "delivered",
    "delivery_failed",
]

# An incident is published whole in at most 64 kB and written whole with each change: the first and the newest of what is long.
ACTIVATIONS_MAX = 30
CALM_MS = 3_600_000
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
    """One fire, or what may become one. `groups`: where it is, `group` first. `rung`: bells were ever asked. `events`: board -> its newest
    alarm event. `alarm_ms`: when the engine decided its newest activation. `silenced_ms`: since when the bells are silenced, if they are.
    """

    id: str
    kind: Kind
    group: str | None
    groups: tuple[str, ...] = ()
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
    silenced_ms: int | None = None
    alarm_ms: int = 0
    climb: Climb | None = None
    verify: Verify | None = None
    acknowledged_ms: int | None = None
    acknowledged_by: str = ""
    on_the_way_ms: int | None = None
    on_the_way_by: str = ""
    on_scene_ms: int | None = None
    on_scene_by: str = ""
    resolve_asked: bool = False
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
    def climbs(self) -> bool:
        """People are told, step by step: nobody has taken it on, and the ladder has not come to its end."""
        return self.state == "open" and self.climb is not None and not self.climb.over

    @property
    def settled(self) -> bool:
        """Nothing more can come: resolved, and every delivery is through or given up."""
        return self.state == "resolved" and all(delivery.state != "waiting" for delivery in self.deliveries)


_FIELDS = frozenset(field.name for field in fields(Incident))


def changed(incident: Incident, **changes: Any) -> Incident:
    """The incident with other values in these fields. As dataclasses.replace(), which takes 15 us for so many: five times an alarm."""
    if not changes.keys() <= _FIELDS:
        raise TypeError(f"expected fields of an incident, got {', '.join(changes.keys() - _FIELDS)}")
    after = object.__new__(Incident)
    after.__dict__.update(incident.__dict__, **changes)
    return after


class Asked(NamedTuple):
    """What an alarm in these groups does: whom it rings, how long a lone smoke contact waits, and how soon a ladder may begin again."""

    bells: tuple[tuple[str, str], ...]
    verify_ms: int
    again_ms: int = 0


def stepped(incident: Incident, step: Step) -> Incident:
    """The incident in its next state. Raises KeyError where the table has no row: the desk asks `allowed` first."""
    return changed(incident, state=NEXT[incident.state, step], version=incident.version + 1)


def allowed(incident: Incident, step: str) -> bool:
    """True if the table has a row for it."""
    return any(row == (incident.state, step) for row in NEXT)


def climbing(incident: Incident, climb: Climb) -> Incident:
    """The incident at another position of its ladder."""
    return changed(incident, climb=climb, revision=incident.revision + 1)


def noted(incident: Incident, at_ms: int, what: What, who: str = "", detail: str = "") -> Incident:
    """The incident with one more line in its timeline."""
    entry = TimelineEntry(at_ms=at_ms, what=what, who=who, detail=detail)
    return changed(incident, revision=incident.revision + 1, timeline=shortened((*incident.timeline, entry), TIMELINE_MAX))


def unresolved(incidents: Iterable[Incident]) -> list[Incident]:
    """Those that are not over."""
    return [incident for incident in incidents if incident.state != "resolved"]


def is_calm(incidents: Iterable[Incident], now_ms: int) -> bool:
    """True if no incident had an alarm within the last hour: one that nobody resolves holds nothing up for ever."""
    return not any(abs(now_ms - incident.alarm_ms) < CALM_MS for incident in unresolved(incidents))


def shortened(items: tuple, longest: int) -> tuple:  # type: ignore[type-arg]
    """The first third and the newest of what is longer than `longest`."""
    first = longest // 3
    return items if len(items) <= longest else (*items[:first], *items[first - longest :])
