"""The plain tests import what runs on the board, and nothing of pytest: MicroPython runs them too."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path) -> Iterator[None]:
    os.environ["SCRATCH"] = str(tmp_path)
    yield
    del os.environ["SCRATCH"]
