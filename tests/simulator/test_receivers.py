"""The webhook receiver is a real HTTP server that records, waits and refuses."""

import asyncio
import time

import httpx

from simulator.receivers import WebhookReceiver
from simulator.watch import Watch


def test_post_is_recorded_and_waiters_are_woken() -> None:
    async def run() -> tuple[int, bool, list[bytes]]:
        watch = Watch()
        async with WebhookReceiver(watch) as receiver, httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(receiver.url, content=b"fire")
            woken = await watch.until(lambda: receiver.posts, 1)
            return answer.status_code, woken, [post.body for post in receiver.posts]

    assert asyncio.run(run()) == (204, True, [b"fire"])


def test_refusal_is_counted_and_not_kept() -> None:
    async def run() -> tuple[int, int, int]:
        watch = Watch()
        async with WebhookReceiver(watch) as receiver, httpx.AsyncClient(trust_env=False) as http:
            receiver.status = 503
            answer = await http.post(receiver.url, content=b"fire")
            await watch.until(lambda: receiver.refused, 1)
            return answer.status_code, len(receiver.refused), len(receiver.posts)

    assert asyncio.run(run()) == (503, 1, 0)


def test_slow_receiver_takes_its_time() -> None:
    async def run() -> float:
        async with WebhookReceiver(Watch()) as receiver, httpx.AsyncClient(trust_env=False) as http:
            receiver.delay_s = 0.1
            began = time.monotonic()
            await http.post(receiver.url, content=b"fire")
            return time.monotonic() - began

    assert asyncio.run(run()) >= 0.1
