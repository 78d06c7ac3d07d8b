"""Rows of the engine's database for other programs: read in pages, so that no read transaction outlives one query."""

import sqlite3
from collections.abc import Iterator
from typing import Any, Literal

Kind = Literal["events", "maintenance", "incidents"]

PAGE = 1000
# kind -> the table's key, the time that is asked for, and what is told of each row. `raw` payloads stay: what they say is in the columns.
_SELECTS: dict[Kind, tuple[str, str, str]] = {
    "events": (
        "seq",
        "received_ms",
        "SELECT seq, received_ms AS at_ms, at_ms AS happened_ms, at_from, device,"
        " ifnull((SELECT place FROM device WHERE device.id = event.device), '') AS place, point, type, state, id FROM event",
    ),
    "maintenance": (
        "id",
        "at_ms",
        "SELECT id, at_ms, device, place, point, what, detail, times, last_ms, part_of FROM maintenance",
    ),
    "incidents": (
        "number",
        "opened_ms",
        "SELECT number, opened_ms AS at_ms, id, state, json_extract(snapshot, '$.kind') AS kind,"
        " json_extract(snapshot, '$.group') AS group_id,"
        " json_extract(snapshot, '$.place.name') AS place, json_extract(snapshot, '$.n') AS n,"
        " json_extract(snapshot, '$.acknowledged_ms') AS acknowledged_ms, json_extract(snapshot, '$.acknowledged_by') AS acknowledged_by,"
        " json_extract(snapshot, '$.resolved_ms') AS resolved_ms, json_extract(snapshot, '$.resolved_by') AS resolved_by,"
        " json_extract(snapshot, '$.outcome') AS outcome FROM incident",
    ),
}


def columns(db: sqlite3.Connection, kind: Kind) -> list[str]:
    """The names of what `rows` tells."""
    return [name for name, *_ in db.execute(f"{_SELECTS[kind][2]} LIMIT 0").description]


def rows(db: sqlite3.Connection, kind: Kind, *, since_ms: int, before_ms: int) -> Iterator[dict[str, Any]]:
    """What was stored from `since_ms` to before `before_ms`, oldest first."""
    key, at, select = _SELECTS[kind]
    names, after = columns(db, kind), -1
    while page := db.execute(
        f"{select} WHERE {key} > ? AND {at} >= ? AND {at} < ? ORDER BY {key} LIMIT ?",
        (after, since_ms, before_ms, PAGE),
    ).fetchall():
        for row in page:
            yield dict(zip(names, row, strict=True))
        after = page[-1][0]


def newest_incident(db: sqlite3.Connection) -> str | None:
    """Its id; None if there is none."""
    found = db.execute("SELECT id FROM incident ORDER BY number DESC LIMIT 1").fetchone()
    return found[0] if found else None
