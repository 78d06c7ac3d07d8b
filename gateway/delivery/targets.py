"""Messages to people over Apprise's services: a loop for each target, and one process that hands all of them over."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from itertools import count

from gateway.delivery.queue import Backoff, Queue
from gateway.domain.situation import DeliveryRow
from gateway.settings import Target

logger = logging.getLogger(__name__)

RETRY = Backoff(first_s=2.0, longest_s=300.0, tries_max=20)
AGAIN_S = 2.0  # before the process is started again


class CourierLost(OSError):
    """The process is gone; another is started."""


class Courier:
    """The process of courier.py, started again whenever it dies."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._stdin: asyncio.StreamWriter | None = None
        self._up = asyncio.Event()

    async def run(self) -> None:
        """Never returns; cancel it."""
        while True:
            self.process = process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway.delivery.courier"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
            )
            try:
                await self._serve(process)
            finally:
                self._lost()
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            logger.warning("the process for Apprise ended with code %s and is started again", process.returncode)
            await asyncio.sleep(AGAIN_S)

    async def hand_over(self, url: str, title: str, body: str) -> str:
        """Why the service did not take it, "" if it did. Waits for the process to be there; raises CourierLost. No time-out of its own."""
        await self._up.wait()
        ident, answered = next(self._ids), asyncio.get_running_loop().create_future()
        self._waiting[ident] = answered
        try:
            if self._stdin is None:
                raise CourierLost("the process for Apprise is gone")
            self._stdin.write(json.dumps({"id": ident, "url": url, "title": title, "body": body}).encode() + b"\n")
            return str(await answered)
        finally:
            del self._waiting[ident]

    async def _serve(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a process without its pipes")
        self._stdin = process.stdin
        self._up.set()
        async for line in process.stdout:
            answer = json.loads(line)
            waiting = self._waiting.get(answer["id"])
            if waiting and not waiting.done():
                waiting.set_result(answer["error"])
        await process.wait()

    def _lost(self) -> None:
        self._up.clear()
        self._stdin = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(CourierLost("the process for Apprise is gone"))


class TargetLoop:
    """One target's loop. `on_fault` hears that it does not work (words) and that it works again (None)."""

    def __init__(
        self,
        target: Target,
        courier: Courier,
        on_tried: Callable[[DeliveryRow], None],
        on_fault: Callable[[str, str | None], None],
        *,
        retry: Backoff = RETRY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue = Queue(f"apprise:{target.name}", on_tried, retry, clock=clock)
        self._target = target
        self._url = target.address()
        self._courier = courier
        self._on_fault = on_fault

    async def run(self) -> None:
        """Never returns; cancel it. What is on its way then is sent again after the next start."""
        while True:
            message = await self.queue.take()
            error = await self._try(**json.loads(message.body))
            self._on_fault(self.queue.channel, error or None)
            if error:
                self.queue.again(message, error)
            else:
                self.queue.handed(message)

    async def _try(self, title: str, body: str) -> str:
        try:
            async with asyncio.timeout(self._target.timeout_s):
                return await self._courier.hand_over(self._url, title, body)
        except TimeoutError:
            return f"no answer within {self._target.timeout_s:g} s"
        except OSError as exc:
            return str(exc)


def loops(
    targets: list[Target],
    courier: Courier,
    on_tried: Callable[[DeliveryRow], None],
    on_fault: Callable[[str, str | None], None],
    *,
    clock: Callable[[], float] = time.time,
) -> list[TargetLoop]:
    """A loop for each target of the settings. Raises FileMistakes for a file with an address that cannot be read."""
    return [TargetLoop(target, courier, on_tried, on_fault, clock=clock) for target in targets]
