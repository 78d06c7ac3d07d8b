"""The console's own database, console.db: accounts, invitations, sessions, wrong tries, the record of who did what.

Short reads happen in the event loop; whatever is written, in one thread, is on the disk when `write` returns.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from gateway.settings import Console
from gateway.store.damage import Damaged, is_damage
from gateway.store.migrations import upgrade

logger = logging.getLogger(__name__)

FILE_MODE = 0o600  # hashes of passwords
BUSY_S = 5.0

T = TypeVar("T")


class Book:
    """Made by `opened`. `reading` is for short queries."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = connect(path)
        self.reading = connect(path)
        self.reading.execute("PRAGMA query_only = 1")
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="console.db")

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in one transaction and return its result once it is on the disk."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, transaction, self._db, work)

    def close(self) -> None:
        """Wait for what is being written, and close."""
        self._thread.shutdown()
        self.reading.close()
        self._db.close()


def own_database(settings: Console, data: Path) -> Path:
    """Where it is: where the settings say; else in the folder beside `data` that `keng install` made; else in `data`."""
    beside = data.resolve().with_name(f"{data.resolve().name}-console")
    return settings.database or (beside if beside.is_dir() else data) / "console.db"


@contextmanager
def opened(path: Path) -> Iterator[Book]:
    """The database at `path`, made if it is not there. One that is damaged is set aside: the desk must open, and whoever can still be read
    of it keeps the account. Raises OSError, NewerFile among them, or sqlite3.Error.
    """
    try:
        book = _sound(path)
    except (sqlite3.Error, Damaged) as exc:
        if not is_damage(exc):
            raise
        kept = _set_aside(path)
        logger.error("%s is damaged (%s) and set aside; accounts taken over: %d", path, exc, len(kept))  # noqa: TRY400  # it is dealt with
        book = Book(path)
        with closing(connect(path)) as db:
            transaction(db, lambda db: db.executemany("INSERT INTO account VALUES (?, ?, ?, ?)", kept))
    try:
        yield book
    finally:
        book.close()


def _sound(path: Path) -> Book:
    """Raises Damaged for a database that is not."""
    book = Book(path)
    with ExitStack() as undo:
        undo.callback(book.close)
        found = book.reading.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise Damaged(found)
        undo.pop_all()
    return book


def _set_aside(path: Path) -> list[tuple[str, str, int, int]]:
    """Rename the files of a damaged database; returns the accounts that can be read of it."""
    aside = path.with_name(f"{path.name}.damaged-{datetime.now().astimezone():%Y%m%d-%H%M%S}")
    for ending in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            path.with_name(path.name + ending).replace(aside.with_name(aside.name + ending))
    kept: list[tuple[str, str, int, int]] = []
    with suppress(sqlite3.Error), closing(sqlite3.connect(aside)) as db:
        kept.extend(db.execute("SELECT id, password, made_ms, changed_ms FROM account"))
    return kept


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the database at `path`, with the newest schema. Raises as `opened`."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        # SQLite gives its other files the same rights. Never a file that is there: to close it would take away the locks of this process's
        # other connections (POSIX), and another process that comes and goes would then delete the log that they write.
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        if os.geteuid() == 0:  # a command of the technician's, before the console's first start
            folder = path.parent.stat()
            os.fchown(file, folder.st_uid, folder.st_gid)
        os.close(file)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_S)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        upgrade(db, path, package="gateway.console.people")
    except BaseException:
        db.close()
        raise
    return db


def transaction(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """Run `work` and commit, or undo all of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return result
