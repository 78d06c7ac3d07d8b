"""A damaged database: found before it is used, set aside under a dated name, and what can still be read of it taken over into a new one.

The new one has a life of its own, as after a restore: boards give again what has no receipt, and their births list what is active.
"""

import logging
import os
import secrets
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gateway.store import migrations, rescue

logger = logging.getLogger(__name__)

# The most needed first. A start looks at no more than it has time for; the rest is looked at while the engine runs.
FIRST, LAST = ("engine", "fault", "ring", "point", "device", "incident", "delivery", "command", "event"), ("report",)
START_S, START_BYTES = 0.4, 16 << 20  # what a card reads in that time; a table is looked at whole, since SQLite 3.40 stops for nothing
# About, with the indexes; tables that are not named are small.
ROW_BYTES = {"event": 500, "incident": 25_000, "delivery": 1_500, "maintenance": 250, "report": 100}
SUSPECT_S, SUSPECT_BYTES = 5.0, 200 << 20  # after an error that only a damaged file gives: it is worth a late start
RESCUE_S = 8.0
OFTEN = 2  # so many such errors, and it is set aside however sound it looks
_STEPS = 5_000  # of SQLite's machine between two looks at the clock: well under 1 ms
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_BAD_SECTOR = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)


class Damaged(Exception):
    """The database cannot be used; the message says what was found."""


class Rest(NamedTuple):
    """Tables that a check had no time for."""

    tables: tuple[str, ...]


NOTHING = Rest(())


@contextmanager
def readable() -> Iterator[None]:
    """What is read of the database in here and cannot be understood is Damaged: a new start takes over the rest of it."""
    try:
        yield
    except (ValueError, sqlite3.DatabaseError) as exc:
        raise Damaged(f"a row that cannot be read: {exc}") from exc


def is_damage(error: BaseException) -> bool:
    """True for an error that only a damaged database gives, or a disk that has lost a part of it."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, Damaged) or code & 0xFF in _DAMAGE or code in _BAD_SECTOR


def check(db: sqlite3.Connection, tables: Sequence[str] = (), *, limit_s: float, limit_bytes: int, thorough: bool = False) -> Rest:
    """Look at the pages of the tables, of all if none is named, within the limits; what is left then. Raises Damaged; sqlite3.Error for
    what is no damage (no room, no right).

    `thorough`: at what the indexes say, too.
    """
    until_s = time.monotonic() + limit_s
    rest: list[str] = []
    db.set_progress_handler(lambda: time.monotonic() > until_s, _STEPS)
    try:
        for table in _chosen(db, tables):
            size = _bytes(db, table)
            if time.monotonic() > until_s or size > limit_bytes:
                rest.append(table)
                continue
            limit_bytes -= size
            found = _found(db, table, thorough=thorough)
            if found is None:
                rest.append(table)
            elif found != "ok":
                raise Damaged(f"table {table}: {found}")
    except sqlite3.Error as exc:
        if is_damage(exc):
            raise Damaged(str(exc)) from exc
        raise
    finally:
        db.set_progress_handler(None, 0)
    return Rest(tuple(rest))


def _chosen(db: sqlite3.Connection, tables: Sequence[str]) -> list[str]:
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [table for table in tables or (*FIRST, *sorted(there.difference(FIRST, LAST)), *LAST) if table in there]


def _bytes(db: sqlite3.Connection, table: str) -> int:
    """How much there is to read, about: by the numbers of the first row and the last."""
    if table not in ROW_BYTES:
        return 0
    # Two queries: with both in one, SQLite walks through all rows.
    first, last = (db.execute(f"SELECT {end}(rowid) FROM {table}").fetchone()[0] for end in ("min", "max"))  # noqa: S608 - our own names
    rows = 0 if first is None else last - first + 1
    return int(rows) * ROW_BYTES[table]


def look(path: Path, tables: Sequence[str], *, limit_s: float) -> None:
    """The same on a connection of its own, which keeps nobody from writing. Raises as `check` does."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
        for table in tables:  # one by one: no read transaction outlives one table
            check(db, [table], limit_s=limit_s, limit_bytes=sys.maxsize)


def _found(db: sqlite3.Connection, table: str, *, thorough: bool) -> str | None:
    """The first thing that is wrong, "ok", or None if there was no time."""
    try:
        row = db.execute(f"PRAGMA {'integrity' if thorough else 'quick'}_check({table})").fetchone()
    except sqlite3.OperationalError as exc:
        if getattr(exc, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    return str(row[0]).strip().splitlines()[-1]


def suspect(path: Path, words: str) -> None:
    """Remember for the next start that the database gave an error that only a damaged one gives."""
    try:
        with _marker(path).open("a", encoding="utf-8") as file:
            file.write(words.replace("\n", " ") + "\n")
    except OSError as exc:
        logger.warning("%s: %s", _marker(path), exc)


def suspicions(path: Path) -> int:
    """How often that was, since the database was last found sound."""
    try:
        return len(_marker(path).read_text(encoding="utf-8").splitlines())
    except OSError:
        return 0


def cleared(path: Path) -> None:
    """The whole database was found sound."""
    try:
        _marker(path).unlink(missing_ok=True)
    except OSError as exc:
        logger.warning("%s: %s", _marker(path), exc)


def set_aside(path: Path, why: str, *, now: datetime) -> str:
    """Put a new database, with all that can be read of the old one, in its place. Returns the life of the old one, "" if that cannot be
    read. Raises OSError or sqlite3.Error, with the old one there.

    Killed anywhere in between, it is finished by `finish`.
    """
    part, fresh = _fresh(path, "part"), _fresh(path)
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as source, closing(sqlite3.connect(part, isolation_level=None)) as target:
        migrations.upgrade(target, part, to=_version(source))
        taken = rescue.copy(source, target, rescue.EVERYTHING, until_s=time.monotonic() + RESCUE_S)
        migrations.upgrade(target, part)
        former = target.execute("SELECT life FROM engine").fetchone()
        target.execute("UPDATE engine SET life = ?, boot = 0", (secrets.token_hex(4),))
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(fresh)
    words = ", ".join(f"{count} {table}" for table, count in taken.rows.items() if count)
    lost = f"; not all of {', '.join(taken.incomplete)}" if taken.incomplete else ""
    logger.error("%s is damaged and set aside: %s; taken over: %s%s", path, why, words or "nothing", lost)
    finish(path, now=now)
    return former[0] if former else ""


def finish(path: Path, *, now: datetime) -> None:
    """Bring to its end what a kill has interrupted. Raises OSError."""
    fresh = _fresh(path)
    if not fresh.exists():
        return
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%d-%H%M%S}")
    for ending in ("-wal", "-shm", ""):  # never a log without its database: it would be played into the new one
        old = path.with_name(path.name + ending)
        if old.exists():
            old.replace(aside.with_name(aside.name + ending))
    fresh.replace(path)
    cleared(path)


def put_aside(path: Path) -> list[str]:
    """The names of the damaged databases that still lie there, oldest first."""
    endings = ("-wal", "-shm")
    try:
        return sorted(file.name for file in path.parent.glob(f"{path.name}.damaged-*") if not file.name.endswith(endings))
    except OSError:
        return []  # a disk that is dead: another fault says so


def _version(source: sqlite3.Connection) -> int:
    try:
        version: int = source.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error:
        return migrations.newest()
    return min(version, migrations.newest()) or migrations.newest()


def _fresh(path: Path, ending: str = "") -> Path:
    return path.with_name(f"{path.name}.rescued{ending}")


def _marker(path: Path) -> Path:
    return path.with_name(path.name + ".suspect")
