"""The plain tests once more, by the interpreter that runs on the board."""

import os
import socket
import subprocess
from pathlib import Path

import pytest
from rig import ROOT

PLAIN = Path(__file__).parent / "plain"
HEAP = "8m"  # theirs is not a board's: they keep all that a virtual board has said
LONG = {"test_device_noise"}  # every point of every kind through hours of noise: 40 s of computing


MODULES = sorted(path.stem for path in PLAIN.glob("test_*.py"))


@pytest.mark.parametrize("module", [pytest.param(name, marks=[pytest.mark.long] if name in LONG else []) for name in MODULES])
def test_plain_tests_pass_on_micropython(module: str, micropython: str, tmp_path: Path) -> None:
    search = f"{PLAIN}:{ROOT / 'firmware/device'}:{ROOT}:.frozen"
    environment = {**os.environ, "MICROPYPATH": search, "SCRATCH": str(tmp_path)}
    command = [micropython, "-X", f"heapsize={HEAP}", str(PLAIN / "run.py"), module]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("ok test_") == (PLAIN / f"{module}.py").read_text(encoding="utf-8").count("\ndef test_")


def test_connection_that_fails_leaves_no_socket_open(micropython: str) -> None:
    environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'firmware/device'}:{ROOT}:.frozen"}
    with socket.socket() as closed, socket.socket() as mute:
        closed.bind(("127.0.0.1", 0))
        mute.bind(("127.0.0.1", 0))
        mute.listen(0)
        ports = [str(each.getsockname()[1]) for each in (closed, mute)]
        result = subprocess.run(
            [micropython, str(Path(__file__).with_name("fail_to_connect.py")), *ports],
            capture_output=True,
            text=True,
            env=environment,
            timeout=30,
            check=False,
        )
    assert result.stdout in [f"(0, '{end}')\n(0, 'OSError')\n" for end in ("OSError", "success")], result.stdout + result.stderr
