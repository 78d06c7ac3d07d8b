"""What people decide about an incident: somebody takes it on, goes there, silences, resolves; a home says how it is. Pure."""

from collections.abc import Iterable

from gateway.domain.incidents import Incident, Outcome, changed, noted, stepped
from protocol.incident import RollCall, Says


def acknowledged(incident: Incident, *, by: str, now_ms: int) -> Incident:
    """Somebody has taken it on. The bells sound on, and the incident stays open until it is resolved."""
    incident = stepped(incident, "acknowledge")
    return noted(changed(incident, acknowledged_ms=now_ms, acknowledged_by=by), now_ms, "acknowledged", by)


def on_the_way(incident: Incident, *, by: str, now_ms: int) -> Incident:
    """Somebody goes there, which takes it on too."""
    incident = _taken_on(stepped(incident, "on_the_way"), by, now_ms)
    return noted(changed(incident, on_the_way_ms=now_ms, on_the_way_by=by), now_ms, "on_the_way", by)


def on_scene(incident: Incident, *, by: str, now_ms: int) -> Incident:
    """Somebody is there, which takes it on too."""
    incident = _taken_on(stepped(incident, "on_scene"), by, now_ms)
    return noted(changed(incident, on_scene_ms=now_ms, on_scene_by=by), now_ms, "on_scene", by)


def silenced(incident: Incident, *, by: str, now_ms: int) -> Incident:
    """The bells stop until the next activation, or until nobody has taken it on for too long."""
    silenced_ms = now_ms if incident.sounding else incident.silenced_ms
    return noted(changed(stepped(incident, "silence"), sounding=False, silenced_ms=silenced_ms), now_ms, "silenced", by)


def called_114(incident: Incident, *, by: str, now_ms: int) -> Incident:
    """Somebody has called the fire brigade and says so, that nobody else wonders. It changes nothing that others decide about."""
    return noted(incident, now_ms, "called_114", by)


def resolved(incident: Incident, *, by: str, outcome: Outcome, reason: str, now_ms: int) -> Incident:
    """It is over: the bells stop, and the next alarm opens another incident."""
    incident = changed(stepped(incident, "resolve"), sounding=False, verify=None)
    incident = changed(incident, resolved_ms=now_ms, resolved_by=by, outcome=outcome)
    return noted(incident, now_ms, "resolved", by, reason or outcome)


def called(incident: Incident, homes: Iterable[tuple[str, str]]) -> Incident:
    """The incident with these homes (id, name) in its roll call: nobody of them has answered yet."""
    known = {entry.home for entry in incident.roll_call}
    new = tuple(RollCall(home=home, name=name) for home, name in homes if home not in known)
    return changed(incident, roll_call=(*incident.roll_call, *new), revision=incident.revision + 1) if new else incident


def answered(incident: Incident, *, home: str | None, says: Says, by: str, now_ms: int) -> Incident:
    """A home says how it is: by a key, a message, or somebody at the desk who was told. The newest word counts."""
    roll_call = tuple(
        entry.model_copy(update={"says": says, "by": by, "at_ms": now_ms}) if entry.home == home else entry for entry in incident.roll_call
    )
    detail = f"{home}: {says}" if home else says
    return noted(changed(incident, roll_call=roll_call), now_ms, "roll_call", by, detail)


def _taken_on(incident: Incident, by: str, now_ms: int) -> Incident:
    return incident if incident.acknowledged_ms is not None else changed(incident, acknowledged_ms=now_ms, acknowledged_by=by)
