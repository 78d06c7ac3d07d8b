"""The pty that stands for the modem's serial port."""

import asyncio
import os
import pty
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

READ_BYTES = 4096


class Terminal:
    """A pty behind a name that stays the same when the modem is unplugged and plugged in again: `path`, as under /dev/serial/by-id."""

    def __init__(self, path: Path, received: Callable[[bytes], None]) -> None:
        self.path = path
        self._received = received
        self._ends: tuple[int, int] | None = None

    @property
    def is_plugged(self) -> bool:
        """Whether the port is there."""
        return self._ends is not None

    def plug(self) -> None:
        """Make the port."""
        if self._ends is not None:
            return
        outer, inner = pty.openpty()
        tty.setraw(inner)  # a serial port does not echo: only the modem does
        os.set_blocking(outer, False)
        # The inner end stays open here too: else the port would be lost whenever its user closes it.
        self._ends = outer, inner
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(inner))
        asyncio.get_running_loop().add_reader(outer, self._readable)

    def unplug(self) -> None:
        """Take it away: whoever has it open loses it."""
        if self._ends is None:
            return
        outer, inner = self._ends
        asyncio.get_running_loop().remove_reader(outer)
        self._ends = None
        os.close(inner)
        os.close(outer)
        self.path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """To whoever has the port open. What nobody reads is lost, as on a wire."""
        if self._ends is not None:
            with suppress(BlockingIOError):
                os.write(self._ends[0], data)

    def _readable(self) -> None:
        if self._ends is not None:
            with suppress(BlockingIOError):
                self._received(os.read(self._ends[0], READ_BYTES))
