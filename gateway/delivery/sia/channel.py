"""The loop of one police receiver and its fallback: what waits in the table goes to the first that takes it, in its order."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable

from gateway.delivery.queue import Backoff, Queue
from gateway.delivery.sia import codes, keys
from gateway.delivery.sia.receiver import Receiver, Refused
from gateway.domain.rows import DeliveryRow
from gateway.settings import Receiver as Settings
from gateway.store.journal import Outgoing

logger = logging.getLogger(__name__)

RETRY = Backoff(first_s=1.0, longest_s=60.0, tries_max=sys.maxsize)  # an alarm is never given up
EVENT_SEQ_MAX = 8999
TEST_SEQ_MIN, TEST_SEQ_MAX = 9000, 9999


class SiaLoop:
    """`receivers`: the one that the channel is named after, and its fallback if it has one. `on_tried` is told of each try."""

    def __init__(
        self,
        receivers: tuple[Receiver, ...],
        on_tried: Callable[[DeliveryRow], None],
        *,
        clock: Callable[[], float] = time.time,
        retry: Backoff = RETRY,
    ) -> None:
        self.queue = Queue(f"sia:{receivers[0].name}", on_tried, retry, clock=clock)
        self._receivers = receivers
        self._silence_s = retry.first_s  # the next try waits for a link test, not for the clock

    async def run(self) -> None:
        """Never returns; cancel it. What is on its way then is sent again after the next start, with the same number."""
        async with asyncio.TaskGroup() as tasks:
            for receiver in self._receivers:
                if receiver.is_supervised:
                    tasks.create_task(receiver.supervise(), name=f"link test {receiver.name}")
            for routine in (False, True):
                tasks.create_task(self._serve(routine=routine), name=f"{self.queue.channel} routine {routine}")

    async def _serve(self, *, routine: bool) -> None:
        while True:
            message = await self.queue.take(routine=routine)
            await self._somebody_answers()
            await self._deliver(message)

    async def _somebody_answers(self) -> None:
        """While nobody does, link tests find out when somebody does again."""
        waiting = [asyncio.ensure_future(receiver.up.wait()) for receiver in self._receivers]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    async def _deliver(self, message: Outgoing) -> None:
        """One try with each receiver; first with one that answered last time."""
        try:
            event = codes.event_of(json.loads(message.body))
        except (TypeError, ValueError) as exc:
            logger.exception("%s: a message that is no event: %s", self.queue.channel, message.body)
            self.queue.failed(message, f"no event: {exc}")
            return
        errors: list[OSError | Refused] = []
        words: list[str] = []
        for receiver in sorted(self._receivers, key=lambda receiver: not receiver.up.is_set()):
            try:
                await receiver.send(event_seq(message.row.delivery.id), event)
            except (OSError, Refused) as exc:
                errors.append(exc)
                words.append(f"{receiver.name} {exc}")
            else:
                if receiver is not self._receivers[0]:
                    logger.info("%s: %s %s has gone to %s", self.queue.channel, message.row.incident, event.code, receiver.name)
                self.queue.delivered(message, receiver.name if receiver is not self._receivers[0] else "")
                return
        self._put_off(message, errors, "; ".join(words))

    def _put_off(self, message: Outgoing, errors: list[OSError | Refused], words: str) -> None:
        refused = [error for error in errors if isinstance(error, Refused)]
        if len(refused) == len(errors) and all(error.is_final for error in refused):
            logger.error("%s: %s: given up: %s", self.queue.channel, message.row.incident, words)
            self.queue.failed(message, words)
        elif refused or not any(receiver.is_supervised for receiver in self._receivers):
            self.queue.again(message, words)
        else:
            self.queue.again(message, words, pause_s=self._silence_s)


def loops(
    settings: list[Settings],
    on_tried: Callable[[DeliveryRow], None],
    on_fault: Callable[[str, str | None], None],
    *,
    on_proof: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.time,
) -> list[SiaLoop]:
    """A loop for each receiver that is nobody's fallback. `on_fault` and `on_proof` as in Receiver.

    Raises FileMistakes for a key file that is none.
    """
    found = {one.name: _receiver(one, on_fault, on_proof, clock) for one in settings}
    fallbacks = {one.fallback for one in settings}
    return [
        SiaLoop(tuple(found[name] for name in (one.name, one.fallback) if name), on_tried, clock=clock)
        for one in settings
        if one.name not in fallbacks
    ]


def _receiver(
    settings: Settings, on_fault: Callable[[str, str | None], None], on_proof: Callable[[str], None], clock: Callable[[], float]
) -> Receiver:
    key = keys.read(settings.key_file) if settings.key_file else None
    return Receiver(settings, key, clock=clock, on_fault=on_fault, on_proof=on_proof)


def event_seq(delivery: int) -> int:
    """The sequence number of a delivery, 1 to 8999: the same after a restart, without a counter of its own (5.5.1.5)."""
    return (delivery - 1) % EVENT_SEQ_MAX + 1


def hand_seq(now_ms: int) -> int:
    """The sequence number of a test by hand: never one of an event that waits, another in each second."""
    return TEST_SEQ_MIN + now_ms // 1000 % (TEST_SEQ_MAX - TEST_SEQ_MIN + 1)
