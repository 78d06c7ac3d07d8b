"""What others may read of the engine's database: history for the console, for reports, for a technician. Never writes.

No read transaction outlives one query: a long one would keep the write-ahead log from being folded back into the file.
"""

import json
import sqlite3
import unicodedata
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from gateway.domain.maintenance import What, meanings
from gateway.domain.supervision import what_of
from protocol.incident import Delivery, Incident
from protocol.wire import TIME_MAX

BUSY_S = 5.0
AROUND_MS = 60_000
TESTS_WITHIN = 10_000  # some months; read whenever the database has changed
EVENTS_MAX = 5000  # a night of a chattering contact
# Without the address: a phone number is nobody's business who reads about a fire.
_DELIVERY = (
    *("id", "channel", "what", "person", "step", "state", "tries", "at_ms", "decided_ms"),
    *("handed_ms", "delivered_ms", "acknowledged_ms", "error"),
)


class MaintenanceEntry(NamedTuple):
    """One line of the maintenance log. `point` is empty where the whole board is meant. `times` and `last_ms`: of one that stands for
    many.
    """

    id: int
    at_ms: int
    device: str
    place: str
    point: str
    what: What
    detail: str
    times: int = 1
    last_ms: int | None = None


class Trouble(NamedTuple):
    """A point that was not well when its board was heard last; whether it still is, only a board that is online says."""

    point: str
    what: What
    detail: str
    since_ms: int


class BoardFault(NamedTuple):
    """Something that is wrong with a board, found since its newest start: what the log calls it, and the words of who found it."""

    what: What
    words: str


class DeviceRow(NamedTuple):
    """One board as the engine last knew it. `app`, `updating`: as Device has. `rssi` in dBm, `battery` in percent; None: never said."""

    id: str
    kind: str
    place: str
    group: str | None
    state: Literal["online", "lost", "unknown"]
    last_seen_ms: int | None
    firmware: str
    rssi: int | None
    battery: int | None
    mains: bool | None
    refused: int
    faults: list[BoardFault]
    troubles: tuple[Trouble, ...] = ()
    app: str = ""
    updating: str = ""

    @property
    def update_state(self) -> str:
        """What its newest update over the air has come to, as one word; "" if there was none."""
        return self.updating.partition(" ")[0]


class BellTested(NamedTuple):
    """The newest test of a board's bell: `result` is measured, commanded, no_answer, or what the board says is wrong."""

    at_ms: int
    result: str


class ChannelRow(NamedTuple):
    """A channel that shall prove itself: when something got through last, since when a canary is awaited, why the last one failed."""

    channel: str
    proved_ms: int | None
    asked_ms: int | None
    failed: str


class RubbishRow(NamedTuple):
    """Unreadable payloads of one sender on one kind of topic: how many, and the first of them."""

    device: str
    kind: str
    total: int
    first_ms: int
    why: str
    first: bytes


class RecordedEvent(NamedTuple):
    """What a board said, with the time that it was given; `at_from`: how that was found."""

    id: str
    device: str
    point: str
    type: str
    state: str
    at_ms: int
    at_from: str
    received_ms: int


class RecordedCommand(NamedTuple):
    """What somebody ordered, and what became of it."""

    person: str
    at_ms: int
    do: str
    ok: bool
    error: str


class Record(NamedTuple):
    """Everything that is known of an incident. Its snapshot leaves out the middle of what is long; the rest is here whole, oldest first."""

    incident: Incident
    events: list[RecordedEvent]
    deliveries: list[Delivery]
    commands: list[RecordedCommand]


def connect(path: Path) -> sqlite3.Connection:
    """A read-only connection. Works as another user, with the engine running, stopped or killed; raises OSError or
    sqlite3.OperationalError if there is no database to read.

    A database in WAL mode whose log is gone (the engine was stopped) can be read without write access only as an immutable file:
    SQLite would have to create the log's index. While there is a log, its index is there too.
    """
    with path.open("rb"):  # says FileNotFoundError or PermissionError where SQLite says "unable to open"
        pass
    mode = "mode=ro" if path.with_name(path.name + "-wal").exists() else "immutable=1"
    db = sqlite3.connect(f"file:{quote(str(path.resolve()))}?{mode}", uri=True, timeout=BUSY_S, isolation_level=None)
    db.execute("PRAGMA query_only = 1")
    return db


