"""A database of each older version becomes one of this version, and keeps what it knows."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.store import journal, migrations, store
from gateway.store.store import open_store

# One file for each schema that was ever in use, as `sqlite3 .dump` writes it.
OLD = sorted((Path(__file__).parent / "databases").glob("*.sql"))


def old_database(folder: Path, dump: Path) -> Path:
    path = folder / "keng.db"
    db = sqlite3.connect(path)
    db.executescript(dump.read_text(encoding="utf-8"))
    db.execute(f"PRAGMA user_version = {int(dump.stem)}")
    db.close()
    return path


def schema(path: Path) -> list[tuple[str, str, int, str | None]]:
    """Every column of every table, and every index."""
    db = sqlite3.connect(path)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    found = [(table, *column[1:5]) for table in tables for column in db.execute(f"PRAGMA table_info({table})")]
    found += db.execute("SELECT name, tbl_name, 0, sql FROM sqlite_master WHERE type = 'index' ORDER BY name").fetchall()
    db.close()
    return found


async def opened(path: Path) -> str:
    async with open_store(path) as found:
        return found.engine


@pytest.mark.parametrize("dump", OLD, ids=lambda dump: dump.stem)
def test_an_old_database_gets_the_schema_of_a_new_one(tmp_path, dump):
    path = old_database(tmp_path, dump)
    (tmp_path / "new").mkdir()
    asyncio.run(opened(path))
    asyncio.run(opened(tmp_path / "new" / "keng.db"))
    assert schema(path) == schema(tmp_path / "new" / "keng.db")


def test_there_is_an_old_database_for_every_step_but_the_newest():
    steps = sorted((Path(store.__file__).parent / "schema").glob("*.sql"))
    assert [int(dump.stem) for dump in OLD] == list(range(1, len(steps)))
    assert [int(step.name[:3]) for step in steps] == list(range(1, len(steps) + 1))


def test_messages_of_version_1_go_on_with_their_times(tmp_path):
    path = old_database(tmp_path, OLD[0])

    async def read() -> tuple[str, list[journal.Outgoing], list[tuple[object, ...]]]:
        async with open_store(path) as found:
            waiting = journal.waiting(found.reading, "webhook:city")
            delivered = found.reading.execute("SELECT channel, state, handed_ms, delivered_ms FROM delivery WHERE id = 1").fetchall()
            return found.engine, waiting, delivered

    engine, (waiting,), delivered = asyncio.run(read())
    assert engine == "5be07711-8"
    assert (waiting.row.delivery.id, waiting.row.delivery.tries, waiting.row.delivery.decided_ms) == (2, 3, 1795300009000)
    assert delivered == [("webhook:city", "delivered", 1795300001000, 1795300001000)]


def test_a_step_that_fails_leaves_the_database_as_it_was(tmp_path, monkeypatch):
    path = old_database(tmp_path, OLD[0])
    before = schema(path)
    steps = [*migrations.steps(), "CREATE TABLE good (one INTEGER);\nCREATE TABLE bad (;\n"]
    monkeypatch.setattr(migrations, "steps", lambda _package=migrations.ENGINE: steps)
    with pytest.raises(sqlite3.OperationalError):
        asyncio.run(opened(path))
    assert schema(path) == before
