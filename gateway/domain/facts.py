"""What a fact changes: each function takes one thing that came in, changes the turn's situation and adds to its turn.effects. Pure.

Repeats are dropped before: who calls here says that the fact is new.
"""

import json
from functools import partial
from typing import NamedTuple

from gateway.domain import (
    alarms,
    bell_tests,
    canaries,
    changes,
    deadlines,
    deliveries,
    health,
    incidents,
    maintenance,
    moves,
    outages,
    proofs,
    supervision,
    telling,
    updates,
    waves,
)
from gateway.domain.incidents import Alarm, Incident
from gateway.domain.maintenance import Entry
from gateway.domain.placing import Placed, is_due, is_newer, place
from gateway.domain.policy import CHATTERING, REARM_MS, ROLL_CALL, type_of
from gateway.domain.rows import DeliveryRow, EarlyProof, EventRow, Listed, Point
from gateway.domain.situation import Act, Now, Situation, Turn, put
from gateway.domain.supervision import Device
from protocol.fields import ALARM_TYPES, POINT_TYPES
from protocol.messages import Answer, Birth, Event, OddEvent, Report, Will
from protocol.topics import is_id
from protocol.wire import is_event_id

LATE_MS = 1_800_000
LISTED_MS = 2_000  # events without a receipt are sent right behind the birth, alarms first


class Identity(NamedTuple):
    """What makes an event the same as another: an id alone does not."""

    id: str
    device: str
    point: str
    type: str
    state: str


def identity(device: str, event: Event | OddEvent) -> Identity:
    """The identity of an event; of an odd one, what can be read of it."""
    if isinstance(event, Event):
        return Identity(event.id, device, event.point, event.type, event.state)
    fields = json.loads(event.raw)
    point, type_, state = (value if is_id(value) else "" for value in map(fields.get, ("point", "type", "state")))
    return Identity(event.id, device, point, type_, state)


def message(turn: Turn, ident: str) -> Device:
    """Any live message of a board: it is there."""
    device = _device(turn, ident)
    _supervised(turn, supervision.heard(device, now_ms=turn.now.ms, now_s=turn.now.s))
    return device


def event(turn: Turn, ident: str, fact: Event, raw: bytes, *, is_doubled: bool) -> None:
    """A new event of a board, `is_doubled` if its id was used before for something else."""
    device = message(turn, ident)
    placed = _journal(turn, device, identity(ident, fact), fact, raw)
    listed = turn.situation.listed.get((ident, fact.point))
    if listed and listed.event == fact.id:
        del turn.situation.listed[ident, fact.point]
    if placed.clock:
        turn.effects.note(supervision.found(device, "clock_fault", placed.clock, now_ms=turn.now.ms))
    if is_doubled:
        turn.effects.note(supervision.found(device, "doubled_id", f"event {fact.id} was something else before", now_ms=turn.now.ms))
    if fact.type not in POINT_TYPES:
        turn.effects.note(supervision.found(device, "odd_event", f"unknown type {fact.type}", now_ms=turn.now.ms))
    if fact.type == "test":
        turn.effects.note([Entry(placed.at_ms, ident, fact.point, "self_test", fact.state)])
        return
    before = _point(turn, ident, fact, placed)
    if fact.type in ALARM_TYPES:
        _alarm_point(turn, device, fact, placed, before)
    elif fact.type == "bell":
        _bell(turn, device, fact, placed)
    elif fact.type == "key" and fact.state == "active":
        _key(turn, device, fact, placed)


def odd_event(turn: Turn, ident: str, fact: OddEvent) -> None:
    """An event that is not as this version knows it: kept as it came, and shown as a fault of its board. If it reads like an alarm it is
    one: a newer board may have come before a newer engine.
    """
    device = message(turn, ident)
    same = identity(ident, fact)
    placed = place(age=None, t=None, received_ms=turn.now.ms, born_ms=device.born_ms)
    turn.effects.keep(EventRow(*same, turn.now.ms, placed.at_ms, placed.at_from, fact.raw.decode()))
    turn.effects.note(supervision.found(device, "odd_event", fact.why, now_ms=turn.now.ms))
    if same.type in ALARM_TYPES and same.state == "active" and same.point:
        turn.situation.listed.pop((ident, same.point), None)
        alarm = Event(id=same.id, point=same.point, type=same.type, state="active", now="active", calling=same.type != "sos")
        _alarm_point(turn, device, alarm, placed, _point(turn, ident, alarm, placed))


