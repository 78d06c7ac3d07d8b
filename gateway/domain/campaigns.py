"""A campaign: one bundle on its way to many boards, in waves, and how far each board is. Records and what can be read from them; pure.

A wave is a number of boards and not a list: whoever is online and well when its turn comes is taken, so that no wave waits for a board
that is switched off.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

BoardState = Literal["waiting", "ordered", "fetching", "trial", "kept", "had", "rolled_back", "refused", "lost", "late", "gone"]
CampaignState = Literal["open", "halted", "done", "ended"]

UNDER_WAY: tuple[BoardState, ...] = ("ordered", "fetching", "trial")
FAILED: tuple[BoardState, ...] = ("rolled_back", "refused", "lost", "late")


@dataclass(frozen=True, slots=True)
class Release:
    """The bundle that a campaign brings: `bundle` is its digest, `size` that of the whole file in bytes, `board` the board type."""

    bundle: str
    size: int
    version: str
    board: str


@dataclass(frozen=True, slots=True)
class Campaign:
    """What was begun, and by which command. `sizes`: boards of each wave, the last one takes the rest; `wave` from 1. `why`: of the halt,
    or of the end.

    `soak_s`: between two waves. `within_s`: a board that makes no step for so long is late. `orders`: how many ids it has given.
    """

    number: int
    release: Release
    by: str
    command: str
    began_ms: int
    sizes: tuple[int, ...]
    downgrade: bool = False
    at_once: int = 4
    soak_s: int = 600
    within_s: int = 1800
    state: CampaignState = "open"
    wave: int = 1
    why: str = ""
    orders: int = 0
    ended_ms: int | None = None
    ended_by: str = ""

    @property
    def is_over(self) -> bool:
        """True once nothing of it can happen any more."""
        return self.ended_ms is not None

    @property
    def quota(self) -> int | None:
        """How many boards its wave takes; None: all that are left."""
        return self.sizes[self.wave - 1] if self.wave <= len(self.sizes) else None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a board is in a campaign.

    waiting: not asked yet, or to be asked again. ordered: asked, no answer yet. fetching: it has said yes. trial: all of it was sent; the
    rest is the board's own to decide. kept: the new version has proved itself. had: it ran it already. rolled_back, refused: as the board
    says. lost: not heard any more in its trial. late: no step for too long. gone: no longer in the commune's description.

    `start`: which start of the board, <life>-<boot>, took the order. `tries`: how often it has begun. `at_ms`: of the newest change.
    """

    device: str
    state: BoardState = "waiting"
    wave: int = 0
    order: str = ""
    start: str = ""
    tries: int = 0
    from_version: str = ""
    from_app: str = ""
    ordered_ms: int | None = None
    at_ms: int = 0
    words: str = ""


@dataclass(slots=True)
class Step:
    """What no disk knows of a board under way, in monotonic seconds: its newest step, when it was asked last and not heard any more.

    `offset`: up to where it has fetched. A start of the engine begins all of it anew.
    """

    moved_s: float
    asked_s: float
    offset: int = -1
    gone_s: float | None = None


@dataclass
class Pace:
    """What no disk knows of a campaign: its boards under way, who said that it is busy until when, since when the wave is through."""

    steps: dict[str, Step] = field(default_factory=dict)
    not_before_s: dict[str, float] = field(default_factory=dict)
    through_s: float | None = None
    next_s: float = 0.0
    looked: bool = False  # whether all its boards are in the commune's description, which is that of a start

    def step(self, device: str, now_s: float) -> Step:
        """What is known of a board under way; from now on, if nothing is."""
        return self.steps.setdefault(device, Step(now_s, now_s))

    def fetched(self, device: str, offset: int, now_s: float) -> None:
        """It asks for what lies behind `offset`. Only what it never asked for before is a step: who begins again and again is late."""
        step = self.step(device, now_s)
        step.asked_s = now_s
        if offset > step.offset:
            step.offset, step.moved_s = offset, now_s


def sizes(waves: Sequence[str], boards: int) -> tuple[int, ...]:
    """The waves as numbers of boards: "5" is five, "20%" that part of all of them, rounded up. At least one in each."""
    return tuple(max(1, -(-int(wave[:-1]) * boards // 100) if wave.endswith("%") else int(wave)) for wave in waves)


def count(boards: Iterable[Progress], *states: BoardState) -> int:
    """How many boards are in any of `states`."""
    return sum(board.state in states for board in boards)
