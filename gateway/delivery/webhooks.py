"""Incidents to web addresses, as JSON by POST.

The body is {"v": 1, "event": E, "incident": I}: E is opened, re_alarmed, acknowledged or resolved; I is the incident as it was then,
with the fields of protocol.messages.Incident. The header Idempotency-Key is the same for each try of one message: after a power cut a
message that was delivered may come once more. Delivered means a status of 2xx within the webhook's time-out.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable

import h11

from gateway.delivery.http import Poster
from gateway.domain.situation import DeliveryRow
from gateway.settings import Webhook
from gateway.store.journal import Outgoing
from protocol.messages import Delivery

logger = logging.getLogger(__name__)

AT_ONCE = 8  # incidents at a time; the messages of one incident go in their order
RETRY_S = (1.0, 300.0)
TRIES_MAX = 300  # about a day: who reads of the fire after that reads of it in the morning paper
CURABLE = (408, 425, 429)  # of the 4xx, those that ask for another try (RFC 9110, 8470, 6585)


class Refused(Exception):
    """A status that says no. `is_curable`: it may say yes to the same message soon."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.is_curable = status >= 500 or status in CURABLE


class WebhookLoop:
    """One webhook's loop. `tried` is told of each try; the message is this loop's until it is told of the last."""

    def __init__(self, webhook: Webhook, life: str, tried: Callable[[DeliveryRow], None], *, clock: Callable[[], float]) -> None:
        self.name = webhook.name
        self._webhook = webhook
        self._life = life
        self._tried = tried
        self._clock = clock
        self._waiting: dict[str, deque[Outgoing]] = {}
        self._new: deque[str] = deque()
        self._wake = asyncio.Event()
        self._free = asyncio.Semaphore(AT_ONCE)
        self._failing_since: float | None = None

    def put(self, outgoing: list[Outgoing]) -> None:
        """Take the messages to this webhook among those that are on the disk now."""
        for message in outgoing:
            if message.row.delivery.channel == self.name:
                if message.row.incident not in self._waiting:
                    self._waiting[message.row.incident] = deque()
                    self._new.append(message.row.incident)
                self._waiting[message.row.incident].append(message)
                self._wake.set()

    async def run(self) -> None:
        """Never returns; cancel it. What is on its way then is sent again after the next start."""
        poster = await asyncio.to_thread(Poster, self._webhook.url)
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    await self._wake.wait()
                    self._wake.clear()
                    while self._new:
                        incident = self._new.popleft()
                        tasks.create_task(self._incident(poster, incident), name=f"webhook[{self.name}] {incident}")
        finally:
            poster.close()

    async def _incident(self, poster: Poster, incident: str) -> None:
        waiting = self._waiting[incident]
        while waiting:
            message = waiting[0]
            async with self._free:
                error = await self._post(poster, message)
            row = message.row._replace(delivery=self._after(message.row.delivery, error))
            self._tried(row)
            if row.delivery.state == "waiting":
                waiting[0] = message._replace(row=row)
                await asyncio.sleep(pause_s(row.delivery.tries, error))
            else:
                waiting.popleft()
        del self._waiting[incident]

    async def _post(self, poster: Poster, message: Outgoing) -> Exception | None:
        """One try. None if it is delivered, else why not."""
        key = (b"Idempotency-Key", f"{self._life}-{message.row.id}".encode())
        error: Exception | None
        try:
            async with asyncio.timeout(self._webhook.timeout_s):
                status = await poster.post([(b"Content-Type", b"application/json"), key], message.body.encode())
        except (OSError, h11.ProtocolError) as exc:  # TimeoutError is an OSError
            error = exc
        else:
            error = None if 200 <= status < 300 else Refused(status)
        self._tell(error)
        return error

    def _after(self, delivery: Delivery, error: Exception | None) -> Delivery:
        tries = delivery.tries + 1
        state = "delivered" if error is None else "failed" if tries >= TRIES_MAX else "waiting"
        words = "" if error is None else (str(error) or type(error).__name__)[:200]
        return delivery.model_copy(update={"state": state, "tries": tries, "at_ms": int(self._clock() * 1000), "error": words})

    def _tell(self, error: Exception | None) -> None:
        now_s = self._clock()
        if error is None:
            if self._failing_since is not None:
                logger.info("webhook %s answers again after %.0f s", self.name, now_s - self._failing_since)
            self._failing_since = None
            return
        level = logging.WARNING if self._failing_since is None else logging.DEBUG
        logger.log(level, "webhook %s: %s", self.name, str(error) or type(error).__name__)
        self._failing_since = now_s if self._failing_since is None else self._failing_since


def pause_s(tries: int, error: Exception | None) -> float:
    """How long to wait after this many tries: doubling, with jitter; the longest for what asking again does not cure."""
    first, longest = RETRY_S
    is_curable = not isinstance(error, Refused) or error.is_curable
    top = min(longest, first * 2.0 ** min(tries - 1, 20)) if is_curable else longest
    return random.uniform(top / 2, top)  # noqa: S311 - jitter is not a secret
