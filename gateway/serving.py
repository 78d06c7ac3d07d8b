"""Pieces of bundles to boards: beside the alarm path, slowly, a board after the other, and not at all while there is an alarm.

A board has one fetch here at most, its newest: however fast it asks, it costs the place of one message, and its turn comes as often as
that of any other. What waits too long is dropped: the board asks again.
"""

import asyncio
import base64
import logging
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gateway import bundles
from gateway.bundles import NoBundle
from gateway.domain import updates
from gateway.domain.situation import Act, Situation
from gateway.rubbish import Rubbish
from protocol import messages, topics
from protocol.messages import Chunk, Fetch
from protocol.wire import DecodeError, clean

logger = logging.getLogger(__name__)

BOARDS_MAX = 64  # with a fetch that waits
STALE_S = 30.0
PAUSE_S = 0.25
BURST = 4


class Ties(NamedTuple):
    """What it works with. `send(topic, payload)`; `put` gives an act to the intake; `may_serve()`: False while others need the engine."""

    situation: Situation
    rubbish: Rubbish
    put: Callable[[Act], None]
    send: Callable[[str, bytes], object]
    may_serve: Callable[[], bool]
    clock: Callable[[], float]
    monotonic: Callable[[], float]


class Serving:
    """`take` is called by the link and only reads and keeps; `run` serves. `served`: pieces; `refused`: fetches that were answered with
    an error; `dropped`: those that waited too long, or were one too many.
    """

    def __init__(self, data: Path, site: str, kb_per_s: int, ties: Ties) -> None:
        self.served = self.refused = self.dropped = 0
        self._data = data
        self._site = site
        self._bytes_per_s = kb_per_s * 1000
        self._ties = ties
        self._asked: OrderedDict[str, tuple[float, Fetch]] = OrderedDict()
        self._wake = asyncio.Event()
        self._room = float(BURST * topics.LIMITS["chunk"])
        self._filled_s = ties.monotonic()
        self._held: tuple[str, bytes] = ("", b"")

    @property
    def waiting(self) -> int:
        """Boards whose fetch waits."""
        return len(self._asked)

    def take(self, device: str, payload: bytes) -> None:
        """A fetch has come. It takes the place of the board's one before. One that cannot be read is counted."""
        try:
            fetch = messages.decode(Fetch, payload)
        except DecodeError as exc:
            now_ms = int(self._ties.clock() * 1000)
            self._ties.rubbish.count(device, "fetch", why=str(exc), payload=payload, now_ms=now_ms)
            return
        if device not in self._asked and len(self._asked) >= BOARDS_MAX:
            self.dropped += 1
            return
        self._asked[device] = (self._ties.monotonic(), fetch)
        self._wake.set()

    async def run(self) -> None:
        """Never returns; cancel it."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._asked:
                if not self._ties.may_serve():
                    await asyncio.sleep(PAUSE_S)
                elif (wait_s := self._wait_s()) > 0:
                    await asyncio.sleep(wait_s)
                else:
                    device, (at_s, fetch) = self._asked.popitem(last=False)
                    if self._ties.monotonic() - at_s > STALE_S:
                        self.dropped += 1
                    else:
                        await self._serve(device, fetch)

    def _wait_s(self) -> float:
        """How long until the next piece may go: a token bucket of bytes."""
        now_s = self._ties.monotonic()
        longest = float(BURST * topics.LIMITS["chunk"])
        self._room = min(longest, self._room + (now_s - self._filled_s) * self._bytes_per_s)
        self._filled_s = now_s
        return max(0.0, (topics.LIMITS["chunk"] - self._room) / self._bytes_per_s)

    async def _serve(self, device: str, fetch: Fetch) -> None:
        self._room -= topics.LIMITS["chunk"]  # an error costs a whole place too: who asks for nonsense has no hurry
        try:
            chunk = await self._chunk(device, fetch)
        except (NoBundle, OSError) as exc:
            self.refused += 1
            chunk = Chunk(id=fetch.id, bundle=fetch.bundle, error=clean(str(exc)))
            logger.debug("fetch of %s refused: %s", device, exc)
        except Exception:  # no fetch may end the engine; the board asks again
            logger.exception("fetch of %s", device)
            return
        self._ties.send(topics.device(self._site, device, "chunk"), chunk.payload())

    async def _chunk(self, device: str, fetch: Fetch) -> Chunk:
        self._need_offer(device, fetch)
        whole = await self._whole(fetch.bundle)
        self._need_offer(device, fetch)  # people may have ended the campaign meanwhile
        if fetch.offset >= len(whole):
            raise NoBundle(f"expected an offset below {len(whole)}, got {fetch.offset}")
        piece = whole[fetch.offset : fetch.offset + fetch.size]
        self._note(device, fetch, is_last=fetch.offset + len(piece) == len(whole))
        self.served += 1
        data = base64.b64encode(piece).decode()
        return Chunk(id=fetch.id, bundle=fetch.bundle, offset=fetch.offset, data=data)

    def _need_offer(self, device: str, fetch: Fetch) -> None:
        if not updates.is_offered(self._ties.situation, device, fetch.bundle):
            raise NoBundle(f"{fetch.bundle} is not offered to {device} now")

    async def _whole(self, bundle: str) -> bytes:
        """The bundle, read once; what somebody has removed is held no longer."""
        if self._held[0] == bundle and await asyncio.to_thread(bundles.lies_there, self._data, bundle):
            return self._held[1]
        self._held = ("", b"")
        self._held = (bundle, await asyncio.to_thread(bundles.content, self._data, bundle))
        return self._held[1]

    def _note(self, device: str, fetch: Fetch, *, is_last: bool) -> None:
        """How far the board is; only its first and its last piece are news that the disk must know."""
        situation = self._ties.situation
        situation.pace.fetched(device, fetch.offset, self._ties.monotonic())
        if is_last or situation.updates[device].state == "ordered":
            self._ties.put(partial(updates.fetched, ident=device, whole=is_last))
