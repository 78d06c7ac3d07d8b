"""The commune's description: groups, homes, fire points, boards, people. One TOML file, checked as a whole at start."""

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from protocol import areas, tomlfile
from protocol.areas import Area, Member
from protocol.fields import Id
from protocol.incident import Place
from protocol.neighbours import Location, Neighbours
from protocol.people import FIRST_ADMINISTRATOR, Absence, Person, Shift
from protocol.policy import PlaceKind, Policy
from protocol.tomlfile import CHECKS, Misfit, Note, Table, Tables, Words

# Users of the broker that are programs: no board may take their names.
PROGRAMS = ("engine", "console", "bench", "observer")
Kind = Literal["household", "fire_point", "street_light", "sos_post"]
BELLLESS: tuple[Kind, ...] = ("street_light",)
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


class Commune(Table):
    """The commune itself; `id` is the <site> of every topic."""

    id: Id
    name: Words


class Group(Table):
    """A fire group of neighbours (tổ liên gia), or the fire points of a lane, whose bells ring together."""

    id: Id
    name: Words


# Of spots and boards there are thousands: as models they would take a kilobyte each.
@dataclass(config=CHECKS, slots=True, kw_only=True)
class Spot:
    """A place with an address: what a home and a fire point have in common. Coordinates are WGS 84 degrees; `use` is a home's.

    `needs_help`: who lives there and cannot leave alone. `extinguishers`: how many belong there; `equipment`: what else does.
    `access_point`, `feeder` and `lane` say with which others it loses network or power.
    """

    id: Id
    group: Id
    name: Words
    address: Words
    landmark: Note = ""
    way_in: Note = ""
    lat: Latitude
    lon: Longitude
    use: Literal["home", "shop", "workshop"] = "home"
    needs_help: Note = ""
    extinguishers: Annotated[int, Field(ge=0, le=40)] | None = None
    equipment: Note = ""
    access_point: Id | Literal[""] = ""
    feeder: Id | Literal[""] = ""
    lane: Id | Literal[""] = ""

    def place(self) -> Place:
        """As messages carry it."""
        return Place(
            id=self.id, name=self.name, address=self.address, landmark=self.landmark, way_in=self.way_in, lat=self.lat, lon=self.lon
        )


@dataclass(config=CHECKS, slots=True, kw_only=True)
class Board:
    """A board and where it hangs."""

    id: Id
    kind: Kind
    place: Id


class Lane(Table):
    """A lane on the map; `path` in WGS 84 degrees, [latitude, longitude] of each bend. `wide_m` is its narrowest place in metres."""

    id: Id
    name: Words
    path: list[tuple[Latitude, Longitude]] = Field(min_length=2, max_length=500)
    wide_m: Annotated[float, Field(gt=0, le=100)] | None = None


class WaterSource(Table):
    """Where a pump gets water. WGS 84 degrees."""

    id: Id
    kind: Literal["hydrant", "pond", "tank"]
    name: Words
    note: Note = ""
    lat: Latitude
    lon: Longitude


