"""Who wants to know that something changed: each listener has an event that is set, and clears it itself."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Changes:
    """What the page shows, and any number of listeners, all in one event loop. `count` rises with every change."""

    def __init__(self) -> None:
        self.count = 0
        self.ended = False
        self._listeners: set[asyncio.Event] = set()

    def tell(self) -> None:
        """Count a change and wake every listener."""
        self.count += 1
        for listener in self._listeners:
            listener.set()

    def end(self) -> None:
        """Nothing will change any more: who listens shall stop."""
        self.ended = True
        self.tell()

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set at each change while the `with` lasts."""
        listener = asyncio.Event()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
