"""The console's eye on the engine's database: history, maintenance log and devices, read again when it has changed."""

import asyncio
import logging
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gateway.console.changes import Changes
from gateway.store import queries
from gateway.store.queries import BellTested, ChannelRow, DeviceRow, MaintenanceEntry, Record, Wanted
from protocol.incident import Incident

logger = logging.getLogger(__name__)

POLL_S = 0.5
# File times advance with the kernel's tick (4 to 10 ms): a commit this soon after another may leave the same time behind.
SAME_TICK_NS = 50_000_000
RECENT_INCIDENTS = 20
RECENT_ENTRIES = 40
PAGE = 50
SHIFT_MAX = 200
# No database, one that cannot be read, or one with rows of another release: said on the page, and never the end of the console.
UNREADABLE = (OSError, sqlite3.Error, ValueError)

Mark = tuple[int, ...]


@dataclass(frozen=True)
class Records:
    """What the database says, newest first. `written_ms`: when it was last written, None if there is none. `problem`: why it
    cannot be read, empty if it can. `tests`: the newest of each board's bell."""

    incidents: list[Incident]
    entries: list[MaintenanceEntry]
    devices: list[DeviceRow]
    written_ms: int | None
    problem: str = ""
    tests: dict[str, BellTested] = field(default_factory=dict)
    channels: tuple[ChannelRow, ...] = ()

    @property
    def older_entry(self) -> int | None:
        """Where an older page of the maintenance log goes on; None if there is none."""
        return self.entries[-1].id if len(self.entries) == RECENT_ENTRIES else None


class Shift(NamedTuple):
    """What a shift hands over, oldest first: incidents that were open in it, lines of the maintenance log, and the boards as they are."""

    incidents: list[Incident]
    entries: list[MaintenanceEntry]
    devices: list[DeviceRow]

    @property
    def is_cut(self) -> bool:
        """True if there may be more incidents or lines than it holds: SHIFT_MAX of each, the newest."""
        return SHIFT_MAX in (len(self.incidents), len(self.entries))


class Shelf:
    """The database at `path`, written by another process, perhaps as another user, perhaps not there yet.

    `records` is what was read last; an alarm on its way to the page never waits for a reading.
    """

    def __init__(self, path: Path, changes: Changes) -> None:
        self.records = Records([], [], [], None, "")
        self._path = path
        self._changes = changes

    async def run(self) -> None:
        """Never returns. Looks at the files' times only: no lock, no transaction, nothing for the engine to wait for."""
        known: Mark | None = None
        while True:
            mark, fresh = _look(self._path)
            if mark != known:
                known = None if fresh else mark
                records = await asyncio.to_thread(_read, self._path)
                if records != self.records:
                    self.records = records
                    self._changes.tell()
            await asyncio.sleep(POLL_S)

    async def incidents(self, before: str | None) -> list[Incident]:
        """At most PAGE incidents, older than the incident `before` if given. Raises one of UNREADABLE."""
        return await asyncio.to_thread(_older_incidents, self._path, before)

    async def record(self, ident: str) -> Record | None:
        """Everything about one incident; None if there is none with this id. Raises one of UNREADABLE."""
        return await asyncio.to_thread(_record, self._path, ident)

    async def entries(self, wanted: Wanted, *, before: int | None = None, limit: int = PAGE) -> list[MaintenanceEntry]:
        """At most `limit` lines of the maintenance log, older than the one `before` if given. Raises one of UNREADABLE."""
        return await asyncio.to_thread(_entries, self._path, wanted, before, limit)

    async def shift(self, since_ms: int) -> Shift:
        """What happened since. Raises one of UNREADABLE."""
        return await asyncio.to_thread(_shift, self._path, since_ms)


def _look(database: Path) -> tuple[Mark, bool]:
    """Identity, size and time of the database's files; and whether another commit could still hide behind the same time."""
    mark: list[int] = []
    for path in (database, database.with_name(database.name + "-wal")):
        try:
            found = path.stat()
        except OSError:
            mark += [0, 0, 0]
        else:
            mark += [found.st_ino, found.st_size, found.st_mtime_ns]
    return tuple(mark), time.time_ns() - max(mark[2::3]) < SAME_TICK_NS


def _read(database: Path) -> Records:
    written_ms = max(_look(database)[0][2::3]) // 1_000_000 or None
    try:
        with closing(queries.connect(database)) as db:
            return Records(
                incidents=queries.incidents(db, limit=RECENT_INCIDENTS),
                entries=queries.maintenance(db, limit=RECENT_ENTRIES),
                devices=queries.devices(db),
                written_ms=written_ms,
                tests=queries.bell_tests(db),
                channels=tuple(queries.channels(db)),
            )
    except UNREADABLE as exc:
        logger.warning("database %s: %s", database, exc)
        return Records([], [], [], None, str(exc).splitlines()[0])


def _older_incidents(database: Path, before: str | None) -> list[Incident]:
    with closing(queries.connect(database)) as db:
        return queries.incidents(db, limit=PAGE, before=before)


def _record(database: Path, ident: str) -> Record | None:
    with closing(queries.connect(database)) as db:
        return queries.record(db, ident)


def _entries(database: Path, wanted: Wanted, before: int | None, limit: int) -> list[MaintenanceEntry]:
    with closing(queries.connect(database)) as db:
        return queries.maintenance(db, limit=limit, before=before, wanted=wanted)


def _shift(database: Path, since_ms: int) -> Shift:
    with closing(queries.connect(database)) as db:
        entries = queries.maintenance(db, limit=SHIFT_MAX, wanted=Wanted(first_ms=since_ms))
        return Shift(queries.incidents_since(db, since_ms, limit=SHIFT_MAX), entries[::-1], queries.devices(db))


def document(record: Record) -> dict[str, Any]:
    """A record as JSON has it: {"v": 1, "incident": ..., "events": [...], "deliveries": [...], "commands": [...]}; times in Unix ms."""
    return {
        "v": 1,
        "incident": record.incident.model_dump(mode="json"),
        "events": [event._asdict() for event in record.events],
        "deliveries": [delivery.model_dump(mode="json") for delivery in record.deliveries],
        "commands": [command._asdict() for command in record.commands],
    }
