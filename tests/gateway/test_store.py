import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from commune import START_MS, World

from gateway.domain import snapshots
from gateway.domain.situation import Limits, Situation
from gateway.rubbish import PAIRS_MAX, Rubbish, write
from gateway.store import journal, queries
from gateway.store.migrations import NewerFile
from gateway.store.store import FileInUse, open_store
from protocol import incident as wire
from protocol import messages

ROOT = Path(__file__).parents[2]
NOBODY = 65534


async def keep(path: Path, world: World) -> None:
    """Store the effects of the world's last turn."""
    async with open_store(path) as store:
        shown = {
            ident: snapshots.snapshot(incident, engine=store.engine, group_name="Tổ").payload()
            for ident, incident in world.effects.incidents.items()
        }
        outgoing = [journal.Outgoing(row, "{}") for row in world.effects.deliveries]
        await store.write(journal.batch(world.situation, world.effects, shown, outgoing, now_ms=START_MS).write)


def test_each_start_is_a_boot_of_the_same_life(tmp_path):
    async def start() -> str:
        async with open_store(tmp_path / "keng.db") as store:
            return store.engine

    first, second = asyncio.run(start()), asyncio.run(start())
    assert first.endswith("-1")
    assert second == f"{first[:8]}-2"


def test_a_newer_file_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "keng.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()

    async def start() -> None:
        async with open_store(path):
            pass

    with pytest.raises(NewerFile, match="got version 99"):
        asyncio.run(start())
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    db.close()


def test_a_second_engine_on_the_same_file_is_refused(tmp_path):
    async def start_twice() -> None:
        async with open_store(tmp_path / "keng.db"), open_store(tmp_path / "keng.db"):
            pass

    with pytest.raises(FileInUse):
        asyncio.run(start_twice())


def test_commits_are_durable_and_the_log_is_a_wal(tmp_path):
    async def pragmas() -> tuple[object, object]:
        async with open_store(tmp_path / "keng.db") as store:
            return await store.write(lambda db: (db.execute("PRAGMA journal_mode").fetchone(), db.execute("PRAGMA synchronous").fetchone()))

    assert asyncio.run(pragmas()) == (("wal",), (2,))


def test_d11_a_log_that_a_power_cut_has_torn_anywhere_keeps_every_commit_before_the_tear(tmp_path):
    path, ends = tmp_path / "keng.db", []
    insert = "INSERT INTO ring VALUES (?, 1, '{}')"

    async def fill() -> tuple[bytes, bytes]:
        async with open_store(path) as store:
            for number in range(12):
                await store.write(lambda db, number=number: db.execute(insert, (f"G{number:02}",)))
                ends.append(path.with_name("keng.db-wal").stat().st_size)
            return path.read_bytes(), path.with_name("keng.db-wal").read_bytes()  # as they lie there when the power goes

    async def found(folder: Path) -> list[str]:
        async with open_store(folder / "keng.db") as store:
            assert store.reading.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            return [group for (group,) in store.reading.execute("SELECT group_id FROM ring ORDER BY group_id")]

    database, log = asyncio.run(fill())
    assert len(set(ends)) == 12, "every commit was in the log alone"
    for tear in sorted({*ends, *(end - 1 for end in ends), *range(ends[0], ends[-1], 3001)}):
        for rest in (b"", bytes(8192), os.urandom(8192)):
            folder = tmp_path / f"{tear}-{len(rest)}-{rest[:4].hex()}"
            folder.mkdir()
            (folder / "keng.db").write_bytes(database)
            torn = log[:tear] + rest
            (folder / "keng.db-wal").write_bytes(torn)
            # Of the tears by one byte a random rest makes one in 256 whole again.
            whole = sum(torn.startswith(log[:end]) for end in ends)
            assert asyncio.run(found(folder)) == [f"G{number:02}" for number in range(whole)]


def test_what_arrives_while_a_commit_runs_shares_the_next_and_reports_do_not(tmp_path):
    async def changes() -> list[int]:
        async with open_store(tmp_path / "keng.db") as store:
            transactions = iter(range(100))
            current = {"number": -1}

            def begin(statement: str) -> None:
                if statement.startswith("BEGIN"):
                    current["number"] = next(transactions)

            await store.write(lambda db: db.set_trace_callback(begin))
            works = [store.write(lambda _: current["number"]) for _ in range(4)]
            works += [store.write(lambda _: current["number"], urgent=False) for _ in range(2)]
            return await asyncio.gather(*works)

    first, *shared, patient, last = asyncio.run(changes())
    assert len(set(shared)) == 1
    assert first < shared[0] < patient < last


def test_a_failed_transaction_leaves_nothing_and_tells_everybody(tmp_path):
    async def fail() -> tuple[list[object], int]:
        async with open_store(tmp_path / "keng.db") as store:
            await store.write(lambda _: None)
            works = [
                store.write(lambda db: db.execute("INSERT INTO ring VALUES ('G', 1, '{}')")),
                store.write(lambda db: db.execute("INSERT INTO nowhere VALUES (1)")),
            ]
            first = store.write(lambda _: None)
            results = await asyncio.gather(first, *works, return_exceptions=True)
            return results, store.reading.execute("SELECT count(*) FROM ring").fetchone()[0]

    results, rows = asyncio.run(fail())
    assert [type(result) for result in results] == [type(None), sqlite3.OperationalError, sqlite3.OperationalError]
    assert rows == 0


