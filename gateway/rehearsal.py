"""What would happen: an event is played to the engine's own decisions, second by second, with nobody answering. Nothing is sent."""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.domain import facts, telling
from gateway.domain.deadlines import Limits
from gateway.domain.policy import type_of
from gateway.domain.situation import Effects, Now, Situation, Turn, conclude
from protocol.messages import Event
from protocol.site import Site

_EVENT = "00000000-1-1"  # of no board: lives are random
# What nobody answering does to the bells is no policy.
_LEFT_OUT = ("activated", "bell_silent", "nobody_to_tell")


class Line(NamedTuple):
    """One thing that would happen, `after_s` seconds after the event. `what`: incident, bells, message, entry, or a word of the timeline.

    `who`: a person's name, a group, a board; `by`: a channel, or the pattern of the bells; `step` of the ladder, 0 for none.
    """

    after_s: int
    what: str
    who: str = ""
    by: str = ""
    step: int = 0


def rehearse(
    site: Site, limits: Limits, ways: frozenset[str], *, device: str, point: str, silent: bool, at_ms: int, for_s: int
) -> Iterator[Line]:
    """Everything that a point of a board which becomes active at `at_ms` would lead to within `for_s` seconds, in its order.

    `silent`: an SOS that must not be heard. Raises ValueError for a board that the site does not have.
    """
    if site.group_of(device) is None:
        raise ValueError(f"expected a board of the site, got {device!r}")
    situation = Situation(site, limits, ways=ways)
    type_ = type_of(point)
    fact = Event(id=_EVENT, age=0, point=point, type=type_, state="active", now="active", calling=not (type_ == "sos" and silent))
    patterns: dict[str, str | None] = {}
    for after_s in range(for_s + 1):
        turn = Turn(situation, Effects(), Now(at_ms + after_s * 1000, float(after_s)))
        if not after_s:
            facts.event(turn, device, fact, b"", is_doubled=False)
        facts.time(turn)
        for act in telling.due(situation, turn.now):
            act(turn)
        conclude(turn)
        if turn.effects.events and not situation.incidents:
            yield from (Line(after_s, "entry", entry.device, entry.what) for entry in turn.effects.entries if entry.point == point)
        yield from _lines(turn, after_s, patterns)


def _lines(turn: Turn, after_s: int, patterns: dict[str, str | None]) -> Iterator[Line]:
    site = turn.situation.commune
    for incident in turn.effects.incidents.values():
        new = [entry.what for entry in incident.timeline if entry.at_ms == turn.now.ms and entry.what not in _LEFT_OUT]
        yield from (Line(after_s, "incident" if what == "opened" else what, incident.place.name, incident.kind) for what in new)
    for group, order in turn.effects.orders.items():
        if order.pattern != patterns.get(group):
            yield Line(after_s, "bells", site.group_name(group), order.pattern or "quiet")
        patterns[group] = order.pattern
    for row in turn.effects.deliveries:
        person = site.person(row.delivery.person)
        yield Line(after_s, "message", person.name if person else "", row.delivery.channel, row.delivery.step)
