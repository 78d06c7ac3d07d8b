"""Runs a simulation to its end, or to the first SIGINT or SIGTERM: either way everything that it started is ended."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`. On a signal the work is cancelled, and the program exits with 128 plus the signal's number."""
    stopped_by: list[signal.Signals] = []

    async def watched() -> T:
        task = asyncio.ensure_future(work)

        def stop(number: signal.Signals) -> None:
            stopped_by.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await task

    try:
        return asyncio.run(watched())
    except asyncio.CancelledError:
        if not stopped_by:
            raise
        sys.exit(128 + stopped_by[0])
