"""What systemd is told of a service: that it is ready, and again and again that it works. See sd_notify(3)."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

SOCKET = "NOTIFY_SOCKET"
BEATS = 3  # for each period of the watchdog


def tell(words: str, environment: Mapping[str, str] = os.environ) -> None:
    """Send `words`, such as "READY=1", to systemd. Without systemd nothing happens; a systemd that does not listen is no failure."""
    address = environment.get(SOCKET, "")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
        out.sendto(words.encode(), "\0" + address[1:] if address.startswith("@") else address)


def period_s(environment: Mapping[str, str] = os.environ) -> float | None:
    """How often systemd's watchdog wants to hear of this process, in seconds; None if it does not."""
    period, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not period.isdecimal() or int(period) == 0 or (process and process != str(os.getpid())):
        return None
    return int(period) / 1e6


async def beat(prove: Callable[[], Awaitable[None]], environment: Mapping[str, str] = os.environ) -> None:
    """Say that we are ready, then that we work each time `prove` has returned. Never returns; cancel it."""
    tell("READY=1", environment)
    period = period_s(environment)
    while period is not None:
        await prove()
        tell("WATCHDOG=1", environment)
        await asyncio.sleep(period / BEATS)
    await asyncio.Event().wait()


async def turn() -> None:
    """The least that a service can prove: its event loop turns."""
    await asyncio.sleep(0)


async def alongside(part: Coroutine[Any, Any, None]) -> None:
    """Run a part whose work is proved by a turning event loop."""
    heart = asyncio.create_task(beat(turn), name="watchdog")
    try:
        await part
    finally:
        heart.cancel()
