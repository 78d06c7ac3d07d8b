"""`keng doctor` beside a real `keng up`: what is well, and what it says of what is broken."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.doctor import examination
from gateway.engine import TICK_S
from tests.gateway.brokers import DEMO, wait_until
from tests.gateway.test_priority import may
from tests.gateway.typed import Done, keng
from tests.gateway.ups import Up, up


@pytest.fixture(scope="module")
def commune(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, Path]]:
    folder = tmp_path_factory.mktemp("doctor")
    with up(folder) as found:
        yield found, folder


def asked(folder: Path, *options: str) -> Done:
    files = ["--site", str(DEMO), "--settings", str(folder / "keng.toml"), "--data", str(folder / "data")]
    return keng("doctor", *files, "--backups", str(folder / "backups"), *options)


def found(folder: Path) -> dict[str, dict[str, Any]]:
    """What -> the first finding of it."""
    answer = json.loads(asked(folder, "--json").stdout)
    assert answer["ok"] == all(finding["state"] != "wrong" for finding in answer["findings"])
    return {finding["what"]: finding for finding in reversed(answer["findings"])}


def test_what_is_well_and_what_is_missing_is_told(commune: tuple[Up, Path]) -> None:
    _, folder = commune
    secret = folder / "data/broker/accounts.json"
    secret.chmod(0o644)
    try:
        told = found(folder)
    finally:
        secret.chmod(0o600)
    assert {told[what]["state"] for what in ("mosquitto", "broker", "engine", "console", "database")} == {"ok"}
    assert told[str(secret)]["state"] == "wrong"
    assert told["backup"]["state"] == "wrong"
    assert "keng-backup" in told["backup"]["remedy"]
    assert told["certificates"]["remedy"] == "sudo keng identity init"


def test_whether_an_alarm_goes_first_is_told_of_what_runs(commune: tuple[Up, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "TICK_S", 0.1)  # this is about what the machine says
    known, folder = commune
    parts = ("broker", "engine")
    told = found(folder)
    assert {told[f"{part}'s priority"]["state"] for part in parts} == {"ok" if may() else "warn"}
    for pid in known.children().values():
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_OTHER, os.sched_param(0))
    told = found(folder)
    assert {told[f"{part}'s priority"]["state"] for part in parts} == {"warn"}


def test_engine_that_hangs_is_not_well_though_the_broker_says_online(commune: tuple[Up, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "TICK_S", 1.0)  # it hangs: it would not tick in 12 s either
    known, folder = commune
    (folder / "backups").mkdir()
    assert keng("backup", folder / "backups", "--data", folder / "data").returncode == 0
    engine = known.children()["engine"]
    os.kill(engine, signal.SIGSTOP)
    try:
        done = asked(folder)
    finally:
        os.kill(engine, signal.SIGCONT)
    assert (done.returncode, done.stderr) == (1, "")
    assert "✕ engine: says that it is online, and no tick in 1 s\n    → sudo systemctl restart keng-engine" in done.stdout
    assert f"✓ {folder / 'data/broker/accounts.json'}: read by its owner alone\n" in done.stdout
    assert "! backup: the newest of " in done.stdout, "it is on the disk of the database"
    assert " wrong, " in done.stdout.splitlines()[-1]
    wait_until(known.online, "the engine goes on")


def test_a_tick_is_waited_for_longer_than_an_engine_needs_for_one() -> None:
    assert examination.TICK_S > TICK_S


def test_nothing_runs_and_each_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.pmtiles").write_text("no map")
    (tmp_path / "keng.toml").write_text(f'[broker]\nport = 1\n[console]\nport = 2\n[map]\npmtiles = "{tmp_path / "text.pmtiles"}"\n')
    told = found(tmp_path)
    assert (told["base map"]["state"], "version 3" in told["base map"]["words"]) == ("wrong", True)
    assert {what: told[what]["state"] for what in ("broker", "console", "database")} == dict.fromkeys(
        ("broker", "console", "database"), "wrong"
    )
    assert "engine" not in told, "nobody can ask it"


def test_wrong_files_are_exit_code_2(tmp_path: Path) -> None:
    done = keng("doctor", "--site", str(tmp_path / "nowhere.toml"))
    assert done.returncode == 2
    assert "nowhere.toml: expected a file that can be read" in done.stderr
