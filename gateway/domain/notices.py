"""Who is told of a fault: those whom the policy names, one message a person for all that is wrong, and not at night. Pure; milliseconds.

A fault is no incident: nobody acknowledges it, no ladder is climbed. What lasts is told again once a day, or once a week.
"""

import json
from functools import partial

from gateway.domain import audiences, incidents, wording
from gateway.domain.audiences import Scene
from gateway.domain.commune import Person
from gateway.domain.placing import is_due
from gateway.domain.rows import DeliveryRow
from gateway.domain.situation import Situation, Turn
from protocol.incident import Delivery
from protocol.policy import FaultNotices

FAULT = "fault"  # what its delivery is about
APART_MS = 900_000  # whatever goes wrong, a person's phone does not ring more often
ANEW_MS = 14_400_000  # what has ended and begun again is no news sooner: six messages a day for what comes and goes all the time
# Without these an alarm reaches nobody: told at night too, during an alarm, and to those on duty.
URGENT = ("desk", "broker", "disk", "ladder")
# Weeks before anything stops working: a message each day would be read by nobody any more.
SELDOM = ("certificate_authority", "certificate_broker", "certificate_boards", "certificate_page")
SELDOM_MS = 7 * 86_400_000
SHOWN = ("clock_stepped",)  # at the desk alone: nobody can repair what has happened


def tell(turn: Turn) -> None:
    """An act for every minute: tell of what has lasted long enough, and was not told today."""
    situation, now_ms = turn.situation, turn.now.ms
    policy = situation.commune.policy.faults
    if situation.notified_ms is not None and not is_due(situation.notified_ms, APART_MS, now_ms):
        return
    untold = [key for key in situation.lasting if _is_untold(situation, key, now_ms)]
    is_quiet = _in_hours(policy, now_ms) or not incidents.is_calm(situation.incidents.values(), now_ms)
    keys = [key for key in untold if not is_quiet or _kind(key) in URGENT]
    if not keys:
        return
    told = [_tell(turn, person, keys) for person in _people(situation, keys, now_ms)]
    if any(told):
        situation.notified_ms = now_ms
        situation.told |= dict.fromkeys(keys, now_ms)
        for key in keys:
            situation.lasting[key] = situation.lasting[key]._replace(told_ms=now_ms)
            turn.effects.faults[key] = situation.faults[key]


def again(turn: Turn, row: DeliveryRow) -> None:
    """A message about faults could not be delivered: a way that was not tried yet is, if something is wrong still.

    Which ways were tried no disk knows: after a start it is the failed one alone, and never more tries than there are ways.
    """
    failed = row.delivery
    person = turn.situation.commune.person(failed.person) if failed.person else None
    keys = [key for key, known in turn.situation.lasting.items() if known.told_ms is not None]
    if person is not None and keys:
        tried = {failed.channel, *turn.situation.tried.get(person.id, ())}
        _tell(turn, person, keys, step=failed.step + 1, tried=frozenset(tried))


def _is_untold(situation: Situation, key: str, now_ms: int) -> bool:
    """It has lasted long enough, and nobody was told of it lately, nor of the same one before it."""
    policy, known = situation.commune.policy.faults, situation.lasting[key]
    if _kind(key) in SHOWN or not is_due(known.since_ms, policy.after_s * 1000, now_ms):
        return False
    if known.told_ms is not None:
        again_ms = max(policy.again_h * 3_600_000, SELDOM_MS if _kind(key) in SELDOM else 0)
        return is_due(known.told_ms, again_ms, now_ms)
    return key not in situation.told or is_due(situation.told[key], ANEW_MS, now_ms)


def _people(situation: Situation, keys: list[str], now_ms: int) -> list[Person]:
    """Whom the policy names, and those on duty for what is urgent, or where nobody of the others can be told."""

    def reachable(words: list[str]) -> list[Person]:
        found = audiences.people(situation.commune, words, Scene((), frozenset()), now_ms=now_ms)
        return [person for person in found if _ways(situation, person)]

    to = [*situation.commune.policy.faults.to]
    return reachable([*to, "on_duty"]) if any(_kind(key) in URGENT for key in keys) else reachable(to) or reachable(["on_duty"])


def _ways(situation: Situation, person: Person) -> list[str]:
    """The person's ways that carry words, those that work first."""
    found = [way for way in situation.ways_to(person) if way != "voice"]
    return sorted(found, key=lambda way: way in situation.faults or f"canary:{way}" in situation.faults)


def _tell(turn: Turn, person: Person, keys: list[str], *, step: int = 1, tried: frozenset[str] = frozenset()) -> bool:
    """True if there is a way to the person that is not among those `tried`: their order changes with what is faulty."""
    ways = _ways(turn.situation, person)
    channel = next((way for way in ways if way not in tried), None)
    if channel is None or step > len(ways):
        return False
    turn.situation.tried[person.id] = tried | {channel}
    number = turn.situation.next_delivery
    turn.situation.next_delivery += 1
    now_ms = turn.now.ms
    delivery = Delivery(
        id=number, channel=channel, what=FAULT, person=person.id, step=step, state="waiting", tries=0, at_ms=now_ms, decided_ms=now_ms
    )
    address = person.phone or "" if channel == "sms" else channel.partition(":")[2]
    turn.effects.deliveries.append(DeliveryRow("", delivery, address, now_ms, body=_body(turn, person, channel, keys)))
    return True


def _body(turn: Turn, person: Person, channel: str, keys: list[str]) -> str:
    named = [(_kind(key), turn.situation.lasting[key].name or key.partition(":")[2]) for key in keys]
    said = partial(wording.faults, named, now_ms=turn.now.ms)
    if channel == "sms":
        found = {"to": person.phone, "text": said(longest=wording.SMS_MAX), "long": said(longest=wording.SMS_PLAIN_MAX)}
    else:
        lines = [f"- {wording.fault(kind, name)}: {turn.situation.faults[key]}" for key, (kind, name) in zip(keys, named, strict=True)]
        found = {"title": said(longest=wording.SMS_PLAIN_MAX), "body": "\n".join(lines)}
    return json.dumps(found, ensure_ascii=False)


def _kind(key: str) -> str:
    return key.partition(":")[0]


def _in_hours(policy: FaultNotices, now_ms: int) -> bool:
    now, start, end = audiences.local(now_ms).time(), policy.quiet_start, policy.quiet_end
    return start <= now < end if start < end else start != end and not end <= now < start
