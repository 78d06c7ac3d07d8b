"""Several virtual boards, each a process of its own, in one folder: ttyV0, ttyV1... and their flash."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from simulator.usb.board import Make
from simulator.usb.hand import ask

HERE = Path(__file__).parent
LINES = HERE / "lines"  # on PYTHONPATH: ptys get modem lines
COMPILE_S = 120
STOP_S = 10.0


def stand_ins(target: Path) -> Path:
    """The image of what stands in for an ESP32's modules: those of every simulated board, and the start of one on a serial port.

    Raises OSError, subprocess.SubprocessError.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(HERE / "boot/usb_start.py", folder)
        for module in (HERE.parent / "board").glob("*.py"):
            shutil.copy(module, folder)
        subprocess.run([sys.executable, "-m", "firmware.bench.romfs", folder, str(target)], check=True, timeout=COMPILE_S)
    return target


def mac(number: int) -> str:
    """The MAC of the `number`-th board: Espressif's prefix, then the number."""
    return f"240ac4{number + 1:06x}"


def environment() -> dict[str, str]:
    """The environment in which tools reach the modem lines of ptys."""
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(LINES), *filter(None, [os.environ.get("PYTHONPATH")])])}


class Boards:
    """`count` boards that live as long as `with`; `ports` are theirs. A file of flash that is there is used as it is.

    What is said of one (`which`) wins over what is said of all (`make`): see Make. `rfc2217`: TCP ports instead of ptys.
    """

    def __init__(self, folder: Path, count: int, *, rfc2217: bool = False, which: Sequence[dict[str, Any]] = (), **make: Any) -> None:
        self.ports: list[str] = []
        self._folder = folder
        self._count = count
        self._rfc2217 = rfc2217
        self._make = make
        self._which = which
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            stack.callback(self._stop)
            image = stand_ins(self._folder / "stand-ins.romfs")
            for number in range(self._count):
                self._start(number, image)
            for process in self._processes:
                assert process.stdout is not None  # noqa: S101  opened as a pipe
                name = process.stdout.readline().strip()
                if not name:
                    raise RuntimeError("a virtual board did not start")
                self.ports.append(name)
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def ask(self, number: int, *words: str) -> dict[str, Any]:
        """Give a board an order; its state. Raises as hand.ask does."""
        return ask(Path(self.ports[number]), *words)

    def flash(self, number: int) -> Path:
        """The file of a board's flash."""
        return self._folder / f"flash{number}.bin"

    def _start(self, number: int, image: Path) -> None:
        own = {"mac": mac(number), **self._make, **(self._which[number] if number < len(self._which) else {})}
        make = asdict(Make(self.flash(number), image, **own)) | {"flash": str(self.flash(number)), "image": str(image)}
        make["port"] = 0 if self._rfc2217 else str((self._folder / f"ttyV{number}").absolute())
        self._processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "simulator.usb", json.dumps(make)], stdout=subprocess.PIPE, text=True, start_new_session=True
            )
        )

    def _stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
