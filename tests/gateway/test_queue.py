"""What a channel sends next, when it tries again, and what is told of each message."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

from commune import START_MS

from gateway.delivery.queue import Backoff, Queue
from gateway.domain.rows import DeliveryRow
from gateway.store.journal import Outgoing
from protocol.incident import Delivery

RETRY = Backoff(first_s=1.0, longest_s=60.0, tries_max=3)


class Desk:
    """A queue, a clock that tests turn, and what was told."""

    def __init__(self) -> None:
        self.now_s = START_MS / 1000
        self.told: list[DeliveryRow] = []
        self.queue = Queue("sms", self.told.append, RETRY, clock=lambda: self.now_s)

    def message(self, ident: int, *, incident: str = "i", person: str = "p", wait_ms: int = 0, **fields: Any) -> Outgoing:
        known = {"id": ident, "channel": "sms", "what": "opened", "person": person, "state": "waiting", "tries": 0, "at_ms": START_MS}
        delivery = Delivery.model_validate(known | fields)
        return Outgoing(DeliveryRow(incident, delivery, "+84900000001", START_MS + wait_ms), "{}")

    async def next_id(self, within_s: float = 5.0) -> int:
        async with asyncio.timeout(within_s):
            return (await self.queue.take()).row.delivery.id


def run(work: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
    async def start() -> None:
        await work(Desk())

    asyncio.run(start())


def test_messages_of_other_channels_are_left_to_them():
    async def work(desk: Desk) -> None:
        desk.queue.put([desk.message(1, channel="voice"), desk.message(2)])
        assert await desk.next_id() == 2

    run(work)


def test_what_was_never_tried_goes_first_then_the_first_step_then_the_oldest():
    async def work(desk: Desk) -> None:
        desk.queue.put(
            [
                desk.message(1, person="a", tries=2),
                desk.message(2, person="b", step=2),
                desk.message(3, person="c", step=1),
                desk.message(4, person="d", step=1),
            ]
        )
        assert [await desk.next_id() for _ in range(4)] == [3, 4, 2, 1]

    run(work)


def test_a_canary_waits_behind_every_alarm_even_one_that_was_tried_before():
    async def work(desk: Desk) -> None:
        desk.queue.put([desk.message(1, incident="", what="canary"), desk.message(2, tries=2), desk.message(3, incident="j")])
        assert [await desk.next_id() for _ in range(3)] == [3, 2, 1]

    run(work)


def test_what_is_routine_is_taken_in_turns_of_its_own():
    async def work(desk: Desk) -> None:
        async def take(routine: bool) -> int:
            return (await desk.queue.take(routine=routine)).row.delivery.id

        waiting = {routine: asyncio.create_task(take(routine)) for routine in (False, True)}
        await asyncio.sleep(0)
        desk.queue.put([desk.message(1, incident="", what="canary")])
        assert await waiting[True] == 1
        desk.queue.put([desk.message(2)])
        assert await waiting[False] == 2
        desk.queue.put([desk.message(3, incident="", person="q", wait_ms=50), desk.message(4, incident="j", wait_ms=60)])
        async with asyncio.timeout(5):
            assert await asyncio.gather(take(False), take(True)) == [4, 3]

    run(work)


def test_messages_to_one_person_about_one_incident_keep_their_order():
    async def work(desk: Desk) -> None:
        desk.queue.put([desk.message(1), desk.message(2), desk.message(3, incident="j")])
        first = await desk.queue.take()
        assert (first.row.delivery.id, await desk.next_id()) == (1, 3)
        desk.queue.again(first, "busy", pause_s=0.0)
        again = await desk.queue.take()
        assert again.row.delivery.id == 1
        desk.queue.delivered(again)
        assert await desk.next_id() == 2

    run(work)


def test_each_step_is_told_with_its_time():
    async def work(desk: Desk) -> None:
        desk.queue.put([desk.message(1)])
        message = await desk.queue.take()
        desk.now_s += 2
        desk.queue.handed(message, "ref-7")
        handed = desk.told[-1]
        assert (handed.delivery.state, handed.delivery.tries, handed.reference) == ("handed", 1, "ref-7")
        assert handed.delivery.handed_ms == START_MS + 2000
        desk.now_s += 3
        desk.queue.delivered(message._replace(row=handed))
        arrived = desk.told[-1].delivery
        assert (arrived.state, arrived.tries, arrived.handed_ms, arrived.delivered_ms) == ("delivered", 1, START_MS + 2000, START_MS + 5000)

    run(work)


def test_a_message_is_given_up_after_its_last_try():
    async def work(desk: Desk) -> None:
        desk.queue.put([desk.message(1)])
        for _ in range(RETRY.tries_max):
            desk.queue.again(await desk.queue.take(), "no network", pause_s=0.0)
        assert [(row.delivery.state, row.delivery.tries) for row in desk.told] == [("waiting", 1), ("waiting", 2), ("failed", 3)]
        assert desk.told[-1].delivery.error == "no network"

    run(work)


def test_pauses_double_with_jitter_up_to_the_longest():
    random.seed(1)
    queue = Queue("sms", lambda _row: None, RETRY)
    for tries, top in ((1, 1), (2, 2), (5, 16), (400, 60)):
        assert top / 2 <= queue.pause_s(tries) <= top


def test_a_try_says_when_the_next_is_due():
    async def work(desk: Desk) -> None:
        desk.queue.put([desk.message(1)])
        wait_s = desk.queue.again(await desk.queue.take(), "busy", pause_s=30.0)
        assert (wait_s, desk.told[-1].next_ms) == (30.0, START_MS + 30_000)

    run(work)


def test_after_a_start_a_message_waits_for_its_time_and_no_longer_than_it_was_to_wait():
    async def work(desk: Desk) -> None:
        desk.queue.put([desk.message(1, wait_ms=50), desk.message(2, person="q")])
        assert [await desk.next_id(), await desk.next_id()] == [2, 1]
        desk.now_s -= 366 * 86400  # the clock was set back a year: nothing waits for a year
        desk.queue.put([desk.message(3, person="r", wait_ms=3_600_000)])
        assert await desk.next_id() == 3

    run(work)


def test_a_withdrawn_message_is_not_sent_and_lets_the_next_through():
    async def work(desk: Desk) -> None:
        desk.queue.put([desk.message(1), desk.message(2)])
        desk.queue.withdraw([1])
        assert await desk.next_id() == 2

    run(work)


def test_a_message_that_comes_later_wakes_whoever_waits():
    async def work(desk: Desk) -> None:
        desk.queue.put([desk.message(1, wait_ms=60_000)])
        waiting = asyncio.create_task(desk.next_id())
        await asyncio.sleep(0)
        desk.queue.put([desk.message(2, person="q")])
        assert await waiting == 2

    run(work)


def test_a_message_withdrawn_while_it_is_tried_does_not_wait_for_the_next_start():
    async def work(desk: Desk) -> None:
        desk.queue.put([desk.message(1, person="p"), desk.message(2, person="p")])
        tried = await desk.queue.take()
        desk.queue.withdraw([1])
        assert desk.queue.again(tried, "no network") == 0.0
        assert [(row.delivery.id, row.delivery.state) for row in desk.told] == []
        assert await desk.next_id() == 2

    run(work)
