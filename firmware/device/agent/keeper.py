"""The only task that writes to flash, where a write may stop the whole board for 400 ms: the gravest event first, calls before all."""

import asyncio

from agent.events import ALARM, CLEAR

SETTLE_MS = 20  # between an alarm's call and its write, so that the call has left the board
SETTLING = CLEAR + 1  # receipts wait until every event is kept
CHORE = SETTLING + 1
JOB_TURNS = 10  # of watch.Watch: a write takes half a second
NAME = "keeper"


class Keeper:
    """`stored(event)` is called when an event is in the journal, or cannot be: then `faults` says so.

    `refill()` is called when nothing is left to write: it may read from flash. `watch`: watch.Watch.
    """

    def __init__(self, journal, faults, stored, refill, watch):
        self._journal = journal
        self._faults = faults
        self._stored = stored
        self._refill = refill
        self._watch = watch
        self._jobs = []  # (rank, function, its argument)
        self._unkept = []  # events for whose writing memory has lacked
        self._work = asyncio.Event()

    def __len__(self):
        return len(self._jobs)

    def keep(self, event):
        """Write a new event, soon."""
        self._add(event.rank, self._put, event)

    def settle(self, event):
        """The event needs to be sent no more."""
        if event.stored:
            self._add(SETTLING, self._settle, event)
        self._wake()

    def again(self):
        """Ask once a second: memory that has lacked may be there again, and a restart must find the event."""
        if self._unkept:
            self._add(CHORE, self._write, self._unkept.pop(0))

    def chore(self, job):
        """Let job(), which writes what is no event, have its turn."""
        self._add(CHORE, self._do, job)

    async def run(self):
        """Never returns."""
        while True:
            while self._jobs:
                if self._jobs[0][0] == ALARM:
                    await asyncio.sleep(SETTLE_MS / 1000)
                _, job, subject = self._jobs.pop(0)
                self._try(job, subject)
                self._watch.expect(NAME, JOB_TURNS)
                await asyncio.sleep(0)
            self._work.clear()
            self._try(self._refill)
            self._watch.expect(NAME, JOB_TURNS if self._work.is_set() else None)
            await self._work.wait()

    def _add(self, rank, job, subject):
        place = 0
        while place < len(self._jobs) and self._jobs[place][0] <= rank:
            place += 1
        self._jobs.insert(place, (rank, job, subject))
        self._wake()

    def _wake(self):
        """Not a sign of life: while there is work, only work that is done is one."""
        if not self._work.is_set():
            self._work.set()
            self._watch.expect(NAME, JOB_TURNS)

    def _put(self, event):
        """Whatever fails: an event that cannot be kept is sent all the same."""
        try:
            self._write(event)
        finally:
            self._stored(event)

    def _write(self, event):
        try:
            self._journal.put(event)
            self._faults.set("journal", None)
        except OSError as exc:
            self._faults.set("journal", "journal: not writable (%s)" % exc)
        except MemoryError:
            if not event.stored:
                self._unkept.append(event)
            raise

    def _settle(self, event):
        try:
            self._journal.settle(event)
        except OSError as exc:
            self._faults.set("journal", "journal: not writable (%s)" % exc)

    def _do(self, job):
        try:
            job()
        except OSError as exc:
            self._faults.set("journal", "journal: not writable (%s)" % exc)

    def _try(self, job, *arguments):
        try:
            job(*arguments)
        except Exception as exc:
            self._watch.caught(exc)