def test_everything_goes_on_after_a_start(tmp_path):
    world = World(channels=("hook",))
    world.press("H03-07")
    asyncio.run(keep(tmp_path / "keng.db", world))
    found = Situation(world.situation.commune, Limits(1, 1), ("hook",))
    db = queries.connect(tmp_path / "keng.db")
    journal.restore(db, found, now_s=0)
    assert found.incidents == world.situation.incidents
    assert found.orders == world.situation.orders
    assert found.points == world.situation.points
    assert (found.next_incident, found.next_delivery) == (2, 2)
    assert [message.row for message in journal.waiting(db, "hook")] == world.effects.deliveries
    db.close()


def test_any_number_of_rows_goes_in_once(tmp_path):
    async def count() -> int:
        async with open_store(tmp_path / "keng.db") as store:
            rows = [("H03-07", number, 1, 1, None, None, None, 0, 0, 0, None) for number in range(234)]
            await store.write(lambda db: journal.insert(db, "report", rows))
            return store.reading.execute("SELECT count(DISTINCT at_ms) FROM report").fetchone()[0]

    assert asyncio.run(count()) == 234


def test_history_is_read_newest_first_and_page_by_page(tmp_path):
    world = World()
    for device in ("H03-07", "DCC-017"):
        world.press(device)
        asyncio.run(keep(tmp_path / "keng.db", world))
    for state in ("active", "clear"):
        world.event("DCC-017", "extinguisher-1", state, type="presence")
        asyncio.run(keep(tmp_path / "keng.db", world))
    db = queries.connect(tmp_path / "keng.db")
    newest, older = queries.incidents(db, limit=5)
    assert (newest.activations[0].device, older.activations[0].device) == ("DCC-017", "H03-07")
    assert queries.incidents(db, limit=5, before=newest.id) == [older]
    assert queries.incident(db, older.id) == older
    assert queries.incident(db, "2020-000001") is None
    back, taken = queries.maintenance(db, limit=5)
    assert (back.what, taken.what, taken.place) == ("extinguisher_back", "extinguisher_taken", "Điểm chữa cháy đầu ngõ")
    assert queries.maintenance(db, limit=5, before=back.id) == [taken]
    db.close()


def test_rubbish_is_counted_and_the_first_of_each_kept(tmp_path):
    async def count() -> list[queries.RubbishRow]:
        async with open_store(tmp_path / "keng.db") as store:
            rubbish = Rubbish(store.reading)
            for payload in (b"\xff\x00", b"second"):
                rubbish.count("H03-07", "event", why="expected JSON", payload=payload, now_ms=START_MS)
                rows = rubbish.take()
                await store.write(lambda db, rows=rows: write(db, rows))
            return queries.rubbish(store.reading)

    assert asyncio.run(count()) == [("H03-07", "event", 2, START_MS, "expected JSON", b"\xff\x00")]


def test_senders_without_number_do_not_fill_the_disk(tmp_path):
    async def count() -> tuple[int, int]:
        async with open_store(tmp_path / "keng.db") as store:
            rubbish = Rubbish(store.reading)
            for number in range(PAIRS_MAX + 50):
                rubbish.count(f"D{number}", "event", why="", payload=b"", now_ms=START_MS)
            rows = rubbish.take()
            await store.write(lambda db: write(db, rows))
            return store.reading.execute("SELECT count(*), sum(count) FROM rubbish").fetchone()

    assert asyncio.run(count()) == (PAIRS_MAX + 1, PAIRS_MAX + 50)


READ_AS_OTHER = """
import os, sys
path = sys.argv[1]
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from gateway.store import queries
os.setgroups([]); os.setgid(int(sys.argv[3])); os.setuid(65534)
db = queries.connect(Path(path))
print(len(queries.incidents(db, limit=10)))
"""


HOLD_OPEN = """
import asyncio, sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from gateway.store.store import open_store
async def main():
    async with open_store(Path(sys.argv[1])) as store:
        await store.write(lambda db: db.execute("INSERT INTO ring VALUES ('G', 1, '{}')"))
        print("committed", flush=True)
        sys.stdin.read()
asyncio.run(main())
"""


def read_as_nobody(path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", READ_AS_OTHER, str(path), str(ROOT), str(NOBODY)], capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout.strip() or done.stderr


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user may enter: pytest closes its own to others whenever one starts on this machine."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("ending", ["stopped", "killed", "running"])
def test_another_user_of_the_group_reads_history(open_folder, ending):
    """With the engine stopped, killed and running."""
    path = open_folder / "data" / "keng.db"
    world = World()
    world.press("H03-07")
    asyncio.run(keep(path, world))
    engine = subprocess.Popen([sys.executable, "-c", HOLD_OPEN, str(path), str(ROOT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert engine.stdout.readline() == b"committed\n"
        if ending == "stopped":
            engine.stdin.close()
            assert engine.wait(30) == 0
        elif ending == "killed":
            engine.kill()
            engine.wait(30)
        assert path.with_name("keng.db-wal").exists() == (ending != "stopped")
        for file in (path.parent, *path.parent.iterdir()):
            os.chown(file, 0, NOBODY)
            assert stat.S_IMODE(file.stat().st_mode) == (0o750 if file.is_dir() else 0o640)
        assert read_as_nobody(path) == "1"
    finally:
        engine.kill()
        engine.wait()
        engine.stdin.close()
        engine.stdout.close()


def test_a_missing_database_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        queries.connect(tmp_path / "keng.db")


def test_what_is_stored_is_what_is_published(tmp_path):
    world = World()
    world.press("H03-07")
    asyncio.run(keep(tmp_path / "keng.db", world))
    db = queries.connect(tmp_path / "keng.db")
    (stored,) = queries.incidents(db, limit=1)
    assert stored == messages.decode(wire.Incident, stored.payload())
    db.close()
