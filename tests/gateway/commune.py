"""A small commune, and facts of its boards, for tests of the engine's decisions."""

import itertools
from functools import cache
from pathlib import Path
from typing import Any

from gateway.domain import facts, orders, telling
from gateway.domain.deadlines import Limits
from gateway.domain.situation import Effects, Now, Situation, Turn, conclude
from protocol import site as sites
from protocol.desk import Command
from protocol.messages import Birth, Event
from protocol.site import Site

GROUP = "TLG-03"
START_MS = 1_795_300_000_000
LIFE = "9c41f2aa"


@cache
def site() -> Site:
    return sites.load(Path(__file__).parents[2] / "simulator" / "communes" / "ngo-thu-5.toml")


def with_people(*people: dict[str, Any], policy: dict[str, Any] | None = None, **tables: Any) -> Site:
    """The commune with these people instead of its own; `tables` as in the site file."""
    known = site().model_dump(exclude_unset=True, exclude={"people", "policy"})
    return Site.model_validate(known | {"people": people, "policy": {"neighbours_m": 0} | (policy or {})} | tables)


class World:
    """A situation with a clock that tests turn, and the effects of the last turn."""

    def __init__(self, channels: tuple[str, ...] = (), commune: Site | None = None) -> None:
        self.commune = commune or site()
        limits = Limits(ring_max_ms=1_800_000, verify_ms=60_000)
        ways = frozenset(way for person in self.commune.people for way in person.ways)
        self.situation = Situation(self.commune, limits, channels, ways)
        for board in self.commune.boards:
            self.situation.device(board.id)
        self.now = Now(START_MS, 1000.0)
        self.effects = Effects()
        self._numbers = itertools.count(1)

    def later(self, seconds: float) -> None:
        self.now = Now(self.now.ms + int(seconds * 1000), self.now.s + seconds)
        with self.turn() as turn:
            facts.time(turn)
            for act in telling.due(self.situation, self.now):
                act(turn)

    def set_clock(self, seconds: float) -> None:
        """Somebody sets the machine's clock: `seconds` more than pass."""
        self.now = Now(self.now.ms + int(seconds * 1000), self.now.s)
        with self.turn() as turn:
            facts.clock_set(turn, int(seconds * 1000))

    def turn(self) -> "_OneTurn":
        self.effects = Effects()
        return _OneTurn(Turn(self.situation, self.effects, self.now))

    def event(self, device: str, point: str, state: str = "active", *, doubled: bool = False, **fields: object) -> str:
        """Let a board report a fact about a point; the type is in the point's name."""
        type_ = fields.pop("type", point.split("-", maxsplit=1)[0])
        ident = str(fields.pop("id", f"{LIFE}-1-{next(self._numbers)}"))
        event = Event.model_validate({"id": ident, "age": 0, "point": point, "type": type_, "state": state, "now": state} | fields)
        with self.turn() as turn:
            facts.event(turn, device, event, event.payload(), is_doubled=doubled)
        return ident

    def press(self, device: str, **fields: object) -> str:
        return self.event(device, "button-1", calling=True, **fields)

    def rings(self, device: str, cause: str, **fields: object) -> str:
        """Let a bell answer."""
        return self.event(device, "bell", **({"type": "bell", "for": cause, "proof": "measured"} | fields))

    def born(self, device: str, *, retained: bool = False, unknown: tuple[str, ...] = (), **fields: object) -> None:
        known = {"life": LIFE, "boot": 1, "kind": "household", "fw": "1.0.0", "group": site().group_of(device), "reset": "power"}
        birth = Birth.model_validate(known | fields)
        with self.turn() as turn:
            facts.birth(turn, device, birth, retained=retained, unknown=list(unknown))

    def command(self, do: str, user: str = "truc-ban-1", **fields: object) -> str:
        """Let somebody at the desk do this to the only incident; the error, "" if it is done."""
        known = {"id": f"c-{next(self._numbers)}", "t": self.now.ms, "do": do}
        if "incident" not in fields:
            known |= {"incident": self.only.id, "version": self.only.version}
        outcome = {"outcome": "fire"} if do == "resolve" else {}
        with self.turn() as turn:
            answer = orders.command(turn, user, Command.model_validate({"version": 1} | known | outcome | fields))
        return answer.error or ""

    @property
    def only(self):
        """The only incident that is not settled."""
        (incident,) = self.situation.incidents.values()
        return incident

    @property
    def order(self):
        return self.situation.orders[GROUP]

    def logged(self) -> list[tuple[str, str, str]]:
        return [(entry.device, entry.point, entry.what) for entry in self.effects.entries]


class _OneTurn:
    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    def __enter__(self) -> Turn:
        return self._turn

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            conclude(self._turn)
