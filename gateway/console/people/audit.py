"""The record of who did what: rows of console.db that nobody changes, and that are deleted after a year."""

import sqlite3
from typing import Literal, NamedTuple

What = Literal[
    "login",
    "login_failed",
    "logout",
    "logout_everywhere",
    "invited",
    "joined",
    "password_changed",
    "closed",
    "ordered",
    "looked",
]

KEPT_MS = 365 * 86_400_000  # 12 months, the project's default for logs
KEPT_ROWS = 200_000  # some 40 MB, whoever knocks how often
PAGE = 100
SAME_LOOK_MS = 60_000  # who prints a page over and over has looked once, and pushes nothing else out of the record
NEWEST = 50


class Entry(NamedTuple):
    """One thing that `who` did: `about` whom or what, with which `detail`, from which address."""

    id: int
    at_ms: int
    who: str
    what: What
    about: str
    detail: str
    address: str


def note(db: sqlite3.Connection, what: What, *, who: str, at_ms: int, about: str = "", detail: str = "", address: str = "") -> None:
    """Add an entry."""
    db.execute(
        "INSERT INTO audit (at_ms, who, what, about, detail, address) VALUES (?, ?, ?, ?, ?, ?)",
        (at_ms, who, what, about[:200], detail[:500], address),
    )


def has_looked(db: sqlite3.Connection, *, who: str, at_ms: int, about: str, detail: str, address: str) -> bool:
    """Whether one of the newest entries of `who`, within SAME_LOOK_MS, says the same look already."""
    row = db.execute(
        "SELECT EXISTS (SELECT 1 FROM (SELECT * FROM audit WHERE who = ? ORDER BY id DESC LIMIT ?)"
        " WHERE what = 'looked' AND about = ? AND detail = ? AND address = ? AND at_ms BETWEEN ? AND ?)",
        (who, NEWEST, about[:200], detail[:500], address, at_ms - SAME_LOOK_MS, at_ms),
    ).fetchone()
    return bool(row[0])


def entries(db: sqlite3.Connection, *, before: int | None = None, who: str | None = None, limit: int = PAGE) -> list[Entry]:
    """Newest first; those older than the entry `before`; those of one account, or about it."""
    rows = db.execute(
        "SELECT id, at_ms, who, what, about, detail, address FROM audit"
        " WHERE id < ifnull(?1, 1 << 62) AND (?2 IS NULL OR who = ?2 OR about = ?2) ORDER BY id DESC LIMIT ?3",
        (before, who, limit),
    )
    return [Entry(*row) for row in rows.fetchall()]


def prune(db: sqlite3.Connection, *, now_ms: int) -> None:
    """Delete what is older than a year, and the oldest of too many."""
    db.execute("DELETE FROM audit WHERE at_ms < ?", (now_ms - KEPT_MS,))
    db.execute("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?", (KEPT_ROWS,))
