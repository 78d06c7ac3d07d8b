"""Proof of ring inside an incident: what its bells say of themselves. Pure; milliseconds."""

from gateway.domain import bells
from gateway.domain.bells import Bell
from gateway.domain.incidents import Incident, What, changed, noted
from protocol.messages import Event


def heard(incident: Incident, event: Event, *, device: str, at_ms: int, now_ms: int) -> Incident:
    """A bell says what it does. Proof counts for the activation that it answers: not for a later one."""
    index = next((index for index, bell in enumerate(incident.bells) if bell.device == device), None)
    if index is None or (event.state == "active" and not _answers_newest(incident, event)):
        return incident
    before = incident.bells[index]
    after = bells.answered(before, event, at_ms=at_ms)
    if after == before:
        return incident
    incident = changed(incident, bells=(*incident.bells[:index], after, *incident.bells[index + 1 :]))
    if after._replace(event=before.event) == before:
        return incident
    what = _bell_news(before, after)
    return noted(incident, now_ms, what, device) if what else changed(incident, revision=incident.revision + 1)


def _answers_newest(incident: Incident, event: Event) -> bool:
    if event.cause == incident.id:
        return event.n == incident.n
    newest = incident.activations[-1] if incident.activations else None
    # Raised again by the desk or by time it is another n, without a call of its own.
    return newest is not None and (newest.n, newest.event) == (incident.n, event.cause)


def _bell_news(before: Bell, after: Bell) -> What | None:
    if after.state == "silenced":
        return "bell_silenced"
    if after.state == "fault" and before.state != "fault":
        return "bell_fault"
    if after.state == "silent":
        return "bell_silent"
    return "bell_late" if before.state == "silent" else None
