"""One start of MicroPython in a virtual board: the real unix port on a pty, made to look on the serial line as a board does.

What the port lacks, and what is done instead: see simulator/usb/boot/boot_usb.py for what lies inside.

soft reset      the port ends at Ctrl-D; then this start is over, and `raw` says whether the next one goes back into the raw REPL
Ctrl-C          while code runs that was sent by raw paste the port takes Ctrl-C for a character: here it is a signal whenever
                MicroPython catches SIGINT, which it does just while user code runs that can be interrupted
"""

import json
import os
import signal
import subprocess
import sys
import time
import tty
from contextlib import suppress
from pathlib import Path

MARK = b"\x1e\x1fbooted\x1f\x1e"  # boot_usb.py ends with it: what follows is the REPL's
RAW = b"raw REPL; CTRL-B to exit\r\n"
CTRL_A, CTRL_C = b"\x01", b"\x03"
INTERRUPT = signal.SIGUSR1  # simulator/inplace.py
STILL = ("T", "Z", "X")  # stopped, or at its end: proc_pid_status(5)
SIGINT_BIT = 1 << signal.SIGINT - 1
BOOT = Path(__file__).parent / "boot" / "boot_usb.py"


class Interpreter:
    """`settings`: for boot_usb.py. `image`: its stand-ins as ROMFS. Output comes from `read`, and `fd` becomes readable then.

    `raw`: True in the raw REPL, so that a soft reset has to come back there.
    """

    def __init__(self, image: Path, settings: dict[str, object], *, heap_kb: int, back_in_raw: bool) -> None:
        self.up = False
        self._phase = "boot"
        self._back_in_raw = back_in_raw
        self._held = b""
        self._tail = b""
        command = [sys.executable, "-m", "simulator.inplace", str(image), "--", "-X", f"heapsize={heap_kb}k", "-i", str(BOOT)]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "BOARD": json.dumps(settings | {"raw": back_in_raw, "mark": MARK.decode()}),
            "HOME": str(Path(str(settings["flash"])).parent),
        }
        # Raw before the interpreter is there: a Ctrl-C that comes early is a character, not the end of it.
        self.fd, line = os.openpty()
        tty.setraw(line)
        self._process = subprocess.Popen(
            command, env=environment, stdin=line, stdout=line, stderr=line, start_new_session=True, close_fds=True
        )
        os.close(line)

    @property
    def was_raw(self) -> bool:
        """Whether it ended in the raw REPL: there Ctrl-D is answered by OK."""
        return self._tail.endswith(b"OK\r\n")

    def read(self) -> bytes | None:
        """What the board prints next, b"" for nothing to show yet; None when the interpreter has ended."""
        try:
            data = os.read(self.fd, 4096)
        except OSError:
            data = b""
        if not data:
            return None
        if self._phase != "repl":
            data = self._at_start(data)
        self._tail = (self._tail + data)[-16:]
        return data

    def write(self, data: bytes) -> None:
        """Bytes from the host."""
        first, *rest = data.split(CTRL_C)
        self._put(first)
        for part in rest:
            if self._interrupted():
                time.sleep(0.01)
            else:
                self._put(CTRL_C)
            self._put(part)

    def end(self) -> None:
        """Kill it, if it still runs, and put it away."""
        self._process.kill()
        self._process.wait()
        os.close(self.fd)

    def _put(self, data: bytes) -> None:
        with suppress(OSError):
            while data:
                data = data[os.write(self.fd, data) :]

    def _at_start(self, data: bytes) -> bytes:
        """What of the output a board would print: neither the mark, nor on its way into the raw REPL the friendly banner."""
        self._held += data
        shown = b""
        if self._phase == "boot":
            shown, mark, rest = self._held.partition(MARK)
            if not mark:
                keep = next((size for size in range(len(MARK) - 1, 0, -1) if self._held.endswith(MARK[:size])), 0)
                self._held, shown = self._held[len(self._held) - keep :], self._held[: len(self._held) - keep]
                return shown
            self._held = rest
            self._phase = "to raw" if self._back_in_raw else "repl"
            if self._back_in_raw:
                self._put(CTRL_A)
        if self._phase == "to raw":
            _, banner, rest = self._held.partition(RAW)
            if not banner:
                return shown
            self._held, self._phase = RAW + rest, "repl"
        held, self._held = self._held, b""
        return shown + held

    def _interrupted(self) -> bool:
        """Interrupt the program if that can be done. It stands still meanwhile: it may be about to say that it cannot be interrupted."""
        if not self.up:
            return False
        can_be = False
        self._process.send_signal(signal.SIGSTOP)
        with suppress(OSError):  # it has ended
            while (status := self._status())["State"] not in STILL:
                time.sleep(0)
            can_be = bool(int(status.get("SigCgt", "0"), 16) & SIGINT_BIT)
        if can_be:
            self._process.send_signal(INTERRUPT)
        self._process.send_signal(signal.SIGCONT)
        return can_be

    def _status(self) -> dict[str, str]:
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return {name: (value.split() or [""])[0] for name, _, value in (line.partition(":") for line in lines)}
