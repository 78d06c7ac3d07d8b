"""What time alone does to an incident: a smoke contact is believed, a silent bell is named, a ring ends. Pure; milliseconds."""

from typing import NamedTuple

from gateway.domain import alarms, bells
from gateway.domain.incidents import TIMELINE_MAX, Asked, Incident, changed, noted, shortened
from gateway.domain.placing import is_due
from protocol.incident import TimelineEntry

REARMED = ("fire", "sos")  # a drill that is silenced stays so


class Limits(NamedTuple):
    """How long things last, in ms: ringing, verifying, silence that nobody has followed by taking it on, an incident without an alarm."""

    ring_max_ms: int
    verify_ms: int
    silence_ms: int = 300_000
    ask_ms: int = 43_200_000


class Next(NamedTuple):
    """When `elapsed` has something to do: from `due_ms` on, or if a start lies in the future, after `started_ms`."""

    due_ms: int
    started_ms: int


def next_due(incident: Incident, *, limits: Limits) -> Next | None:
    """The next of an incident's deadlines; None if it waits for nothing."""
    if incident.state == "resolved":
        return None
    found = [(incident.sounding_ms, limits.ring_max_ms)] if incident.sounding else []
    if incident.verify:
        found.append((incident.verify.start_ms, incident.verify.duration_ms))
    if incident.silenced_ms is not None and _may_rearm(incident):
        found.append((incident.silenced_ms, limits.silence_ms))
    if not incident.resolve_asked:
        found.append((incident.alarm_ms, limits.ask_ms))
    # The bells of an activation are asked all at once.
    found += [(bell.asked_ms, bells.SILENT_MS) for bell in incident.bells if bell.state == "waiting"][:1]
    return Next(min(start + duration for start, duration in found), max(start for start, _ in found)) if found else None


def next_step(incident: Incident) -> Next | None:
    """When the next step of its ladder is due; None if nobody is to be told."""
    if incident.climb is None or not incident.climbs:
        return None
    return Next(incident.climb.start_ms + incident.climb.wait_ms, incident.climb.start_ms)


def elapsed(incident: Incident, *, asked: Asked, limits: Limits, now_ms: int) -> Incident:
    """What time alone does: a smoke contact is believed, a bell is named silent, the bells have sounded long enough or been silenced too
    long, the desk is asked whether it is over.
    """
    verify = incident.verify
    if verify and is_due(verify.start_ms, verify.duration_ms, now_ms):
        incident = alarms.believed(incident, asked, now_ms=now_ms)
    incident = _named_silent(incident, now_ms)
    if incident.sounding and incident.sounding_ms > now_ms:
        # A machine without a clock of its own starts in the past after a power cut. Other deadlines are due then; a fire is not over.
        incident = changed(incident, sounding_ms=now_ms)
    if incident.sounding and is_due(incident.sounding_ms, limits.ring_max_ms, now_ms):
        incident = noted(changed(incident, sounding=False), now_ms, "ring_ended")
    if incident.silenced_ms is not None and _may_rearm(incident) and is_due(incident.silenced_ms, limits.silence_ms, now_ms):
        incident = alarms.rearmed(incident, asked, now_ms=now_ms)
    if not incident.resolve_asked and is_due(incident.alarm_ms, limits.ask_ms, now_ms):
        incident = noted(changed(incident, resolve_asked=True), now_ms, "resolve_asked")
    return incident


def clock_set(incident: Incident, *, by_ms: int) -> Incident:
    """The clock was set forward or back: what is under way lasts as long as before. What is told to people stays as it was told."""
    return changed(
        incident,
        sounding_ms=max(0, incident.sounding_ms + by_ms),
        silenced_ms=None if incident.silenced_ms is None else max(0, incident.silenced_ms + by_ms),
        alarm_ms=max(0, incident.alarm_ms + by_ms),
        climb=incident.climb and incident.climb._replace(start_ms=max(0, incident.climb.start_ms + by_ms)),
        verify=incident.verify and incident.verify._replace(start_ms=max(0, incident.verify.start_ms + by_ms)),
        bells=tuple(
            bell._replace(pressed_ms=max(0, bell.pressed_ms + by_ms), asked_ms=max(0, bell.asked_ms + by_ms)) for bell in incident.bells
        ),
    )


def _may_rearm(incident: Incident) -> bool:
    return incident.state == "open" and not incident.sounding and incident.kind in REARMED


def _named_silent(incident: Incident, now_ms: int) -> Incident:
    heard_of = bells.overdue(incident.bells, now_ms)
    if heard_of is incident.bells:
        return incident
    newly = [after.device for before, after in zip(incident.bells, heard_of, strict=True) if before != after]
    named = [TimelineEntry(at_ms=now_ms, what="bell_silent", who=device) for device in newly]
    timeline = shortened((*incident.timeline, *named), TIMELINE_MAX)
    return changed(incident, bells=heard_of, timeline=timeline, revision=incident.revision + 1)
