"""Rows of the engine's database: what a batch of decisions writes, and the situation as a start finds it.

Many rows go into one statement: the writer's thread gives the interpreter lock away and takes it back for every statement, and waits
for it each time while the loop is busy.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from gateway.domain import outages
from gateway.domain.campaigns import Campaign, Progress
from gateway.domain.facts import Identity
from gateway.domain.incidents import Incident, changed
from gateway.domain.ringing import Order
from gateway.domain.rows import Canary, Change, DeliveryRow, Lasting, Point
from gateway.domain.situation import Effects, Situation
from gateway.domain.snapshots import Core, core, restored
from gateway.domain.supervision import Device
from protocol import incident as wire
from protocol.desk import CommandAnswer
from protocol.incident import Delivery

_CORE = TypeAdapter(Core)
_ORDER = TypeAdapter(Order)
_CAMPAIGN = TypeAdapter(Campaign)
_NAMES = TypeAdapter(list[str])
_FAULTS = TypeAdapter(dict[str, str])
_TOLD = TypeAdapter(dict[str, Any])

_TABLES = {
    "event": ("id", "device", "point", "type", "state", "received_ms", "at_ms", "at_from", "raw"),
    "point": ("device", "point", "type", "state", "event", "since_ms"),
    "incident": ("number", "id", "state", "opened_ms", "snapshot", "core"),
    "ring": ("group_id", "rev", "body"),
    "maintenance": ("id", "at_ms", "device", "place", "point", "what", "detail", "times", "last_ms", "part_of"),
    "delivery": (
        *("id", "incident", "channel", "what", "person", "step", "state", "tries", "at_ms", "decided_ms", "handed_ms", "delivered_ms"),
        *("acknowledged_ms", "error", "address", "next_ms", "reference", "body"),
    ),
    "fault": ("key", "since_ms", "words", "name", "names", "told_ms", "line"),
    "canary": ("channel", "since_ms", "slot_ms", "proved_ms", "real_ms", "asked_ms", "delivery", "failed"),
    "campaign": ("number", "state", "began_ms", "ended_ms", "body"),
    "board_update": (
        *("campaign", "device", "state", "wave", "order_id", "start", "tries", "from_version", "from_app", "ordered_ms", "at_ms", "words"),
    ),
    "board_change": ("device", "order_id", "person", "keys", "at_ms", "state", "told_before", "told_after", "ended_ms", "words"),
    "command": ("person", "id", "at_ms", "request", "answer"),
    "device": (
        *("id", "kind", "place", "group_id", "state", "life", "boot", "born_ms", "watch_s", "last_seen_ms"),
        *("firmware", "rssi", "battery", "mains", "refused", "faults", "lost_ms", "app", "updating", "settled"),
    ),
    "report": ("device", "at_ms", "up", "heap", "rssi", "mains", "battery", "waiting", "dropped", "refused", "measured"),
}
_APPENDED = ("event", "report")
DELIVERY_COLUMNS = _TABLES["delivery"]
CHANGE_COLUMNS = _TABLES["board_change"]

_AT_ONCE = (100, 10, 1)  # SQLite takes 32,766 values in a statement; three sizes for each table keep them prepared


def _insert(table: str, columns: tuple[str, ...], rows: int) -> str:
    verb = "INSERT" if table in _APPENDED else "INSERT OR REPLACE"
    row = f"({', '.join('?' * len(columns))})"
    # An event that is there already is on the disk: nothing else is asked of it.
    again = " ON CONFLICT (id, device, point, type, state) DO NOTHING" if table == "event" else ""
    return f"{verb} INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}{again}"


_INSERTS = {(table, rows): _insert(table, columns, rows) for table, columns in _TABLES.items() for rows in _AT_ONCE}


class Outgoing(NamedTuple):
    """A message to a channel, ready to be sent: `body` is JSON."""

    row: DeliveryRow
    body: str


def insert(db: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows; in tables with a key of their own a row replaces the one before."""
    start = 0
    for size in _AT_ONCE:
        while len(rows) - start >= size:
            db.execute(_INSERTS[table, size], [value for row in rows[start : start + size] for value in row])
            start += size


_TRIED = (
    "UPDATE delivery SET state = ?, tries = ?, at_ms = ?, handed_ms = ?, delivered_ms = ?, acknowledged_ms = ?, error = ?, next_ms = ?,"
    " reference = ? WHERE id = ?"
)


