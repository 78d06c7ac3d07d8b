"""The steps by which a database comes to the newest schema: the files in a package's schema/, one for each version."""

import importlib.resources
import sqlite3
from pathlib import Path

ENGINE = "gateway.store"


class NewerFile(OSError):
    """The database was written by a newer version than this one."""


def newest() -> int:
    """The newest version."""
    return len(steps())


def upgrade(db: sqlite3.Connection, path: Path, *, to: int | None = None, package: str = ENGINE) -> None:
    """Bring the schema of a package to the newest version, or to that of `to`, all steps in one transaction. Raises NewerFile."""
    known = steps(package)
    target = len(known) if to is None else to
    if _version(db, len(known), path) >= target:
        return  # on a full disk even a write that changes nothing would fail
    db.execute("BEGIN IMMEDIATE")
    try:
        for step in known[_version(db, len(known), path) : target]:
            for statement in _statements(step):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {target}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def steps(package: str = ENGINE) -> list[str]:
    """The scripts, oldest first."""
    folder = importlib.resources.files(package) / "schema"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [file.read_text(encoding="utf-8") for file in files]


def _version(db: sqlite3.Connection, newest: int, path: Path) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > newest:
        raise NewerFile(f"{path}: expected a database of version {newest} or older, got version {version}")
    return version


def _statements(script: str) -> list[str]:
    """The statements of a script, one by one: sqlite3's executescript would commit before the first."""
    found, text = [], ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            found.append(text)
            text = ""
    return found
