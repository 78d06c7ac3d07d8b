"""Commands from the desk: who may, is it still the incident that was seen, was it said just now. Pure; milliseconds."""

from gateway.domain import incidents
from gateway.domain.commune import Person
from gateway.domain.incidents import Incident
from gateway.domain.policy import may
from protocol.messages import Command, CommandAnswer

AGE_MAX_MS = 30_000


def decide(
    incident: Incident | None, command: Command, *, person: Person | None, user: str, now_ms: int
) -> tuple[Incident | None, CommandAnswer]:
    """The incident after a command and the answer to it; the same incident if it is refused."""
    error = _refusal(incident, command, person, now_ms)
    if incident is None or error:
        version = incident.version if incident else None
        return incident, CommandAnswer(id=command.id, ok=False, error=error, incident=command.incident, version=version)
    after = _done(incident, command, user, now_ms)
    return after, CommandAnswer(id=command.id, ok=True, incident=after.id, version=after.version)


def _refusal(incident: Incident | None, command: Command, person: Person | None, now_ms: int) -> str:
    """What is wrong with the command, "" if nothing is."""
    if person is None:
        return "expected a person of the commune's description"
    if abs(now_ms - command.t) > AGE_MAX_MS:
        return f"expected a command of the last {AGE_MAX_MS // 1000} s, got one {(now_ms - command.t) // 1000} s old"
    if incident is None:
        return "expected an incident that is not resolved"
    return _forbidden(incident, person) or _stale(incident, command)


def _forbidden(incident: Incident, person: Person) -> str:
    own_group = incident.group is not None and person.group == incident.group
    return "" if may(person.role, own_group=own_group) else f"expected the duty officer or the group's leader, got role {person.role}"


def _stale(incident: Incident, command: Command) -> str:
    if command.version != incident.version:
        return f"expected version {incident.version}, got {command.version}: the incident has changed"
    if not incidents.allowed(incident, command.do):
        return f"expected an incident that one can {command.do}, got one that is {incident.state}"
    return ""


def _done(incident: Incident, command: Command, user: str, now_ms: int) -> Incident:
    if command.do == "acknowledge":
        return incidents.acknowledged(incident, by=user, now_ms=now_ms)
    if command.do == "silence":
        return incidents.silenced(incident, by=user, now_ms=now_ms)
    if command.outcome is None:
        raise ValueError("resolve without an outcome decodes nowhere")
    return incidents.resolved(incident, by=user, outcome=command.outcome, reason=command.reason or "", now_ms=now_ms)
