"""What is in flash survives the loss of power at any moment."""

import os
import subprocess
from pathlib import Path

from rig import ROOT

SCRIPT = Path(__file__).with_name("cut_flash.py")


def test_pitfall_14_journal_keeps_its_promises_over_a_cut_at_every_block_operation(micropython: str) -> None:
    environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'firmware/device'}:{ROOT}:.frozen"}
    result = subprocess.run([micropython, str(SCRIPT)], capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(result.stdout.split()[1]) >= 8, result.stdout  # a write is one or two programs
