"""The messages of one channel on their way: which is sent next, and what is told of each. Every channel's loop stands on one of these.

    queue = Queue("sms", on_tried, tries_max=8)
    while True:
        message = await queue.take()            # on the disk already; after a kill it comes again
        try:
            reference = await modem.send(**json.loads(message.body))
        except ModemError as exc:
            queue.again(message, str(exc))      # backs off; given up after `tries_max`
        else:
            queue.handed(message, reference)    # and when the network reports it: queue.delivered(message)

What is told goes to the engine, which keeps it with the incident and in the table `delivery`; nothing here touches the disk.
"""

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from gateway.domain.rows import DeliveryRow
from gateway.store.journal import Outgoing
from protocol.incident import DeliveryState

ERROR_MAX = 200
UNSURE = "?"  # reference of a message of which it is not known whether it went out
AGAIN = "(gửi lại)"  # what the second of two says, where the channel itself cannot tell that it is the same


class Backoff(NamedTuple):
    """Seconds after the first try, doubling to `longest_s`; given up after `tries_max` tries."""

    first_s: float
    longest_s: float
    tries_max: int


class Queue:
    """Messages about one incident to one receiver go in their order, one at a time. Of what is due, what is about an incident comes
    first, then what was never tried, then what the ladder told first, then the oldest.

    `channel` as the rows name it; `on_tried` gets each row as it is from then on. `clock` in Unix seconds; pauses are waited on the
    monotonic clock, so that setting the clock neither hurries nor delays them.
    """

    def __init__(
        self, channel: str, on_tried: Callable[[DeliveryRow], None], backoff: Backoff, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.channel = channel
        self._on_tried = on_tried
        self._backoff = backoff
        self._clock = clock
        self._lanes: dict[tuple[str, str], deque[Outgoing]] = {}
        self._ready: list[tuple[tuple[int, int, int], tuple[str, str]]] = []
        self._ready_routine: list[tuple[tuple[int, int, int], tuple[str, str]]] = []
        self._later: list[tuple[float, int, tuple[str, str]]] = []
        self._withdrawn: set[int] = set()
        self._wake = asyncio.Event()

    def put(self, outgoing: list[Outgoing]) -> None:
        """Take this channel's messages among those that are on the disk now."""
        for message in outgoing:
            if message.row.delivery.channel == self.channel:
                lane = self._lanes.setdefault(_lane(message), deque())
                lane.append(message)
                if len(lane) == 1:
                    self._schedule(message, self._wait_s(message.row))

    def withdraw(self, ids: Collection[int]) -> None:
        """Do not send these any more; one that is being sent is."""
        if not ids:
            return  # said after every decision: in a storm, of 500 lanes
        waiting = {message.row.delivery.id for lane in self._lanes.values() for message in lane}
        self._withdrawn |= waiting.intersection(ids)

    def is_wanted(self, message: Outgoing) -> bool:
        """False for one that was withdrawn after it was taken: who has not begun with it yet tells `again`, and is rid of it."""
        return message.row.delivery.id not in self._withdrawn

    async def take(self, *, routine: bool | None = None) -> Outgoing:
        """The next message that is due; waits until there is one. It is the caller's until one of the functions below is told of it.

        `routine`: only one about no incident (canaries, faults), False: only one about an incident. Whoever takes one at a time takes the
        two in turns of their own, so that no alarm waits for what a canary waits for.
        """
        while True:
            now_s = asyncio.get_running_loop().time()
            while self._later and self._later[0][0] <= now_s:
                _, _, lane = heapq.heappop(self._later)
                self._is_ready(self._lanes[lane][0])
            for ready in [*([self._ready] if not routine else []), *([self._ready_routine] if routine is not False else [])]:
                while ready:
                    _, lane = heapq.heappop(ready)
                    message = self._lanes[lane][0]
                    if self.is_wanted(message):
                        return message
                    self._next(lane)
            self._wake.clear()
            pause_s = self._later[0][0] - now_s if self._later else None
            try:
                async with asyncio.timeout(pause_s):  # wait_for of Python 3.11 swallows a cancellation that comes with the event
                    await self._wake.wait()
            except TimeoutError:
                continue

    def handed(self, message: Outgoing, reference: str = "") -> Outgoing:
        """The modem or server has it; what it calls it, if a report is to come. The message as it is then, for what is told later."""
        return self._over(message, "handed", {"handed_ms": self._now_ms()}, reference)

    def noted(self, message: Outgoing, words: str) -> None:
        """Something is to be said of a message that was handed: it is no further than it was."""
        self._on_tried(message.row._replace(delivery=message.row.delivery.model_copy(update={"error": words[:ERROR_MAX]})))

    def delivered(self, message: Outgoing, reference: str = "") -> None:
        """It has arrived. For a message that was handed before, too. `reference`: who has it, if that is another than the channel says."""
        now_ms = self._now_ms()
        times = {"handed_ms": message.row.delivery.handed_ms or now_ms, "delivered_ms": now_ms}
        self._over(message, "delivered", times, reference)

    def failed(self, message: Outgoing, error: str) -> None:
        """It cannot be sent, and trying again would not help. For a message that was handed before, too."""
        self._over(message, "failed", {"error": error[:ERROR_MAX]})

    def again(self, message: Outgoing, error: str, *, pause_s: float | None = None) -> float:
        """It could not be sent and shall be tried again; given up after the last try. The seconds until then: `pause_s`, else as the
        back-off says.
        """
        if not self.is_wanted(message):
            self._next(_lane(message))  # nobody wants it any more: it must not wait for the next start
            return 0.0
        tries = message.row.delivery.tries + 1
        if tries >= self._backoff.tries_max:
            self.failed(message, error)
            return 0.0
        wait_s = self.pause_s(tries) if pause_s is None else pause_s
        row = self._told(message, "waiting", {"error": error[:ERROR_MAX]})
        row = row._replace(next_ms=self._now_ms() + int(wait_s * 1000))
        self._lanes[_lane(message)][0] = message = message._replace(row=row)
        self._schedule(message, wait_s)
        self._on_tried(row)
        return wait_s

    def pause_s(self, tries: int) -> float:
        """How long to wait after this many tries: doubling, with jitter."""
        top = min(self._backoff.longest_s, self._backoff.first_s * 2.0 ** min(tries - 1, 20))
        return random.uniform(top / 2, top)  # noqa: S311 - jitter is not a secret

    def _over(self, message: Outgoing, state: DeliveryState, times: dict[str, Any], reference: str = "") -> Outgoing:
        row = self._told(message, state, {"error": "", **times})
        row = row._replace(reference=reference or row.reference)
        lane = self._lanes.get(_lane(message))
        if lane and lane[0].row.delivery.id == message.row.delivery.id:
            self._next(_lane(message))
        self._on_tried(row)
        return message._replace(row=row)

    def _told(self, message: Outgoing, state: DeliveryState, fields: dict[str, Any]) -> DeliveryRow:
        before = message.row.delivery
        tries = before.tries + (before.state == "waiting")
        told = before.model_copy(update={"state": state, "tries": tries, "at_ms": self._now_ms(), **fields})
        return message.row._replace(delivery=told)

    def _next(self, lane: tuple[str, str]) -> None:
        gone = self._lanes[lane].popleft()
        self._withdrawn.discard(gone.row.delivery.id)
        if self._lanes[lane]:
            self._schedule(self._lanes[lane][0], self._wait_s(self._lanes[lane][0].row))
        else:
            del self._lanes[lane]

    def _schedule(self, message: Outgoing, wait_s: float) -> None:
        if wait_s > 0:
            due_s = asyncio.get_running_loop().time() + wait_s
            heapq.heappush(self._later, (due_s, message.row.delivery.id, _lane(message)))
        else:
            self._is_ready(message)
        self._wake.set()

    def _is_ready(self, message: Outgoing) -> None:
        heapq.heappush(self._ready if message.row.incident else self._ready_routine, (_rank(message), _lane(message)))
        self._wake.set()  # of two that wait one may have found what is the other's

    def _wait_s(self, row: DeliveryRow) -> float:
        """Never longer than was decided; a decision that lies in the future (the clock was set back) is due now."""
        now_ms = self._now_ms()
        return 0.0 if row.delivery.at_ms > now_ms else max(0, row.next_ms - now_ms) / 1000

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)


def _lane(message: Outgoing) -> tuple[str, str]:
    return message.row.incident, message.row.delivery.person


def _rank(message: Outgoing) -> tuple[int, int, int]:
    told = message.row.delivery
    return told.tries, told.step, told.id
