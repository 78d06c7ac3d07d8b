"""A command of `keng` whose wall clock can be set while it runs: `python -m simulator.chaos.stepped FILE engine --site ...`.

FILE holds by how many seconds the clock is ahead, a double of 8 bytes. Only time.time() of this process follows it: the clock of the
machine is left alone, and monotonic time goes its way, as it does when somebody sets a clock.
"""

import mmap
import runpy
import struct
import sys
import time
from pathlib import Path

_AHEAD = struct.Struct("=d")


class Clock:
    """The file, as those see it who set the clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set(0.0)

    def set(self, ahead_s: float) -> None:
        """Set the clock of whoever runs on it, now and at every start."""
        mode = "r+b" if self.path.exists() else "w+b"
        with self.path.open(mode) as file:
            file.write(_AHEAD.pack(ahead_s))


def main() -> None:
    """The command."""
    path, *sys.argv = sys.argv[1:]
    sys.argv.insert(0, "keng")
    with Path(path).open("rb") as file:
        ahead = mmap.mmap(file.fileno(), _AHEAD.size, prot=mmap.PROT_READ)
    real = time.time
    time.time = lambda: real() + float(_AHEAD.unpack_from(ahead)[0])
    runpy.run_module("keng", run_name="__main__")


if __name__ == "__main__":
    main()