class Batch(NamedTuple):
    """Everything that a batch of decisions writes, as rows: made in the loop, so that the writer's thread only runs SQL."""

    tables: dict[str, list[tuple[Any, ...]]]
    tried: list[tuple[Any, ...]]
    faults_over: list[str]
    canaries_over: list[str]

    def write(self, db: sqlite3.Connection) -> None:
        """To be run by Store.write."""
        for table, rows in self.tables.items():
            insert(db, table, rows)
        for row in self.tried:
            db.execute(_TRIED, row)
        for key in self.faults_over:
            db.execute("DELETE FROM fault WHERE key = ?", (key,))
        for channel in self.canaries_over:
            db.execute("DELETE FROM canary WHERE channel = ?", (channel,))


def batch(situation: Situation, effects: Effects, snapshots: dict[str, bytes], outgoing: list[Outgoing], *, now_ms: int) -> Batch:
    """The rows of a batch. `snapshots`: the payload of every incident that it changes, as it will be published."""
    written = {line.entry.device for line in effects.lines}
    place = {device: situation.commune.place_of(device).name if device else "" for device in written}
    tables: dict[str, list[tuple[Any, ...]]] = {
        "event": [tuple(row) for row in effects.events],
        "point": [(device, name, *point) for (device, name), point in effects.points.items()],
        "incident": [_incident(incident, snapshots[ident]) for ident, incident in effects.incidents.items()],
        "ring": [(group, order.rev, _ORDER.dump_json(order).decode()) for group, order in effects.orders.items()],
        "maintenance": [
            (line.id, at_ms, device, place[device], point, what, detail, line.times, line.last_ms, line.part_of)
            for line in effects.lines
            for at_ms, device, point, what, detail in (line.entry,)
        ],
        "delivery": [_delivery(sent) for sent in outgoing],
        "fault": [_fault(situation, key, words, now_ms) for key, words in effects.faults.items() if words is not None],
        "canary": [(channel, *canary) for channel, canary in effects.canaries.items() if canary is not None],
        "campaign": [_campaign(effects.campaign)] if effects.campaign else [],
        "board_update": _board_updates(situation, effects),
        "board_change": [tuple(row._replace(keys=json.dumps(row.keys))) for row in effects.changes.values()],  # type: ignore[arg-type]
        "command": [
            (person, command.id, at_ms, command.payload().decode(), answer.payload().decode())
            for person, at_ms, command, answer in effects.commands
        ],
        "device": device_rows(situation.devices[ident] for ident in effects.devices if ident in situation.devices),
    }
    return Batch(
        tables,
        [_tried(row) for row in effects.tried],
        [key for key, words in effects.faults.items() if words is None],
        [channel for channel, canary in effects.canaries.items() if canary is None],
    )


def device_rows(devices: Iterable[Device]) -> list[tuple[Any, ...]]:
    """Rows of the table device."""
    return [
        (
            device.id,
            device.kind,
            device.place,
            device.group,
            device.state,
            device.life,
            device.boot,
            device.born_ms,
            device.watch_s,
            device.last_seen_ms,
            device.firmware,
            device.rssi,
            device.battery,
            device.mains,
            device.refused,
            json.dumps(device.faults, ensure_ascii=False),
            device.lost_ms,
            device.app,
            device.updating,
            device.settled,
        )
        for device in devices
    ]


def restore(db: sqlite3.Connection, situation: Situation, *, now_s: float) -> None:
    """Fill a new situation with what the database knows. Boards that were online are watched from now on."""
    for row in db.execute(f"SELECT {', '.join(_TABLES['device'])} FROM device").fetchall():  # noqa: S608
        _restore_device(situation, row, now_s)
    for device, name, *point in db.execute("SELECT device, point, type, state, event, since_ms FROM point").fetchall():
        situation.points[device, name] = Point(*point)
    for snapshot, hidden in db.execute(
        "SELECT snapshot, core FROM incident WHERE state <> 'resolved' OR id IN (SELECT incident FROM delivery WHERE state = 'waiting')"
        " ORDER BY number"
    ).fetchall():
        situation.keep(read_incident(snapshot, hidden))
    _restore_waiting(db, situation)
    for group, body in db.execute("SELECT group_id, body FROM ring").fetchall():
        situation.orders[group] = read_order(body)
    _restore_faults(db, situation)
    for channel, *canary in db.execute(f"SELECT {', '.join(_TABLES['canary'])} FROM canary").fetchall():  # noqa: S608
        situation.canaries[channel] = Canary(*canary)
    _restore_campaign(db, situation)
    for row in db.execute(f"SELECT {', '.join(CHANGE_COLUMNS)} FROM board_change").fetchall():  # noqa: S608
        situation.changes[row[0]] = read_change(row)
    situation.log.next_id = db.execute("SELECT ifnull(max(id), 0) + 1 FROM maintenance").fetchone()[0]
    situation.next_incident = db.execute("SELECT ifnull(max(number), 0) + 1 FROM incident").fetchone()[0]
    situation.next_delivery = db.execute("SELECT ifnull(max(id), 0) + 1 FROM delivery").fetchone()[0]