class Site(Table):
    """The whole file."""

    site: Commune
    groups: list[Group] = Field(min_length=1)
    homes: list[Spot] = []
    fire_points: list[Spot] = []
    posts: list[Spot] = []  # of street lights and SOS posts
    lanes: list[Lane] = []
    water_sources: list[WaterSource] = []
    boards: list[Board] = []
    people: list[Person] = []
    shifts: list[Shift] = []
    absences: list[Absence] = []
    policy: Policy = Policy()

    @property
    def id(self) -> str:
        """The <site> of every topic."""
        return self.site.id

    def place_of(self, device: str) -> Place:
        """Where a board hangs; the unplaced device for one that the file does not know."""
        places = self._places
        if device not in places:
            board = self._boards.get(device)
            if board is None:
                return Place(id=None, name=f"Thiết bị chưa có vị trí ({device})")
            places[device] = self._spots[board.place].place()
        return places[device]

    def group_of(self, device: str) -> str | None:
        """The group of the place where a board hangs; None for an unknown board."""
        board = self._boards.get(device)
        return self._spots[board.place].group if board else None

    def bells_of(self, group: str) -> list[str]:
        """The boards of a group that have a bell, in the order of the file."""
        return list(self._bells.get(group, ()))

    def group_name(self, group: str | None) -> str:
        """Its name in words; its id if it is unknown."""
        return next((known.name for known in self.groups if known.id == group), group or "")

    def person(self, ident: str) -> Person | None:
        """The person with this id, if there is one."""
        return self._people.get(ident)

    def person_with_phone(self, number: str) -> Person | None:
        """The person whose phone this is (E.164), if there is one; of several the first in the file."""
        return self._phones.get(number)

    def home_of(self, device: str) -> str | None:
        """The home where a board hangs; None if it hangs elsewhere or is unknown."""
        board = self._boards.get(device)
        return board.place if board and board.place in self._homes else None

    def homes_of(self, group: str) -> list[tuple[str, str]]:
        """The homes of a group, (id, name), in the order of the file."""
        return [(home.id, home.name) for home in self.homes if home.group == group]

    def place_kind(self, device: str) -> PlaceKind | None:
        """What kind of place a board hangs at; None for an unplaced one."""
        board = self._boards.get(device)
        if board is None:
            return None
        if board.place in self._homes:
            return self._spots[board.place].use
        return "fire_point" if board.place in self._fire_points else "post"

    def neighbours(self, group: str) -> frozenset[str]:
        """The groups that have a place no further from one of this group's than the policy's `neighbours_m`."""
        return self._neighbours.of(group) if self._neighbours else frozenset()

    def areas_of(self, device: str) -> tuple[Area, ...]:
        """The areas that a board is in: what is fed, served or placed together. None for an unknown board."""
        return self._areas.get(device, ())

    @cached_property
    def _areas(self) -> dict[str, tuple[Area, ...]]:
        spots = ((board.id, self._spots[board.place]) for board in self.boards)
        members = (Member(board, spot.access_point, spot.feeder, spot.lane, spot.group) for board, spot in spots)
        found: dict[str, tuple[Area, ...]] = {}
        for area in areas.areas(members, {group.id: group.name for group in self.groups}):
            for board in area.boards:
                found[board] = (*found.get(board, ()), area)
        return found

    @cached_property
    def _neighbours(self) -> Neighbours | None:
        places = (Location(spot.group, spot.lat, spot.lon) for spot in self._spots.values())
        return Neighbours(places, self.policy.neighbours_m) if self.policy.neighbours_m else None

    @cached_property
    def _fire_points(self) -> set[str]:
        return {spot.id for spot in self.fire_points}

    @cached_property
    def _people(self) -> dict[str, Person]:
        return {person.id: person for person in self.people}

    @cached_property
    def _phones(self) -> dict[str, Person]:
        return {person.phone: person for person in reversed(self.people) if person.phone}

    @cached_property
    def _homes(self) -> set[str]:
        return {home.id for home in self.homes}

    @cached_property
    def _boards(self) -> dict[str, Board]:
        return {board.id: board for board in self.boards}

    @cached_property
    def _places(self) -> dict[str, Place]:
        """Of the boards that were asked for: every alarm asks for twelve."""
        return {}

    @cached_property
    def _bells(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for board in self.boards:
            if board.kind not in BELLLESS:
                found.setdefault(self._spots[board.place].group, []).append(board.id)
        return found

    @cached_property
    def _spots(self) -> dict[str, Spot]:
        return {spot.id: spot for spot in [*self.homes, *self.fire_points, *self.posts]}


def load(path: Path) -> Site:
    """The site in a file. Raises tomlfile.FileMistakes with every mistake, OSError if it cannot be read."""
    return tomlfile.load(path, Site, _misfits)


def _misfits(tables: Tables) -> list[Misfit]:
    """Every mistake between tables: ids that are doubled or lead nowhere."""
    groups = set(_texts(tables, "groups", "id"))
    homes, fire_points, posts = (set(_texts(tables, table, "id")) for table in ("homes", "fire_points", "posts"))
    found = [misfit for table in ("groups", "homes", "boards", "people", "lanes", "water_sources") for misfit in _doubled(tables, table)]
    for index, ident in enumerate(_texts(tables, "boards", "id")):
        if ident in PROGRAMS:
            found.append(Misfit(("boards", index, "id"), f"an id other than {', '.join(PROGRAMS)}", ident))
    for index, row in enumerate(tomlfile.rows(tables, "people")):
        if row.get("id") == FIRST_ADMINISTRATOR and row.get("role") != "administrator":
            found.append(Misfit(("people", index, "id"), "an id other than the administrator's", FIRST_ADMINISTRATOR))
    found += _doubled(tables, "fire_points", seen=homes)
    found += _doubled(tables, "posts", seen=homes | fire_points)
    for table in ("homes", "fire_points", "posts", "people"):
        found += _unknown(tables, table, "group", groups, "a group")
    found += _unknown(tables, "people", "home", homes, "a home")
    people = set(_texts(tables, "people", "id"))
    found += _unknown(tables, "absences", "person", people, "a person")
    for key in ("people", "stand_ins"):
        for index, row in enumerate(tomlfile.rows(tables, "shifts")):
            found += _unlisted(("shifts", index, key), row.get(key), people)
    found += _policy_misfits(tables, people)
    return found + _unknown(tables, "boards", "place", homes | fire_points | posts, "a home, fire point or post")


def _texts(tables: Tables, table: str, key: str) -> list[str | None]:
    values = [row.get(key) for row in tomlfile.rows(tables, table)]
    return [value if isinstance(value, str) else None for value in values]


def _doubled(tables: Tables, table: str, seen: Collection[str | None] = ()) -> list[Misfit]:
    before = {None, *seen}
    found = []
    for index, ident in enumerate(_texts(tables, table, "id")):
        if ident in before and ident is not None:
            found.append(Misfit((table, index, "id"), "an id used only once", ident))
        before.add(ident)
    return found


def _unknown(tables: Tables, table: str, key: str, known: set[str | None], what: str) -> list[Misfit]:
    expected = f"the id of {what} in this file"
    used = enumerate(_texts(tables, table, key))
    return [Misfit((table, index, key), expected, ident) for index, ident in used if ident is not None and ident not in known]


def _unlisted(where: tuple[str | int, ...], idents: object, known: set[str | None]) -> list[Misfit]:
    listed = [ident for ident in idents if isinstance(ident, str)] if isinstance(idents, list) else []
    return [Misfit(where, "the id of a person in this file", ident) for ident in listed if ident not in known]


def _policy_misfits(tables: Tables, people: set[str | None]) -> list[Misfit]:
    policy = tables.get("policy")
    ladders = tomlfile.rows(policy, "ladders") if isinstance(policy, dict) else []
    found, seen = [], set()
    for index, ladder in enumerate(ladders):
        where = ("policy", "ladders", index)
        if (cause := str(ladder.get("cause"))) in seen:
            found.append(Misfit((*where, "cause"), "one ladder for each cause", cause))
        seen.add(cause)
        for number, step in enumerate(tomlfile.rows(ladder, "steps")):
            audiences = step.get("to")
            named = [word for word in audiences if isinstance(word, str)] if isinstance(audiences, list) else []
            idents = [word.removeprefix("person:") for word in named if word.startswith("person:")]
            found += _unlisted((*where, "steps", number, "to"), idents, people)
    return found
