"""Updates over the air on the board: what is refused, what is rolled back, and that it ends on a version that can deliver an alarm."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from agent import gate
from rig import ROOT

from firmware.bench import filesystem, package
from gateway.domain import waves
from protocol.package import Package, public_key

HERE = Path(__file__).parent
FILES = {"boot.mpy": b"M\x06boot", "agent/once.mpy": bytes(range(256)) * 24, "main.mpy": b"M\x06" + b"main" * 700}
RELEASE = Package("0.2.0", "esp32_wroom", 1_795_305_600, FILES)
PLAYED = [
    line[4:].partition("(")[0]
    for line in (HERE / "play_update.py").read_text(encoding="utf-8").splitlines()
    if line.startswith("def test_")
]
Play = Callable[..., str]


@pytest.fixture(scope="module")
def play(micropython: str, tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Run a script with a board to be updated: play(script, arguments..., release=, signed_by=, trusted=). Its output."""
    folder = tmp_path_factory.mktemp("update")
    keys = [package.new_key() for _ in range(3)]

    def run(script: str, *arguments: str, release: Package = RELEASE, signed_by: int = 0, trusted: tuple[int, ...] = (0, 1)) -> str:
        (folder / "bundle").write_bytes(package.signed(release, keys[signed_by]))
        (folder / "launcher").write_text(filesystem.BOOT.partition("\nif ")[0])
        (folder / "keys").write_bytes(b"".join(public_key(package.public_der(keys[number])).n.to_bytes(384) for number in trusted))
        environment = {**os.environ, "MICROPYPATH": f"{HERE}:{HERE / 'plain'}:{ROOT / 'firmware/device'}:{ROOT}:.frozen"}
        environment |= {name.upper(): str(folder / name) for name in ("bundle", "launcher", "keys")}
        environment["NAMES"] = json.dumps([release.digest])
        command = [micropython, "-X", "heapsize=16m", str(HERE / script), *arguments]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr
        return result.stdout

    return run


@pytest.mark.parametrize("name", PLAYED)
def test_board_ends_on_a_version_that_can_deliver_an_alarm(play: Play, name: str) -> None:
    assert f"ok {name}" in play("play_update.py", name)


@pytest.mark.parametrize(
    ("release", "signed_by", "trusted", "words"),
    [
        (RELEASE, 2, (0, 1), "signature: expected that of a trusted key"),  # nobody's
        (RELEASE, 0, (1,), "signature: expected that of a trusted key"),  # retired
        (replace(RELEASE, board="esp32_s3"), 0, (0, 1), "board: expected esp32_wroom, got esp32_s3"),
        (replace(RELEASE, version="0.0.9"), 0, (0, 1), "version: expected 0.1.0 or newer, got 0.0.9"),
        (replace(RELEASE, files={"boot.mpy": b"M"}), 0, (0, 1), "header: expected main.mpy"),
        (replace(RELEASE, files=FILES | {"../use.mpy": b"M"}), 0, (0, 1), "header: expected a line of a file"),
        (replace(RELEASE, files=FILES | {"config.json": b"M"}), 0, (0, 1), "header: expected a line of a file"),
    ],
)
def test_board_refuses_what_is_not_for_it(play: Play, release: Package, signed_by: int, trusted: tuple[int, ...], words: str) -> None:
    assert words in play("play_update.py", "refusal", release=release, signed_by=signed_by, trusted=trusted)


def test_board_refuses_another_version_of_mpy(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("protocol.package.MPY", 5)
    assert "mpy: expected 6, got 5" in play("play_update.py", "refusal")


@pytest.mark.parametrize(("signed_by", "trusted"), [(0, (0, 1)), (1, (0, 1)), (1, (1,))])
def test_board_takes_what_either_of_its_keys_has_signed(play: Play, signed_by: int, trusted: tuple[int, ...]) -> None:
    assert play("play_update.py", "kept", signed_by=signed_by, trusted=trusted).endswith("kept\n")


def test_older_version_is_taken_where_it_is_meant(play: Play) -> None:
    older = replace(RELEASE, version="0.0.9")
    assert play("play_update.py", "kept", "downgrade", release=older).endswith("kept\n")


def test_board_is_back_from_a_version_that_hears_nobody_before_the_engine_gives_it_up() -> None:
    assert gate.ALONE_MS / 1000 + 45 < waves.LOST_S, "a restart, Wi-Fi and a connection come on top"


VERSIONS = ["good", "crashes", "mute", "deaf"]


@pytest.mark.parametrize("new", VERSIONS)
def test_power_cut_amid_an_update_leaves_a_version_that_runs(play: Play, new: str) -> None:
    assert int(play("cut_update.py", new, "7").split()[-1]) >= 20


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("new", VERSIONS)
def test_power_cut_at_every_block_operation_of_an_update_leaves_a_version_that_runs(play: Play, new: str) -> None:
    assert int(play("cut_update.py", new, "1").split()[-1]) >= 150


def test_launcher_counts_a_start_before_anything_of_the_version_runs(micropython: str, tmp_path: Path) -> None:
    (tmp_path / "boot").write_text(filesystem.BOOT)
    (tmp_path / "main").write_bytes(filesystem.main(None))
    environment = {**os.environ, "MICROPYPATH": f"{HERE}:.frozen", "BOOT": str(tmp_path / "boot"), "MAIN": str(tmp_path / "main")}
    command = [micropython, str(HERE / "launch.py")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.endswith("ok\n")
