"""The engine's database: one thread with the one connection that writes. What arrives together shares a commit, and waits for no company.

Errors of SQLite go to whoever asked for the write: see backlog.py for those of the disk.
"""

import asyncio
import errno
import fcntl
import logging
import os
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from gateway import priority
from gateway.exposition import Histogram
from gateway.store import damage, standin
from gateway.store.damage import Rest
from gateway.store.migrations import upgrade

logger = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

FOLDER_MODE = 0o750  # others of the group (the console) read, nobody else does
FILE_MODE = 0o640
RESERVE_BYTES = 4 << 20
RESERVE_STEP = 256 << 10
CHECKPOINT_BYTES = 4 << 20  # SQLite's own default is 1,000 pages of 4 kB
CHECKPOINT_EVERY_S = 5.0
COMMIT_S = (0.001, 0.005, 0.02, 0.05, 0.2, 1.0, 5.0)  # an SD card takes 2 to 50 ms
# Primary result codes (sqlite.org/rescode.html) of a disk that takes or gives nothing. Others are mistakes of ours.
_OF_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_OF_FILES = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT)


class FileInUse(OSError):
    """Another engine has the database open."""


def is_of_disk(error: BaseException) -> bool:
    """True for an error that means that the disk takes or gives nothing now."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_DISK
    return isinstance(error, OSError) and error.errno in _OF_FILES


class Store:
    """Made by `open_store`. `engine` is this start of the engine, <life>-<boot>; `reading` is a connection for short queries; `commits`:
    how long they took. `trouble`: why a database in memory stands in for the one on the disk, "" if none does: what is in it must not be
    receipted. `unchecked`: tables that the start had no time to look at. `former`: the life of a damaged database that was set aside.
    """

    def __init__(
        self, path: Path, engine: str, db: sqlite3.Connection, reading: sqlite3.Connection, unchecked: Rest = damage.NOTHING
    ) -> None:
        self.path = path
        self.engine = engine
        self.reading = reading
        self.trouble = ""
        self.former = ""
        self.unchecked = unchecked
        self.commits = Histogram(COMMIT_S)
        self._db = db
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store", initializer=priority.step_forward)
        self._urgent: list[tuple[Work, asyncio.Future[Any]]] = []
        self._patient: list[tuple[Work, asyncio.Future[Any]]] = []
        self._busy = False

    async def write(self, work: Callable[[sqlite3.Connection], T], *, urgent: bool = True) -> T:
        """Run `work` in a transaction and return its result once it is on the disk.

        All urgent work that came while the last commit ran shares the next one. Other work has a transaction of its own, when there is no
        urgent work; it shall not last longer than 50 ms.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._patient).append((work, done))
        self._start()
        return await done

    async def keep_log_short(self) -> None:
        """Fold the write-ahead log back into the file when it has grown, beside the writer: a commit never waits for this."""
        log = self.path.with_name(self.path.name + "-wal")
        while True:
            await asyncio.sleep(CHECKPOINT_EVERY_S)
            try:
                if log.stat().st_size > CHECKPOINT_BYTES:
                    await asyncio.to_thread(_checkpoint, self.path)
            except (sqlite3.Error, OSError) as exc:
                logger.warning("%s cannot be folded back now: %s", log, exc)  # the log only grows until it can

    def close(self) -> None:
        """Wait for the running commit and close."""
        self._thread.shutdown()
        self.reading.close()
        self._db.close()

    def _start(self) -> None:
        if self._busy or not (self._urgent or self._patient):
            return
        if self._urgent:
            batch, self._urgent = self._urgent, []
        else:
            batch = [self._patient.pop(0)]
        self._busy = True
        started_s = time.monotonic()
        commit = asyncio.get_running_loop().run_in_executor(self._thread, self._commit, [work for work, _ in batch])
        commit.add_done_callback(lambda commit: self._finished(batch, commit, started_s))

    def _commit(self, works: list[Work]) -> list[Any]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            results = [work(self._db) for work in works]
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return results

    def _finished(self, batch: list[tuple[Work, asyncio.Future[Any]]], commit: asyncio.Future[list[Any]], started_s: float) -> None:
        self._busy = False
        self.commits.add(time.monotonic() - started_s)
        error = commit.exception()
        for index, (_, done) in enumerate(batch):
            if done.cancelled():
                continue
            if error:
                done.set_exception(error)
            else:
                done.set_result(commit.result()[index])
        self._start()


