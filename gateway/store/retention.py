"""What is old enough goes, class by class, in transactions of a few rows: an alarm never waits for it, and the file does not grow for ever.

Never goes: what an open incident or the present state of a point stands on, what waits to be sent, and the newest row of each table, since
its number must not come again.
"""

import sqlite3
from typing import Literal, NamedTuple

Class = Literal["events", "incidents", "maintenance", "deliveries", "audit", "updates"]


class Kept(NamedTuple):
    """A table of rows that expire: its key, the column with their time, and which rows may go when they are old; `rows` at once."""

    table: str
    key: str
    at: str
    may_go: str
    rows: int = 200


CLASSES: dict[Class, Kept] = {
    "events": Kept(
        *("event", "seq", "received_ms"),
        "NOT EXISTS (SELECT 1 FROM point WHERE point.device = event.device AND point.point = event.point AND point.event = event.id)"
        " AND received_ms < (SELECT ifnull(min(opened_ms), 1 << 62) - 60000 FROM incident WHERE state <> 'resolved')",
    ),
    "incidents": Kept(
        *("incident", "number", "opened_ms"),
        "state = 'resolved' AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.incident = incident.id AND delivery.state = 'waiting')",
        rows=20,  # of 20 kB and more each
    ),
    "maintenance": Kept("maintenance", "id", "at_ms", "id NOT IN (SELECT line FROM fault WHERE line IS NOT NULL)"),
    "deliveries": Kept("delivery", "id", "decided_ms", "state <> 'waiting'"),
    "updates": Kept("campaign", "number", "began_ms", "ended_ms IS NOT NULL", rows=1),  # with a row for each of its boards
    "audit": Kept("command", "rowid", "at_ms", "1"),
}


class Swept(NamedTuple):
    """What one step has done: how many rows went, and where the next goes on; None: no older row is left."""

    rows: int
    after: int | None


def sweep(db: sqlite3.Connection, name: Class, *, after: int, before_ms: int) -> Swept:
    """Delete what is older than `before_ms` among the next few rows with a key above `after`; to be run by Store.write."""
    kept = CLASSES[name]
    if name == "audit":
        return _sweep_commands(db, kept, before_ms)
    found = db.execute(
        f"SELECT {kept.key}, {kept.at} FROM {kept.table} WHERE {kept.key} > ? ORDER BY {kept.key} LIMIT ?",  # noqa: S608 - our own names
        (after, kept.rows),
    ).fetchall()
    if all(at_ms >= before_ms for _, at_ms in found):
        return Swept(0, None)
    last: int = found[-1][0]
    newest = f"(SELECT max({kept.key}) FROM {kept.table})"  # noqa: S608 - our own names
    gone = db.execute(
        f"DELETE FROM {kept.table} WHERE {kept.key} > ? AND {kept.key} <= ? AND {kept.key} < {newest} AND {kept.at} < ? AND {kept.may_go}",  # noqa: S608
        (after, last, before_ms),
    ).rowcount
    return Swept(gone, last)


def _sweep_commands(db: sqlite3.Connection, kept: Kept, before_ms: int) -> Swept:
    """The table of commands has no number; it is small."""
    gone = db.execute(
        "DELETE FROM command WHERE (person, id) IN (SELECT person, id FROM command WHERE at_ms < ? LIMIT ?)", (before_ms, kept.rows)
    ).rowcount
    return Swept(gone, 0 if gone == kept.rows else None)


def last_heard_ms(db: sqlite3.Connection) -> int | None:
    """When a board was heard last, as the database knows it; None if none ever was."""
    found: int | None = db.execute("SELECT max(last_seen_ms) FROM device").fetchone()[0]
    return found
