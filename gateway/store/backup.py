"""Safe copies of what the gateway knows: one file, made while the engine runs, checked before it counts, and brought back.

The file is a tar.gz with the database, the broker's accounts, the identity and the database of the page's accounts. It holds passwords, the
authority's key and people's phone numbers: only its owner reads it.
"""

import errno
import fcntl
import os
import secrets
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from gateway import owners
from gateway.identity import private, register
from gateway.store import queries
from gateway.store.migrations import upgrade
from gateway.store.store import FILE_MODE, FOLDER_MODE, FileInUse

DATABASE = "keng.db"
ACCOUNTS = "broker/accounts.json"
# ca.key last, since with it there is an identity: see gateway/identity/authority.py.
IDENTITY = tuple(f"identity/{name}" for name in ("ca.pem", "broker.pem", "broker.key", "boards.json", "ca.key"))
FILES = (ACCOUNTS, *IDENTITY)
PEOPLE = "console.db"  # in the archive, wherever it lies on the gateway
PAGES_AT_ONCE = 500  # 2 MB: the engine commits between the steps
BACKUP_MODE = 0o600


class Unusable(OSError):
    """This is no backup, or one that is damaged; the message says what was expected and what came."""


class Contents(NamedTuple):
    """What is in a backup. `people`: how many have an account of the page; None: those are not in it. `problem`: why not."""

    events: int
    incidents: int
    devices: int
    accounts: bool
    people: int | None
    bytes: int
    problem: str = ""


