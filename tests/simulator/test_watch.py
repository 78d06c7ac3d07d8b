"""Waiting for a condition."""

import asyncio

from simulator.watch import Watch


def test_condition_is_seen_at_the_change() -> None:
    async def run() -> tuple[bool, float]:
        watch, done = Watch(), list[int]()
        loop = asyncio.get_running_loop()
        loop.call_later(0.02, lambda: (done.append(1), watch.changed()))
        began = loop.time()
        return await watch.until(lambda: done, 5), loop.time() - began

    came, took = asyncio.run(run())
    assert came
    assert took < 0.2


def test_condition_that_never_comes_ends_the_waiting() -> None:
    assert asyncio.run(Watch().until(lambda: False, 0.02)) is False


def test_condition_that_holds_already_needs_no_time() -> None:
    assert asyncio.run(Watch().until(lambda: True, 0)) is True
