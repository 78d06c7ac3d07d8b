"""What an alarm does to an incident: it opens one, rings again, is only recorded, is believed after a while. Pure; milliseconds."""

from gateway.domain import bells, ladder
from gateway.domain.incidents import (
    ACTIVATIONS_MAX,
    Alarm,
    Asked,
    Incident,
    Verify,
    What,
    changed,
    noted,
    shortened,
    stepped,
)
from gateway.domain.ladder import Climb
from gateway.domain.placing import AtFrom, Placed, is_due, is_newer
from gateway.domain.policy import PATTERN
from protocol.incident import Activation, Place
from protocol.policy import Cause

AGAIN_MS = 10_000  # a finger that trembles, a contact that chatters, and a message to everybody for each of it
SOURCES_MAX = 40  # of one board: one that invents points makes no incident that takes ever longer to write
BEHIND_MS = 5_000  # alarms are sent first: the key that has cancelled one of a while ago comes right behind
CANCEL_MS = 600_000  # a cancel by key holds until the contact clears, at most 10 min


def opened(ident: str, alarm: Alarm, *, group: str | None, asked: Asked, now_ms: int) -> Incident:
    """A new incident, with its first activation. A late one is shown and rings nobody."""
    incident = Incident(
        id=ident,
        kind=alarm.kind,
        group=group,
        groups=(group,) if group else (),
        place=alarm.place,
        opened_ms=now_ms,
        late=alarm.late,
        active=_active({}, alarm),
    )
    return _activated(incident, alarm, asked, now_ms, "late_alarm" if alarm.late else "opened")


def activated(incident: Incident, alarm: Alarm, *, asked: Asked, now_ms: int) -> Incident:
    """The incident after a further alarm of its family and group. A late one is only recorded, and a chattering one unless nothing
    but late ones were before, or it makes a fire of smoke."""
    second_source = any(source != alarm.source for source in incident.active)
    incident = changed(incident, active=_active(incident.active, alarm))
    confirms = incident.kind == "smoke" and alarm.is_active and (alarm.kind == "fire" or second_source)
    if alarm.late or (alarm.chatter and not incident.late and not confirms):
        incident = noted(incident, now_ms, "late_alarm" if alarm.late else "recorded", alarm.device, alarm.point)
        incident = changed(incident, events=_newest(incident.events, alarm))
        return _verifying(incident, alarm, asked, now_ms)
    if incident.late and alarm.kind == "smoke":
        incident = changed(incident, kind="smoke")  # what is over is no second source
    elif incident.kind == "smoke" and (alarm.kind == "fire" or second_source):
        incident = noted(changed(incident, kind="fire", verify=None), now_ms, "confirmed", alarm.device, alarm.point)
    return _activated(changed(incident, late=False), alarm, asked, now_ms, "activated")


def joined(incident: Incident, *, group: str, now_ms: int) -> Incident:
    """A neighbouring group has the same fire: its bells are asked with the others from now on."""
    return noted(changed(incident, groups=(*incident.groups, group)), now_ms, "joined", group)


def drill(ident: str, *, group: str, place: Place, asked: Asked, by: str, now_ms: int) -> Incident:
    """A drill in a group: its bells sound the drill, its people are told that it is one."""
    incident = Incident(id=ident, kind="drill", group=group, groups=(group,), place=place, opened_ms=now_ms, alarm_ms=now_ms)
    incident = changed(stepped(incident, "activate"), n=1, climb=_climb(incident, "drill", asked, now_ms))
    return sounding(noted(incident, now_ms, "opened", by), asked, pressed_ms=now_ms, now_ms=now_ms)


def stuck(incident: Incident, *, device: str, point: str, now_ms: int) -> Incident:
    """A point has been active for so long that it is taken for stuck: a fault of the point, and no end of the incident."""
    return noted(incident, now_ms, "stuck", device, point) if f"{device}/{point}" in incident.active else incident


def cleared(incident: Incident, *, device: str, point: str, now_ms: int) -> Incident:
    """A point is clear again. This ends a cancel and never the incident."""
    source = f"{device}/{point}"
    if source not in incident.active:
        return incident
    active = {known: event for known, event in incident.active.items() if known != source}
    verify = incident.verify
    if not active and verify and verify.cancelled:
        verify = None
    return noted(changed(incident, active=active, verify=verify), now_ms, "cleared", device, point)


def cancelled(incident: Incident, *, device: str, event: str, placed: Placed, now_ms: int) -> Incident:
    """A key was pressed in the house whose lone smoke contact waits to be believed: it may be the kitchen. It counts once, and only for
    what was before it. One that was under way for so long that it holds no more changes nothing."""
    start_ms = _since(placed.at_ms, placed.at_from, now_ms)
    smoke = [known for source, known in incident.active.items() if source.startswith(device + "/")]
    if incident.verify is None or incident.verify.cancelled or not any(is_newer(event, known) for known in smoke):
        return incident
    if is_due(start_ms, CANCEL_MS, now_ms):
        return incident
    return noted(changed(incident, verify=Verify(start_ms, CANCEL_MS, cancelled=True)), now_ms, "cancelled", device)