class Reserve:
    """Room on the disk that a start may have when everything else is full: SQLite needs 32 kB to open a database, and a few pages more
    to count the start. It is given away in steps, so that it lasts for several starts.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def give(self) -> bool:
        """Free a step of it. False if there is none left."""
        try:
            size = self._path.stat().st_size
            os.truncate(self._path, max(0, size - RESERVE_STEP))
        except OSError:
            return False
        return size > 0

    def fill(self) -> None:
        """Take all of it again, if there is room."""
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as exc:
            logger.warning("%s: no reserve: %s", self._path, exc.strerror)
            return
        size = os.fstat(file).st_size
        try:
            os.posix_fallocate(file, 0, RESERVE_BYTES)
        except OSError as exc:
            os.ftruncate(file, size)  # what it got before there was no more
            logger.warning("%s: no room for the whole reserve: %s", self._path, exc.strerror)
        finally:
            os.close(file)


@asynccontextmanager
async def open_store(path: Path) -> AsyncIterator[Store]:
    """The database at `path`, made or brought to the newest schema, with a new boot of the engine in it.

    A damaged one is set aside (damage.py); while the disk takes nothing, one in memory stands in (standin.py). Raises NewerFile,
    FileInUse, OSError or sqlite3.Error.
    """

    lock = _locked(path)
    try:
        try:
            store = _opened(path, Reserve(path.with_name(path.name + ".reserve")))
        except (sqlite3.Error, OSError) as exc:
            if not is_of_disk(exc):
                raise
            logger.error("%s: %s; a database in memory stands in for it", path, exc)  # noqa: TRY400  # the reason says it all
            store = _open(standin.made(path))
            store.trouble = str(exc) or type(exc).__name__
        try:
            yield store
        finally:
            store.close()
    finally:
        if lock is not None:
            os.close(lock)


def _locked(path: Path) -> int | None:
    """Hold the lock of the one engine. None if a disk that takes nothing has no such file: nor can it have an engine then."""
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        lock = os.open(path.with_name(path.name + ".lock"), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as exc:
        if not is_of_disk(exc):
            raise
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise FileInUse(f"{path}: expected no other engine, got one that has it open") from None
    return lock


def _opened(path: Path, reserve: Reserve) -> Store:
    while True:
        try:
            standin.bring_back(path, prepare=lambda: _prepare(path))
            store = _open(path)
        except (sqlite3.Error, OSError) as exc:
            if not (is_of_disk(exc) and reserve.give()):
                raise
            logger.warning("%s: %s; some of the reserve is given away", path, exc)
        else:
            reserve.fill()
            return store


def _open(path: Path) -> Store:
    db, unchecked, former = _sound(path)
    try:
        upgrade(db, path)
        engine = _boot(db)
        reading = _connect(path)
        reading.execute("PRAGMA query_only = 1")
    except BaseException:
        db.close()
        raise
    store = Store(path, engine, db, reading, unchecked)
    store.former = former
    return store


def _prepare(path: Path) -> None:
    """Make the database one of the newest version, without a start of the engine."""
    db = _sound(path)[0]
    try:
        upgrade(db, path)
    finally:
        db.close()


def _sound(path: Path) -> tuple[sqlite3.Connection, Rest, str]:
    """A connection to a database that looks sound, what there was no time to look at, and the life of one that was set aside for it."""
    now = datetime.now().astimezone()
    damage.finish(path, now=now)
    try:
        return *_checked(path), ""
    except (damage.Damaged, sqlite3.DatabaseError) as exc:
        if not damage.is_damage(exc):
            raise
        former = damage.set_aside(path, str(exc), now=now)
    return *_checked(path), former


def _checked(path: Path) -> tuple[sqlite3.Connection, Rest]:
    """Raises Damaged, or sqlite3.Error."""
    # SQLite gives its -wal and -shm files the rights of the database.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    suspicions = damage.suspicions(path)
    if suspicions >= damage.OFTEN:
        raise damage.Damaged(f"{suspicions} errors that only a damaged database gives")
    db = _connect(path)
    try:
        limit_s, limit_bytes = (damage.SUSPECT_S, damage.SUSPECT_BYTES) if suspicions else (damage.START_S, damage.START_BYTES)
        rest = damage.check(db, limit_s=limit_s, limit_bytes=limit_bytes, thorough=suspicions > 0)
        if suspicions and rest.tables:
            raise damage.Damaged(f"an error that only a damaged database gives, and not found sound within {damage.SUSPECT_S:.0f} s")  # noqa: TRY301
    except BaseException:
        db.close()
        raise
    return db, rest


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_autocheckpoint = 0")  # see Store.keep_log_short
        db.execute("PRAGMA secure_delete = FAST")  # what was replaced is gone from its page, at no cost in writes: see erasing.py
    except BaseException:
        db.close()
        raise
    return db


def _boot(db: sqlite3.Connection) -> str:
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT OR IGNORE INTO engine (one, life, boot) VALUES (1, ?, 0)", (secrets.token_hex(4),))
    life, boot = db.execute("UPDATE engine SET boot = boot + 1 RETURNING life, boot").fetchone()
    db.execute("COMMIT")
    return f"{life}-{boot}"


def _checkpoint(path: Path) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    finally:
        db.close()
