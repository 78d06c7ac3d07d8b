"""What the engine does for its database beside the alarms: looks at all of it, says what was set aside, waits for a disk that came back."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

from gateway.domain import incidents
from gateway.domain.situation import Situation
from gateway.store import damage, standin
from gateway.store.damage import Damaged
from gateway.store.store import Store
from gateway.threads import apart

logger = logging.getLogger(__name__)

EXAMINE_AFTER_S = 60.0  # a start has more urgent work
LOOK_S = 1.0
DISK, DATABASE = "disk", "database"  # the keys of the faults
ALL_S = 3600.0
IN_VAIN_MAX = 9  # about 9 minutes between two starts that change nothing


class DiskIsBack(Exception):  # no error: the engine is to start anew, on the disk
    """The disk takes something again, and a database in memory stands in no longer."""


class Housekeeping:
    """`database`: where it is meant to be, whatever stands in for it; `tell` gets a fault's key and its words, None once it is over.
    `in_vain`: how often in a row a start could not use the disk, although it takes something.
    """

    def __init__(
        self, store: Store, database: Path, situation: Situation, tell: Callable[[str, str | None], None], *, in_vain: int = 0
    ) -> None:
        self._store = store
        self._database = database
        self._situation = situation
        self._tell = tell
        self._pause_s = LOOK_S * 2.0 ** min(in_vain, IN_VAIN_MAX) if in_vain else 0.0
        self._found = ""

    async def run(self) -> None:
        """Never returns; cancel it. Raises DiskIsBack, and Damaged once no incident is open that a new start would disturb."""
        self._tell(DISK, f"{self._store.trouble}: all is kept in memory, nothing is receipted" if self._store.trouble else None)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._say_what_is_set_aside(), name="set aside")
            tasks.create_task(self._examine(), name="examine")
            if self._store.trouble:
                tasks.create_task(self._wait_for_disk(), name="wait for the disk")

    async def _say_what_is_set_aside(self) -> None:
        """The fault lasts until somebody has moved the file away."""
        while True:
            names = await apart(damage.put_aside, self._database)
            aside = f"a damaged database is set aside as {names[-1]}: see docs/backup.md" if names else None
            self._tell(DATABASE, f"damaged: {self._found}; a new one is begun once no incident is open" if self._found else aside)
            await asyncio.sleep(LOOK_S)

    async def _examine(self) -> None:
        """Look at what the start had no time for."""
        await asyncio.sleep(EXAMINE_AFTER_S)
        try:
            await apart(damage.look, self._store.path, self._store.unchecked.tables, limit_s=ALL_S)
        except Damaged as exc:
            logger.error("%s: damaged: %s", self._store.path, exc)  # noqa: TRY400  # the reason says it all
            self._found = str(exc)
            damage.suspect(self._store.path, self._found)
            await self._wait_for_peace()
            raise
        except (sqlite3.Error, OSError) as exc:
            logger.warning("%s cannot be looked at: %s", self._store.path, exc)
        else:
            damage.cleared(self._store.path)

    async def _wait_for_peace(self) -> None:
        while True:
            if not incidents.unresolved(self._situation.incidents.values()):
                return
            await asyncio.sleep(LOOK_S)

    async def _wait_for_disk(self) -> None:
        await asyncio.sleep(self._pause_s)
        while True:
            if await apart(standin.is_writable, self._database):
                raise DiskIsBack
            await asyncio.sleep(LOOK_S)