def spoiled(turn: Turn, ident: str, words: str) -> None:
    """The engine itself failed at something that this board said."""
    turn.effects.note(supervision.found(message(turn, ident), "engine_error", words, now_ms=turn.now.ms))


def birth(turn: Turn, ident: str, fact: Birth, *, retained: bool, unknown: list[str]) -> None:
    """A birth, to be answered. `unknown`: its listed points whose event the journal does not have; if it does not come, an alarm among
    them is an alarm.
    """
    device = _device(turn, ident)
    entries = supervision.born(device, fact, retained=retained, now_ms=turn.now.ms, now_s=turn.now.s)
    turn.effects.devices.add(ident)
    moves.settle(turn, device)
    _supervised(turn, entries)
    if device.life == fact.life and device.boot == fact.boot:
        updates.born(turn, device, fact, retained=retained)
        changes.born(turn, device)
    for point in unknown:
        turn.situation.listed.setdefault((ident, point), Listed(fact.active[point], turn.now.ms))
    turn.effects.hellos.append((ident, fact.start))


def will(turn: Turn, ident: str, fact: Will) -> None:
    """A last will."""
    device = turn.situation.devices.get(ident)
    if device is not None:
        _supervised(turn, supervision.dead(device, fact, now_ms=turn.now.ms))


def report(turn: Turn, ident: str, fact: Report) -> None:
    """A report: the board lives, and this is what it measures."""
    supervision.measured(message(turn, ident), fact)


def answer(turn: Turn, ident: str, fact: Answer) -> None:
    """A board's answer to an order."""
    message(turn, ident)
    updates.answered(turn, ident, fact)
    changes.answered(turn, ident, fact)
    test = turn.situation.tests.get(ident)
    entry = bell_tests.answered(test, fact, now_ms=turn.now.ms) if test else None
    if entry:
        del turn.situation.tests[ident]
        turn.effects.note([entry])


def delivery(turn: Turn, fact: DeliveryRow) -> None:
    """A channel says how far a message has come. What is known already of it (an answer that overtook the report) stays."""
    known = turn.situation.incidents.get(fact.incident)
    before = next((one for one in known.deliveries if one.id == fact.delivery.id), None) if known else None
    is_over = known is None or (known.state == "resolved" and bool(fact.delivery.person))
    if before is None and is_over and fact.incident and fact.delivery.state == "waiting":
        return  # it was withdrawn, and is shown no more: told as waiting, the next start would send it
    if known is None or before is None:
        turn.effects.tried.append(fact)
        return
    after = deliveries.merged(before, fact.delivery)
    turn.effects.tried.append(fact._replace(delivery=after))
    put(turn, deliveries.delivered(known, after, now_ms=turn.now.ms))
    if after.state == "failed" and before.state != "failed":
        telling.fallback(turn, known.id, after)


def fault(turn: Turn, key: str, words: str) -> None:
    """Something of the gateway itself is not well, as an act: see Turn.fault."""
    turn.fault(key, words)


def fault_over(turn: Turn, key: str) -> None:
    """It is well again, as an act."""
    turn.fault_over(key)


def time(turn: Turn) -> None:
    """What time alone changes."""
    for act in due(turn.situation, turn.now):
        act(turn)


def due(situation: Situation, now: Now, *, is_deaf: bool = False) -> list[Act]:
    """What time alone changes now, as acts that do not depend on each other. While the engine `is_deaf` no board is found silent."""
    is_silent = not is_deaf and supervision.is_any_silent(situation.devices.values(), now_s=now.s)
    acts: list[Act] = [_silent_boards] if is_silent else []
    if outages.is_any_over(situation, now.ms):
        acts.append(outages.returned_for_long)
    if bell_tests.overdue(situation.tests.values(), now_s=now.s):
        acts.append(_bells_silent)
    if waves.is_due(situation, now.s) and not is_deaf:
        acts.append(waves.step)
    for (device, point), listed in situation.listed.items():
        if is_due(listed.since_ms, LISTED_MS, now.ms):
            acts.append(partial(_listed_long, device=device, point=point))
    return [*acts, *(partial(_elapsed, ident=ident) for ident in situation.due(now.ms))]