def _restore_waiting(db: sqlite3.Connection, situation: Situation) -> None:
    """A snapshot that was too long has left out messages: those that wait for people must be known, or nobody could withdraw them."""
    rows = db.execute(
        f"SELECT {', '.join(DELIVERY_COLUMNS)} FROM delivery WHERE state = 'waiting' AND person <> '' AND incident <> '' ORDER BY id"  # noqa: S608
    ).fetchall()
    for row, _ in map(read_message, rows):
        incident = situation.incidents.get(row.incident)
        if incident is not None and not any(one.id == row.delivery.id for one in incident.deliveries):
            situation.keep(changed(incident, deliveries=(*incident.deliveries, row.delivery)))


def read_incident(snapshot: str, hidden: str) -> Incident:
    """The incident of a row's `snapshot` and `core`. Raises ValueError for what is none."""
    return restored(wire.Incident.model_validate_json(snapshot), _CORE.validate_json(hidden))


def read_names(names: str) -> tuple[str, ...]:
    """The boards of a fault's `names`. Raises ValueError for what is none."""
    return tuple(_NAMES.validate_json(names))


def read_change(row: tuple[Any, ...]) -> Change:
    """The change of a row of CHANGE_COLUMNS. Raises ValueError for what is none."""
    device, order, by, keys, at_ms, state, before, after, *rest = row
    _TOLD.validate_json(before), _TOLD.validate_json(after)
    return Change(device, order, by, read_names(keys), at_ms, state, before, after, *rest)


def read_faults(faults: str) -> dict[str, str]:
    """A board's `faults`. Raises ValueError for what is none."""
    return _FAULTS.validate_json(faults)


def read_order(body: str) -> Order:
    """The order of a row's `body`. Raises ValueError for what is none."""
    return _ORDER.validate_json(body)


def waiting(db: sqlite3.Connection, channel: str) -> list[Outgoing]:
    """Messages to a channel that it has not sent yet, oldest first. Raises ValueError for a row that is no message."""
    return _messages(db, channel, "state = 'waiting'")


def orphans(db: sqlite3.Connection, channels: Collection[str]) -> list[Outgoing]:
    """Messages that wait for a channel that is none of these. Raises ValueError for a row that is no message."""
    known = db.execute("SELECT DISTINCT channel FROM delivery WHERE state = 'waiting'").fetchall()
    return [message for (channel,) in known if channel not in channels for message in waiting(db, channel)]


def handed(db: sqlite3.Connection, channel: str) -> list[Outgoing]:
    """Messages that a channel has handed over and that nobody has said more of, oldest first: their reports may come still.

    Raises ValueError for a row that is no message.
    """
    return _messages(db, channel, "state = 'handed'")


def _messages(db: sqlite3.Connection, channel: str, which: str) -> list[Outgoing]:
    rows = db.execute(
        f"SELECT {', '.join(_TABLES['delivery'])} FROM delivery WHERE channel = ? AND {which} ORDER BY id",  # noqa: S608 - our own words
        (channel,),
    ).fetchall()
    return [read_message(row) for row in rows]


def read_message(row: Sequence[Any]) -> Outgoing:
    """The message of a row with DELIVERY_COLUMNS. Raises ValueError for what is none."""
    stored = dict(zip(DELIVERY_COLUMNS, row, strict=True))
    incident, address, next_ms, reference, body = (stored.pop(name) for name in ("incident", "address", "next_ms", "reference", "body"))
    return Outgoing(DeliveryRow(incident, Delivery(**stored), address, next_ms, reference), body)


def identities(db: sqlite3.Connection, event_id: str) -> list[Identity]:
    """Every event of the journal with this id."""
    rows = db.execute("SELECT id, device, point, type, state FROM event WHERE id = ?", (event_id,)).fetchall()
    return [Identity(*row) for row in rows]


def answer(db: sqlite3.Connection, person: str, command: str) -> CommandAnswer | None:
    """What was answered to this command, if it was heard before."""
    row = db.execute("SELECT answer FROM command WHERE person = ? AND id = ?", (person, command)).fetchone()
    return CommandAnswer.model_validate_json(row[0]) if row else None


def _incident(incident: Incident, snapshot: bytes) -> tuple[Any, ...]:
    number = int(incident.id.rpartition("-")[2])
    return (
        number,
        incident.id,
        incident.state,
        incident.opened_ms,
        snapshot.decode(),
        json.dumps(core(incident), default=wire.RollCall.model_dump),
    )


