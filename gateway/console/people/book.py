"""The console's own database, console.db: accounts, invitations, sessions, wrong tries, the record of who did what.

Short reads happen in the event loop; whatever is written, in one thread, is on the disk when `write` returns.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from gateway.settings import Console
from gateway.store.migrations import upgrade

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
    """The database at `path`, made if it is not there. Raises OSError, NewerFile among them, or sqlite3.Error."""
    book = Book(path)
    try:
        yield book
    finally:
        book.close()


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