def watch_again(turn: Turn) -> None:
    """Nothing was heard for a while, and no board and no desk is to blame: each has its whole time from now."""
    for device in turn.situation.devices.values():
        device.watched_s = turn.now.s
    if turn.situation.desk.heard_s is not None:
        turn.situation.desk.heard_s = turn.now.s


def clock_set(turn: Turn, by_ms: int) -> None:
    """The engine's clock was set, `by_ms` forward or (negative) back: no deadline comes sooner or later for it."""
    turn.effects.clock_set = True
    outages.clock_set(turn.situation, by_ms)
    health.clock_set(turn, by_ms)
    canaries.clock_set(turn, by_ms)
    for key, listed in turn.situation.listed.items():
        turn.situation.listed[key] = listed._replace(since_ms=listed.since_ms + by_ms)
    for incident in incidents.unresolved(turn.situation.incidents.values()):
        put(turn, deadlines.clock_set(incident, by_ms=by_ms))


def _silent_boards(turn: Turn) -> None:
    _supervised(turn, supervision.silent(turn.situation.devices.values(), now_ms=turn.now.ms, now_s=turn.now.s))


def _supervised(turn: Turn, entries: list[Entry]) -> None:
    """What supervision has found of boards; several of one area may be one fault."""
    if entries:
        turn.effects.note(entries)
        outages.assess(turn, entries)


def _listed_long(turn: Turn, *, device: str, point: str) -> None:
    listed = turn.situation.listed.get((device, point))
    if listed and is_due(listed.since_ms, LISTED_MS, turn.now.ms):
        del turn.situation.listed[device, point]
        _listed(turn, turn.situation.device(device), point, listed.event)


def _elapsed(turn: Turn, *, ident: str) -> None:
    incident = turn.situation.incidents.get(ident)
    if incident is None or incident.state == "resolved":
        return
    asked = turn.situation.asked(incident.groups)
    after = deadlines.elapsed(incident, asked=asked, limits=turn.situation.limits, now_ms=turn.now.ms)
    _put_changed(turn, incident, after)
    if after.version != incident.version:
        turn.effects.announce(after.id, "re_alarmed")


def _device(turn: Turn, ident: str) -> Device:
    is_new = ident not in turn.situation.devices
    device = turn.situation.device(ident)
    if is_new:
        turn.effects.note([Entry(turn.now.ms, ident, "", "unplaced_device")])
    return device


def _journal(turn: Turn, device: Device, same: Identity, fact: Event, raw: bytes) -> Placed:
    placed = place(age=fact.age, t=fact.t, received_ms=turn.now.ms, born_ms=device.born_ms)
    turn.effects.keep(EventRow(*same, turn.now.ms, placed.at_ms, placed.at_from, raw.decode()))
    return placed


def _point(turn: Turn, ident: str, fact: Event, placed: Placed) -> Point | None:
    """The point's state before. An older event that comes after a newer one (alarms are sent first) does not change it."""
    key = (ident, fact.point)
    before = turn.situation.points.get(key)
    if before is not None and not is_newer(fact.id, before.event):
        return before
    was = before.state if before else "clear"
    state = maintenance.remembered(fact.type, was, fact.state)
    turn.situation.points[key] = turn.effects.points[key] = Point(fact.type, state, fact.id, placed.at_ms)
    for what, detail in maintenance.meanings(fact.type, was, state):
        turn.effects.entries.append(Entry(placed.at_ms, ident, fact.point, what, detail))
    return before


def _alarm_point(turn: Turn, device: Device, fact: Event, placed: Placed, before: Point | None) -> None:
    kind = turn.situation.commune.policy.means(fact.type, turn.situation.commune.place_kind(device.id))
    if fact.state == "active" and kind is not None and kind != "nothing":
        cleared_ms = before.since_ms if before and before.state == "clear" else None
        chatter = fact.type in CHATTERING and cleared_ms is not None and 0 <= placed.at_ms - cleared_ms < REARM_MS
        over = fact.now == "clear" and not fact.calling
        alarm = Alarm(
            event=fact.id,
            device=device.id,
            place=turn.situation.commune.place_of(device.id),
            point=fact.point,
            type=fact.type,
            kind=kind,
            at_ms=placed.at_ms,
            at_from=placed.at_from,
            is_active=fact.now == "active",
            late=over and placed.at_from != "before" and turn.now.ms - placed.at_ms > LATE_MS,
            quiet=fact.type == "sos" and not fact.calling,
            chatter=chatter,
        )
        _alarm(turn, alarm, device)
    elif fact.state == "clear" and fact.now != "active":  # alarms are sent first: it may be active again, and said so before
        # Of all groups: the board may have moved to another since.
        for incident in incidents.unresolved(turn.situation.incidents.values()):
            after = alarms.cleared(incident, device=device.id, point=fact.point, now_ms=turn.now.ms)
            _put_changed(turn, incident, after)
    elif fact.state == "stuck":
        for incident in incidents.unresolved(turn.situation.of_group(device.group)):
            _put_changed(turn, incident, alarms.stuck(incident, device=device.id, point=fact.point, now_ms=turn.now.ms))


