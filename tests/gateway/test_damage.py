"""A database that a power cut or an old card has damaged: real files, spoilt where it hurts, and a real engine on them."""

import asyncio
import shutil
import sqlite3
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from brokers import wait_until
from engines import Receiver, Town

from gateway.store import damage, journal, queries
from gateway.store.store import open_store

NOW = datetime(2026, 11, 22, 3, 4, 5, tzinfo=UTC)
PAGE = 4096


def header(path: Path) -> None:
    _overwrite(path, 0, b"\xff" * 100)


def first_page(path: Path) -> None:
    _overwrite(path, 0, b"\x00" * PAGE)


def cut(path: Path) -> None:
    """As a file system that had not written the end."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 // PAGE * PAGE)


def a_page_of(table: str):
    def spoil(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db:
            (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        _overwrite(path, (page - 1) * PAGE, b"\xa5" * PAGE)

    spoil.__name__ = f"page of {table}"
    return spoil


def words(path: Path) -> None:
    """What SQLite does not see: it has no checksums."""
    content = path.read_bytes()
    at = content.index(b'"kind":"fire"')
    _overwrite(path, at, b'"kind":"\x9dire"')


def a_delivery(path: Path) -> None:
    """A row that SQLite finds sound and that is no message."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("UPDATE delivery SET what = 'x' || what, tries = -1 WHERE state = 'waiting'").rowcount
        db.commit()


def a_handed_delivery(path: Path) -> None:
    """The same of one that was handed over and whose report may come still: it is read for the modem alone."""
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("UPDATE delivery SET state = 'handed', channel = 'sms', tries = -1 WHERE state = 'waiting'").rowcount
        db.commit()


def rubbish(path: Path) -> None:
    """Text that is none, read while the loops are made: SQLite finds it sound, and says so with an error that is no word of damage."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO rubbish VALUES ('H03-07', CAST(x'ff' AS TEXT), 1, 1, '', x'')")
        db.commit()


def a_fault(path: Path) -> None:
    """A fault of the gateway whose boards cannot be read."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("INSERT INTO fault (key, since_ms, words, names) VALUES ('area:group-TLG-03', 1, 'out', '[\"H03')")
        db.commit()


