"""Commands from the desk: who may, is it still the incident that was seen, was it said just now. Pure; milliseconds."""

from collections.abc import Iterable

from gateway.domain import alarms, decisions, incidents
from gateway.domain.commune import Commune, Person
from gateway.domain.incidents import Asked, Incident
from gateway.domain.policy import may
from protocol.desk import Command, CommandAnswer

AGE_MAX_MS = 30_000


def decide(
    incident: Incident | None, command: Command, *, person: Person | None, user: str, asked: Asked, now_ms: int
) -> tuple[Incident | None, CommandAnswer]:
    """The incident after a command and the answer to it; the same incident if it is refused. `asked`: whom it rings if raised again."""
    error = _refusal(incident, command, person, now_ms)
    if incident is None or error:
        version = incident.version if incident else None
        return incident, CommandAnswer(id=command.id, ok=False, error=error, incident=command.incident, version=version)
    after = _done(incident, command, user, asked, now_ms)
    return after, CommandAnswer(id=command.id, ok=True, incident=after.id, version=after.version)


def drill_refusal(command: Command, in_group: Iterable[Incident], *, commune: Commune, user: str, now_ms: int) -> str:
    """What is wrong with a command that begins a drill, "" if nothing is. Nobody drills where something is going on."""
    person = commune.person(user)
    if person is None:
        return "expected a person of the commune's description"
    if wrong := old(command, now_ms):
        return wrong
    if not commune.bells_of(command.group or ""):
        return f"expected a group with bells, got {command.group}"
    if not may(person.role, "drill", own_group=person.group == command.group, own_home=False):
        return MAY_NOT.format(person.role)
    if unresolved := incidents.unresolved(in_group):
        return f"expected a group without an open incident, got {unresolved[0].id}"
    return ""


MAY_NOT = "expected somebody who may do this in this group, got role {}"


def _refusal(incident: Incident | None, command: Command, person: Person | None, now_ms: int) -> str:
    """What is wrong with the command, "" if nothing is."""
    if person is None:
        return "expected a person of the commune's description"
    if wrong := old(command, now_ms):
        return wrong
    if incident is None:
        return "expected an incident that is not resolved"
    own_home = command.home is not None and command.home == person.home
    if not may(person.role, command.do, own_group=person.group in incident.groups, own_home=own_home):
        return MAY_NOT.format(person.role)
    if command.do == "called_114":
        return ""
    return _unknown_home(incident, command) if command.do == "roll_call" else _stale(incident, command)


def old(command: Command, now_ms: int) -> str:
    """What is wrong with the time of a command, "" if it was said just now."""
    if abs(now_ms - command.t) > AGE_MAX_MS:
        return f"expected a command of the last {AGE_MAX_MS // 1000} s, got one {(now_ms - command.t) // 1000} s old"
    return ""


def _unknown_home(incident: Incident, command: Command) -> str:
    if command.home not in {entry.home for entry in incident.roll_call}:
        return f"expected a home of the roll call, got {command.home}"
    return ""


def _stale(incident: Incident, command: Command) -> str:
    if command.version != incident.version:
        return f"expected version {incident.version}, got {command.version}: the incident has changed"
    if not incidents.allowed(incident, "again" if command.do == "alarm_again" else command.do):
        return f"expected an incident that one can {command.do}, got one that is {incident.state}"
    if incident.kind == "drill" and command.do == "resolve" and command.outcome not in ("drill", "test"):
        return f"expected outcome drill or test for a drill, got {command.outcome}"
    return ""


def _done(incident: Incident, command: Command, user: str, asked: Asked, now_ms: int) -> Incident:
    if command.do == "alarm_again":
        return alarms.again(incident, asked, by=user, now_ms=now_ms)
    if command.do in _STEPS:
        return _STEPS[command.do](incident, by=user, now_ms=now_ms)
    if command.says is not None:
        return decisions.answered(incident, home=command.home, says=command.says, by=user, now_ms=now_ms)
    if command.outcome is None:
        raise ValueError("resolve without an outcome decodes nowhere")
    return decisions.resolved(incident, by=user, outcome=command.outcome, reason=command.reason or "", now_ms=now_ms)


_STEPS = {
    "acknowledge": decisions.acknowledged,
    "on_the_way": decisions.on_the_way,
    "on_scene": decisions.on_scene,
    "silence": decisions.silenced,
    "called_114": decisions.called_114,
}
