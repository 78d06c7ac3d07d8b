"""What time alone does to an incident: a smoke contact is believed, a silent bell is named, a ring ends. Pure; milliseconds."""

from dataclasses import replace
from typing import NamedTuple

from gateway.domain import bells
from gateway.domain.incidents import NEXT, TIMELINE_MAX, Asked, Incident, noted, shortened, sounding
from gateway.domain.placing import is_due
from protocol.messages import TimelineEntry


class Next(NamedTuple):
    """When `elapsed` has something to do: from `due_ms` on, or if a start lies in the future, after `started_ms`."""

    due_ms: int
    started_ms: int


def next_due(incident: Incident, *, ring_max_ms: int) -> Next | None:
    """The next of an incident's deadlines; None if it waits for nothing."""
    found = [(incident.sounding_ms, ring_max_ms)] if incident.sounding else []
    if incident.verify:
        found.append((incident.verify.start_ms, incident.verify.duration_ms))
    # The bells of an activation are asked all at once.
    found += [(bell.asked_ms, bells.SILENT_MS) for bell in incident.bells if bell.state == "waiting"][:1]
    if incident.state == "resolved" or not found:
        return None
    return Next(min(start + duration for start, duration in found), max(start for start, _ in found))


def elapsed(incident: Incident, *, asked: Asked, ring_max_ms: int, now_ms: int) -> Incident:
    """What time alone does: a smoke contact is believed, a bell is named silent, the bells have sounded long enough."""
    verify = incident.verify
    if verify and is_due(verify.start_ms, verify.duration_ms, now_ms):
        incident = _believed(incident, asked, now_ms)
    heard_of = bells.overdue(incident.bells, now_ms)
    if heard_of is not incident.bells:
        newly = [after.device for before, after in zip(incident.bells, heard_of, strict=True) if before != after]
        named = [TimelineEntry(at_ms=now_ms, what="bell_silent", who=device) for device in newly]
        timeline = shortened((*incident.timeline, *named), TIMELINE_MAX)
        incident = replace(incident, bells=heard_of, timeline=timeline, revision=incident.revision + 1)
    if incident.sounding and incident.sounding_ms > now_ms:
        # A machine without a clock of its own starts in the past after a power cut. Other deadlines are due then; a fire is not over.
        incident = replace(incident, sounding_ms=now_ms)
    if incident.sounding and is_due(incident.sounding_ms, ring_max_ms, now_ms):
        incident = noted(replace(incident, sounding=False), now_ms, "ring_ended")
    return incident


def clock_set(incident: Incident, *, by_ms: int) -> Incident:
    """The clock was set forward or back: what is under way lasts as long as before. What is told to people stays as it was told."""
    return replace(
        incident,
        sounding_ms=max(0, incident.sounding_ms + by_ms),
        verify=incident.verify and incident.verify._replace(start_ms=max(0, incident.verify.start_ms + by_ms)),
        bells=tuple(
            bell._replace(pressed_ms=max(0, bell.pressed_ms + by_ms), asked_ms=max(0, bell.asked_ms + by_ms)) for bell in incident.bells
        ),
    )


def _believed(incident: Incident, asked: Asked, now_ms: int) -> Incident:
    """The time to verify is over. A contact that is clear by now rings nobody; the desk has seen it."""
    incident = replace(incident, verify=None)
    if not incident.active or incident.kind != "smoke":
        return incident
    incident = replace(incident, kind="fire", version=incident.version + 1, n=incident.n + 1)
    incident = replace(incident, state=NEXT[incident.state, "activate"], acknowledged_ms=None, acknowledged_by="")
    device, _, point = next(iter(incident.active)).partition("/")
    return sounding(noted(incident, now_ms, "confirmed", device, point), asked, pressed_ms=now_ms, now_ms=now_ms)
