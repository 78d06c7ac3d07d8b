"""The plain tests once more, by the interpreter that runs on the board."""

import os
import subprocess
from pathlib import Path

import pytest
from rig import ROOT

PLAIN = Path(__file__).parent / "plain"


@pytest.mark.parametrize("module", sorted(path.stem for path in PLAIN.glob("test_*.py")))
def test_plain_tests_pass_on_micropython(module: str, micropython: str, tmp_path: Path) -> None:
    search = f"{PLAIN}:{ROOT / 'firmware/device'}:{ROOT}:.frozen"
    environment = {**os.environ, "MICROPYPATH": search, "SCRATCH": str(tmp_path)}
    result = subprocess.run(
        [micropython, str(PLAIN / "run.py"), module], capture_output=True, text=True, env=environment, timeout=30, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("ok test_") == (PLAIN / f"{module}.py").read_text(encoding="utf-8").count("\ndef test_")
