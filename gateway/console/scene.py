"""What the desk shows around an incident: homes, fire points and water near it, who needs help, who was told and who is next. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from gateway.console import geography
from gateway.console.view import Tone, called_114
from gateway.store.queries import DeviceRow
from protocol.incident import Bell, Delivery, Incident, RollCall
from protocol.people import Person
from protocol.site import Site, Spot, WaterSource

SAYS_FIRST = ("need_help", "no_answer", "coming", "safe")
# How far a message has come, the furthest last.
FAR = ("failed", "waiting", "handed", "delivered", "acknowledged")
TAKEN = "extinguisher_taken"


class Ready(NamedTuple):
    """Whether a fire point is ready: a tone, a key of the catalogue below `ready.`, how many extinguishers are there and belong there.

    `more`: what else is wrong, as words of the maintenance log. Of a board that nobody hears nothing is known.
    """

    tone: Tone
    key: Literal["all", "some", "none", "well", "gone", "unknown", "unwatched"]
    there: int = 0
    total: int = 0
    more: tuple[str, ...] = ()


class Point(NamedTuple):
    """A fire point near the incident."""

    metres: int
    spot: Spot
    ready: Ready


class Water(NamedTuple):
    """A water source near the incident."""

    metres: int
    source: WaterSource


class Help(NamedTuple):
    """A home where somebody cannot leave alone; `is_place`: it is where the alarm comes from."""

    home: str
    name: str
    words: str
    is_place: bool


class Told(NamedTuple):
    """A person whom the ladder told, and how far the newest message of each channel has come. `phone`: "" where it may not be seen."""

    id: str
    phone: str
    best: str
    ways: tuple[Delivery, ...]


class Scene(NamedTuple):
    """All of it. `programs`: messages to other programs; `called`: when and by whom 114 was called last, if it was."""

    points: tuple[Point, ...]
    water: tuple[Water, ...]
    help: tuple[Help, ...]
    roll: tuple[RollCall, ...]
    told: tuple[Told, ...]
    next: tuple[Told, ...]
    programs: tuple[Delivery, ...]
    called: tuple[int, str] | None


def scene(site: Site, incident: Incident, rows: Sequence[DeviceRow], *, live: bool, phones: bool, helps: bool) -> Scene:
    """The scene of an incident. `phones`, `helps`: whether the reader may see phone numbers, and who needs help."""
    points = {spot.id: spot for spot in site.fire_points}
    sources = {source.id: source for source in site.water_sources}
    boards = boards_at(site, rows)
    near = geography.nearest(site, incident.place)
    people = {person.id: person for person in site.people}
    return Scene(
        points=tuple(
            Point(one.metres, points[one.id], ready(points[one.id], boards.get(one.id), live=live))
            for one in near
            if one.kind == "fire_point"
        ),
        water=tuple(Water(one.metres, sources[one.id]) for one in near if one.kind == "water"),
        help=_help(site, incident) if helps else (),
        roll=tuple(sorted(incident.roll_call, key=lambda entry: SAYS_FIRST.index(entry.says))),
        told=_told(incident, people, phones=phones),
        next=tuple(Told(ident, _phone(people.get(ident), phones=phones), "", ()) for ident in incident.ladder.next)
        if incident.ladder
        else (),
        programs=tuple(one for one in incident.deliveries if not one.person),
        called=called_114(incident),
    )


def boards_at(site: Site, rows: Sequence[DeviceRow]) -> dict[str, DeviceRow]:
    """The board of each place, as the engine last knew it; of several the first of the file."""
    known = {row.id: row for row in rows}
    return {board.place: known[board.id] for board in reversed(site.boards) if board.id in known}


def ready(spot: Spot, row: DeviceRow | None, *, live: bool) -> Ready:
    """Whether a fire point is ready. Unknown is never good."""
    if row is None:
        return Ready("plain", "unwatched")
    if not live or row.state != "online":
        return Ready("lost", "unknown")
    taken = sum(trouble.what == TAKEN for trouble in row.troubles)
    more = tuple(dict.fromkeys(trouble.what for trouble in row.troubles if trouble.what != TAKEN))
    tone: Tone = "fault" if taken or more or row.faults else "good"
    if spot.extinguishers is None:
        return Ready(tone, "gone" if taken else "well", taken, 0, more)
    there = max(0, spot.extinguishers - taken)
    key: Literal["all", "some", "none"] = "all" if there == spot.extinguishers else "some" if there else "none"
    return Ready(tone, key, there, spot.extinguishers, more)


def on_map(incident: Incident, found: Scene, site: Site) -> dict[str, Any]:
    """What the map shows of it, beside what never changes: the place, its homes with their bells and words, fire points, help."""
    bells: dict[str, Bell] = {}
    for board in site.boards:
        if bell := next((one for one in incident.bells if one.device == board.id), None):
            bells.setdefault(board.place, bell)
    return {
        "place": [incident.place.lat, incident.place.lon] if incident.place.lat is not None and incident.place.lon is not None else None,
        "at": sorted(ident for ident in {incident.place.id, *(one.place.id for one in incident.activations)} if ident),
        "groups": [group for group in (*incident.groups, incident.group) if group],
        "bells": {place: bell.state for place, bell in bells.items()},
        "says": {entry.home: entry.says for entry in found.roll if entry.says != "no_answer"},
        "points": {one.spot.id: [one.ready.key, one.ready.there, one.ready.total] for one in found.points},
        "water": [one.source.id for one in found.water],
        "help": [one.home for one in found.help],
    }


def _help(site: Site, incident: Incident) -> tuple[Help, ...]:
    """Homes of the incident's groups where somebody needs help, those that the alarm comes from first."""
    groups = {*incident.groups, incident.group}
    at = {one.place.id for one in incident.activations} | {incident.place.id}
    found = [Help(home.id, home.name, home.needs_help, home.id in at) for home in site.homes if home.needs_help and home.group in groups]
    return tuple(sorted(found, key=lambda one: not one.is_place))


def _told(incident: Incident, people: Mapping[str, Person], *, phones: bool) -> tuple[Told, ...]:
    """Each person once, in the order in which they were told first; of each channel its newest message."""
    newest: dict[str, dict[str, Delivery]] = {}
    for one in incident.deliveries:
        if one.person:
            newest.setdefault(one.person, {})[one.channel] = one
    return tuple(
        Told(
            ident, _phone(people.get(ident), phones=phones), max((one.state for one in ways.values()), key=FAR.index), tuple(ways.values())
        )
        for ident, ways in newest.items()
    )


def _phone(person: Person | None, *, phones: bool) -> str:
    return (person.phone or "") if person and phones else ""
