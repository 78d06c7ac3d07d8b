"""What nobody can read: counted by sender and kind of topic, the first of each kept for the technician, nothing else disturbed."""

import sqlite3

from protocol.topics import LIMITS

PAIRS_MAX = 1000  # more senders than a commune has boards; beyond it they are counted together
KEPT_BYTES = LIMITS["state"]


class Rubbish:
    """Counts since the last `write`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._pairs: set[tuple[str, str]] = set(db.execute("SELECT device, kind FROM rubbish").fetchall())
        self._rows: dict[tuple[str, str], tuple[int, int, str, bytes]] = {}
        self.total = 0  # since the start

    def count(self, device: str, kind: str, *, why: str, payload: bytes, now_ms: int, times: int = 1) -> None:
        """One more from `device` ("" if the topic names none) on topics of `kind`, a key of protocol.topics.LIMITS or "topic"."""
        self.total += times
        pair = (device, kind)
        if pair not in self._pairs:
            pair = pair if len(self._pairs) < PAIRS_MAX else ("", kind)
            self._pairs.add(pair)
        before = self._rows.get(pair)
        self._rows[pair] = (before[0] + times, *before[1:]) if before else (times, now_ms, why, payload[:KEPT_BYTES])

    def take(self) -> list[tuple[str, str, int, int, str, bytes]]:
        """The counts, which start again from nothing."""
        rows, self._rows = self._rows, {}
        return [(*pair, *row) for pair, row in rows.items()]

    def put_back(self, rows: list[tuple[str, str, int, int, str, bytes]]) -> None:
        """What `take` gave could not be written: count it again."""
        for device, kind, times, first_ms, why, first in rows:
            since = self._rows.get((device, kind))
            self._rows[device, kind] = (times + (since[0] if since else 0), first_ms, why, first)


def write(db: sqlite3.Connection, rows: list[tuple[str, str, int, int, str, bytes]]) -> None:
    """Add what `take` gave to the table."""
    db.executemany(
        "INSERT INTO rubbish (device, kind, count, first_ms, why, first) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (device, kind) DO UPDATE SET count = count + excluded.count",
        rows,
    )