def _alarm(turn: Turn, alarm: Alarm, device: Device) -> None:
    incident = turn.situation.unresolved(device.group, alarm.kind, now_ms=turn.now.ms, is_late=alarm.late)
    if incident is None:
        ident = turn.situation.incident_id(turn.now.ms)
        asked = turn.situation.asked((device.group,) if device.group else ())
        after = alarms.opened(ident, alarm, group=device.group, asked=asked, now_ms=turn.now.ms)
        turn.effects.announce(ident, "opened")
    else:
        if device.group and device.group not in incident.groups:
            incident = alarms.joined(incident, group=device.group, now_ms=turn.now.ms)
        after = alarms.activated(incident, alarm, asked=turn.situation.asked(incident.groups), now_ms=turn.now.ms)
        if after.version != incident.version and not alarms.says_it_again(incident, alarm):
            turn.effects.announce(after.id, "re_alarmed")
    for proof in turn.situation.early.pop(alarm.event, ()):
        after = proofs.heard(after, proof.event, device=proof.device, at_ms=proof.at_ms, now_ms=turn.now.ms)
    put(turn, after)


def _bells_silent(turn: Turn) -> None:
    for test in bell_tests.overdue(list(turn.situation.tests.values()), now_s=turn.now.s):
        del turn.situation.tests[test.device]
        turn.effects.note([bell_tests.silent(test, now_ms=turn.now.ms)])


def _key(turn: Turn, device: Device, fact: Event, placed: Placed) -> None:
    if fact.point in ROLL_CALL:
        home = turn.situation.commune.home_of(device.id)
        for incident in incidents.unresolved(turn.situation.of_group(device.group)):
            telling.answered(turn, incident, home=home, says=ROLL_CALL[fact.point], by=device.id)
        return
    for incident in incidents.unresolved(turn.situation.incidents.values()):
        after = alarms.cancelled(incident, device=device.id, event=fact.id, placed=placed, now_ms=turn.now.ms)
        _put_changed(turn, incident, after)


def _bell(turn: Turn, device: Device, fact: Event, placed: Placed) -> None:
    changed = False
    for incident in incidents.unresolved(turn.situation.of_group(device.group)):
        after = proofs.heard(incident, fact, device=device.id, at_ms=placed.at_ms, now_ms=turn.now.ms)
        changed = _put_changed(turn, incident, after) or changed
    if not changed and fact.state == "active" and is_event_id(fact.cause) and not _is_known(turn, device, str(fact.cause)):
        turn.situation.remember_early(EarlyProof(device.id, fact, placed.at_ms))


def _is_known(turn: Turn, device: Device, call: str) -> bool:
    return any(call == alarm.event for incident in turn.situation.of_group(device.group) for alarm in incident.activations)


def _listed(turn: Turn, device: Device, point: str, ident: str) -> None:
    """A point that a birth says is active, with an event that the journal does not have: a new database, or a receipt of another life."""
    known = turn.situation.points.get((device.id, point))
    type_ = known.type if known else type_of(point)
    turn.effects.keep(EventRow(ident, device.id, point, type_, "active", turn.now.ms, turn.now.ms, "before", ""))
    is_over = known is not None and known.state == "clear" and not is_newer(ident, known.event)  # its end came before its turn
    fact = Event(id=ident, point=point, type=type_, state="active", now="clear" if is_over else "active", calling=False)
    placed = Placed(turn.now.ms, "before")
    before = _point(turn, device.id, fact, placed)
    if type_ in ALARM_TYPES:
        _alarm_point(turn, device, fact, placed, before)


def _put_changed(turn: Turn, before: Incident, after: Incident) -> bool:
    if after is before:
        return False
    put(turn, after)
    return True
