"""Waiting for something to become true, at the change that makes it so, and never for ever."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

RECHECK_S = 0.25  # a condition may come true by the mere passing of time


class Watch:
    """What several parts of a simulation report to; who waits for a condition on them is woken at every change."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def changed(self) -> None:
        """Something that a condition may depend on is different now."""
        for waiting in self._waiting:
            waiting.set()

    async def next_change(self) -> None:
        """Return at the next change."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            await changed.wait()
        finally:
            self._waiting.discard(changed)

    async def until(self, condition: Callable[[], object], within_s: float) -> bool:
        """True as soon as the condition holds, False if it still does not after `within_s` seconds."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        clock = asyncio.get_running_loop().time
        end = clock() + within_s
        try:
            while not condition():
                left_s = end - clock()
                if left_s <= 0:
                    return False
                # Not wait_for: before Python 3.12 it may swallow a cancellation that comes together with the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(RECHECK_S, left_s)):
                        await changed.wait()
                changed.clear()
        finally:
            self._waiting.discard(changed)
        return True
