"""What was decided while the disk takes nothing: kept in its order until it does. People are told meanwhile, but nothing is receipted.

A full or read-only disk must not silence an alarm, and a receipt must never stand for what is not on the disk: so bells and messages go
out, the boards keep their events and send them again, and the fault is shown.
"""

import asyncio
import errno
import logging
import sqlite3
from collections.abc import Callable
from typing import NamedTuple

from gateway.domain.rows import EventRow
from gateway.store.journal import Batch
from gateway.store.store import Store, is_of_disk

logger = logging.getLogger(__name__)

AGAIN_S = 1.0
BATCHES_MAX = 10_000  # about 20 MB; an hour of alarms every 0.4 s
Receipt = tuple[str, str]  # (device, event)


class _Kept(NamedTuple):
    batch: Batch
    receipts: list[Receipt]
    events: list[EventRow]


class Backlog:
    """`on_fault` is told why the disk takes nothing, in words, and None when it does again; `on_saved` gets the receipts that are due
    then.
    """

    def __init__(self, store: Store, *, on_fault: Callable[[str | None], None], on_saved: Callable[[list[Receipt]], None]) -> None:
        self._store = store
        self._on_fault = on_fault
        self._on_saved = on_saved
        self._kept: list[_Kept] = []
        self._known: dict[str, list[EventRow]] = {}
        self._wake = asyncio.Event()
        self._fault: str | None = None

    @property
    def is_behind(self) -> bool:
        """True while something waits for the disk."""
        return bool(self._kept)

    @property
    def failing(self) -> bool:
        """True while what is decided does not come to the disk: it waits, or is in a database in memory."""
        return self.is_behind or bool(self._store.trouble)

    def due(self, receipts: list[Receipt]) -> list[Receipt]:
        """Those of these receipts, for events that are known already, that may be sent now."""
        if self._store.trouble:
            return []
        return [receipt for receipt in receipts if not self.event_rows(receipt[1])]

    def event_rows(self, ident: str) -> list[EventRow]:
        """The events with this id that are not on the disk yet."""
        return self._known.get(ident, [])

    async def save(self, batch: Batch, receipts: list[Receipt], events: list[EventRow]) -> list[Receipt]:
        """Write a batch behind those that wait; the receipts that may be sent now: none if the disk took nothing.

        Raises sqlite3.Error and OSError that are not the disk's, and those of the disk once BATCHES_MAX batches wait.
        """
        if not self._kept:
            try:
                await self._store.write(batch.write)
            except (sqlite3.Error, OSError) as exc:
                if not is_of_disk(exc):
                    raise
                self._failed(exc)
            else:
                return [] if self._store.trouble else receipts
        elif len(self._kept) >= BATCHES_MAX:
            raise OSError(errno.ENOSPC, f"{BATCHES_MAX} decisions wait for the disk: {self._fault}")
        # Only the loop below writes while something waits, so that nothing overtakes.
        self._kept.append(_Kept(batch, receipts, events))
        for row in events:
            self._known.setdefault(row.id, []).append(row)
        self._wake.set()
        return []

    async def run(self) -> None:
        """Never returns; cancel it. Tries again every AGAIN_S while something waits."""
        while True:
            await self._wake.wait()
            while self._kept:
                await asyncio.sleep(AGAIN_S)
                await self._try_again()
            self._wake.clear()

    async def _try_again(self) -> None:
        kept = list(self._kept)

        def work(db: sqlite3.Connection) -> None:
            for each in kept:
                each.batch.write(db)

        try:
            await self._store.write(work)
        except (sqlite3.Error, OSError) as exc:
            if not is_of_disk(exc):
                raise
            self._failed(exc)
            return
        del self._kept[: len(kept)]
        self._known = {}
        for each in self._kept:
            for row in each.events:
                self._known.setdefault(row.id, []).append(row)
        self._on_saved([receipt for each in kept for receipt in each.receipts])
        if not self._kept:
            self._tell(None)

    def _failed(self, error: Exception) -> None:
        self._tell(str(error) or type(error).__name__)

    def _tell(self, fault: str | None) -> None:
        if fault != self._fault:
            logger.log(logging.ERROR if fault else logging.INFO, "disk: %s", fault or "takes everything again")
            self._fault = fault
            self._on_fault(fault)
