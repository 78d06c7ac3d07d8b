"""2,000 presses while broker and engine are killed, links fail, the disk is full and the clock jumps by years: none lost, none doubled.

The seed is printed; SEED=N in the environment repeats the deeds of a run. `make bench LONG=1` plays 100,000 presses.
"""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.chaos import surroundings

ROOT = Path(__file__).parents[2]
SEED = int(os.environ.get("SEED") or secrets.randbelow(1_000_000))

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1000),
    pytest.mark.skipif(surroundings.program("mosquitto") is None, reason="mosquitto is not installed"),
]


def chaos(*arguments: str) -> dict[str, Any]:
    """Play a round; its result. What it told is printed: pytest shows it when the test fails."""
    command = [sys.executable, "-m", "simulator.chaos", f"--seed={SEED}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, done.stderr[-5000:])
    *_, last = done.stdout.splitlines()
    result: dict[str, Any] = json.loads(last)
    assert result["seed"] == SEED
    return result


def assert_nothing_is_wrong(result: dict[str, Any]) -> None:
    assert result["verdict"]["words"] == []
    assert (result["events_lost_n"], result["incidents_doubled_n"]) == (0, 0)
    assert result["mute_groups"] == [], "afterwards every bell of every group is proved to ring"
    assert result["boards_crashed"] == []


def test_of_2000_presses_in_chaos_none_is_lost_and_none_is_doubled() -> None:
    result = chaos("--presses=2000")
    assert_nothing_is_wrong(result)
    assert result["presses_n"] >= 2000
    deeds = result["deeds"]
    assert all(deeds[what] >= 5 for what in ("engine killed", "broker killed", "clock set", "reset", "freeze", "stall", "swallow"))
    assert deeds["disk full"] == 1


def test_of_300_presses_over_a_network_that_loses_30_percent_none_is_lost_and_none_is_doubled() -> None:
    prefix, why = surroundings.prefix()
    if not prefix:
        pytest.skip(f"no network of its own to be had here: {why}")
    nft = surroundings.program("nft")
    if nft is None:
        pytest.skip("no packets can be lost here: nftables is not installed")
    tried = subprocess.run([*prefix, nft, "add", "table", "inet", "trial"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no packets can be lost here: {tried.stderr.strip()}")
    result = chaos("--presses=300", "--lossy", "--per-s=4")
    assert_nothing_is_wrong(result)
    assert result["lost_packets_n"] > 1000
