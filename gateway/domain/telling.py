"""Telling people: one step of an incident's ladder after the other, as messages that the channels send. Pure; milliseconds.

The ladder is no part of the decision about an alarm: bells never wait for it. An incident that is stored has its position, so a start
goes on from there.
"""

import json
from datetime import datetime, timedelta
from functools import partial

from gateway.domain import audiences, decisions, deliveries, desks, incidents, ladder, wording
from gateway.domain.audiences import Scene
from gateway.domain.commune import Person
from gateway.domain.incidents import Incident, noted
from gateway.domain.ladder import Climb
from gateway.domain.placing import is_due
from gateway.domain.rows import DeliveryRow
from gateway.domain.situation import Act, Now, Situation, Turn, put
from protocol.incident import Delivery, Says
from protocol.policy import Step

NOBODY = "ladder"  # the key of the fault


def due(situation: Situation, now: Now) -> list[Act]:
    """The ladders whose next step is due, as acts that do not depend on each other."""
    return [partial(climb, ident=ident) for ident in situation.due_ladders(now.ms)]


def climb(turn: Turn, *, ident: str) -> None:
    """Take the next step of an incident's ladder, if it is due: tell everybody whom it names, and set the time of the one after."""
    incident = turn.situation.incidents.get(ident)
    at = incident.climb if incident else None
    if incident is None or at is None or not incident.climbs or not is_due(at.start_ms, at.wait_ms, turn.now.ms):
        return
    incident = called(turn, incident)
    steps = turn.situation.commune.policy.ladder(at.cause)
    at = at._replace(step=min(at.step, len(steps.steps) - 1))  # the policy may have become shorter
    step = steps.steps[at.step]
    told = dict(at.told)
    found = [person for person in _reachable(turn, incident, step) if not _has_answered(incident, person, at)]
    for person in found:
        ways = turn.situation.ways_to(person)
        for channel in dict.fromkeys(ways if step.by == "all" else [ladder.way(ways, told.get(person.id, 0))]):
            if not _waits(incident, person, channel, at):
                incident = _tell(turn, incident, person, channel, at)
        told[person.id] = told.get(person.id, 0) + 1
    after = ladder.stepped(at, steps, told=told, now_ms=turn.now.ms)
    is_last = after.over or after.round > at.round
    coming = () if after.over else tuple(person.id for person in _reachable(turn, incident, steps.steps[after.step]))
    hurries = not is_last and desks.hurries(turn.situation, after)
    goes_on = hurries or (not found and not is_last)  # a step that leads to nobody is no reason to wait
    if goes_on:
        after = after._replace(wait_ms=0)
    if hurries:
        incident = desks.hurried(turn, incident)
    put(turn, incidents.climbing(incident, after._replace(next=coming)))
    if told:
        turn.fault_over(NOBODY)
    elif is_last:
        put(turn, _alone(turn, turn.situation.incidents[ident], at))
    if goes_on:
        climb(turn, ident=ident)


def called(turn: Turn, incident: Incident) -> Incident:
    """The incident with all homes of its groups in its roll call, if their bells were rung. With the ladder, not with the alarm: people
    need some seconds to answer, and bells wait for nothing.
    """
    homes = (home for group in incident.groups for home in turn.situation.commune.homes_of(group))
    return decisions.called(incident, homes) if incident.rung else incident


def answered(turn: Turn, incident: Incident, *, home: str | None, says: Says, by: str) -> None:
    """A home says how it is."""
    put(turn, decisions.answered(called(turn, incident), home=home, says=says, by=by, now_ms=turn.now.ms))


def fallback(turn: Turn, ident: str, failed: Delivery) -> None:
    """A message could not be delivered: the person's next channel is tried at once, not only with the next step."""
    incident = turn.situation.incidents.get(ident)
    person = turn.situation.commune.person(failed.person) if failed.person else None
    if incident is None or incident.climb is None or not incident.climbs or person is None:
        return
    ways = turn.situation.ways_to(person)
    if not incident.climb.tells(failed):
        return
    later = ways[ways.index(failed.channel) + 1 :] if failed.channel in ways else ways  # one that was taken out has none behind it
    tried = {one.channel for one in incident.deliveries if one.person == person.id and one.id >= failed.id}
    at = incident.climb._replace(step=failed.step - 1)
    for channel in [one for one in later if one not in tried and not _waits(incident, person, one, at)][:1]:
        put(turn, _tell(turn, incident, person, channel, at))


