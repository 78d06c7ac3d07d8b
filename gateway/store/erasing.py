"""A person's traces in a database: found in every table, and replaced by a pseudonym, so that history stays readable.

An id is replaced where it stands alone; a name or a phone number also within a text. Rows are changed a few at a time and their old content
overwritten (secure_delete): it can be done beside a running engine.
"""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROWS = 20
PAUSE_S = 0.05  # an engine that waits for the lock looks again well within it
BUSY_S = 10.0
LOG_BUSY_MS, LOG_TRIES, LOG_PAUSE_S = 100, 30, 0.5
GIVEN_UP_MS = 2 * 86_400_000  # what has not gone out by then never will: its channel is no longer there
# Fields whose values are words of the protocol and never a person.
_VOCABULARY = frozenset(("kind", "state", "what", "outcome", "type", "point", "channel", "cause", "do", "says", "proof", "at_from", "v"))
_WITHOUT_PEOPLE = ("report", "point", "event", "engine")
_SCRUB_ROWS = 64


class Traces(NamedTuple):
    """What a person is known by. `words`: names and numbers, replaced within texts too."""

    ident: str
    words: tuple[str, ...]

    @property
    def needles(self) -> tuple[str, ...]:
        """What a row that may hold a trace contains, also where JSON has escaped it."""
        plain = (self.ident, *self.words)
        return tuple(dict.fromkeys(word for word in (*plain, *(json.dumps(word)[1:-1] for word in plain)) if word))


class Found(NamedTuple):
    """A row with a trace: its key, and the columns as they are without it."""

    table: str
    key: dict[str, Any]
    columns: dict[str, Any]


class Eraser:
    """Gives values without the traces."""

    def __init__(self, traces: Traces, pseudonym: str) -> None:
        self._ident = traces.ident
        self._pseudonym = pseudonym
        longest_first = sorted(filter(None, traces.words), key=len, reverse=True)
        self._words = [re.compile(rf"(?<!\w){re.escape(word)}(?!\w)") for word in longest_first]

    def column(self, value: Any, name: str) -> Any:
        """The content of a column, which may be JSON; the same object if it has no trace."""
        if isinstance(value, bytes):
            text = value.decode("utf-8", "replace")
            after = self._text(text, name)
            return value if after == text else after.encode()
        if not isinstance(value, str):
            return value
        try:
            known = json.loads(value) if value[:1] in ("{", "[") else value
        except ValueError:
            known = value
        after = self._cleaned(known, name)
        if after == known:
            return value
        return after if isinstance(after, str) else json.dumps(after, ensure_ascii=False, separators=(",", ":"))

    def _cleaned(self, value: Any, name: str) -> Any:
        if isinstance(value, str):
            return self._text(value, name)
        if isinstance(value, list):
            return [self._cleaned(one, name) for one in value]
        if isinstance(value, dict):
            return {self._pseudonym if key == self._ident else key: self._cleaned(one, key) for key, one in value.items()}
        return value

    def _text(self, value: str, name: str) -> str:
        if value == self._ident and name not in _VOCABULARY:
            return self._pseudonym
        for word in self._words:
            value = word.sub(self._pseudonym, value)
        return value


def find(db: sqlite3.Connection, traces: Traces, pseudonym: str) -> Iterator[Found]:
    """Every row with a trace. Nothing is changed."""
    eraser = Eraser(traces, pseudonym)
    for table in _tables(db):
        described = db.execute(f"PRAGMA table_info({table})").fetchall()
        names = [row[1] for row in described if row[2] in ("TEXT", "BLOB")]
        key = [row[1] for row in sorted(described, key=lambda row: row[5]) if row[5]]
        if not names:
            continue
        every = list(dict.fromkeys([*key, *names]))
        tests = " OR ".join(f"instr({name}, ?)" for name in names for _ in traces.needles)
        values = [needle for _ in names for needle in traces.needles]
        select = f"SELECT {', '.join(every)} FROM {table} WHERE {tests}"  # noqa: S608 - our own names
        for row in db.execute(select, values).fetchall():
            before = dict(zip(every, row, strict=True))
            after = {name: eraser.column(before[name], name) for name in names}
            changed = {name: value for name, value in after.items() if value != before[name]}
            if changed:
                yield Found(table, {name: before[name] for name in key}, changed)


