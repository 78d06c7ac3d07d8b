"""A database in memory that stands in for one on a disk that takes nothing, read-only or full beyond the reserve: bells and messages go on.

It holds what is needed to go on: open incidents, rings, boards, the newest events and messages. Nothing in it may be receipted, since it
ends with the power; what it has is brought back by the next start that can write, if the database has not gone on without it.
"""

import hashlib
import logging
import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from gateway.store import migrations, rescue

logger = logging.getLogger(__name__)

OF_SERVICE = "RUNTIME_DIRECTORY"  # systemd.exec(5): in memory, and kept over restarts of the service
MEMORY = Path("/dev/shm")  # noqa: S108  # a file system in memory, on every Linux
COPY_S = 10.0
ROOM_BYTES = 1 << 20  # what a start and some alarms take
_APPENDED = "event"  # its rows never change; those of the others do


def made(path: Path) -> Path:
    """The stand-in for the database at `path`: the one of an earlier start, or a new one. Raises OSError, sqlite3.Error."""
    found = place(path)
    folder = found.parent
    folder.mkdir(mode=0o700, exist_ok=True)
    known = folder.lstat()
    if known.st_uid != os.geteuid() or not stat.S_ISDIR(known.st_mode) or known.st_mode & 0o077:
        raise PermissionError(f"{folder}: expected a folder of this user alone, got another's")
    if found.exists() and _origin(found) == _engine(path):
        return found
    _remove(found)
    part = found.with_name(found.name + ".part")
    _remove(part)
    with closing(sqlite3.connect(part, isolation_level=None)) as target:
        origin = _fill(path, target, part)
        target.execute("CREATE TABLE origin (life TEXT, boot INTEGER)")
        if origin:
            target.execute("INSERT INTO origin VALUES (?, ?)", origin)
    part.replace(found)
    return found


def bring_back(path: Path, *, prepare: Callable[[], None]) -> None:
    """Put what a stand-in has into the database, in one transaction, and remove it. `prepare` makes the database one of the newest
    version. Raises sqlite3.Error, OSError: then the stand-in is kept.
    """
    found = place(path)
    if not found.exists():
        return
    if _origin(found) != _engine(path):
        logger.error("%s: what was decided in memory is given up: the database has gone on without it", path)
    else:
        prepare()
        _bring_back(path, found)
        logger.warning("%s: what was decided in memory is in it", path)
    shutil.rmtree(found.parent)


def is_writable(path: Path) -> bool:
    """Whether the disk of the database takes something again."""
    probe = path.with_name(path.name + ".probe")
    try:
        file = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, ROOM_BYTES)
            os.fsync(file)
        finally:
            os.close(file)
            probe.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def place(path: Path) -> Path:
    """Where the stand-in for the database at `path` lies."""
    of_service = os.environ.get(OF_SERVICE, "").partition(":")[0]
    memory = next((folder for folder in (of_service, MEMORY) if folder and os.access(folder, os.W_OK)), tempfile.gettempdir())
    digest = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
    return Path(memory) / f"keng-{os.geteuid()}-{digest}" / path.name


def _fill(path: Path, target: sqlite3.Connection, part: Path) -> tuple[str, int] | None:
    """What is needed of the database, as far as it can be read."""
    with suppress(OSError, sqlite3.Error), closing(_readable(path, part)) as source:
        origin: tuple[str, int] | None = source.execute("SELECT life, boot FROM engine").fetchone()
        version = source.execute("PRAGMA user_version").fetchone()[0]
        migrations.upgrade(target, part, to=version)
        rescue.copy(source, target, rescue.TO_GO_ON, until_s=time.monotonic() + COPY_S)
        return origin
    return None


def _readable(path: Path, part: Path) -> sqlite3.Connection:
    """A connection to a database whose disk takes nothing. Its log counts too: read in place if its index is there, else from a copy."""
    uri = f"file:{quote(str(path.absolute()))}"
    log = path.with_name(path.name + "-wal")
    if not path.exists() or not log.exists() or not log.stat().st_size:
        return sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None)
    db = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute("SELECT boot FROM engine").fetchone()
    except sqlite3.Error:
        db.close()
    else:
        return db
    copy = part.with_name("copy")
    _remove(copy)
    if path.stat().st_size + log.stat().st_size < shutil.disk_usage(part.parent).free // 2:
        shutil.copyfile(path, copy)
        shutil.copyfile(log, copy.with_name("copy-wal"))
        db = sqlite3.connect(copy, isolation_level=None)
        db.execute("SELECT boot FROM engine").fetchone()
        _remove(copy)  # open still
        return db
    return sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None)


def _engine(path: Path) -> tuple[str, int] | None:
    """The newest start that the database on the disk knows of."""
    with suppress(OSError, sqlite3.Error), closing(_readable(path, place(path))) as db:
        found: tuple[str, int] | None = db.execute("SELECT life, boot FROM engine").fetchone()
        return found
    return None


def _origin(found: Path) -> tuple[str, int] | None:
    with suppress(sqlite3.Error), closing(sqlite3.connect(found)) as db:
        row: tuple[str, int] | None = db.execute("SELECT life, boot FROM origin").fetchone()
        return row
    return None


def _bring_back(path: Path, found: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("ATTACH ? AS standin", (str(found),))
        db.execute("BEGIN IMMEDIATE")
        db.execute("DELETE FROM main.fault")
        for table in rescue.tables(db):
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA standin.table_info({table})"))
            if not columns:
                continue  # of a newer schema, or what an erasure left that was cut short
            newer = f" WHERE seq > (SELECT ifnull(max(seq), 0) FROM main.{table})" if table == _APPENDED else ""  # noqa: S608 - our own names
            chosen = f"SELECT {columns} FROM standin.{table}{newer}"  # noqa: S608 - our own names
            db.execute(f"INSERT OR {'IGNORE' if newer else 'REPLACE'} INTO main.{table} ({columns}) {chosen}")
        db.execute("COMMIT")


def _remove(found: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        found.with_name(found.name + ending).unlink(missing_ok=True)