def withdraw(turn: Turn, incident: Incident) -> Incident:
    """It is over: what was not sent yet to people is not sent any more."""
    for one in incident.deliveries:
        if one.person and one.state == "waiting":
            after = one.model_copy(update={"state": "failed", "error": "resolved before it was sent", "at_ms": turn.now.ms})
            turn.effects.tried.append(DeliveryRow(incident.id, after))
            turn.effects.withdrawn.append(one.id)
            incident = deliveries.delivered(incident, after, now_ms=turn.now.ms, quietly=True)
    return incident


def roster(turn: Turn) -> None:
    """Whether somebody is on duty now; to be asked every minute. "Nobody is on duty" is a fault."""
    if audiences.on_duty(turn.situation.commune, now_ms=turn.now.ms):
        turn.fault_over("roster")
    else:
        turn.fault("roster", "nobody is on duty")


def _reachable(turn: Turn, incident: Incident, step: Step) -> list[Person]:
    """Whom a step means, without those to whom no channel leads."""
    places = frozenset(activation.place.id for activation in incident.activations if activation.place.id)
    found = audiences.people(turn.situation.commune, step.to, Scene(incident.groups, places), now_ms=turn.now.ms)
    return [person for person in found if turn.situation.ways_to(person)]


def _alone(turn: Turn, incident: Incident, at: Climb) -> Incident:
    """The whole ladder leads to nobody: once in the timeline; a fault too, unless no way to tell people was ever set up."""
    if turn.situation.ways:
        turn.fault(NOBODY, f"nobody to tell of {incident.id}")
    return noted(incident, turn.now.ms, "nobody_to_tell") if at.round == 1 else incident


def _has_answered(incident: Incident, person: Person, at: Climb) -> bool:
    return any(one.person == person.id and one.acknowledged_ms is not None and at.tells(one) for one in incident.deliveries)


def _waits(incident: Incident, person: Person, channel: str, at: Climb) -> bool:
    """True if a message of this climb to this person has not left that channel yet: a reminder would only stand behind it, and with a
    modem that is dead for hours there would be one for each round.
    """
    found = (one for one in incident.deliveries if one.state == "waiting" and (one.person, one.channel) == (person.id, channel))
    return any(at.tells(one) for one in found)


def _tell(turn: Turn, incident: Incident, person: Person, channel: str, at: Climb) -> Incident:
    number = turn.situation.next_delivery
    turn.situation.next_delivery += 1
    what = "reminded" if at.round > 1 else "opened" if incident.n <= 1 else "re_alarmed"
    told = Delivery(
        id=number,
        channel=channel,
        what=what,
        person=person.id,
        step=at.step + 1,
        state="waiting",
        tries=0,
        at_ms=turn.now.ms,
        decided_ms=turn.now.ms,
    )
    address, body = _message(incident, person, channel, at, turn.now.ms)
    quiet_ms = _quiet_until(turn, at)
    turn.effects.deliveries.append(DeliveryRow(incident.id, told, address, quiet_ms or turn.now.ms, body=body))
    return deliveries.delivered(incident, told, now_ms=turn.now.ms)


def _message(incident: Incident, person: Person, channel: str, at: Climb, now_ms: int) -> tuple[str, str]:
    """The address and the body for a channel."""
    if channel == "sms":
        short, long = (wording.sms(incident, at.cause, now_ms=now_ms, longest=most) for most in (wording.SMS_MAX, wording.SMS_PLAIN_MAX))
        found = {"to": person.phone, "text": short, "long": long}
    elif channel == "voice":
        found = {"to": person.phone}
    else:
        found = {"title": wording.title(incident, at.cause), "body": wording.body(incident, at.cause)}
    address = person.phone or "" if "to" in found else channel.partition(":")[2]
    return address, json.dumps(found, ensure_ascii=False)


def _quiet_until(turn: Turn, at: Climb) -> int | None:
    """The end of the quiet hours that hold for this cause now; None if none do."""
    now = audiences.local(turn.now.ms)
    for quiet in turn.situation.commune.policy.quiet:
        is_in = quiet.start <= now.time() < quiet.end if quiet.start < quiet.end else not quiet.end <= now.time() < quiet.start
        if at.cause in quiet.causes and is_in:
            end = datetime.combine(now.date(), quiet.end, audiences.VIETNAM)
            end += timedelta(days=1) if end <= now else timedelta()
            return int(end.timestamp() * 1000)
    return None
