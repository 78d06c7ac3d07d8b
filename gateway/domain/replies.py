"""What people answer to a message that told them of an incident: a "1" by SMS, "safe", "need help". Pure; milliseconds.

A channel decides who it was (a known number) and what was said; here is decided what it means.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from gateway.domain import decisions, deliveries, incidents, telling
from gateway.domain.commune import Person
from gateway.domain.incidents import Incident
from gateway.domain.policy import may
from gateway.domain.rows import DeliveryRow
from gateway.domain.situation import Turn, put
from protocol.incident import Delivery, Says

Word = Literal["acknowledge"] | Says


class Reply(NamedTuple):
    """`person` answers by `channel` (sms, voice). `incident` if the answer says which, else None: the one that person was told of last."""

    person: str
    channel: str
    says: Word
    incident: str | None = None


def take(turn: Turn, reply: Reply) -> None:
    """Act on a reply: an act for `Intake.put`. One that fits nothing (an unknown person, an incident that is over) changes nothing."""
    person = turn.situation.commune.person(reply.person)
    if person is None:
        return
    open_now = incidents.unresolved(turn.situation.incidents.values())
    if reply.says == "acknowledge":
        incident = _meant(open_now, reply)
        if incident is not None:
            _acknowledge(turn, incident, person, reply)
        return
    for incident in open_now:
        if reply.incident == incident.id or (reply.incident is None and person.group in incident.groups):
            telling.answered(turn, incident, home=person.home, says=reply.says, by=reply.person)


def _acknowledge(turn: Turn, incident: Incident, person: Person, reply: Reply) -> None:
    """Everybody who was told has answered for themselves; only who has the right takes the incident on, and only who was told of what it
    is now: an answer to a message before the alarm that opened it again says nothing of that alarm.
    """
    found = _told(incident, reply.person)
    is_about_this = reply.incident is not None or incident.climb is None or any(incident.climb.tells(one) for one in found)
    for told in found:
        after = deliveries.acknowledged(told, now_ms=turn.now.ms)
        turn.effects.tried.append(DeliveryRow(incident.id, after))
        incident = deliveries.delivered(incident, after, now_ms=turn.now.ms)
    own_group = person.group in incident.groups
    is_responsible = may(person.role, "acknowledge", own_group=own_group, own_home=False)
    if is_about_this and is_responsible and incidents.allowed(incident, "acknowledge"):
        incident = decisions.acknowledged(incident, by=reply.person, now_ms=turn.now.ms)
        turn.effects.announce(incident.id, "acknowledged")
    put(turn, incident)


def _meant(open_now: Iterable[Incident], reply: Reply) -> Incident | None:
    """The incident that was named; else of those that this person was told of and has not answered, the one told of last."""
    if reply.incident is not None:
        return next((incident for incident in open_now if incident.id == reply.incident), None)
    told = [(max(one.decided_ms for one in found), incident) for incident in open_now if (found := _told(incident, reply.person))]
    return max(told, key=lambda item: item[0], default=(0, None))[1]


def _told(incident: Incident, person: str) -> list[Delivery]:
    return [one for one in incident.deliveries if one.person == person and one.state in ("waiting", "handed", "delivered")]
