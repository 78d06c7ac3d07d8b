"""What others may read of the engine's database: history for the console, for reports, for a technician. Never writes.

No read transaction outlives one query: a long one would keep the write-ahead log from being folded back into the file.
"""

import json
import sqlite3
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from gateway.domain.maintenance import What
from protocol.messages import Incident

BUSY_S = 5.0


class MaintenanceEntry(NamedTuple):
    """One line of the maintenance log. `point` is empty where the whole board is meant."""

    id: int
    at_ms: int
    device: str
    place: str
    point: str
    what: What
    detail: str


class DeviceRow(NamedTuple):
    """One board as the engine last knew it. `rssi` in dBm, `battery` in percent; None: never said. `faults` in words."""

    id: str
    kind: str
    place: str
    group: str | None
    state: Literal["online", "lost", "unknown"]
    last_seen_ms: int | None
    firmware: str
    rssi: int | None
    battery: int | None
    mains: bool | None
    refused: int
    faults: list[str]


class RubbishRow(NamedTuple):
    """Unreadable payloads of one sender on one kind of topic: how many, and the first of them."""

    device: str
    kind: str
    total: int
    first_ms: int
    why: str
    first: bytes


def connect(path: Path) -> sqlite3.Connection:
    """A read-only connection. Works as another user, with the engine running, stopped or killed; raises OSError or
    sqlite3.OperationalError if there is no database to read.

    A database in WAL mode whose log is gone (the engine was stopped) can be read without write access only as an immutable file:
    SQLite would have to create the log's index. While there is a log, its index is there too.
    """
    with path.open("rb"):  # says FileNotFoundError or PermissionError where SQLite says "unable to open"
        pass
    mode = "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"
    db = sqlite3.connect(f"file:{quote(str(path.resolve()))}?{mode}", uri=True, timeout=BUSY_S, isolation_level=None)
    db.execute("PRAGMA query_only = 1")
    return db


def incidents(db: sqlite3.Connection, *, limit: int, before: str | None = None) -> list[Incident]:
    """Newest first, at most `limit`; those older than the incident with id `before`, if given."""
    rows = db.execute(
        "SELECT snapshot FROM incident WHERE number < ifnull((SELECT number FROM incident WHERE id = ?), 1 << 62)"
        " ORDER BY number DESC LIMIT ?",
        (before, limit),
    ).fetchall()
    return [Incident.model_validate_json(snapshot) for (snapshot,) in rows]


def incident(db: sqlite3.Connection, ident: str) -> Incident | None:
    """The incident with this id, open or resolved."""
    rows = db.execute("SELECT snapshot FROM incident WHERE id = ?", (ident,)).fetchall()
    return Incident.model_validate_json(rows[0][0]) if rows else None


def maintenance(db: sqlite3.Connection, *, limit: int, before: int | None = None) -> list[MaintenanceEntry]:
    """Newest first, at most `limit`; those older than the entry with id `before`, if given."""
    rows = db.execute(
        "SELECT id, at_ms, device, place, point, what, detail FROM maintenance WHERE id < ifnull(?, 1 << 62) ORDER BY id DESC LIMIT ?",
        (before, limit),
    )
    return [MaintenanceEntry(*row) for row in rows.fetchall()]


def devices(db: sqlite3.Connection) -> list[DeviceRow]:
    """Every board of the site's description and every other that was heard, by id. Last seen is up to 10 s behind."""
    rows = db.execute(
        "SELECT id, kind, place, group_id, state, last_seen_ms, firmware, rssi, battery, mains, refused, faults FROM device ORDER BY id"
    )
    return [_device(*row) for row in rows.fetchall()]


def rubbish(db: sqlite3.Connection) -> list[RubbishRow]:
    """What the engine could not read, by sender and kind of topic. Up to 10 s behind."""
    rows = db.execute("SELECT device, kind, count, first_ms, why, first FROM rubbish ORDER BY device, kind")
    return [RubbishRow(*row) for row in rows.fetchall()]


def _device(*row: Any) -> DeviceRow:
    mains, _, faults = row[9:]
    return DeviceRow._make((*row[:9], None if mains is None else bool(mains), row[10], list(json.loads(faults).values())))