def make(
    data: Path, file: Path, people: Path | None = None, *, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Contents:
    """Write the backup of the folder `data` to `file`, which is there whole or not at all. `progress` gets pages done and of all.

    `people`: the console's own database. One that is not there, or that this user may not read, is not in it; nor is one that is damaged,
    which takes nothing else away. Works while everything runs. Raises OSError; Unusable if the engine's database is damaged.
    """
    source = data / DATABASE
    if not source.exists():
        raise FileNotFoundError(f"{source}: expected the engine's database, got none: is --data the right folder?")
    with source.open("rb"):  # says PermissionError where SQLite says "unable to open"
        pass
    into = file.absolute().parent
    if not into.is_dir():
        raise FileNotFoundError(f"{into}: expected a folder for the backup, got none: is the disk mounted?")
    with _room(into), tempfile.TemporaryDirectory(dir=into, prefix=".keng-backup-") as folder:
        copy = Path(folder) / DATABASE
        try:
            with (
                closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as db,
                closing(sqlite3.connect(copy)) as target,
            ):
                db.backup(target, pages=PAGES_AT_ONCE, progress=lambda _status, left, total: progress(total - left, total))
        except sqlite3.DatabaseError as exc:
            if _is_full(exc):
                raise
            raise Unusable(f"{source}: expected a sound database, got: {exc}") from None
        _check(copy)
        accounts = Path(folder) / PEOPLE
        count, problem = None, ""
        try:
            count = _copied_people(people, accounts) if people else None
        except Unusable as exc:
            problem = str(exc)
        packed = Path(folder) / "packed"
        with tarfile.open(packed, "w:gz") as archive:
            archive.add(copy, DATABASE)
            if count is not None:
                archive.add(accounts, PEOPLE)
            for name in FILES:
                if (data / name).exists():
                    archive.add(data / name, name)
        packed.chmod(BACKUP_MODE)
        with packed.open("rb") as written:
            os.fsync(written.fileno())
        size = packed.stat().st_size
        found = _contents(copy, has_accounts=(data / ACCOUNTS).exists(), people=count, size=size)._replace(problem=problem)
        packed.replace(file)
    return found


def name_in(folder: Path, now: datetime) -> Path:
    """A file for a backup of now; names sort by their age."""
    return folder / f"keng-{now:%Y%m%d-%H%M%S}.tar.gz"


def of_folder(folder: Path) -> list[Path]:
    """The backups in a folder, the oldest first."""
    return sorted(folder.glob("keng-[0-9]*-[0-9]*.tar.gz"))


def prune(folder: Path, keep: int) -> None:
    """Delete the oldest backups of a folder beyond `keep`. Call it after a new one is whole."""
    for old in of_folder(folder)[:-keep]:
        old.unlink()


def restore(file: Path, data: Path, people: Path | None = None, *, replace: bool, now: datetime) -> tuple[Contents, Path | None]:
    """Bring a backup back into the folder `data`. The database that was there is set aside if `replace`, and its name returned.

    `people`: where the console's own database belongs; None, or a folder in which this user may not write: it is not brought back.
    Nobody is logged in then.
    Raises Unusable; FileExistsError if there is a database and not `replace`; FileInUse while engine or console run; OSError; NewerFile.
    """
    target = data / DATABASE
    if data.exists() and not data.is_dir():
        raise NotADirectoryError(f"{data}: expected a folder, got something else")
    data.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    lock = os.open(data / (DATABASE + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        owners.as_folder(data / (DATABASE + ".lock"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileInUse(f"{target}: expected the engine to be stopped, got one that runs") from None
        if target.exists() and not replace:
            raise FileExistsError(f"{target}: expected no database, got one; --replace sets it aside")
        with _room(data), tempfile.TemporaryDirectory(dir=data, prefix=".keng-restore-") as folder:
            copy = _unpacked(file, Path(folder))
            accounts = Path(folder) / PEOPLE
            count = _people(accounts) if people is not None and accounts.exists() and _may_write(people.parent) else None
            if count is not None and people is not None and _is_open(people):
                raise FileInUse(f"{people}: expected the console to be stopped, got one that runs")
            found = _contents(copy, has_accounts=(Path(folder) / ACCOUNTS).exists(), people=count, size=file.stat().st_size)
            aside = _set_aside(target, now) if target.exists() else None
            copy.chmod(FILE_MODE)
            copy.replace(target)
            owners.as_folder(target)
            _keep_rights_taken(Path(folder) / private.IDENTITY, data / private.IDENTITY)
            for name in FILES:
                if (Path(folder) / name).exists():
                    _bring_back(Path(folder) / name, data / name, now)
            if count is not None and people is not None:
                _bring_people_back(accounts, people, now)
    finally:
        os.close(lock)
    return found, aside


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    """A full disk is told as that, and not as something wrong with what was copied."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as exc:
        if not _is_full(exc):
            raise
        raise OSError(f"{folder}: expected room for a copy, got a full disk; nothing was changed") from None


def _is_full(exc: BaseException) -> bool:
    if isinstance(exc, OSError):
        return exc.errno in (errno.ENOSPC, errno.EDQUOT)
    return getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _unpacked(file: Path, folder: Path) -> Path:
    """The database of a backup, checked, of the newest schema, and with a life of its own."""
    copy = folder / DATABASE
    try:
        with tarfile.open(file, "r:gz") as archive:
            for name in (DATABASE, *FILES, PEOPLE):
                if name in archive.getnames():
                    _extract(archive, name, folder / name)
    except (tarfile.TarError, EOFError, OSError) as exc:
        if _is_full(exc):
            raise
        raise Unusable(f"{file}: expected a backup of keng, got: {getattr(exc, 'strerror', None) or exc}") from None
    if not copy.exists():
        raise Unusable(f"{file}: expected a backup of keng, got an archive without {DATABASE}")
    _check(copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        upgrade(db, file)
        # The starts since the backup are forgotten: their boots, and the revs of their rings, would come twice.
        db.execute("UPDATE engine SET life = ?, boot = 0", (secrets.token_hex(4),))
    return copy


def _extract(archive: tarfile.TarFile, name: str, target: Path) -> None:
    """A plain file of an archive, and nothing else under its name. TarFile.extract has its filter from Python 3.11.4 on only, and Debian 12
    has 3.11.2. Raises TarError, OSError.
    """
    content = archive.extractfile(name) if archive.getmember(name).isfile() else None
    if content is None:
        raise tarfile.ReadError(f"{name}: expected a file")
    private.folder(target.parent)
    with content, target.open("xb") as file:
        target.chmod(BACKUP_MODE)
        shutil.copyfileobj(content, file)


def _keep_rights_taken(restored: Path, here: Path) -> None:
    """No board gets back rights that it has lost since the backup, if both identities are of one authority."""
    boards = [folder / register.NAME for folder in (here, restored)]
    authorities = [folder / "ca.pem" for folder in (here, restored)]
    if all(file.exists() for file in (*boards, *authorities)) and authorities[0].read_bytes() == authorities[1].read_bytes():
        boards[1].write_bytes(register.merged(boards[0].read_bytes(), boards[1].read_bytes()))


def _copied_people(source: Path, copy: Path) -> int | None:
    """A copy of the console's database, and how many have an account in it; None if there is none to be read."""
    copy.touch()
    try:
        with closing(queries.connect(source)) as db, closing(sqlite3.connect(copy)) as target:
            db.backup(target)
    except (FileNotFoundError, PermissionError):
        return None
    except sqlite3.DatabaseError as exc:
        if _is_full(exc):
            raise
        raise Unusable(f"{source}: expected a sound database, got: {exc}") from None
    return _people(copy)


def _people(copy: Path) -> int | None:
    """How many have an account; None for a database in which there is nothing. Raises Unusable for what is none of the console."""
    try:
        with closing(sqlite3.connect(copy)) as db:
            if (said := db.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
                raise Unusable(f"{PEOPLE}: expected a sound database, got: {said}")
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return None  # the console has not begun yet
            count: int = db.execute("SELECT count(*) FROM account").fetchone()[0]
            return count
    except sqlite3.DatabaseError as exc:
        raise Unusable(f"{PEOPLE}: expected a database of the console, got: {exc}") from None


def _may_write(folder: Path) -> bool:
    """Where the folder is not there yet, its parent counts."""
    return os.access(folder if folder.exists() else folder.parent, os.W_OK | os.X_OK)


def _is_open(database: Path) -> bool:
    """Whether somebody else has the database open: whoever closes it last takes SQLite's index of the log away."""
    if not database.exists():
        return False
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(database)) as db:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return database.with_name(database.name + "-shm").exists()


def _bring_people_back(source: Path, target: Path, now: datetime) -> None:
    """The console's database, without whoever was logged in: a session that was ended since would live again."""
    with closing(sqlite3.connect(source, isolation_level=None)) as db:
        if db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'session'").fetchone()[0]:
            db.execute("DELETE FROM session")
    source.chmod(target.stat().st_mode if target.exists() else FILE_MODE)
    target.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    if target.exists() and target.stat().st_size:
        _set_aside(target, now)
    shutil.move(source, target)  # it may lie on another file system
    owners.as_folder(target)


def _bring_back(source: Path, target: Path, now: datetime) -> None:
    """A file of the broker's or the identity's; what was there stays under another name."""
    private.folder(target.parent)
    if target.exists():
        target.rename(target.with_name(f"{target.name}.before-{now:%Y%m%d-%H%M%S}"))
    source.replace(target)
    owners.as_folder(target)


def _set_aside(database: Path, now: datetime) -> Path:
    aside = database.with_name(f"{database.name}.before-{now:%Y%m%d-%H%M%S}")
    for ending in ("-wal", "-shm", ""):
        part = database.with_name(database.name + ending)
        if part.exists():
            shutil.move(part, aside.with_name(aside.name + ending))
    return aside


def _check(copy: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as db:
            found = [row[0] for row in db.execute("PRAGMA integrity_check(1)")]
            db.execute("SELECT count(*) FROM event, engine").fetchone()
    except sqlite3.DatabaseError as exc:
        raise Unusable(f"{copy.name}: expected a database of the engine, got: {exc}") from None
    if found != ["ok"]:
        raise Unusable(f"{copy.name}: expected a sound database, got: {found[0]}")


def _contents(copy: Path, *, has_accounts: bool, people: int | None, size: int) -> Contents:
    with closing(sqlite3.connect(copy)) as db:
        events, incidents, devices = (
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # names of our own
            for table in ("event", "incident", "device")
        )
    return Contents(events, incidents, devices, has_accounts, people, size)
