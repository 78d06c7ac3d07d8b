"""Feeds the hardware's watchdog, but only while every vital task keeps its word about when it will be heard of again.

From a loop like any other, never from a timer or an interrupt: those go on while the program stands still.
"""

import asyncio

# Far longer than the board stands still in order: a flash erase takes 0.4 s, the reckoning of a TLS handshake some hundred ms.
TIMEOUT_MS = 60_000
TURN_S = 1


class Hung(Exception):
    """A vital task was not heard of within the time that it had named: only a new start helps."""


class Watch:
    """`feed()` feeds the hardware's watchdog; `caught(exc)` is told what our own code has tripped over without ending."""

    def __init__(self, feed, caught):
        self._feed = feed
        self.caught = caught
        self._left = {}  # task -> turns for which it may be quiet, or None

    def expect(self, task, turns):
        """`task` lives. It will say so again within so many turns of TURN_S; with None it waits for work, for as long as it likes.

        Turns and not seconds: while the whole board stands still, no task can be heard of.
        """
        self._left[task] = turns

    def turn(self):
        """Feed. Raises Hung."""
        for task, left in self._left.items():
            if left is not None:
                if not left:
                    raise Hung(task)
                self._left[task] = left - 1
        self._feed()

    async def run(self):
        """Ends only with Hung."""
        while True:
            self.turn()
            await asyncio.sleep(TURN_S)