def _overwrite(path: Path, at: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


@pytest.fixture
def used(town: Town) -> Town:
    """A database with an incident that is open and one message that waits."""
    town.settings = {"webhooks": [{"name": "xa", "url": "http://127.0.0.1:9/"}]}
    town.start()
    event = town.press("H03-01", 1)
    wait_until(lambda: town.receipts("H03-01", event), "a receipt")
    town.kill()
    with closing(sqlite3.connect(town.database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return town


def faults(town: Town) -> list[str]:
    return town.of("gateway")[-1]["faults"]


DAMAGES = [
    header,
    first_page,
    cut,
    words,
    a_delivery,
    a_handed_delivery,
    rubbish,
    a_fault,
    *map(a_page_of, ("engine", "incident", "event", "event_identity", "report", "delivery")),
]


@pytest.mark.parametrize("spoil", DAMAGES, ids=lambda spoil: spoil.__name__)
def test_a_damaged_database_stops_no_bell_and_is_set_aside_and_shown(used: Town, spoil) -> None:
    spoil(used.database)
    used.settings["sms"] = {"port": str(used.database.parent / "no-modem")}  # so that its messages are read
    used.start()
    event = used.press("H03-07", 2)
    wait_until(lambda: used.receipts("H03-07", event), "a receipt, so it is on the disk")
    assert used.ring()["pattern"] == "fire"
    wait_until(lambda: any("set aside as keng.db.damaged-" in fault for fault in faults(used)), "the fault is shown")
    assert used.history()[0].state == "open"


def test_the_fault_is_over_when_somebody_has_moved_the_damaged_file_away(used: Town) -> None:
    header(used.database)
    used.start()
    wait_until(lambda: any("set aside" in fault for fault in faults(used)), "the fault is shown")
    (aside,) = damage.put_aside(used.database)
    shutil.move(used.database.with_name(aside), used.database.parent.parent / aside)
    wait_until(lambda: faults(used) == [], "the fault is over")


def test_what_can_be_read_of_a_damaged_database_is_taken_over(used: Town) -> None:
    receiver = Receiver()
    used.settings["webhooks"][0]["url"] = receiver.url
    (before,) = used.history()
    life = used.of("gateway")[-1]["engine"].split("-")[0]
    a_page_of("maintenance")(used.database)
    try:
        used.start()
        assert used.of("gateway")[-1]["engine"].split("-")[0] != life, "another life: no ring and no receipt looks like an older one"
        wait_until(lambda: [body["incident"]["id"] for _, body in receiver.posted] == [before.id], "the message that waited goes out")
        used.press("H03-07", 2)
        wait_until(lambda: used.incident().get("n") == 2, "the incident goes on")
        assert used.incident()["id"] == before.id
        assert [one.id for one in used.history()] == [before.id]
    finally:
        receiver.close()


def test_boards_of_a_campaign_that_is_lost_are_not_those_of_the_next(used: Town) -> None:
    """Its number is given again."""
    with closing(sqlite3.connect(used.database)) as db:
        db.execute("INSERT INTO campaign (number, state, began_ms, ended_ms, body) VALUES (1, 'open', 1, NULL, '{')")
        columns = "(campaign, device, state, wave, order_id, start, tries, from_version, from_app, ordered_ms, at_ms, words)"
        db.execute(f"INSERT INTO board_update {columns} VALUES (1, 'H03-07', 'fetching', 0, '', '', 1, '', '', 1, 1, '')")
        db.commit()
    a_page_of("campaign")(used.database)
    used.start()
    wait_until(lambda: any("set aside as keng.db.damaged-" in fault for fault in faults(used)), "the fault is shown")
    with closing(queries.connect(used.database)) as db:
        assert db.execute("SELECT (SELECT count(*) FROM campaign), (SELECT count(*) FROM board_update)").fetchone() == (0, 0)


def test_a_log_that_is_torn_loses_nothing_that_was_receipted_before(town: Town) -> None:
    town.start()
    event = town.press("H03-01", 1)
    wait_until(lambda: town.receipts("H03-01", event), "a receipt")
    log = town.database.with_name("keng.db-wal")
    whole = log.stat().st_size
    later = town.press("H03-02", 2)
    wait_until(lambda: town.receipts("H03-02", later), "a receipt")
    town.kill()
    with log.open("r+b") as file:
        file.truncate(whole + 1000)  # within the frames of the second press
    town.start()
    assert [one.n for one in town.history()] == [1]
    assert damage.put_aside(town.database) == []
    town.press("H03-02", 2)  # what the torn log has taken is told by the board's birth, or its next press; nothing is in its way
    wait_until(lambda: town.incident().get("n") == 2, "the engine goes on")


def test_a_log_with_rubbish_at_its_end_is_read_to_its_last_whole_commit(used: Town) -> None:
    used.database.with_name("keng.db-wal").write_bytes(b"\x37\x7f\x06\x82" + b"\x5a" * 9000)
    used.start()
    assert [one.n for one in used.history()] == [1]
    assert damage.put_aside(used.database) == []


def test_damage_that_a_running_engine_meets_ends_with_a_new_database_and_no_silence(used: Town) -> None:
    used.start()
    a_page_of("event_identity")(used.database)
    deadline = time.monotonic() + 40
    event = used.press("H03-07", 2)
    while not used.receipts("H03-07", event) and time.monotonic() < deadline:
        used.press("H03-07", 2)  # as the board does
        time.sleep(0.5)
    assert used.receipts("H03-07", event)
    wait_until(lambda: used.ring().get("pattern") == "fire", "the group rings")
    assert used.engine.poll() is None, "it needs nobody to start it again"
    assert len(used.history()) == 1


# How far a start gets in setting the old one aside before it is killed.
@pytest.mark.parametrize("steps", range(5))
def test_a_kill_while_it_is_set_aside_loses_nothing(used: Town, monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Between every two renames."""
    a_page_of("maintenance")(used.database)
    shutil.copy(used.database, used.database.with_name("keng.db-shm"))  # whatever lies there
    done = 0
    replace = Path.replace

    def count(self: Path, target: Path) -> Path:
        nonlocal done
        if done == steps:
            raise KeyboardInterrupt
        done += 1
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", count)
        with suppress(KeyboardInterrupt):
            damage.set_aside(used.database, "test", now=NOW)

    async def events() -> list[str]:
        async with open_store(used.database) as store:
            return [row[0] for row in store.reading.execute("SELECT id FROM event")]

    assert asyncio.run(events()) == ["9c41f2aa-1-1"]
    with closing(queries.connect(used.database)) as db:
        assert [one.n for one in queries.incidents(db, limit=5)] == [1]
    assert len(damage.put_aside(used.database)) == 1


@pytest.mark.parametrize(("limit", "value"), [("START_S", -1.0), ("START_BYTES", 5_000)])
def test_a_large_database_delays_no_start_and_is_looked_at_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    path = tmp_path / "keng.db"
    report = ("H03-07", 1, 1, 1, None, None, None, 0, 0, 0, None)

    async def unchecked() -> tuple[str, ...]:
        async with open_store(path) as store:
            await store.write(lambda db: journal.insert(db, "report", [report] * 3000))
            return store.unchecked.tables

    assert asyncio.run(unchecked()) == ()
    monkeypatch.setattr(damage, limit, value)
    rest = asyncio.run(unchecked())
    assert rest[-1] == "report"
    damage.look(path, rest, limit_s=60)
    _overwrite(path, path.stat().st_size * 3 // 4 // PAGE * PAGE, b"\xa5" * PAGE)  # in the middle of the reports
    asyncio.run(unchecked_again(path))
    with pytest.raises(damage.Damaged):
        damage.look(path, rest, limit_s=60)


async def unchecked_again(path: Path) -> None:
    """A start does not look at what is too much for it."""
    async with open_store(path) as store:
        assert store.former == ""


def test_what_is_suspected_is_looked_at_thoroughly_and_after_two_errors_set_aside_unseen(tmp_path: Path) -> None:
    path = tmp_path / "keng.db"

    async def start() -> None:
        async with open_store(path):
            pass

    asyncio.run(start())
    damage.suspect(path, "database disk image is malformed")
    asyncio.run(start())
    assert (damage.put_aside(path), damage.suspicions(path)) == ([], 1)
    damage.suspect(path, "database disk image is malformed")
    asyncio.run(start())
    assert (len(damage.put_aside(path)), damage.suspicions(path)) == (1, 0)
