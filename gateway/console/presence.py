"""Which pages of the desk are open, and can be heard: each says so every few seconds, and the engine is told."""

import asyncio
from collections.abc import Callable

from protocol.desk import DeskAlive

EVERY_S = 10.0
FORGET_S = 25.0  # a page tells every 6 s (console.js); a hidden one may be slowed
PAGES_MAX = 1000  # a page that reloads for ever is a new one each time


class Presence:
    """`publish` sends to the engine; `monotonic` in seconds."""

    def __init__(self, publish: Callable[[bytes], object], monotonic: Callable[[], float]) -> None:
        self._publish = publish
        self._monotonic = monotonic
        self._pages: dict[str, tuple[float, bool]] = {}
        self._told: DeskAlive | None = None

    def heard(self, page: str, *, audible: bool) -> None:
        """A page says that it is open; at once to the engine if that changes something."""
        if page in self._pages or len(self._pages) < PAGES_MAX:
            self._pages[page] = self._monotonic(), audible
        self._tell(only_changes=True)

    @property
    def now(self) -> DeskAlive:
        """What is known now."""
        now_s = self._monotonic()
        self._pages = {page: known for page, known in self._pages.items() if now_s - known[0] < FORGET_S}
        return DeskAlive(pages=len(self._pages), audible=sum(audible for _, audible in self._pages.values()))

    async def run(self) -> None:
        """Never returns; cancel it."""
        while True:
            self._tell(only_changes=False)
            await asyncio.sleep(EVERY_S)

    def _tell(self, *, only_changes: bool) -> None:
        said = self.now
        if not only_changes or said != self._told:
            self._told = said
            self._publish(said.payload())
