"""`keng up`: broker, engine and console as child processes. A dead one is started again; all die with the supervisor.

The order of start is that of the parts, the order of stop its reverse. What they write comes out here, each line with its part's name.
"""

import asyncio
import os
import signal
import sys
import time
from asyncio import StreamReader
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, cast

WINDOW_S = 60.0  # older deaths are forgotten
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
STOP_S = 5.0
READY_S = 60.0  # an old Raspberry Pi under load takes its time
POLL_S = 0.05
LINE_MAX = 1 << 20

Tell = Callable[[str, str], None]  # (name of the part, line)


class Part(NamedTuple):
    """One child: the arguments after `keng`, and `ready`, asked again and again: "" once it does its work, else why not yet."""

    name: str
    arguments: list[str]
    ready: Callable[[], Awaitable[str]]


class CannotStart(Exception):
    """A part does not come up. The text says which and why; what it wrote itself has been told."""


def pause_s(deaths: Sequence[float], now: float) -> float:
    """How long to wait before a part is started again. `deaths`: when it died, s; the newest is this one.

    At once the first time, so that a killed engine is back before anybody waits; then ever slower, but always again.
    """
    recent = sum(now - died < WINDOW_S for died in deaths)
    return 0.0 if recent <= 1 else min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (recent - 2))


async def run(parts: Sequence[Part], tell: Tell, started: Callable[[], None]) -> None:
    """Start the parts, call `started` when all are ready, keep them running until SIGTERM, SIGINT or SIGHUP.

    Raises CannotStart if one ends by itself, or is not ready within READY_S, before all are.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    children = [Child(part, tell) for part in parts]
    async with asyncio.TaskGroup() as tasks:
        try:
            failure = await _bring_up(children, tasks, stop)
            if not failure and not stop.is_set():
                started()
                await stop.wait()
        finally:
            for child in reversed(children):
                await child.stop()
    if failure:
        raise CannotStart(failure)


async def _bring_up(children: Sequence["Child"], tasks: asyncio.TaskGroup, stop: asyncio.Event) -> str:
    """Start one after the other. "" when all are ready or `stop` is set, else why it does not come to that."""
    for child in children:
        tasks.create_task(child.keep(), name=child.part.name)
        deadline = time.monotonic() + READY_S
        while not stop.is_set() and (why := await child.part.ready()):
            if failure := next((known.failure for known in children if known.failure), ""):
                return failure
            if time.monotonic() > deadline:
                return f"{child.part.name}: expected it to be ready within {READY_S:.0f} s, got: {why}"
            await asyncio.sleep(POLL_S)
    for child in children:
        child.settled = True
    return ""


class Child:
    """One part's process, again and again.

    Until it is `settled`, a part that ends by itself is not started again: `failure` says why. One that is killed always is.
    """

    def __init__(self, part: Part, tell: Tell) -> None:
        self.settled = False
        self.failure = ""
        self.part = part
        self._tell = tell
        self._process: Process | None = None
        self._deaths: list[float] = []
        self._stopping = asyncio.Event()

    async def keep(self) -> None:
        """Run it until `stop` or a failure."""
        while not self._stopping.is_set() and not self.failure:
            code = await self._once()
            if not self._stopping.is_set():
                await self._after_death(code)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not help within STOP_S. Nothing is started afterwards. Safe to call twice."""
        self._stopping.set()
        if (process := self._process) is None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            self._tell(self.part.name, f"does not stop within {STOP_S:.0f} s: killed")
            process.kill()
            await process.wait()

    async def _once(self) -> int:
        """Run it once; returns its exit code, or minus the signal that killed it."""
        command = [sys.executable, "-m", "gateway.supervised", str(os.getpid()), *self.part.arguments]
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=PIPE,
            stderr=STDOUT,
            limit=LINE_MAX,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops them in order
        )
        self._process = process
        if self._stopping.is_set():  # stop() came while the process was being made, and saw none
            process.kill()
        told = asyncio.ensure_future(self._tell_lines(cast(StreamReader, process.stdout)))
        try:
            code = await process.wait()
            await told
        finally:
            told.cancel()
        self._process = None
        return code

    async def _tell_lines(self, lines: StreamReader) -> None:
        while True:
            try:
                line = await lines.readline()
            except ValueError:  # longer than LINE_MAX, and dropped
                continue
            if not line:
                return
            self._tell(self.part.name, line.decode(errors="replace").rstrip())

    async def _after_death(self, code: int) -> None:
        end = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        if code >= 0 and not self.settled:
            self.failure = f"{self.part.name} {end} before everything was ready"
            return
        now = time.monotonic()
        self._deaths = [died for died in self._deaths if now - died < WINDOW_S] + [now]
        pause = pause_s(self._deaths, now)
        often = f", {len(self._deaths)} times within a minute" if len(self._deaths) > 1 else ""
        self._tell(self.part.name, f"{end}{often}; starting it again " + (f"in {pause:.1f} s" if pause else "at once"))
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stopping.wait()
