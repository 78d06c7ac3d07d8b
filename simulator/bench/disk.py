"""The floor of the disk: what SQLite alone does with WAL and synchronous=FULL on the disk where the engine's database lies."""

import sqlite3
import time
from pathlib import Path

LONE = 300
BATCHES = 100
BATCH = 100


def commit_ms(directory: Path) -> list[float]:
    """How long each of some commits of one row takes."""
    return [1000 * seconds for seconds in _commits(directory / "commits.db", LONE, 1)]


def rows_per_s(directory: Path) -> float:
    """Rows a second at BATCH rows a commit."""
    return BATCHES * BATCH / sum(_commits(directory / "rows.db", BATCHES, BATCH))


def _commits(path: Path, count: int, rows: int) -> list[float]:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("CREATE TABLE report (id INTEGER PRIMARY KEY, device TEXT, at_ms INTEGER, raw TEXT)")
        times = []
        for number in range(count):
            start = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO report (device, at_ms, raw) VALUES (?, ?, ?)", [("B00001", number, "x" * 120)] * rows)
            database.execute("COMMIT")
            times.append(time.perf_counter() - start)
        return times
    finally:
        database.close()
