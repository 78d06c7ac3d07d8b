"""The commune's description: groups, homes, fire points, boards, people. One TOML file, checked as a whole at start."""

import re
import unicodedata
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from protocol import tomlfile
from protocol.messages import Id, Place
from protocol.tomlfile import Misfit, Tables
from protocol.topics import is_id

# Users of the broker that are programs: no board may take their names.
PROGRAMS = ("engine", "console", "observer")
PHONE_CHANNELS = ("sms", "voice")
Kind = Literal["household", "fire_point", "street_light", "sos_post"]
BELLLESS: tuple[Kind, ...] = ("street_light",)
Role = Literal["duty", "leader", "household", "technician", "viewer"]


def _words(text: str) -> str:
    text = unicodedata.normalize("NFC", text.strip())
    if not text:
        raise ValueError("expected words, got nothing")
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise ValueError("expected printable characters")
    return text


def _phone(text: str) -> str:
    """E.164. Vietnamese numbers may be written 0..., 84... or +84..., with spaces, dots and hyphens (domain: 9 or 10 digits)."""
    digits = re.sub(r"[\s.()-]", "", text)
    digits = re.sub(r"^(\+?84|0)", "+84", digits)
    if not re.fullmatch(r"\+84\d{9,10}", digits):
        raise ValueError("expected a Vietnamese phone number such as 0912 345 678")
    return digits


def _person_channel(text: str) -> str:
    kind, colon, target = text.partition(":")
    if text in PHONE_CHANNELS or (kind == "apprise" and colon and is_id(target)):
        return text
    raise ValueError("expected sms, voice or apprise:<target>")


PersonChannel = Annotated[str, AfterValidator(_person_channel)]
Words = Annotated[str, Field(max_length=200), AfterValidator(_words)]
Phone = Annotated[str, AfterValidator(_phone)]
Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]


CHECKS = ConfigDict(extra="forbid", allow_inf_nan=False)


class Table(BaseModel):
    """A table of the file: a key that we do not know is a mistake."""

    model_config = CHECKS


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
    """A place with an address: what a home and a fire point have in common. Coordinates are WGS 84 degrees."""

    id: Id
    group: Id
    name: Words
    address: Words
    landmark: str = ""
    way_in: str = ""
    lat: Latitude
    lon: Longitude

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


class Person(Table):
    """Somebody with a role; `group` for a leader or a member of a household, `home` where that is.

    `channels`: by which ways, in their order, this person is told: sms and voice to `phone`, apprise:<target> to a target of the
    settings. Left out, it is sms and then voice for whoever has a phone.
    """

    id: Id
    name: Words
    role: Role
    group: Id | None = None
    home: Id | None = None
    phone: Phone | None = None
    channels: list[PersonChannel] | None = None

    @property
    def ways(self) -> list[str]:
        """The channels that lead to this person, in their order."""
        if self.channels is not None:
            return list(self.channels)
        return ["sms", "voice"] if self.phone else []

    @model_validator(mode="after")
    def _phone_to_call(self) -> "Person":
        if self.phone is None and any(channel in PHONE_CHANNELS for channel in self.channels or ()):
            raise ValueError("expected a phone for the channels sms and voice")
        return self

    @model_validator(mode="after")
    def _leader_has_group(self) -> "Person":
        if self.role in ("leader", "household") and self.group is None:
            raise ValueError(f"expected a group for the role {self.role}")
        return self


class Site(Table):
    """The whole file."""

    site: Commune
    groups: list[Group] = Field(min_length=1)
    homes: list[Spot] = []
    fire_points: list[Spot] = []
    posts: list[Spot] = []  # of street lights and SOS posts
    boards: list[Board] = []
    people: list[Person] = []

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
    found = [misfit for table in ("groups", "homes", "boards", "people") for misfit in _doubled(tables, table)]
    for index, ident in enumerate(_texts(tables, "boards", "id")):
        if ident in PROGRAMS:
            found.append(Misfit(("boards", index, "id"), f"an id other than {', '.join(PROGRAMS)}", ident))
    found += _doubled(tables, "fire_points", seen=homes)
    found += _doubled(tables, "posts", seen=homes | fire_points)
    for table in ("homes", "fire_points", "posts", "people"):
        found += _unknown(tables, table, "group", groups, "a group")
    found += _unknown(tables, "people", "home", homes, "a home")
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
