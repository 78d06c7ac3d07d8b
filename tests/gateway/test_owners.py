"""What a technician makes as root in a service's folder is the service's."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.identity import register
from gateway.store import backup
from gateway.store.store import open_store
from tests.gateway.brokers import DEMO
from tests.gateway.typed import keng

SERVICE = 4321  # a user that nobody is

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, SERVICE, SERVICE)
    return folder


@contextmanager
def backup_of(folder: Path) -> Iterator[Path]:
    """A backup of a folder, with an empty database if it has none."""

    async def start() -> None:
        async with open_store(folder / "keng.db"):
            pass

    asyncio.run(start())
    file = folder.parent / "safe.tar.gz"
    backup.make(folder, file)
    yield file


def strangers(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.stat().st_uid != SERVICE]


@needs_root
def test_accounts_and_identity_made_as_root_are_the_services(data: Path) -> None:
    for words in (["broker", "accounts"], ["identity", "init"], ["identity", "board", "H03-07", "--out", str(data.parent / "out")]):
        done = keng(*words, "--site", DEMO, "--data", data)
        assert done.returncode == 0, done.stderr
    assert strangers(data) == []
    assert (data / "identity/ca.key").stat().st_mode & 0o777 == 0o600


@needs_root
def test_what_root_restores_is_the_services(data: Path, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    assert keng("identity", "init", "--site", DEMO, "--data", old).returncode == 0
    assert keng("broker", "accounts", "--site", DEMO, "--data", old).returncode == 0
    with backup_of(old) as file:
        backup.restore(file, data, replace=False, now=datetime.now(UTC))
    assert strangers(data) == []


def test_an_older_backup_gives_no_board_its_rights_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert keng("identity", "init", "--site", DEMO, "--data", data).returncode == 0
    for device in ("H03-01", "H03-02"):
        assert keng("identity", "board", device, "--site", DEMO, "--data", data, "--out", tmp_path / device).returncode == 0
    with backup_of(data) as file:
        assert keng("identity", "revoke", "H03-01", "--site", DEMO, "--data", data).returncode == 0
        assert keng("identity", "board", "H03-02", "--site", DEMO, "--data", data, "--out", tmp_path / "again").returncode == 0
        backup.restore(file, data, replace=True, now=datetime(2026, 11, 28, 3, 4, 5, tzinfo=UTC))
    boards = register.load(data)
    assert boards["H03-01"].revoked
    assert boards["H03-02"].generation == 2
    assert len(list((data / "identity").glob("*.before-20261128-030405"))) == 5, "nothing is deleted"