def _delivery(sent: Outgoing) -> tuple[Any, ...]:
    row, body = sent
    told = row.delivery
    return (
        *(told.id, row.incident, told.channel, told.what, told.person, told.step, told.state, told.tries, told.at_ms, told.decided_ms),
        *(told.handed_ms, told.delivered_ms, told.acknowledged_ms, told.error, row.address, row.next_ms, row.reference, body),
    )


def _tried(row: DeliveryRow) -> tuple[Any, ...]:
    told = row.delivery
    return (
        *(told.state, told.tries, told.at_ms, told.handed_ms, told.delivered_ms, told.acknowledged_ms),
        *(told.error, row.next_ms, row.reference, told.id),
    )


def _fault(situation: Situation, key: str, words: str, now_ms: int) -> tuple[Any, ...]:
    known = situation.lasting.get(key, Lasting(now_ms))
    names = json.dumps(known.names, ensure_ascii=False)
    return key, known.since_ms, words, known.name, names, known.told_ms, situation.log.of_fault.get(key)


def _campaign(campaign: Campaign) -> tuple[Any, ...]:
    return campaign.number, campaign.state, campaign.began_ms, campaign.ended_ms, _CAMPAIGN.dump_json(campaign).decode()


def _board_updates(situation: Situation, effects: Effects) -> list[tuple[Any, ...]]:
    campaign = situation.campaign
    return [(campaign.number, *astuple(row)) for row in effects.updates.values()] if campaign else []


def _restore_campaign(db: sqlite3.Connection, situation: Situation) -> None:
    """The newest campaign, whose boards may still say what became of it."""
    newest = db.execute("SELECT body FROM campaign ORDER BY number DESC LIMIT 1").fetchone()
    if newest is not None:
        situation.campaign = read_campaign(newest[0])
        situation.next_campaign = situation.campaign.number + 1
        situation.updates = {row.device: row for row in read_board_updates(db, situation.campaign.number)}


def read_campaign(body: str) -> Campaign:
    """The campaign of a row's `body`. Raises ValueError for what is none."""
    return _CAMPAIGN.validate_json(body)


def read_board_updates(db: sqlite3.Connection, campaign: int, *, after: str = "", limit: int = -1) -> list[Progress]:
    """How far boards are, or came, in a campaign: those after the id `after`, at most `limit` (-1: all)."""
    columns = ", ".join(_TABLES["board_update"][1:])
    which = "campaign = ? AND device > ? ORDER BY device LIMIT ?"
    rows = db.execute(f"SELECT {columns} FROM board_update WHERE {which}", (campaign, after, limit))  # noqa: S608
    return [Progress(*row) for row in rows.fetchall()]


def _restore_faults(db: sqlite3.Connection, situation: Situation) -> None:
    for key, since_ms, words, name, names, told_ms, line in db.execute(f"SELECT {', '.join(_TABLES['fault'])} FROM fault").fetchall():  # noqa: S608
        situation.faults[key] = words
        situation.lasting[key] = Lasting(since_ms, name, read_names(names), told_ms)
        if line is not None:
            situation.log.of_fault[key] = line
        if told_ms is not None:
            situation.told[key] = told_ms
    newest = db.execute("SELECT decided_ms FROM delivery WHERE incident = '' AND what = 'fault' ORDER BY id DESC LIMIT 1").fetchone()
    situation.notified_ms = newest[0] if newest else None
    outages.restore(situation, {key: known.since_ms for key, known in situation.lasting.items()})


def _restore_device(situation: Situation, row: tuple[Any, ...], now_s: float) -> None:
    stored = dict(zip(_TABLES["device"], row, strict=True))
    device = situation.device(stored["id"])
    if not device.placed:
        device.kind = stored["kind"]
    device.state = stored["state"]
    device.life, device.boot, device.born_ms = stored["life"], stored["boot"], stored["born_ms"]
    device.watch_s, device.watched_s, device.last_seen_ms = stored["watch_s"], now_s, stored["last_seen_ms"]
    device.firmware, device.rssi, device.battery = stored["firmware"], stored["rssi"], stored["battery"]
    device.mains = None if stored["mains"] is None else bool(stored["mains"])
    device.refused, device.faults = stored["refused"], read_faults(stored["faults"])
    # One that an older version has noted as lost says not when: long ago, and not together with others.
    device.lost_ms = stored["lost_ms"]
    device.app, device.updating = stored["app"], stored["updating"]
    device.settled = stored["settled"]