def incidents(db: sqlite3.Connection, *, limit: int, before: str | None = None) -> list[Incident]:
    """Newest first, at most `limit`; those older than the incident with id `before`, if given."""
    rows = db.execute(
        "SELECT snapshot FROM incident WHERE number < ifnull((SELECT number FROM incident WHERE id = ?), 1 << 62)"
        " ORDER BY number DESC LIMIT ?",
        (before, limit),
    ).fetchall()
    return [Incident.model_validate_json(snapshot) for (snapshot,) in rows]


def incident(db: sqlite3.Connection, ident: str) -> Incident | None:
    """The incident with this id, open or resolved."""
    rows = db.execute("SELECT snapshot FROM incident WHERE id = ?", (ident,)).fetchall()
    return Incident.model_validate_json(rows[0][0]) if rows else None


def record(db: sqlite3.Connection, ident: str) -> Record | None:
    """The record of the incident with this id; of events, those of its boards and bells from a minute before it to a minute after."""
    found = incident(db, ident)
    if found is None:
        return None
    boards = {one.device for one in found.activations} | {one.device for one in found.bells}
    begin_ms = min([found.opened_ms, *(one.at_ms for one in found.activations)])
    end_ms = TIME_MAX if found.resolved_ms is None else found.resolved_ms
    events = db.execute(
        "SELECT id, device, point, type, state, at_ms, at_from, received_ms FROM event"
        " WHERE received_ms BETWEEN ? AND ? AND device IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?",
        (begin_ms - AROUND_MS, end_ms + AROUND_MS, json.dumps(sorted(boards)), EVENTS_MAX),
    ).fetchall()
    deliveries = db.execute(f"SELECT {', '.join(_DELIVERY)} FROM delivery WHERE incident = ? ORDER BY id", (ident,)).fetchall()  # noqa: S608
    commands = db.execute(
        "SELECT person, at_ms, json_extract(request, '$.do'), json_extract(answer, '$.ok'), ifnull(json_extract(answer, '$.error'), '')"
        " FROM command WHERE json_extract(request, '$.incident') = ? ORDER BY at_ms",
        (ident,),
    ).fetchall()
    return Record(
        found,
        [RecordedEvent(*row) for row in events],
        [Delivery.model_validate(dict(zip(_DELIVERY, row, strict=True))) for row in deliveries],
        [RecordedCommand(person, at_ms, do, bool(ok), error) for person, at_ms, do, ok, error in commands],
    )


def groups_settled(database: Path) -> dict[str, str]:
    """Board -> the group in which it is settled: see gateway/domain/moves.py. Empty without a database that can be read."""
    try:
        db = connect(database)
    except (OSError, sqlite3.Error):
        return {}
    try:
        return dict(db.execute("SELECT id, settled FROM device WHERE settled IS NOT NULL"))
    except sqlite3.Error:
        return {}
    finally:
        db.close()


class Wanted(NamedTuple):
    """Which lines of the maintenance log: `what` happened ("" anything), where ("" anywhere; a part of the place's or board's name, in
    any letters, with or without accents), and when, from `first_ms` to before `end_ms`.
    """

    what: str = ""
    place: str = ""
    first_ms: int | None = None
    end_ms: int | None = None


