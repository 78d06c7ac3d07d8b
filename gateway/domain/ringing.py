"""What a group's bells shall do now: one order for each group, computed from its incidents. Pure."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from gateway.domain.bells import SOUNDS
from gateway.domain.incidents import TAKEN_ON, Incident
from gateway.domain.placing import is_newer
from gateway.domain.policy import PATTERN
from protocol.fields import Pattern
from protocol.messages import Ring
from protocol.wire import PATTERNS

# How often an order is repeated, and after how many seconds without one a bell may call it overdue.
SOUNDING_EVERY_S = 10
SOUNDING_FOR_S = 60
QUIET_EVERY_S = 60
QUIET_FOR_S = 180
# A ring has 4,096 bytes; a group has 5 to 15 homes. 40 covers of 32-letter boards still fit beside the rest.
COVERS_MAX = 40


class Order(NamedTuple):
    """A group's ring order. `rev` counts the orders of the group over all incidents; `covers`: board -> its newest event in it.

    `heard`: a bell of another house has proved that it sounds for this `n`. `acknowledged`: a person has it. Both are shown in the house
    that pressed and decide nothing, so a change of them alone is sent at once under the same `rev`.
    """

    rev: int = 0
    incident: str | None = None
    pattern: Pattern | None = None
    n: int = 0
    place: str | None = None
    covers: dict[str, str] = {}  # noqa: RUF012 - never changed in place
    mute: list[str] = []  # noqa: RUF012
    heard: bool = False
    acknowledged: bool = False

    @property
    def every_s(self) -> int:
        """How often it is sent again."""
        return SOUNDING_EVERY_S if self.pattern else QUIET_EVERY_S


def order(before: Order, incidents: Iterable[Incident], members: Collection[str]) -> Order:
    """The order for a group's incidents (those that just ended included), with the next `rev`; `before` itself if nothing changes.
    `members`: the group's boards with an alarm; a neighbour's, of a fire that both share, are covered by that group's own order.
    """
    incidents = list(incidents)
    rung = [incident for incident in incidents if incident.rung]
    undecided = {device: event for incident in incidents if incident.verify for device, event in incident.events.items()}
    covers = before.covers
    for incident in incidents:
        covers = _covering(covers, incident, undecided, members)
    wanted = _shape(rung)._replace(rev=before.rev, covers=covers, mute=before.mute)
    if wanted == before:
        return before
    is_only_shown = wanted == before._replace(heard=wanted.heard, acknowledged=wanted.acknowledged)
    return wanted if is_only_shown else wanted._replace(rev=before.rev + 1)


def message(order: Order, engine: str) -> Ring:
    """The order as it goes out."""
    for_s = SOUNDING_FOR_S if order.pattern else QUIET_FOR_S
    return Ring(engine=engine, for_s=for_s, **order._asdict())


def _shape(rung: list[Incident]) -> Order:
    """Of several incidents the gravest that sounds, else the newest that is not resolved."""
    sounding = sorted(
        (incident for incident in rung if incident.sounding and PATTERN[incident.kind]),
        key=lambda incident: PATTERNS.index(str(PATTERN[incident.kind])),
    )
    unresolved = [incident for incident in rung if incident.state != "resolved"]
    if sounding:
        chosen, pattern = sounding[0], PATTERN[sounding[0].kind]
    elif unresolved:
        chosen, pattern = unresolved[-1], None
    else:
        return Order()
    newest = chosen.activations[-1] if chosen.activations else None  # a drill has none
    return Order(
        0,
        chosen.id,
        pattern,
        chosen.n,
        newest.place.id if newest else chosen.place.id,
        heard=any(bell.state in SOUNDS and bell.device != (newest and newest.device) for bell in chosen.bells),
        acknowledged=chosen.state in TAKEN_ON,
    )


def _covering(covers: dict[str, str], incident: Incident, undecided: dict[str, str], members: Collection[str]) -> dict[str, str]:
    """An event that no bell was rung for is covered only when the desk has ended it: until then its board calls by itself. A cover takes
    in all older events of its board, so of a board with one that is `undecided` no newer one is covered either.
    """
    if not incident.rung and not incident.late and incident.state != "resolved":
        return covers
    newer = {device: event for device, event in incident.events.items() if device in members and is_newer(event, covers.get(device))}
    if incident.state != "resolved":
        newer = {device: event for device, event in newer.items() if device not in undecided or not is_newer(event, undecided[device])}
    if not newer:
        return covers
    merged = {device: event for device, event in covers.items() if device not in newer} | newer
    return dict(list(merged.items())[-COVERS_MAX:])
