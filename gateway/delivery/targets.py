"""Messages to people over Apprise's services: a loop for each target, and one process that hands all of them over.

A message is handed over at least once: that it is about to be is on the disk before, so that after a kill -9 between hand-over and record
it goes again, and the second one says so.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from itertools import count

from gateway.delivery.queue import AGAIN, UNSURE, Backoff, Queue
from gateway.domain.rows import DeliveryRow
from gateway.settings import Target

logger = logging.getLogger(__name__)

RETRY = Backoff(first_s=2.0, longest_s=300.0, tries_max=20)
AGAIN_S = 2.0  # before the process is started again
HUNG_MAX = 4  # of its threads: with all of them in services that never answer it would hand over nothing any more


class CourierLost(OSError):
    """The process is gone; another is started."""


class Courier:
    """The process of courier.py, started again whenever it dies."""

    def __init__(self) -> None:
        self.process: asyncio.subprocess.Process | None = None
        self._ids = count(1)
        self._waiting: dict[int, asyncio.Future[str]] = {}
        self._hung: set[int] = set()
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

    async def hand_over(self, url: str, title: str, body: str, *, routine: bool = False) -> str:
        """Why the service did not take it, "" if it did. Waits for the process to be there; raises CourierLost. No time-out of its own.

        `routine`: no alarm; it takes no place from one.
        """
        await self._up.wait()
        ident, answered = next(self._ids), asyncio.get_running_loop().create_future()
        self._waiting[ident] = answered
        try:
            if self._stdin is None:
                raise CourierLost("the process for Apprise is gone")
            request = {"id": ident, "url": url, "title": title, "body": body, "routine": routine}
            self._stdin.write(json.dumps(request).encode() + b"\n")
            return str(await answered)
        except asyncio.CancelledError:
            self._give_up(ident)
            raise
        finally:
            del self._waiting[ident]

    async def _serve(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a process without its pipes")
        self._stdin = process.stdin
        self._up.set()
        async for line in process.stdout:
            answer = json.loads(line)
            self._hung.discard(answer["id"])
            waiting = self._waiting.get(answer["id"])
            if waiting and not waiting.done():
                waiting.set_result(answer["error"])
        await process.wait()

    def _give_up(self, ident: int) -> None:
        """Nobody waits for this answer any more; its thread does. What others have under way then goes again, and says so."""
        self._hung.add(ident)
        if len(self._hung) >= HUNG_MAX and self.process is not None and self.process.returncode is None:
            logger.warning("the process for Apprise hangs in %d services and is ended", len(self._hung))
            self.process.kill()

    def _lost(self) -> None:
        self._up.clear()
        self._hung.clear()
        self._stdin = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(CourierLost("the process for Apprise is gone"))


class TargetLoop:
    """One target's loop. `on_fault` hears that it does not work (words) and that it works again (None); `mark` returns once the row is on
    the disk, or the disk takes nothing.
    """

    def __init__(
        self,
        target: Target,
        courier: Courier,
        on_tried: Callable[[DeliveryRow], None],
        on_fault: Callable[[str, str | None], None],
        mark: Callable[[DeliveryRow], Awaitable[None]],
        *,
        retry: Backoff = RETRY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue = Queue(f"apprise:{target.name}", on_tried, retry, clock=clock)
        self._target = target
        self._url = target.address()
        self._courier = courier
        self._on_fault = on_fault
        self._mark = mark

    async def run(self) -> None:
        """Never returns; cancel it. What is on its way then is sent again after the next start."""
        async with asyncio.TaskGroup() as tasks:
            for routine in (False, True):
                tasks.create_task(self._serve(routine=routine), name=f"{self.queue.channel} routine {routine}")

    async def _serve(self, *, routine: bool) -> None:
        while True:
            message = await self.queue.take(routine=routine)
            marked = message._replace(row=message.row._replace(reference=UNSURE))
            await self._mark(marked.row)
            if not self.queue.is_wanted(message):
                self.queue.again(message, "nobody wants it any more")
                continue
            error, is_sure = await self._try(**json.loads(message.body), again=message.row.reference == UNSURE, routine=routine)
            self._on_fault(self.queue.channel, error or None)
            if error:
                self.queue.again(message if is_sure else marked, error)
            else:
                self.queue.handed(marked)

    async def _try(self, title: str, body: str, *, again: bool, routine: bool) -> tuple[str, bool]:
        """What went wrong, "" if nothing; and whether that is sure, or it may have gone out."""
        title = f"{title} {AGAIN}" if again else title
        try:
            async with asyncio.timeout(self._target.timeout_s):
                return await self._courier.hand_over(self._url, title, body, routine=routine), True
        except TimeoutError:
            return f"no answer within {self._target.timeout_s:g} s", False
        except OSError as exc:
            return str(exc), False


def loops(
    targets: list[Target],
    courier: Courier,
    on_tried: Callable[[DeliveryRow], None],
    on_fault: Callable[[str, str | None], None],
    mark: Callable[[DeliveryRow], Awaitable[None]],
    *,
    clock: Callable[[], float] = time.time,
) -> list[TargetLoop]:
    """A loop for each target of the settings. Raises FileMistakes for a file with an address that cannot be read."""
    return [TargetLoop(target, courier, on_tried, on_fault, mark, clock=clock) for target in targets]
