"""Areas of a commune: the boards that lose power or network together. What is fed or served by one thing dies by one thing."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

AreaKind = Literal["access_point", "feeder", "lane", "group"]
# Of two that explain the same, the first: it names the thing to look at.
KINDS: tuple[AreaKind, ...] = ("feeder", "access_point", "lane", "group")


class Area(NamedTuple):
    """Boards behind one access point or feeder, in one lane or group. `name` as people know it."""

    kind: AreaKind
    id: str
    name: str
    boards: tuple[str, ...]

    @property
    def key(self) -> str:
        """What its fault is known by: area:<kind>-<id>."""
        return f"area:{self.kind}-{self.id}"


class Member(NamedTuple):
    """A board and what its place says of where it is; "" for what it does not say."""

    board: str
    access_point: str
    feeder: str
    lane: str
    group: str


def areas(members: Iterable[Member], group_names: dict[str, str]) -> list[Area]:
    """Every area that these boards are in, each with its boards in their order."""
    found: dict[tuple[AreaKind, str], list[str]] = defaultdict(list)
    for member in members:
        for kind in KINDS:
            if ident := getattr(member, kind):
                found[kind, ident].append(member.board)
    return [
        Area(kind, ident, group_names.get(ident, ident) if kind == "group" else ident, tuple(boards))
        for (kind, ident), boards in found.items()
    ]
