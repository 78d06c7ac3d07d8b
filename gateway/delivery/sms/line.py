"""The line to a modem: one command after the other over its port, each with its answer, a refusal, silence or the end of the line."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal

from gateway.delivery.sms import refusals
from gateway.delivery.sms.at import Answer, Command, Dialogue, Notice, Prompt, Refusal
from gateway.delivery.sms.port import Port, PortLost, open_port

logger = logging.getLogger(__name__)

NOTICES_MAX = 200  # of a modem that talks without end
TRIES = 4  # the first wakes a modem that sleeps
QUIET_S = 0.2  # an answer that is late comes right before the next one's, since a modem takes one command at a time
_HELLO = Command("AT", timeout_s=1.0)
_OWN = Command("AT+GCAP", "+GCAP:", insists=True, timeout_s=10.0)  # asked nowhere else, so that its words can be no other answer's


class Refused(Exception):
    """The modem said no."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusals.words(refusal))
        self.refusal = refusal
        self.blame = refusals.blame(refusal)


class NoAnswer(Exception):
    """The modem said nothing in time, but answers again: whether it did what was asked, nobody knows."""


class Mute(Exception):
    """The modem says nothing any more."""


class Line:
    """An open line. `stirred` is set whenever the modem says something unasked, and when the line is lost."""

    def __init__(self, stirred: asyncio.Event | None = None) -> None:
        self.notices: deque[Notice] = deque(maxlen=NOTICES_MAX)
        self.stirred = stirred or asyncio.Event()
        self.lost: PortLost | None = None
        self._port: Port
        self._dialogue = Dialogue()
        self._waiting: asyncio.Future[Answer] | None = None

    async def open(self, path: Path, baud: int) -> None:
        """Raises PortLost."""
        self._port = await open_port(path, baud, self._received, self._ended)

    async def close(self) -> None:
        """Let go of the port."""
        await self._port.close()

    async def ask(self, command: Command) -> tuple[str, ...]:
        """The information lines of the answer. Raises Refused, NoAnswer, Mute, PortLost."""
        try:
            answer = await self._exchange(command)
        except TimeoutError:
            await self.synchronize()
            raise NoAnswer(f"no answer to {_name(command)} in {command.timeout_s:g} s") from None
        if answer.refusal is not None:
            raise Refused(answer.refusal)
        return answer.lines

    async def may(self, command: Command) -> tuple[str, ...] | None:
        """As `ask`, for what not every modem knows: None if it refuses. Raises NoAnswer, Mute, PortLost."""
        try:
            return await self.ask(command)
        except Refused as exc:
            logger.debug("modem: %s: %s", _name(command), exc)
            return None

    async def synchronize(self) -> None:
        """Return when the modem answers, and nothing old is on its way. Raises Mute, PortLost."""
        for _ in range(TRIES):
            if self.lost is None:
                self._port.write(self._dialogue.give_up())
            try:
                await self._exchange(_HELLO)
            except TimeoutError:
                continue
            # That OK may have been of a command that was given up: one is in step once its very own words come back.
            await asyncio.sleep(QUIET_S)
            with suppress(TimeoutError):
                await self._exchange(_OWN)
            return
        raise Mute(f"no answer to AT in {TRIES} tries")

    def set_line(self, name: Literal["dtr", "rts"], on: bool) -> None:
        """Drive a control line of the port. Raises PortLost."""
        self._port.set_line(name, on)

    async def _exchange(self, command: Command) -> Answer:
        if self.lost is not None:
            raise self.lost
        self._waiting = asyncio.get_running_loop().create_future()
        self._port.write(self._dialogue.ask(command))
        try:
            async with asyncio.timeout(command.timeout_s):
                return await self._waiting
        except BaseException:
            # Out of the prompt, whatever ended the waiting: the next command would become part of a message.
            escape = self._dialogue.give_up()
            if self.lost is None:
                self._port.write(escape)
            raise
        finally:
            self._waiting = None

    def _received(self, data: bytes) -> None:
        for happening in self._dialogue.receive(data):
            if isinstance(happening, Notice):
                self.notices.append(happening)
                self.stirred.set()
            elif isinstance(happening, Prompt):
                self._port.write(self._dialogue.enter())
            elif self._waiting is not None and not self._waiting.done():
                self._waiting.set_result(happening)

    def _ended(self, why: PortLost) -> None:
        self.lost = why
        self.stirred.set()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(why)


@asynccontextmanager
async def open_line(path: Path, baud: int, stirred: asyncio.Event | None = None) -> AsyncIterator[Line]:
    """An open line, closed at the end. Raises PortLost."""
    line = Line(stirred)
    await line.open(path, baud)
    try:
        yield line
    finally:
        await line.close()


def _name(command: Command) -> str:
    """The command without what it carries: a number or a PIN is nobody's business."""
    return command.line.partition("=")[0] if not command.line.startswith("ATD") else "ATD"
