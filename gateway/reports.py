"""Reports on their way to the disk. They are not receipted, so they may wait; an SD card wears out with every page that is written."""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from gateway.domain.situation import Situation
from gateway.rubbish import Rubbish, write
from gateway.store import journal
from gateway.store.store import Store, is_of_disk
from protocol.messages import Report

logger = logging.getLogger(__name__)

EVERY_S = 10.0  # one small transaction, where few boards report
ROWS_MAX = 500  # a transaction of so many lasts about 5 ms here, and less than 50 ms on an SD card
DAY_MS = 86_400_000


class Reports:
    """Collects rows and writes them: ROWS_MAX at once as soon as there are so many, the rest, and what is known of the boards, every
    EVERY_S. `heard`: boards with something new, to be written with the next batch. `lost`: reports that the disk did not take.
    """

    def __init__(self, store: Store, situation: Situation, rubbish: Rubbish, *, days: int, clock: Callable[[], float]) -> None:
        self.heard: set[str] = set(situation.devices)
        self.lost = 0
        self._store = store
        self._situation = situation
        self._rubbish = rubbish
        self._keep_ms = days * DAY_MS
        self._clock = clock
        self._rows: list[tuple[Any, ...]] = []
        self._full = asyncio.Event()

    def add(self, device: str, report: Report, now_ms: int) -> None:
        """Keep a report for the next batch."""
        measured = json.dumps(report.values) if report.values else None
        self._rows.append(
            (
                *(device, now_ms, report.up, report.heap, report.rssi, report.mains, report.battery),
                *(report.waiting, report.dropped, report.refused, measured),
            )
        )
        if len(self._rows) >= ROWS_MAX:
            self._full.set()

    async def run(self) -> None:
        """Never returns; cancel it. What is not written then is lost: reports are."""
        loop = asyncio.get_running_loop()
        await self.flush()
        due_s = loop.time() + EVERY_S
        while True:
            try:
                async with asyncio.timeout_at(due_s):  # wait_for of Python 3.11 swallows a cancellation that comes with the event
                    await self._full.wait()
            except TimeoutError:
                due_s = loop.time() + EVERY_S
                await self.flush()
            else:
                await self._write_rows([])

    async def flush(self) -> None:
        """Write everything now, devices and rubbish too."""
        heard, self.heard = self.heard, set()
        devices = [self._situation.devices[ident] for ident in heard if ident in self._situation.devices]
        rubbish = self._rubbish.take()
        if (devices or rubbish or self._rows) and not await self._write_rows(journal.device_rows(devices), rubbish):
            self.heard |= heard
            self._rubbish.put_back(rubbish)

    async def _write_rows(self, devices: list[tuple[Any, ...]], rubbish: list[tuple[str, str, int, int, str, bytes]] | None = None) -> bool:
        """False if the disk took nothing: then the reports are lost, as the least that there is."""
        rows, self._rows = self._rows[:ROWS_MAX], self._rows[ROWS_MAX:]
        if len(self._rows) < ROWS_MAX:
            self._full.clear()
        old_ms = int(self._clock() * 1000) - self._keep_ms

        def work(db: sqlite3.Connection) -> None:
            journal.insert(db, "report", rows)
            journal.insert(db, "device", devices)
            write(db, rubbish or [])
            # Twice as many as come, so that a shorter time to keep them takes effect, in steps as small as the batches.
            db.execute(
                "DELETE FROM report WHERE id IN (SELECT id FROM report ORDER BY id LIMIT ?) AND at_ms < ?", (2 * len(rows) + 1, old_ms)
            )

        try:
            await self._store.write(work, urgent=False)
        except (sqlite3.Error, OSError) as exc:
            if not is_of_disk(exc):
                raise
            self.lost += len(rows)
            return False
        return True
