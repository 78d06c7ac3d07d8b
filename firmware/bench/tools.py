"""esptool and mpremote as programs of their own, each with a deadline: mpremote waits for ever at a board that dies in the middle."""

import os
import re
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

BAUD = 460_800
PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")
LAST_LINES = 40
READ_BYTES = 65_536

OnLine = Callable[[str], None]


class ToolFailed(Exception):
    """A tool ended with an error, or had to be ended. `lines`: the last that it said; the text is one line for people."""

    def __init__(self, text: str, lines: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.lines = list(lines)


class Interrupted(Exception):
    """Somebody has stopped the work."""


class Tools:
    """Runs tools until `stop`, which ends all of them. Safe from several threads."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def stop(self) -> None:
        """End every tool; each call of `run` raises Interrupted."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _end(process)

    def esptool(self, port: str, chip: str, words: Sequence[str], *, deadline_s: float, on_line: OnLine = lambda _: None) -> list[str]:
        """What esptool says about the board on a port, line by line. Raises ToolFailed, Interrupted."""
        return self.run("esptool", ["--chip", chip, "--port", port, "-b", str(BAUD), *words], deadline_s=deadline_s, on_line=on_line)

    def mpremote(self, port: str, words: Sequence[str], *, deadline_s: float, on_line: OnLine = lambda _: None) -> list[str]:
        """What mpremote says, line by line. Raises ToolFailed, Interrupted."""
        return self.run("mpremote", ["connect", port, *words], deadline_s=deadline_s, on_line=on_line)

    def run(self, module: str, words: Sequence[str], *, deadline_s: float, on_line: OnLine) -> list[str]:
        """Run python -m `module` until it ends or `deadline_s` have passed. `on_line` gets each line as it comes.

        Raises ToolFailed unless it ends with exit code 0, Interrupted after `stop`.
        """
        with self._lock:
            if self._stopped:
                raise Interrupted
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200", "NO_COLOR": "1"},
                start_new_session=True,  # Ctrl-C is ours to handle
            )
            self._running.add(process)
        try:
            lines, is_late = _read(process, time.monotonic() + deadline_s, on_line)
        finally:
            _end(process)
            code = process.wait()
            assert process.stdout is not None  # noqa: S101  opened as a pipe
            process.stdout.close()
            with self._lock:
                self._running.discard(process)
        if self._stopped:
            raise Interrupted
        if is_late:
            raise ToolFailed(f"expected {module} to end within {deadline_s:.0f} s, got no end: the board does not answer", lines)
        if code:
            raise ToolFailed(f"{module}: {_reason(lines) or f'exit code {code}'}", lines)
        return lines


def percent(line: str) -> float | None:
    """How far a line of esptool says that it is, 0 to 100."""
    found = PERCENT.search(line)
    return float(found[1]) if found else None


def _read(process: subprocess.Popen[bytes], deadline: float, on_line: OnLine) -> tuple[list[str], bool]:
    """The last lines of a process, and whether it was still at work at the deadline."""
    assert process.stdout is not None  # noqa: S101  opened as a pipe
    lines: list[str] = []
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if not selector.select(min(1.0, max(0.0, deadline - time.monotonic()))):
                continue
            data = os.read(process.stdout.fileno(), READ_BYTES)
            *whole, rest = (rest + data).replace(b"\r", b"\n").split(b"\n")
            for line in [*whole, *([] if data else [rest])]:
                text = line.decode(errors="replace").strip()
                if text:
                    lines.append(text)
                    on_line(text)
            del lines[:-LAST_LINES]
            if not data:
                return lines, False
    return lines, True


def _reason(lines: Sequence[str]) -> str:
    """The line that says why: the last one that is not a remedy or a piece of a trace."""
    told = [
        line for line in lines if not line.startswith(("Hint", "For troubleshooting", "at ", "File ", "^")) and not line.endswith("...")
    ]
    fatal = [line for line in told if "fatal error" in line or "rror:" in line]
    return (fatal or told or [""])[-1].replace("A fatal error occurred: ", "")


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
