"""How far a ladder has been climbed: which step is next, and when. Pure; milliseconds. Whom a step tells is audiences.py's to say."""

from typing import NamedTuple

from protocol.incident import Delivery
from protocol.policy import Cause, Ladder

# A graver cause begins its own ladder while another is being climbed; a lesser one waits until that is over.
GRAVITY: tuple[Cause, ...] = ("late", "drill", "smoke", "silent_sos", "sos", "fire")
PAUSE_MAX_MS = 900_000  # a round waits twice as long as the one before, but nobody is forgotten for more than this


class Climb(NamedTuple):
    """The position on a ladder. `step` is taken next, from 0; `round` counts from 1. The wait for it is `start_ms` and `wait_ms`.

    `told`: person -> how often in this climb. `next`: whom the next step would tell now. `over`: the ladder has no more steps. `first`:
    messages of this climb have this number or a higher one, whatever the clock says; 0 for a climb of an older version.
    """

    cause: Cause
    begun_ms: int
    start_ms: int
    wait_ms: int = 0
    step: int = 0
    round: int = 1
    told: dict[str, int] = {}  # noqa: RUF012 - never changed in place
    next: tuple[str, ...] = ()
    over: bool = False
    first: int = 0

    def tells(self, message: Delivery) -> bool:
        """True for a message of this climb."""
        return message.id >= self.first if self.first else message.decided_ms >= self.begun_ms


def begun(climb: Climb | None, cause: Cause, *, is_taken_on: bool, now_ms: int, again_ms: int, first: int) -> Climb:
    """The climb after an alarm of this cause. One that is under way goes on; one that somebody's acknowledgement had stopped begins
    again, at the earliest `again_ms` after its last step, so that a fire with forty boards is not forty messages a person.
    """
    if climb is None or GRAVITY.index(cause) > GRAVITY.index(climb.cause):
        return Climb(cause, now_ms, now_ms, first=first)
    if not is_taken_on:
        return climb
    # A start in the future, of a clock that was set back between two starts of the engine, is long ago: see placing.is_due.
    waits = bool(climb.told) and climb.start_ms <= now_ms
    return Climb(cause, now_ms, now_ms, max(0, climb.start_ms + again_ms - now_ms) if waits else 0, first=first)


def stepped(climb: Climb, ladder: Ladder, *, told: dict[str, int], now_ms: int) -> Climb:
    """The climb after its next step was taken now, and told these persons so often."""
    step = ladder.steps[min(climb.step, len(ladder.steps) - 1)]
    climb = climb._replace(told=told, start_ms=now_ms, wait_ms=step.wait_s * 1000)
    if climb.step + 1 < len(ladder.steps):
        return climb._replace(step=climb.step + 1)
    if not ladder.repeat_s:
        return climb._replace(over=True)
    pause_ms = min(ladder.repeat_s * 1000 * 2 ** min(climb.round - 1, 10), PAUSE_MAX_MS)
    return climb._replace(step=0, round=climb.round + 1, wait_ms=climb.wait_ms + pause_ms)


def way(ways: list[str], times: int) -> str:
    """By which channel a person is told who was told so often in this climb: the next in their order, and round again."""
    return ways[times % len(ways)]
