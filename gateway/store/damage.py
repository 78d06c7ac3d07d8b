"""A damaged database: found before it is used, set aside under a dated name, and what can still be read of it taken over into a new one.

The new one has a life of its own, as after a restore: boards give again what has no receipt, and their births list what is active.
"""

import logging
import os
import secrets
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gateway.store import migrations, rescue

logger = logging.getLogger(__name__)

# The most needed first. A start looks at no more than it has time for; the rest is looked at while the engine runs.
FIRST, LAST = ("engine", "fault", "ring", "point", "device", "incident", "delivery", "command", "event"), ("report",)
START_S = 0.4
SUSPECT_S = 5.0  # after an error that only a damaged file gives: it is worth a late start
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


def is_damage(error: BaseException) -> bool:
    """True for an error that only a damaged database gives, or a disk that has lost a part of it."""
    code = getattr(error, "sqlite_errorcode", 0)
    return isinstance(error, Damaged) or code & 0xFF in _DAMAGE or code in _BAD_SECTOR


def check(db: sqlite3.Connection, tables: Sequence[str] = (), *, limit_s: float, thorough: bool = False) -> Rest:
    """Look at the pages of the tables, of all if none is named, for `limit_s` at most: what is left then. Raises Damaged; sqlite3.Error for
    what is no damage (no room, no right).

    `thorough`: at what the indexes say, too.
    """
    until_s = time.monotonic() + limit_s
    db.set_progress_handler(lambda: time.monotonic() > until_s, _STEPS)
    try:
        there = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        others = sorted(there.difference(FIRST, LAST))
        chosen = [table for table in tables or (*FIRST, *others, *LAST) if table in there]
        for index, table in enumerate(chosen):
            if time.monotonic() > until_s or (found := _found(db, table, thorough=thorough)) is None:
                return Rest(tuple(chosen[index:]))
            if found != "ok":
                raise Damaged(f"table {table}: {found}")
    except sqlite3.Error as exc:
        code = getattr(exc, "sqlite_errorcode", 0)
        if is_damage(exc):
            raise Damaged(str(exc)) from exc
        if code == sqlite3.SQLITE_INTERRUPT:
            return Rest(tuple(tables) or FIRST)
        raise
    finally:
        db.set_progress_handler(None, 0)
    return NOTHING


def look(path: Path, tables: Sequence[str], *, limit_s: float) -> None:
    """The same on a connection of its own, which keeps nobody from writing. Raises as `check` does."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
        for table in tables:  # one by one: no read transaction outlives one table
            check(db, [table], limit_s=limit_s)


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
    return sorted(file.name for file in path.parent.glob(f"{path.name}.damaged-*") if not file.name.endswith(endings))


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
