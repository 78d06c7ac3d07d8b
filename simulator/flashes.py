"""The flash images of simulated boards: files of erased blocks, and how often they were erased and programmed."""

from dataclasses import dataclass
from pathlib import Path

BLOCK = 4096
BLOCKS = 256  # 1 MB: half of the file system partition of a 4 MB ESP32, so that fleets stay small


@dataclass(frozen=True)
class FlashStats:
    """Operations since the image was made."""

    erases: int
    programs: int


class Flash:
    """A board's image file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blocks = BLOCKS
        self._before = FlashStats(0, 0)
        self._start = FlashStats(0, 0)
        self.erase()

    @property
    def stats(self) -> FlashStats:
        """Operations since the image was made, as far as the board has told."""
        return FlashStats(self._before.erases + self._start.erases, self._before.programs + self._start.programs)

    def erase(self) -> None:
        """A new chip, or one that was re-imaged: every byte 0xff, nothing counted."""
        self.path.write_bytes(b"\xff" * BLOCK * BLOCKS)
        self._before = self._start = FlashStats(0, 0)

    def started(self) -> None:
        """The board starts: it counts from 0 again."""
        self._before, self._start = self.stats, FlashStats(0, 0)

    def counted(self, erases: int, programs: int) -> None:
        """What the board has counted since its start."""
        self._start = FlashStats(erases, programs)