def maintenance(db: sqlite3.Connection, *, limit: int, before: int | None = None, wanted: Wanted = Wanted()) -> list[MaintenanceEntry]:  # noqa: B008
    """Newest first, at most `limit`; those older than the entry with id `before`, if given."""
    db.create_function("folded", 1, folded, deterministic=True)
    rows = db.execute(
        "SELECT id, at_ms, device, place, point, what, detail, times, last_ms FROM maintenance"
        " WHERE id < ifnull(:before, 1 << 62) AND part_of IS NULL AND (:what = '' OR what = :what)"
        " AND at_ms >= ifnull(:first_ms, 0) AND at_ms < ifnull(:end_ms, 1 << 62)"
        " AND (:place = '' OR instr(folded(place || ' ' || device), :place)) ORDER BY id DESC LIMIT :limit",
        wanted._asdict() | {"place": folded(wanted.place), "before": before, "limit": limit},
    )
    return [MaintenanceEntry(*row) for row in rows.fetchall()]


def folded(text: str) -> str:
    """The text in small letters without accents: who searches in a hurry types none."""
    letters = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def incidents_since(db: sqlite3.Connection, since_ms: int, *, limit: int) -> list[Incident]:
    """Oldest first: those that are open now, then the newest that were opened or ended since."""
    rows = db.execute(
        "SELECT snapshot FROM (SELECT number, snapshot FROM incident WHERE state <> 'resolved' OR opened_ms >= :since"
        " OR json_extract(snapshot, '$.resolved_ms') >= :since ORDER BY state = 'resolved', number DESC LIMIT :limit) ORDER BY number",
        {"since": since_ms, "limit": limit},
    ).fetchall()
    return [Incident.model_validate_json(snapshot) for (snapshot,) in rows]


def devices(db: sqlite3.Connection) -> list[DeviceRow]:
    """Every board of the site's description and every other that was heard, by id. Last seen is up to 10 s behind."""
    rows = db.execute(
        "SELECT id, kind, place, group_id, state, last_seen_ms, firmware, rssi, battery, mains, refused, faults, app, updating"
        " FROM device ORDER BY id"
    )
    found = [_device(*row) for row in rows.fetchall()]
    troubles = _troubles(db)
    return [row._replace(troubles=tuple(troubles[row.id])) if row.id in troubles else row for row in found]


def bell_tests(db: sqlite3.Connection) -> dict[str, BellTested]:
    """The newest test of each board's bell among the last TESTS_WITHIN entries of the maintenance log."""
    rows = db.execute(
        "SELECT device, at_ms, detail, max(id) FROM maintenance"
        " WHERE what = 'bell_test' AND id > (SELECT ifnull(max(id), 0) FROM maintenance) - ? GROUP BY device",
        (TESTS_WITHIN,),
    )
    return {device: BellTested(at_ms, detail) for device, at_ms, detail, _ in rows.fetchall()}


def channels(db: sqlite3.Connection) -> list[ChannelRow]:
    """Every channel that is set up and shall prove itself, by name."""
    rows = db.execute("SELECT channel, proved_ms, asked_ms, failed FROM canary ORDER BY channel")
    return [ChannelRow(*row) for row in rows.fetchall()]


def rubbish(db: sqlite3.Connection) -> list[RubbishRow]:
    """What the engine could not read, by sender and kind of topic. Up to 10 s behind."""
    rows = db.execute("SELECT device, kind, count, first_ms, why, first FROM rubbish ORDER BY device, kind")
    return [RubbishRow(*row) for row in rows.fetchall()]


def _troubles(db: sqlite3.Connection) -> dict[str, list[Trouble]]:
    """What is not well, by board. An alarm is no trouble: it has its incident."""
    found: dict[str, list[Trouble]] = {}
    rows = db.execute("SELECT device, point, type, state, since_ms FROM point WHERE state <> 'clear' ORDER BY device, point").fetchall()
    for device, point, type_, state, since_ms in rows:
        for what, detail in meanings(type_, "clear", state):
            found.setdefault(device, []).append(Trouble(point, what, detail, since_ms))
    return found


def _device(*row: Any) -> DeviceRow:
    mains, refused, faults, *rest = row[9:]
    found = [BoardFault(what_of(key), words) for key, words in json.loads(faults).items()]
    return DeviceRow._make((*row[:9], None if mains is None else bool(mains), refused, found, (), *rest))
