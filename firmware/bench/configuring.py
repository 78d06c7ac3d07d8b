"""Boards on the wall get what site and bench file say, over the air: one after the other, until one does not come through."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from firmware.bench import intents, points, settings
from firmware.bench.desk import Access, Desk, DeskFailed, NoAnswer
from firmware.bench.intents import Intent
from firmware.bench.run import YES, CannotBegin, files, stopping, typed
from firmware.bench.settings import Bench
from firmware.bench.tools import Interrupted, Tools
from protocol import config
from protocol.boards import BoardState
from protocol.config import BoardConfig
from protocol.site import Site
from protocol.tomlfile import FileMistakes

WAIT_S = 600.0  # a board that goes back at once says so after some five minutes; one that tries again takes longer
LOOK_S = 1.0
SAID_S = 30.0  # so often that it is still waited for
# How a board's answer begins to what it may take later.
LATER = ("the bell sounds", "change ", "an update is under way")
MEMORY = "not enough memory"

State = Literal["applied", "had", "refused", "rolled_back", "missed", "waits", "not_sent", "offline"]
Say = Callable[[str], None]


class Plan(NamedTuple):
    """What the command line asks for: the boards, in this order, and the keys to send, none: whatever differs."""

    site: Site
    bench: Bench
    access: Access
    configs: dict[str, BoardConfig]
    chosen: tuple[str, ...]


class End(NamedTuple):
    """How it ended for a board; `words`: why, `keys`: what it was sent."""

    device: str
    state: State
    words: str = ""
    keys: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """The board has what the files say."""
        return self.state in ("applied", "had")

    def lines(self) -> list[str]:
        """For people: what is, and what to do."""
        return [f"{'✓' if self.is_good else '✕'} {self.device}: {_ENDS[self.state].format(words=self.words)}", *self._remedy()]

    def _remedy(self) -> list[str]:
        if self.state == "refused" and self.words.startswith(LATER):
            return ["  not now; the same command again, later"]
        if self.state == "refused" and self.words.startswith(MEMORY):
            return ["  it fits in parts: --set brokers, then --set points"]
        remedy = {
            "refused": "mend what the board names, in the bench's or the site file, then the same command again",
            "rolled_back": "the board runs with what it had; look at Wi-Fi, brokers and group of the files, then the same command again",
            "missed": "nothing has changed on the board; the same command again",
            "waits": f"the board decides by itself and goes back if it must; later: keng device show ... {self.device}",
        }
        return [f"  {remedy[self.state]}"] if self.state in remedy else []

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"device": self.device, "end": self.state, "words": self.words, "keys": list(self.keys)}


_ENDS: dict[State, str] = {
    "applied": "applied and back online, {words}",
    "had": "has it already",
    "refused": "refused by the board: {words}",
    "rolled_back": "{words}",
    "missed": "the order did not reach the board",
    "waits": "no answer yet: {words}",
    "not_sent": "not sent: {words}",
    "offline": "left out, since it is {words}: only a board that is online can try a change",
}


def plan(devices: list[str], *, site: Path, bench: Path, group: str | None, chosen: list[str]) -> Plan:
    """What the command line asks for, checked before anybody is asked. Raises FileMistakes."""
    commune, own, access = files(site, bench)
    if strange := [key for key in chosen if key not in intents.KEYS]:
        raise FileMistakes([f"--set: expected one of {', '.join(intents.KEYS)}, got {key!r}" for key in strange])
    if group is not None and group not in {known.id for known in commune.groups}:
        raise FileMistakes([f"--group: expected a group of the site file, got {group!r}"])
    if doubled := next((device for device in devices if devices.count(device) > 1), None):
        raise FileMistakes([f"expected each board once, got {doubled} twice"])
    members = [board.id for board in commune.boards if group is not None and commune.group_of(board.id) == group]
    every = devices + [device for device in members if device not in devices]
    if not every:
        raise FileMistakes([f"expected boards, such as H03-07, or --group, got {'a group without boards' if group else 'neither'}"])
    configs = {device: settings.config(own, commune, device, "") for device in every}
    return Plan(commune, own, access, configs, tuple(dict.fromkeys(chosen)))


def carry_out(plan: Plan, *, agreed: Callable[[Callable[[], bool]], bool], say: Say) -> list[End] | None:
    """Compare, tell, and if that is `agreed` to, do it; None if it is not. `agreed` is given what says that somebody has stopped the work.

    Raises FileMistakes, CannotBegin.
    """
    tools = Tools()
    try:
        with stopping(tools), Desk(plan.access, plan.site.id, plan.bench.user, stopped=lambda: tools.stopped) as desk:
            wanted, ends = _compared(plan, desk, say)
            if wanted and not agreed(lambda: tools.stopped):
                return None
            ends += _one_after_the_other(desk, wanted, say)
            return sorted(ends, key=lambda end: list(plan.configs).index(end.device))
    except DeskFailed as exc:
        raise CannotBegin(str(exc)) from None
    except Interrupted:
        raise CannotBegin("interrupted before anything was sent") from None


def _compared(plan: Plan, desk: Desk, say: Say) -> tuple[list[Intent], list[End]]:
    """What is to be sent, and the boards to which nothing is. Raises FileMistakes, DeskFailed."""
    wanted: list[Intent] = []
    ends: list[End] = []
    mistakes: list[str] = []
    for device, told in plan.configs.items():
        board = _board(desk, device)
        if board.change and board.change.state == "ordered":
            ends.append(End(device, "waits", f"{', '.join(board.change.keys)}, sent by {board.change.by}"))
            say(f"{device}  {board.place}: a change is under way")
            continue
        found = intents.intent(told, board, plan.chosen)
        mistakes += _mistakes(found, board)
        if not found.fields:
            ends.append(End(device, "had"))
        elif board.state != "online":
            ends.append(End(device, "offline", "not heard yet" if board.state == "unknown" else board.state))
        else:
            wanted.append(found)
        say(f"{device}  {board.place}" + ("" if found.fields else ": nothing to send"))
        for line in found.lines:
            say(f"  {line}")
        if found.left:
            say(f"  not sent, though it differs: {', '.join(found.left)}")
    if mistakes:
        raise FileMistakes(mistakes)
    return wanted, ends


def _mistakes(found: Intent, board: BoardState) -> list[str]:
    """What the board would refuse, as far as this machine can tell: its type is known if a bench has flashed it."""
    why = points.misfits(found.config, board.flashed.board) if board.flashed and {"kind", "points"} & set(found.fields) else []
    if found.fields and not why:
        try:
            config.change("b-" + "0" * 12, found.fields)
        except ValueError as exc:
            why = [f"{exc}; in parts: --set"]
    return [f"bench: boards.{found.device}: {words}" for words in why]


def _one_after_the_other(desk: Desk, wanted: list[Intent], say: Say) -> list[End]:
    ends: list[End] = []
    for found in wanted:
        failed = next((end.device for end in ends if not end.is_good), None)
        ends.append(End(found.device, "not_sent", f"{failed} before it did not come through") if failed else _sent(desk, found, say))
    return ends


def _sent(desk: Desk, found: Intent, say: Say) -> End:
    device, keys = found.device, tuple(found.fields)
    try:
        order = desk.ask("configure", device=device, config=found.fields).id
    except (NoAnswer, Interrupted) as exc:
        return End(device, "waits", str(exc) or "stopped before the engine answered", keys)
    except DeskFailed as exc:
        return End(device, "not_sent", str(exc), keys)
    say(f"{device}  sent; it starts again with it")
    try:
        return _decided(desk, device, order, say)._replace(keys=keys)
    except Interrupted:
        return End(device, "waits", "stopped waiting", keys)


def _decided(desk: Desk, device: str, order: str, say: Say) -> End:
    """What became of the order. Raises Interrupted."""
    began = said = time.monotonic()
    state = "online"
    while (now := time.monotonic()) - began < WAIT_S:
        desk.rest(LOOK_S)
        try:
            board = _board(desk, device)
        except DeskFailed:
            continue  # an engine that starts again knows it afterwards too
        change = board.change
        if change is None or change.order != order:
            return End(device, "waits", "somebody else has changed or flashed it since")
        if change.state == "applied":
            return End(device, "applied", f"{now - began:.0f} s")
        if change.state != "ordered":
            return End(device, change.state, change.words)
        if board.state != state:
            state, said = board.state, now
            say(f"{device}  {'online again' if state == 'online' else 'not heard any more; it goes back by itself if it has to'}")
        elif now - said >= SAID_S:
            said = now
            say(f"{device}  no answer yet, {now - began:.0f} s")
    return End(device, "waits", f"waited {WAIT_S:.0f} s")


def _board(desk: Desk, device: str) -> BoardState:
    boards = desk.ask("boards", device=device).boards
    if not boards:
        raise DeskFailed(f"expected a board that the engine knows, got {device}")
    return boards[0]


def agree(question: str, stopped: Callable[[], bool]) -> bool:
    """Ask who sits at the terminal. Raises CannotBegin where nobody does, Interrupted."""
    if not sys.stdin.isatty():
        raise CannotBegin("expected somebody who agrees, got no terminal; --yes if it is agreed already")
    sys.stderr.write(question)
    sys.stderr.flush()
    return typed(stopped) in YES
