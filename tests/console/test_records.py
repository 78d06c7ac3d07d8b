"""History, log and devices from the engine's database, whoever reads it and whether the engine runs or not."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from stage import ROOT, Database, resolved, soon

from gateway.console.changes import Changes
from gateway.console.records import Shelf

NOBODY = 65534


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[Shelf]:
    shelf = Shelf(path, Changes())
    task = asyncio.create_task(shelf.run())
    try:
        yield shelf
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_a_new_entry_is_read_without_being_asked_for(database: Database) -> None:
    async def play() -> None:
        async with reading(database.path) as shelf:
            await soon(lambda: shelf.records.written_ms is not None)
            database.log("extinguisher_taken")
            await soon(lambda: [entry.what for entry in shelf.records.entries] == ["extinguisher_taken"])

    asyncio.run(play())


def test_entries_written_in_one_tick_of_the_clock_are_all_read(database: Database) -> None:
    async def play() -> None:
        async with reading(database.path) as shelf:
            for number in range(1, 6):
                database.log("cabinet_open")
                await soon(lambda: len(shelf.records.entries) >= number)  # noqa: B023  # awaited within the turn
                database.log("cabinet_closed")
            await soon(lambda: len(shelf.records.entries) == 10)

    asyncio.run(play())


def test_a_database_that_is_not_there_yet_is_said_and_then_found(tmp_path: Path) -> None:
    async def play() -> None:
        async with reading(tmp_path / "keng.db") as shelf:
            await soon(lambda: shelf.records.problem)
            assert shelf.records.written_ms is None
            made = Database(tmp_path / "keng.db")
            made.log("board_lost", point="")
            await soon(lambda: shelf.records.entries and not shelf.records.problem)
            made.db.close()

    asyncio.run(play())


@pytest.mark.parametrize("damage", ["UPDATE incident SET snapshot = '{}'", "UPDATE device SET faults = 'x'", "DROP TABLE maintenance"])
def test_a_database_of_another_release_is_said_and_ends_nothing(database: Database, damage: str) -> None:
    database.commune()
    database.db.execute(damage)

    async def play() -> None:
        async with reading(database.path) as shelf:
            await soon(lambda: shelf.records.problem)
            assert "\n" not in shelf.records.problem

    asyncio.run(play())


def test_older_pages_go_on_where_the_first_ends(database: Database) -> None:
    for number in range(30):
        database.keep(resolved(f"2026-{number:06}"))

    async def play() -> None:
        async with reading(database.path) as shelf:
            await soon(lambda: shelf.records.incidents)
            first = shelf.records
            older = await shelf.incidents(first.incidents[-1].id)
            shown = [one.id for one in [*first.incidents, *older]]
            assert shown == [f"2026-{number:06}" for number in reversed(range(30))]

    asyncio.run(play())


# Imported before it becomes another user: the interpreter itself may lie where others may not look.
READ_AS_NOBODY = """
import os, sys
from pathlib import Path
from gateway.console.records import _read
os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
records = _read(Path(sys.argv[1]))
print(records.problem or [one.id for one in records.incidents])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
@pytest.mark.parametrize("engine", ["running", "stopped", "killed"])
def test_another_user_reads_the_history(engine: str) -> None:
    """running: the engine has the file open. stopped: no write-ahead log is left. killed: one is, and nobody holds it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are closed to others
        Path(folder).chmod(0o755)
        written = Database(Path(folder) / "written.db")
        written.keep(resolved("2026-000121"))
        path = written.path
        if engine == "killed":
            path = Path(folder) / "killed.db"
            for end in ("", "-wal", "-shm"):
                shutil.copy(f"{written.path}{end}", f"{path}{end}")
        elif engine == "stopped":
            written.db.close()
        said = subprocess.run(
            [sys.executable, "-c", READ_AS_NOBODY.format(nobody=NOBODY), str(path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        left = [end for end in ("-wal", "-shm") if Path(f"{path}{end}").exists()]
        written.db.close()
    assert said.stdout.strip() == "['2026-000121']", said.stderr
    assert left == ([] if engine == "stopped" else ["-wal", "-shm"])  # else it was not the case that it claims to be
