"""Incidents to web addresses, as JSON by POST.

The body is {"v": 1, "event": E, "incident": I}: E is opened, re_alarmed, acknowledged or resolved; I is the incident as it was then,
with the fields of protocol.messages.Incident. The header Idempotency-Key is the same for each try of one message: after a power cut a
message that was delivered may come once more. Delivered means a status of 2xx within the webhook's time-out.

With a secret each try carries the header Keng-Signature: t=<unix s>,v1=<hex>, the HMAC-SHA256 of "<t>." and the body: who has the secret
knows who sent it, and when.
"""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Callable

import h11

from gateway.delivery.http import Poster
from gateway.delivery.queue import Backoff, Queue
from gateway.domain.rows import DeliveryRow
from gateway.settings import Webhook
from gateway.store.journal import Outgoing

logger = logging.getLogger(__name__)

AT_ONCE = 8  # incidents at a time; the messages of one incident go in their order
# About a day: who reads of the fire after that reads of it in the morning paper.
RETRY = Backoff(first_s=1.0, longest_s=300.0, tries_max=300)
CURABLE = (408, 425, 429)  # of the 4xx, those that ask for another try (RFC 9110, 8470, 6585)


class Refused(Exception):
    """A status that says no. `is_curable`: it may say yes to the same message soon."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.is_curable = status >= 500 or status in CURABLE


class WebhookLoop:
    """One webhook's loop. `on_tried` is told of each try; the message is this loop's until it is told of the last."""

    def __init__(
        self, webhook: Webhook, life: str, on_tried: Callable[[DeliveryRow], None], *, clock: Callable[[], float] = time.time
    ) -> None:
        self.queue = Queue(f"webhook:{webhook.name}", on_tried, RETRY, clock=clock)
        self._webhook = webhook
        self._secret = webhook.secret()
        self._life = life
        self._clock = clock
        self._next = asyncio.Lock()  # one at a time waits for the next message: a message wakes one of them and not all
        self._failing_since: float | None = None

    async def run(self) -> None:
        """Never returns; cancel it. What is on its way then is sent again after the next start."""
        poster = await asyncio.to_thread(Poster, self._webhook.url)
        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(AT_ONCE):
                    tasks.create_task(self._serve(poster), name=f"{self.queue.channel} {number}")
        finally:
            poster.close()

    async def _serve(self, poster: Poster) -> None:
        """Whoever takes a message posts it in the same breath: a task of its own for each would come a turn of the loop later."""
        while True:
            async with self._next:
                message = await self.queue.take()
            await self._deliver(poster, message)

    async def _deliver(self, poster: Poster, message: Outgoing) -> None:
        error = await self._post(poster, message)
        if error is None:
            self.queue.delivered(message)
        else:
            is_curable = not isinstance(error, Refused) or error.is_curable
            self.queue.again(message, str(error) or type(error).__name__, pause_s=None if is_curable else RETRY.longest_s)

    async def _post(self, poster: Poster, message: Outgoing) -> Exception | None:
        """One try. None if it is delivered, else why not."""
        body = message.body.encode()
        headers = [(b"Content-Type", b"application/json"), (b"Idempotency-Key", f"{self._life}-{message.row.delivery.id}".encode())]
        if self._secret is not None:
            headers.append((b"Keng-Signature", signature(self._secret, body, at_s=int(self._clock()))))
        error: Exception | None
        try:
            async with asyncio.timeout(self._webhook.timeout_s):
                status = await poster.post(headers, body)
        except (OSError, h11.ProtocolError) as exc:  # TimeoutError is an OSError
            error = exc
        else:
            error = None if 200 <= status < 300 else Refused(status)
        self._tell(error)
        return error

    def _tell(self, error: Exception | None) -> None:
        now_s = self._clock()
        if error is None:
            if self._failing_since is not None:
                logger.info("webhook %s answers again after %.0f s", self._webhook.name, now_s - self._failing_since)
            self._failing_since = None
            return
        level = logging.WARNING if self._failing_since is None else logging.DEBUG
        logger.log(level, "webhook %s: %s", self._webhook.name, str(error) or type(error).__name__)
        self._failing_since = now_s if self._failing_since is None else self._failing_since


def signature(secret: bytes, body: bytes, *, at_s: int) -> bytes:
    """The value of the header Keng-Signature for a body that is sent at `at_s` (Unix s)."""
    digest = hmac.new(secret, b"%d." % at_s + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}".encode()
