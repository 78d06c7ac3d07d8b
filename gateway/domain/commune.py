"""What the decisions ask the commune's description; protocol.site.Site answers."""

from typing import Protocol

from protocol.messages import Place


class Person(Protocol):
    """Somebody with a role; `group` for a leader or a member of a household, `home` where that is; `ways`: their channels in order."""

    @property
    def id(self) -> str: ...  # noqa: D102
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
    """Groups, places and people."""

    def place_of(self, device: str) -> Place:
        """Where a board hangs; a place without id for an unplaced device."""

    def group_of(self, device: str) -> str | None:
        """Its fire group; None for an unplaced device."""

    def bells_of(self, group: str) -> list[str]:
        """The boards with a bell in a group."""

    def group_name(self, group: str | None) -> str:
        """The group's name, "" for none."""

    def home_of(self, device: str) -> str | None:
        """The home where a board hangs, None if it hangs in none."""

    def homes_of(self, group: str) -> list[tuple[str, str]]:
        """The homes of a group: (id, name)."""

    def person(self, ident: str) -> Person | None:
        """The person with this id."""
