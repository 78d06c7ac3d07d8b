"""Feeds the hardware's watchdog, but only while every vital task keeps its word about when it will be heard of again.

From a loop like any other, never from a timer or an interrupt: those go on while the program stands still.
"""

import asyncio

# Far longer than the board stands still in order: a flash erase takes 0.4 s, the reckoning of a TLS handshake some hundred ms.
TIMEOUT_MS = 60_000
TURN_S = 1
# Memory that lacks now and then is the matter of whoever asked for it. If it lacks again and again, at most so many turns apart, the heap
# is in pieces, which only a new start puts together. For so many turns that a bell has sounded its call to the end (calls.CALL_SOUND_MS);
# for so many more if it sounds at the end of them, and no more then, since the alarm may be what the engine has not heard of.
LACK_APART = 20
LACKS = 180


class Hung(Exception):
    """A vital task was not heard of within the time that it had named: only a new start helps."""


class Watch:
    """`feed()` feeds the hardware's watchdog; `told(exc)` is what our own code has tripped over without ending."""

    def __init__(self, feed, told):
        self._feed = feed
        self._told = told
        self._lacked = None  # turns since memory lacked last
        self._lacks = 0  # turns since it lacked first
        self._left = {}  # task -> turns for which it may be quiet, or None

    def expect(self, task, turns):
        """`task` lives. It will say so again within so many turns of TURN_S; with None it waits for work, for as long as it likes.

        Turns and not seconds: while the whole board stands still, no task can be heard of.
        """
        self._left[task] = turns

    def caught(self, exc):
        """Our own code has tripped over `exc` and goes on."""
        if isinstance(exc, MemoryError):
            self.lacks()
        self._told(exc)

    def lacks(self):
        """Memory has lacked; caught() was told of it."""
        self._lacked = 0

    def turn(self, alarming=False):
        """Feed. `alarming`: the bell sounds for an alarm. Raises Hung."""
        if self._lacked is not None:
            self._lacked += 1
            self._lacks += 1
            if self._lacked > LACK_APART:
                self._lacked = None
                self._lacks = 0
            elif self._lacks > (2 * LACKS if alarming else LACKS):
                raise Hung("memory")
        for task, left in self._left.items():
            if left is not None:
                if not left:
                    raise Hung(task)
                self._left[task] = left - 1
        self._feed()

    async def run(self, is_alarming):
        """Ends only with Hung."""
        while True:
            self.turn(is_alarming())
            await asyncio.sleep(TURN_S)