def apply(db: sqlite3.Connection, found: list[Found]) -> None:
    """Change the rows, a few in each transaction. Raises sqlite3.Error."""
    db.execute("PRAGMA secure_delete = ON")
    for start in range(0, len(found), ROWS):
        db.execute("BEGIN IMMEDIATE")
        for one in found[start : start + ROWS]:
            sets = ", ".join(f"{name} = ?" for name in one.columns)
            where = " AND ".join(f"{name} = ?" for name in one.key)
            db.execute(
                f"UPDATE OR REPLACE {one.table} SET {sets} WHERE {where}",  # noqa: S608 - our own names
                (*one.columns.values(), *one.key.values()),
            )
        db.execute("COMMIT")
        time.sleep(PAUSE_S)


def scrub(db: sqlite3.Connection) -> bool:
    """Overwrite the pages that the database keeps for later use, and its log: rows that were replaced may still be readable there.

    False if somebody reads for so long that the log could not be emptied.
    """
    db.execute("PRAGMA secure_delete = ON")
    db.execute("DROP TABLE IF EXISTS scrub")  # of one that was killed
    db.execute("CREATE TABLE scrub (id INTEGER PRIMARY KEY, zeros BLOB)")
    try:
        _fill_and_empty(db)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.execute("DROP TABLE IF EXISTS scrub")
    return _empty_log(db)


def _fill_and_empty(db: sqlite3.Connection) -> None:
    room: int = db.execute("PRAGMA page_size").fetchone()[0] - 100
    while db.execute("PRAGMA freelist_count").fetchone()[0]:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO scrub (zeros) VALUES (zeroblob(?))", [(room,)] * _SCRUB_ROWS)
        db.execute("COMMIT")
        time.sleep(PAUSE_S)
    while db.execute("SELECT count(*) FROM scrub").fetchone()[0]:
        db.execute("DELETE FROM scrub WHERE id IN (SELECT id FROM scrub LIMIT ?)", (_SCRUB_ROWS,))
        time.sleep(PAUSE_S)


def _empty_log(db: sqlite3.Connection) -> bool:
    """Nobody can write while it waits for a reader: it waits briefly, and lets others write between two tries."""
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()  # leaves the other little to do
    db.execute(f"PRAGMA busy_timeout = {LOG_BUSY_MS}")
    for _ in range(LOG_TRIES):
        if not db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            return True
        time.sleep(LOG_PAUSE_S)
    return False


def busy_incidents(db: sqlite3.Connection, found: list[Found], *, now_ms: int) -> list[str]:
    """The ids of those with a trace that the engine still has in its hands: open, or with a message that waits to go out."""
    numbers = [one.key["number"] for one in found if one.table == "incident"]
    named = [one.columns.get("incident") for one in found if one.table == "delivery"]
    rows = db.execute(
        "SELECT id FROM incident WHERE (number IN (SELECT value FROM json_each(?)) OR id IN (SELECT value FROM json_each(?)))"
        " AND (state <> 'resolved' OR id IN (SELECT incident FROM delivery WHERE state = 'waiting' AND decided_ms > ?)) ORDER BY number",
        (json.dumps(numbers), json.dumps(named), now_ms - GIVEN_UP_MS),
    ).fetchall()
    return [ident for (ident,) in rows]


def connect(path: Path) -> sqlite3.Connection:
    """A connection that waits for its turn, and makes no database that is not there."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_S)


def _tables(db: sqlite3.Connection) -> list[str]:
    found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name").fetchall()
    return [name for (name,) in found if name not in _WITHOUT_PEOPLE]
