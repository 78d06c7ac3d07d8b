"""Who is meant: the people that a step of a ladder names, and who is on duty at this time. Pure; Unix milliseconds."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

from gateway.domain.commune import Commune, Person
from protocol.people import WEEK, Shift

VIETNAM = timezone(timedelta(hours=7))  # no summer time


class Scene(NamedTuple):
    """Where it is: the fire groups of an incident, and the places of its alarms."""

    groups: tuple[str, ...]
    places: frozenset[str]


def people(commune: Commune, audiences: Iterable[str], scene: Scene, *, now_ms: int) -> list[Person]:
    """Everybody whom these words of a policy mean here and now, each once, in the order of the words."""
    found = {person.id: person for audience in audiences for person in _audience(commune, audience, scene, now_ms)}
    return [person for person in found.values() if not is_away(commune, person.id, local(now_ms).date())]


def on_duty(commune: Commune, *, now_ms: int) -> list[Person]:
    """Who answers alarms now. Where everybody of a shift is away, their stand-ins; without any shifts, everybody with the role duty."""
    today = local(now_ms).date()
    if not commune.shifts:
        return [person for person in commune.people if person.role == "duty" and not is_away(commune, person.id, today)]
    found: dict[str, Person] = {}
    for shift in _running(commune, now_ms):
        there = _present(commune, shift.people, today)
        found |= {person.id: person for person in there or _present(commune, shift.stand_ins, today)}
    return list(found.values())


def stand_ins(commune: Commune, *, now_ms: int) -> list[Person]:
    """Who is asked when those on duty do not answer."""
    today = local(now_ms).date()
    return [person for shift in _running(commune, now_ms) for person in _present(commune, shift.stand_ins, today)]


def is_away(commune: Commune, person: str, day: date) -> bool:
    """True if the description says that this person is away on this day."""
    return any(absence.person == person and absence.first <= day <= absence.last for absence in commune.absences)


def local(now_ms: int) -> datetime:
    """The time in Vietnam."""
    return datetime.fromtimestamp(now_ms / 1000, VIETNAM)


def _audience(commune: Commune, word: str, scene: Scene, now_ms: int) -> Iterable[Person]:
    if word == "on_duty":
        return on_duty(commune, now_ms=now_ms)
    if word == "stand_ins":
        return stand_ins(commune, now_ms=now_ms)
    if word.startswith("person:"):
        named = commune.person(word.removeprefix("person:"))
        return [named] if named else []
    if word == "household":
        return [person for person in commune.people if person.home in scene.places]
    if word == "group":
        return [person for person in commune.people if person.group in scene.groups]
    return [person for person in commune.people if person.role == word and person.group in (None, *scene.groups)]


def _running(commune: Commune, now_ms: int) -> list[Shift]:
    now = local(now_ms)
    return [shift for shift in commune.shifts if _is_running(shift, now)]


def _is_running(shift: Shift, now: datetime) -> bool:
    today, yesterday = WEEK[now.weekday()], WEEK[now.weekday() - 1]
    if shift.start < shift.end:
        return today in shift.days and shift.start <= now.time() < shift.end
    return (today in shift.days and now.time() >= shift.start) or (yesterday in shift.days and now.time() < shift.end)


def _present(commune: Commune, idents: Iterable[str], day: date) -> list[Person]:
    found = [commune.person(ident) for ident in idents]
    return [person for person in found if person is not None and not is_away(commune, person.id, day)]
