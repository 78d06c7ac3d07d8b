"""What is in flash survives the loss of power at any moment."""

import os
import subprocess
from pathlib import Path

import pytest
from rig import ROOT

HERE = Path(__file__).parent


@pytest.mark.timeout(300)
@pytest.mark.parametrize("script", ["cut_flash", "cut_life", "cut_change applied", "cut_change rolled_back"])
def test_pitfall_14_flash_keeps_its_promises_over_a_cut_at_every_block_operation(micropython: str, script: str) -> None:
    environment = {**os.environ, "MICROPYPATH": f"{HERE}:{HERE / 'plain'}:{ROOT / 'firmware/device'}:{ROOT}:.frozen"}
    name, *arguments = script.split()
    command = [micropython, "-X", "heapsize=8m", str(HERE / f"{name}.py"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=280, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(result.stdout.split()[-1]) >= 8, result.stdout  # a write is one or two programs
