"""What a busy machine takes from the processes of a test: no fault of the board's."""

import os
import time
from pathlib import Path

from rig import Board

OWN_BELL_S = 0.15  # from the press


class Waits:
    """What a busy machine has taken from board and test: how long they were ready to run in vain, and what its host took (Linux)."""

    def __init__(self, board: Board) -> None:
        self._sources = [Path(f"/proc/{process}/schedstat") for process in (board.pid, "self")]
        self._samples: list[tuple[float, float]] = []
        self.sample()

    def sample(self) -> None:
        waited_s = sum(int(source.read_text().split()[1]) for source in self._sources) / 1e9
        stolen_s = int(Path("/proc/stat").read_text().split(maxsplit=9)[8]) / os.sysconf("SC_CLK_TCK")
        self._samples.append((time.monotonic(), waited_s + stolen_s))

    def between(self, start: float, end: float) -> float:
        """Seconds lost between two moments of time.monotonic(), from the sample before them to the one after."""
        before = max([lost for at, lost in self._samples if at <= start], default=self._samples[0][1])
        after = min([lost for at, lost in self._samples if at >= end], default=self._samples[-1][1])
        return after - before

    def worst(self, window: float) -> float:
        """The most seconds lost within so many."""
        return max(self.between(at, at + window) for at, _ in self._samples)


def press_rings(board: Board, terminal: str = "button-1") -> float:
    """Press; the own bell rings in time. Returns time.monotonic() of the press."""
    waits = Waits(board)
    pressed = board.set(terminal, True)
    rang = board.wait_bell(after=pressed)
    waits.sample()
    assert rang - pressed < OWN_BELL_S + waits.between(pressed, rang)
    return pressed
