"""Work that blocks for who knows how long, in a thread that nobody waits for at the end of the process."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def apart(work: Callable[..., T], *arguments: object, **named: object) -> T:
    """As asyncio.to_thread, for what a dead disk may hold for ever or a large one for long: asyncio waits at its end for the threads of
    to_thread. Cancelled, the work goes on by itself until it is done or the process ends; so it must be able to end anywhere.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]  # what `work` gave
        else:
            done.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = work(*arguments, **named)
        except BaseException as exc:  # noqa: BLE001 - it is the caller's
            error = exc
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, name=getattr(work, "__name__", "work"), daemon=True).start()
    return await done
