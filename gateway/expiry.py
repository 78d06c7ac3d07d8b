"""Old rows on their way out: now and then, a few at a time, behind everything else; and never by a clock that may be wrong."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial

from gateway.settings import Retention
from gateway.store import retention
from gateway.store.retention import CLASSES, Class
from gateway.store.store import Store, is_of_disk

logger = logging.getLogger(__name__)

EVERY_S = 3600.0
PAUSE_S = 0.5  # between two transactions of a few ms
DAY_MS = 86_400_000
SET_S = 3600.0  # a clock that was set by so much
AWAY_MS = 7 * DAY_MS  # no board was heard for so long: the gateway was off, or its clock is wrong
DOUBT_S = 86_400.0  # who set it wrong has so long to set it right


class Expiry:
    """`is_clock_well`: False while the clock is known to be wrong."""

    def __init__(
        self,
        store: Store,
        days: Retention,
        is_clock_well: Callable[[], bool],
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._days: dict[Class, int] = {name: getattr(days, f"{name}_days") for name in CLASSES}
        self._is_clock_well = is_clock_well
        self._clock = clock
        self._monotonic = monotonic
        self._offset_s = clock() - monotonic()
        heard_ms = retention.last_heard_ms(store.reading)
        is_doubtful = heard_ms is not None and clock() * 1000 - heard_ms > AWAY_MS
        self._trusted_s = monotonic() + (DOUBT_S if is_doubtful else 0.0)

    async def run(self) -> None:
        """Never returns; cancel it."""
        while True:
            await asyncio.sleep(EVERY_S)
            if self.may_begin():
                await self.sweep()

    def may_begin(self) -> bool:
        """Whether the clock says what time it is: one that jumps a year ahead must not take a year of history with it."""
        offset_s = self._clock() - self._monotonic()
        if abs(offset_s - self._offset_s) > SET_S:
            self._offset_s = offset_s
            self._trusted_s = self._monotonic() + DOUBT_S
        return self._is_clock_well() and self._monotonic() >= self._trusted_s

    async def sweep(self, *, pause_s: float = PAUSE_S) -> dict[Class, int]:
        """Delete everything that is too old, as long as the clock can be trusted; how many rows of each class."""
        gone: dict[Class, int] = {}
        for name in CLASSES:
            after: int | None = 0
            while after is not None and self.may_begin():
                before_ms = int(self._clock() * 1000) - self._days[name] * DAY_MS
                try:
                    work = partial(retention.sweep, name=name, after=after, before_ms=before_ms)
                    rows, after = await self._store.write(work, urgent=False)
                except (sqlite3.Error, OSError) as exc:
                    if not is_of_disk(exc):
                        raise
                    return gone
                gone[name] = gone.get(name, 0) + rows
                await asyncio.sleep(pause_s)
        if any(gone.values()):
            logger.info("expired: %s", ", ".join(f"{rows} {name}" for name, rows in gone.items() if rows))
        return gone