def says_it_again(incident: Incident, alarm: Alarm) -> bool:
    """True if a point raises again what it has just raised, sounds and nobody has acknowledged: no news for the channels."""
    return incident.sounding and incident.state == "open" and any(_is_again(before, alarm) for before in incident.activations)


def _activated(incident: Incident, alarm: Alarm, asked: Asked, now_ms: int, what: What) -> Incident:
    cause: Cause = "late" if alarm.late else "silent_sos" if incident.kind == "sos" and alarm.quiet else incident.kind
    climb = _climb(incident, cause, asked, now_ms)
    incident = stepped(incident, "activate")
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
    incident = changed(
        incident,
        n=activation.n,
        alarm_ms=now_ms,
        resolve_asked=False,
        climb=climb,
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
    return changed(incident, rung=True, sounding=True, sounding_ms=now_ms, silenced_ms=None, bells=waiting)


def believed(incident: Incident, asked: Asked, *, now_ms: int) -> Incident:
    """The time to verify is over. A contact that is clear by now rings nobody; the desk has seen it."""
    incident = changed(incident, verify=None)
    if not incident.active or incident.kind != "smoke":
        return incident
    climb = _climb(incident, "fire", asked, now_ms)
    incident = changed(stepped(incident, "activate"), kind="fire", n=incident.n + 1, climb=climb, acknowledged_ms=None, acknowledged_by="")
    device, _, point = next(iter(incident.active)).partition("/")
    return sounding(noted(incident, now_ms, "confirmed", device, point), asked, pressed_ms=now_ms, now_ms=now_ms)


def rearmed(incident: Incident, asked: Asked, *, now_ms: int) -> Incident:
    """Somebody silenced the bells and nobody has taken the incident on: they sound again."""
    incident = changed(stepped(incident, "rearm"), n=incident.n + 1)
    return sounding(noted(incident, now_ms, "rearmed"), asked, pressed_ms=now_ms, now_ms=now_ms)


def again(incident: Incident, asked: Asked, *, by: str, now_ms: int) -> Incident:
    """Somebody raises it once more: the undo of silence and of taking it on, and the word of whoever sees that smoke is a fire.

    Bells sound and people are told anew, as by a new activation. Whoever stands beside the one who pressed a silent SOS must not hear it.
    """
    is_silent = incident.kind == "sos" and not incident.rung
    cause: Cause = "silent_sos" if is_silent else "sos" if incident.kind == "sos" else "drill" if incident.kind == "drill" else "fire"
    climb = _climb(incident, cause, asked, now_ms)
    kind = "fire" if incident.kind == "smoke" else incident.kind
    incident = changed(stepped(incident, "again"), kind=kind, verify=None, late=False, n=incident.n + 1, alarm_ms=now_ms, climb=climb)
    incident = changed(incident, resolve_asked=False, acknowledged_ms=None, acknowledged_by="")
    incident = noted(incident, now_ms, "alarm_again", by)
    return incident if is_silent else sounding(incident, asked, pressed_ms=now_ms, now_ms=now_ms)


def _climb(incident: Incident, cause: Cause, asked: Asked, now_ms: int) -> Climb:
    is_taken_on = incident.state != "open"
    first = max((one.id for one in incident.deliveries), default=0) + 1
    return ladder.begun(incident.climb, cause, is_taken_on=is_taken_on, now_ms=now_ms, again_ms=asked.again_ms, first=first)


def _verifying(incident: Incident, alarm: Alarm, asked: Asked, now_ms: int) -> Incident:
    if incident.kind != "smoke" or not alarm.is_active or alarm.late:
        return incident
    if incident.verify and not incident.verify.cancelled:
        return incident  # a cancelled contact that is active anew was clear meanwhile, whether that has been told yet or not
    start_ms = max(_since(alarm.at_ms, alarm.at_from, now_ms), now_ms + BEHIND_MS - asked.verify_ms)
    return changed(incident, verify=Verify(min(start_ms, now_ms), asked.verify_ms))


def _since(at_ms: int, at_from: AtFrom, now_ms: int) -> int:
    """From when a board counts too, whatever the way to us took. A clock that may be wrong hurries nothing."""
    return min(at_ms, now_ms) if at_from == "age" else now_ms


def _is_again(before: Activation, alarm: Alarm) -> bool:
    return (before.device, before.point) == (alarm.device, alarm.point) and abs(alarm.at_ms - before.at_ms) < AGAIN_MS


def _newest(events: dict[str, str], alarm: Alarm) -> dict[str, str]:
    return events | {alarm.device: alarm.event} if is_newer(alarm.event, events.get(alarm.device)) else events


def _active(active: dict[str, str], alarm: Alarm) -> dict[str, str]:
    if not alarm.is_active:
        return active
    own = [source for source in active if source.startswith(f"{alarm.device}/") and source != alarm.source]
    gone = set(own[: max(0, len(own) + 1 - SOURCES_MAX)])
    newest = alarm.event if is_newer(alarm.event, active.get(alarm.source)) else active[alarm.source]
    return {source: event for source, event in active.items() if source not in gone} | {alarm.source: newest}
