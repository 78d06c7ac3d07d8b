"""What is old goes, what is needed stays, no alarm waits for it, the file does not grow for ever, and no wrong clock deletes a year."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from commune import START_MS, World
from test_store import keep

from gateway import expiry
from gateway.expiry import DAY_MS, DOUBT_S, Expiry
from gateway.settings import Retention
from gateway.store import journal, retention
from gateway.store.store import Store, open_store

YEAR_MS = 365 * DAY_MS
OLD_MS = START_MS - 4 * YEAR_MS


class Clocks:
    def __init__(self) -> None:
        self.wall_s = START_MS / 1000
        self.monotonic_s = 100.0

    def pass_(self, seconds: float) -> None:
        self.wall_s += seconds
        self.monotonic_s += seconds

    def expiry(self, store: Store, *, is_well: Callable[[], bool] = lambda: True, **days: int) -> Expiry:
        return Expiry(store, Retention(**days), is_well, clock=lambda: self.wall_s, monotonic=lambda: self.monotonic_s)


def with_store(path: Path, work: Callable[[Store], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        async with open_store(path) as store:
            return await work(store)

    return asyncio.run(run())


def events(count: int, at_ms: int, *, first: int = 1) -> list[tuple[Any, ...]]:
    return [(f"9c41f2aa-1-{n}", "H03-01", "door-1", "door", "clear", at_ms, at_ms, "age", "{}") for n in range(first, first + count)]


def deliveries(count: int, at_ms: int, *, first: int = 1, state: str = "delivered", incident: str = "x") -> list[tuple[Any, ...]]:
    fields = {"id": 0, "incident": incident, "channel": "sms", "what": "opened", "person": "p", "step": 1, "state": state, "tries": 1}
    fields |= {"at_ms": at_ms, "decided_ms": at_ms, "handed_ms": None, "delivered_ms": None, "acknowledged_ms": None, "error": ""}
    fields |= {"address": "+840000000001", "next_ms": 0, "reference": "", "body": "{}"}
    return [tuple((fields | {"id": n})[name] for name in journal.DELIVERY_COLUMNS) for n in range(first, first + count)]


def commands(count: int, at_ms: int, *, first: int = 1) -> list[tuple[Any, ...]]:
    return [("truc-ban-1", f"c-{n}", at_ms, "{}", "{}") for n in range(first, first + count)]


def board_update(campaign: int, device: str) -> tuple[Any, ...]:
    return (campaign, device, "kept", 1, "u-1", "9c41f2aa-1", 1, "1.0.0", "", START_MS, START_MS, "")


def lines(count: int, at_ms: int, *, first: int = 1) -> list[dict[str, Any]]:
    return [
        {"id": n, "at_ms": at_ms, "device": "H03-01", "place": "", "point": "", "what": "board_lost", "detail": ""}
        for n in range(first, first + count)
    ]


def insert_lines(db: sqlite3.Connection, rows: list[dict[str, Any]]) -> None:
    db.executemany(
        "INSERT INTO maintenance (id, at_ms, device, place, point, what, detail)"
        " VALUES (:id, :at_ms, :device, :place, :point, :what, :detail)",
        rows,
    )


def counts(store: Store) -> dict[str, int]:
    return {name: store.reading.execute(f"SELECT count(*) FROM {kept.table}").fetchone()[0] for name, kept in retention.CLASSES.items()}


def test_each_class_goes_after_its_own_time_and_the_newest_row_stays_for_its_number(tmp_path: Path) -> None:
    async def work(store: Store) -> dict[str, int]:
        def fill(db: sqlite3.Connection) -> None:
            for first, at_ms in ((1, START_MS - 400 * DAY_MS), (1001, START_MS - 40 * DAY_MS)):
                journal.insert(db, "event", events(450, at_ms, first=first))
                journal.insert(db, "delivery", deliveries(450, at_ms, first=first))
                journal.insert(db, "command", commands(450, at_ms, first=first))
                insert_lines(db, lines(450, at_ms, first=first))
                journal.insert(db, "campaign", [(first + n, "done", at_ms, at_ms, "{}") for n in range(3)])
                journal.insert(db, "board_update", [board_update(first + n, device) for n in range(3) for device in ("H03-01", "H03-02")])

        await store.write(fill)
        before = Clocks().expiry(store, maintenance_days=1098)
        gone = await before.sweep(pause_s=0)
        assert gone == {"events": 450, "incidents": 0, "maintenance": 0, "deliveries": 450, "audit": 450, "updates": 0}
        days = {"events_days": 30, "deliveries_days": 30, "audit_days": 30, "maintenance_days": 30, "updates_days": 366}
        gone = await Clocks().expiry(store, **days).sweep(pause_s=0)
        assert gone == {"events": 449, "incidents": 0, "maintenance": 899, "deliveries": 449, "audit": 450, "updates": 3}
        left = store.reading.execute("SELECT count(*), min(campaign) FROM board_update").fetchone()
        assert left == (6, 1001), "the boards of a campaign go with it"
        return counts(store)

    assert with_store(tmp_path / "keng.db", work) == {
        "events": 1,
        "incidents": 0,
        "maintenance": 1,
        "deliveries": 1,
        "audit": 0,
        "updates": 3,
    }


def test_what_is_open_active_or_waits_stays_however_old(tmp_path: Path) -> None:
    path = tmp_path / "keng.db"
    world = World(channels=("webhook:hook",))
    world.press("H03-07")
    pressed = world.effects
    asyncio.run(keep(path, world))  # an open incident, an active point, a message that waits

    async def work(store: Store) -> tuple[dict[str, int], list[str]]:
        await store.write(
            lambda db: (
                journal.insert(db, "event", events(3, START_MS)),
                journal.insert(db, "delivery", deliveries(3, START_MS, first=50)),
                None,
            )[2]
        )
        clocks = Clocks()
        clocks.wall_s += 10 * 365 * 86_400
        await clocks.expiry(store).sweep(pause_s=0)
        assert counts(store)["events"] == 4, "nothing of a time in which an incident is open"
        await store.write(lambda db: db.execute("UPDATE incident SET state = 'resolved'"))
        rest = ("resolved", START_MS, "{}", "{}")
        await store.write(lambda db: journal.insert(db, "incident", [(98, "2026-000098", *rest), (99, "2026-000099", *rest)]))
        await clocks.expiry(store).sweep(pause_s=0)
        return counts(store), [row[0] for row in store.reading.execute("SELECT id FROM event")]

    found, left = with_store(path, work)
    assert found["incidents"] == 2, "the one whose message still waits, and the newest"
    assert pressed.events[0].id in left, "the button is still pressed: its board's next birth names this event"
    assert found["deliveries"] == 2  # the one that waits, and the newest


def test_resolved_incidents_go_and_their_numbers_do_not_come_again(tmp_path: Path) -> None:
    async def work(store: Store) -> list[int]:
        row = ("resolved", OLD_MS, "{}", "{}")
        await store.write(lambda db: journal.insert(db, "incident", [(n, f"2022-{n:06d}", *row) for n in range(1, 51)]))
        assert (await Clocks().expiry(store).sweep(pause_s=0))["incidents"] == 49
        return [number for (number,) in store.reading.execute("SELECT number FROM incident")]

    assert with_store(tmp_path / "keng.db", work) == [50]


def test_the_file_of_many_years_is_no_larger_than_that_of_two(tmp_path: Path) -> None:
    path = tmp_path / "keng.db"
    sizes: list[int] = []

    async def work(store: Store) -> None:
        clocks = Clocks()
        for year in range(8):
            now_ms = int(clocks.wall_s * 1000)

            def fill(db: sqlite3.Connection, year: int = year, now_ms: int = now_ms) -> None:
                for month in range(12):
                    at_ms, first = now_ms - (12 - month) * 30 * DAY_MS, year * 12_000 + month * 1000 + 1
                    journal.insert(db, "event", events(200, at_ms, first=first))
                    journal.insert(db, "delivery", deliveries(100, at_ms, first=first))
                    journal.insert(db, "incident", [(first, f"i-{first}", "resolved", at_ms, json.dumps("x" * 8000), "{}")])

            await store.write(fill)
            await clocks.expiry(store, incidents_days=366).sweep(pause_s=0)
            await store.write(lambda _: None)
            with sqlite3.connect(path) as db:
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.close()
            sizes.append(path.stat().st_size)
            clocks.pass_(365 * 86_400)

    with_store(path, work)
    assert sizes[-1] <= 1.1 * sizes[2], sizes


def test_an_alarm_goes_between_two_steps(tmp_path: Path) -> None:
    async def work(store: Store) -> list[str]:
        await store.write(lambda db: journal.insert(db, "event", events(5000, OLD_MS)))
        order: list[str] = []

        def alarm(_: sqlite3.Connection) -> None:
            order.append("alarm")

        sweeping = asyncio.create_task(Clocks().expiry(store).sweep(pause_s=0))
        done = 0
        while not sweeping.done():
            before = store.reading.execute("SELECT count(*) FROM event").fetchone()[0]
            await store.write(alarm)
            after = store.reading.execute("SELECT count(*) FROM event").fetchone()[0]
            assert before - after <= 2 * retention.CLASSES["events"].rows, "an alarm waits for one step, and the one that had begun"
            done += 1
        assert done > 10
        return order

    assert len(with_store(tmp_path / "keng.db", work)) > 10


@pytest.mark.parametrize("years", [1, -1])
def test_a_clock_that_was_set_by_a_year_deletes_nothing_for_a_day(tmp_path: Path, years: int) -> None:
    async def work(store: Store) -> None:
        await store.write(lambda db: journal.insert(db, "event", events(300, START_MS - 10 * DAY_MS)))
        clocks = Clocks()
        found = clocks.expiry(store)
        assert found.may_begin()
        clocks.wall_s += years * 365 * 86_400 + 20 * 86_400
        assert await found.sweep(pause_s=0) == {}
        clocks.pass_(DOUBT_S - 1)
        assert not found.may_begin()
        clocks.wall_s -= years * 365 * 86_400 + 20 * 86_400  # set right again
        clocks.pass_(2)
        assert not found.may_begin()
        clocks.pass_(DOUBT_S)
        assert found.may_begin()
        assert (await found.sweep(pause_s=0))["events"] == 0
        assert counts(store)["events"] == 300

    with_store(tmp_path / "keng.db", work)


def test_a_start_after_a_long_time_or_with_a_clock_that_is_a_year_ahead_waits_a_day(tmp_path: Path) -> None:
    path = tmp_path / "keng.db"
    world = World()
    world.born("H03-07")
    asyncio.run(keep(path, world))

    async def work(store: Store) -> None:
        clocks = Clocks()
        assert clocks.expiry(store).may_begin()
        clocks.wall_s += 365 * 86_400
        found = clocks.expiry(store)
        assert not found.may_begin()
        clocks.pass_(DOUBT_S)
        assert found.may_begin()

    with_store(path, work)


def test_a_clock_that_is_known_to_be_wrong_deletes_nothing(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await store.write(lambda db: journal.insert(db, "event", events(300, OLD_MS)))
        assert await Clocks().expiry(store, is_well=lambda: False).sweep(pause_s=0) == {}

    with_store(tmp_path / "keng.db", work)


def test_it_begins_by_itself_and_a_full_disk_ends_it_quietly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "EVERY_S", 0.01)

    async def work(store: Store) -> None:
        await store.write(lambda db: journal.insert(db, "event", events(300, OLD_MS)))
        write, failures = store.write, iter([OSError(28, "No space left on device")])

        async def once_full(work: Any, **how: Any) -> Any:
            for failure in failures:
                raise failure
            return await write(work, **how)

        monkeypatch.setattr(store, "write", once_full)
        running = asyncio.create_task(Clocks().expiry(store).run())
        async with asyncio.timeout(30):
            while counts(store)["events"] > 1:  # noqa: ASYNC110 - polls what has no event to await
                await asyncio.sleep(0.02)
        running.cancel()

    with_store(tmp_path / "keng.db", work)
