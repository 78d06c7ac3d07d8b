"""Rows taken over into another database: out of a damaged file whatever can still be read, out of a read-only one what is needed to go on.

A damaged file is read from both ends of each table, newest first: what lies beyond a bad page from one side is reached from the other.
"""

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from gateway.store import journal

AT_ONCE = 200


@dataclass
class Taken:
    """How many rows of each table were taken over; of which tables not all could be read."""

    rows: dict[str, int] = field(default_factory=dict)
    incomplete: list[str] = field(default_factory=list)


# What is needed most comes first: the time may end. Tables that are not named come last; reports are left behind, the least that there is.
OTHERS_MAX = 10_000
LEFT_BEHIND = ("report",)
EVERYTHING = {
    "engine": 1,
    "fault": 1_000,
    "ring": 10_000,
    "point": 100_000,
    "device": 100_000,
    "incident": 5_000,
    "delivery": 50_000,
    "command": 20_000,
    "event": 200_000,
    "maintenance": 50_000,
    "rubbish": 2_000,
    "campaign": 1_000,
    "board_update": 100_000,
    "board_change": 100_000,
}
TO_GO_ON = EVERYTHING | {"incident": 200, "delivery": 2_000, "command": 2_000, "event": 20_000, "maintenance": 500}


def copy(source: sqlite3.Connection, target: sqlite3.Connection, limits: dict[str, int], *, until_s: float) -> Taken:
    """Take over the newest rows of each table, at most so many, until `until_s` on the monotonic clock. `target` has the tables already.

    Never raises for what cannot be read; sqlite3.Error of the target comes out.
    """
    taken = Taken()
    source.text_factory = lambda text: text.decode(errors="replace")
    target.execute("BEGIN IMMEDIATE")
    try:
        for table, limit in (limits | {name: OTHERS_MAX for name in tables(target) if name not in limits}).items():
            count, whole = _table(source, target, table, limit, until_s)
            taken.rows[table] = count
            if not whole:
                taken.incomplete.append(table)
        _drop_unreadable(target)
        target.execute("COMMIT")
    except BaseException:
        if target.in_transaction:
            target.execute("ROLLBACK")
        raise
    return taken


def tables(db: sqlite3.Connection) -> list[str]:
    """The tables whose rows can be taken over."""
    found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").fetchall()
    return [name for (name,) in found if name not in LEFT_BEHIND]


def _table(source: sqlite3.Connection, target: sqlite3.Connection, table: str, limit: int, until_s: float) -> tuple[int, bool]:
    wanted = {row[1]: row[5] for row in target.execute(f"PRAGMA table_info({table})")}  # name -> place in the key
    try:
        known = {row[1] for row in source.execute(f"PRAGMA table_info({table})")}
    except sqlite3.Error:
        return 0, False
    columns = [name for name in wanted if name in known]
    if not columns:
        return 0, False
    key = sorted((name for name in wanted if wanted[name]), key=wanted.__getitem__)
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own names

    def scan(order: str) -> bool:
        by = ", ".join(f"{name} {order}" for name in key)
        select = f"SELECT {', '.join(columns)} FROM {table} ORDER BY {by} LIMIT {limit}"  # noqa: S608 - our own names
        return _scan(source, select, lambda row: _insert(target, insert, row), until_s)

    whole = scan("DESC") or (time.monotonic() < until_s and scan("ASC") and False)
    return target.execute(f"SELECT count(*) FROM {table}").fetchone()[0], whole  # noqa: S608 - our own names


def _scan(source: sqlite3.Connection, select: str, take: Callable[[tuple[object, ...]], None], until_s: float) -> bool:
    """False if it could not be read to its end."""
    try:
        rows = source.execute(select)
        while batch := rows.fetchmany(AT_ONCE):
            for row in batch:
                take(row)
            if time.monotonic() >= until_s:
                return False
    except sqlite3.Error:
        return False
    return True


def _insert(target: sqlite3.Connection, insert: str, row: tuple[object, ...]) -> None:
    try:
        target.execute(insert, row)
    except sqlite3.IntegrityError:
        return  # a value of a type that the table does not take: this row is damaged


def _drop_unreadable(db: sqlite3.Connection) -> None:
    """A row that looks sound and cannot be understood would end every start."""
    for key, *values in db.execute("SELECT number, snapshot, core FROM incident").fetchall():
        _drop_if(db, journal.read_incident, values, "DELETE FROM incident WHERE number = ?", key)
    for key, *values in db.execute("SELECT group_id, body FROM ring").fetchall():
        _drop_if(db, journal.read_order, values, "DELETE FROM ring WHERE group_id = ?", key)
    for key, *values in db.execute("SELECT id, faults FROM device").fetchall():
        _drop_if(db, journal.read_faults, values, "DELETE FROM device WHERE id = ?", key)
    for key, *values in db.execute("SELECT key, names FROM fault").fetchall():
        _drop_if(db, journal.read_names, values, "DELETE FROM fault WHERE key = ?", key)
    for key, *values in db.execute("SELECT number, body FROM campaign").fetchall():
        _drop_if(db, journal.read_campaign, values, "DELETE FROM campaign WHERE number = ?", key)
    for row in db.execute(f"SELECT {', '.join(journal.CHANGE_COLUMNS)} FROM board_change").fetchall():  # noqa: S608 - our own names
        _drop_if(db, journal.read_change, [row], "DELETE FROM board_change WHERE device = ?", row[0])
    # The number of a campaign that is lost is given again: its boards would be taken for those of another.
    db.execute("DELETE FROM board_update WHERE campaign NOT IN (SELECT number FROM campaign)")
    for row in db.execute(f"SELECT {', '.join(journal.DELIVERY_COLUMNS)} FROM delivery").fetchall():  # noqa: S608 - our own names
        _drop_if(db, journal.read_message, [row], "DELETE FROM delivery WHERE id = ?", row[0])


def _drop_if(db: sqlite3.Connection, read: Callable[..., object], values: list[object], delete: str, *key: object) -> None:
    try:
        read(*values)
    except (ValueError, TypeError, ValidationError):
        db.execute(delete, key)
