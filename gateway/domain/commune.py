"""What the decisions ask the commune's description; protocol.site.Site answers."""

from collections.abc import Sequence
from typing import Protocol

from protocol.areas import Area
from protocol.incident import Place
from protocol.people import Absence, Shift
from protocol.policy import PlaceKind, Policy


class Person(Protocol):
    """Somebody with a role; `group` for a leader or a member of a household, `home` where that is; `ways`: their channels in order."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def home(self) -> str | None: ...  # noqa: D102
    @property
    def phone(self) -> str | None: ...  # noqa: D102
    @property
    def ways(self) -> list[str]: ...  # noqa: D102
    @property
    def role(self) -> str: ...  # noqa: D102 - the class says it
    @property
    def group(self) -> str | None: ...  # noqa: D102


class Commune(Protocol):
    """Groups, places and people, and what was decided about them."""

    @property
    def people(self) -> Sequence[Person]: ...  # noqa: D102 - the site file's tables
    @property
    def shifts(self) -> Sequence[Shift]: ...  # noqa: D102
    @property
    def absences(self) -> Sequence[Absence]: ...  # noqa: D102
    @property
    def policy(self) -> Policy: ...  # noqa: D102

    def place_kind(self, device: str) -> PlaceKind | None:
        """What kind of place a board hangs at, None for an unplaced one."""

    def neighbours(self, group: str) -> frozenset[str]:
        """The groups so near that they may have the same fire."""

    def place_of(self, device: str) -> Place:
        """Where a board hangs; a place without id for an unplaced device."""

    def group_of(self, device: str) -> str | None:
        """Its fire group; None for an unplaced device."""

    def bells_of(self, group: str) -> list[str]:
        """The boards with a bell in a group."""

    def group_name(self, group: str | None) -> str:
        """The group's name, "" for none."""

    def areas_of(self, device: str) -> tuple[Area, ...]:
        """The areas that a board is in: what loses power or network together."""

    def home_of(self, device: str) -> str | None:
        """The home where a board hangs, None if it hangs in none."""

    def homes_of(self, group: str) -> list[tuple[str, str]]:
        """The homes of a group: (id, name)."""

    def person(self, ident: str) -> Person | None:
        """The person with this id."""
