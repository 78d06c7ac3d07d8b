"""One police receiver: messages to it and its answers over TCP, and the watch over whether it answers at all.

A connection for each message: one that has died unnoticed would cost an alarm its time-out. The answer to one message never counts for
another: they are told apart by connection, account and sequence number.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from gateway.delivery.sia import codes
from gateway.delivery.sia.codes import Event
from gateway.delivery.sia.frame import Frame, FrameError, decode, encode, split
from gateway.settings import Receiver as Settings

logger = logging.getLogger(__name__)

FAULT_AFTER = 2  # messages in a row without an answer: one lost packet is no fault
ANSWER_BYTES_MAX = 65536  # an answer has 50; who sends more does not answer
READ_BYTES = 4096
CLOCK_OFF_S = 20  # 5.5.1.8: the narrower side of the window in which receivers accept a time stamp


class Refused(Exception):
    """The receiver has answered, and does not take the message. `is_final`: it never will (DUH)."""

    def __init__(self, words: str, *, is_final: bool = False) -> None:
        super().__init__(words)
        self.is_final = is_final


class Receiver:
    """`up` is set while it answers, and before anything is known. `on_fault` gets sia:<name> with words when it has become a fault, and
    with None when it is over or was none; `on_proof` gets it each time that it has taken something; `tell` every message and answer, in
    words for people. `again_s`: between link tests while it does not answer.
    """

    def __init__(
        self,
        settings: Settings,
        key: bytes | None,
        *,
        clock: Callable[[], float],
        on_fault: Callable[[str, str | None], None],
        on_proof: Callable[[str], None] = lambda _: None,
        tell: Callable[[str], None] = logger.debug,
        again_s: float = 10.0,
    ) -> None:
        self.name = settings.name
        self.up = asyncio.Event()
        self.up.set()
        self._settings = settings
        self._key = key
        self._clock = clock
        self._on_fault = on_fault
        self._on_proof = on_proof
        self._tell = tell
        self._again_s = again_s
        self._clock_off = timedelta()
        self._failures = 0
        self._failing_since_s = 0.0
        self._is_fault: bool | None = None  # what an earlier start has told is not known here
        self._used = asyncio.Event()

    @property
    def is_supervised(self) -> bool:
        """Whether link tests tell if it answers."""
        return self._settings.supervision_s > 0

    async def send(self, seq: int, event: Event) -> None:
        """One event, until the receiver has acknowledged it. Raises OSError if it does not answer within the time-out, or Refused.

        What it cannot use it gets once more without the extended data, which old receivers do not know.
        """
        frame = self._frame("SIA-DCS", seq)._replace(data=codes.data(event, self._settings.account), extra=codes.extended(event))
        await self._watched(frame, bare=frame._replace(extra=()))

    async def test_link(self) -> None:
        """The null message, 5.5.2.1. Raises as `send` does."""
        await self._watched(self._frame("NULL", 0))

    async def supervise(self) -> None:
        """Test the link whenever nothing was sent for supervision_s (5.5.2), and while it does not answer. Never returns; cancel it."""
        while True:
            with suppress(OSError, Refused):
                await self.test_link()
            while self.up.is_set() and await self._is_used_within(self._settings.supervision_s):
                pass
            if not self.up.is_set():
                await asyncio.sleep(self._again_s)

    async def _is_used_within(self, seconds: float) -> bool:
        """Whether something was sent, answered or not."""
        self._used.clear()
        try:
            async with asyncio.timeout(seconds):  # wait_for of Python 3.11 swallows a cancellation that comes together with the event
                await self._used.wait()
        except TimeoutError:
            return False
        return True

    async def _watched(self, frame: Frame, bare: Frame | None = None) -> None:
        """A message and what it says about the receiver."""
        try:
            await self._delivered(frame, bare)
        except (OSError, Refused) as exc:
            if isinstance(exc, Refused) and exc.is_final:
                self._answered()
            else:
                self._failed(str(exc))
            raise
        self._answered()
        self._on_proof(f"sia:{self.name}")

    async def _delivered(self, frame: Frame, bare: Frame | None) -> None:
        tried = ""
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                answer = await self._exchange(frame)
                if answer.token == "NAK" and answer.at:  # noqa: S105  # a token of the standard
                    tried = ", after a NAK"
                    self._set_clock(answer.at)
                    answer = await self._exchange(frame)
                if answer.token == "DUH" and bare:  # noqa: S105
                    tried = ", after a DUH"
                    answer = await self._exchange(bare)
        except TimeoutError:
            raise TimeoutError(f"no answer within {self._settings.timeout_s:g} s{tried}") from None
        if answer.token == "DUH":  # noqa: S105
            raise Refused("answers that it cannot use this message (DUH)", is_final=True)
        if answer.token == "NAK":  # noqa: S105
            raise Refused("refuses (NAK): does it know this account and its key, and is its clock right?")

    async def _exchange(self, frame: Frame) -> Frame:
        """Send a frame and wait for its answer. Has no time-out of its own."""
        stamped = frame._replace(at=self._now() + self._clock_off)
        self._tell(f"to {self.name}: {_words(stamped, is_encrypted=self._key is not None)}")
        reader, writer = await self._connected()
        try:
            writer.write(encode(stamped, self._key))
            await writer.drain()
            answer = await self._answer(reader, stamped)
        finally:
            writer.close()
        self._tell(f"from {self.name}: {_words(answer, is_encrypted=answer.encrypted)}")
        return answer

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = self._settings.host, self._settings.port
        try:
            return await asyncio.open_connection(host, port)
        except OSError as exc:
            why = exc.strerror if isinstance(exc, socket.gaierror) or not exc.errno else os.strerror(exc.errno)
            raise ConnectionError(f"cannot be reached at {host} port {port}: {why or exc}") from None

    async def _answer(self, reader: asyncio.StreamReader, sent: Frame) -> Frame:
        waiting, total = b"", 0
        while total < ANSWER_BYTES_MAX:
            received = await reader.read(READ_BYTES)
            if not received:
                raise ConnectionError("closes the connection without an answer")
            total += len(received)
            frames, waiting = split(waiting + received)
            for raw in frames:
                try:
                    found = decode(raw, self._key)
                except FrameError as exc:
                    self._tell(f"from {self.name}: {raw[:80]!r}: {exc}")
                    continue
                if is_answer(found, sent, is_encrypted=self._key is not None):
                    return found
                self._tell(f"from {self.name}: {_words(found, is_encrypted=found.encrypted)}: not the answer to this message")
        raise ConnectionError(f"sends {total} bytes without an answer")

    def _set_clock(self, receiver_at: datetime) -> None:
        """5.5.3.2: a NAK tells the receiver's time; what is sent to it follows its clock from here on, and nothing else does."""
        self._clock_off = receiver_at - self._now()
        off_s = self._clock_off.total_seconds()
        if abs(off_s) > CLOCK_OFF_S:
            logger.warning("receiver %s: its clock is %+.0f s from ours; its time is used for what is sent to it", self.name, off_s)

    def _frame(self, token: str, seq: int) -> Frame:
        settings = self._settings
        return Frame(token, seq, settings.receiver_number, settings.line_number, settings.account)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock()), UTC)

    def _answered(self) -> None:
        if self._failures:
            logger.info("receiver %s answers again after %.0f s", self.name, self._clock() - self._failing_since_s)
        if self._is_fault is not False:
            self._is_fault = False
            self._on_fault(f"sia:{self.name}", None)
        self._failures = 0
        self.up.set()
        self._used.set()

    def _failed(self, words: str) -> None:
        if self._failures == 0:
            self._failing_since_s = self._clock()
        self._failures += 1
        logger.log(logging.WARNING if self._failures == 1 else logging.DEBUG, "receiver %s: %s", self.name, words)
        if self._failures >= FAULT_AFTER and not self._is_fault:
            self._is_fault = True
            self._on_fault(f"sia:{self.name}", words)
        if self.is_supervised:
            self.up.clear()
        self._used.set()


def is_answer(found: Frame, sent: Frame, *, is_encrypted: bool) -> bool:
    """Whether `found` answers `sent`. To an encrypted message only an encrypted ACK counts (5.5.3.1): a clear one anybody can write.

    NAK and DUH are always clear (5.5.3.2, 5.5.3.3), and a NAK names neither sequence nor account.
    """
    if found.token == "NAK":  # noqa: S105  # a token of the standard
        return True
    # Account numbers may come with other leading zeros, or not at all.
    is_ours = found.seq == sent.seq and (not found.account or int(found.account, 16) == int(sent.account, 16))
    return is_ours and (found.token == "DUH" or (found.token == "ACK" and found.encrypted == is_encrypted))  # noqa: S105


def _words(frame: Frame, *, is_encrypted: bool) -> str:
    parts = [frame.token, f"{frame.seq:04d}", f"account {frame.account}" if frame.account else "", frame.data, *frame.extra]
    stamp = frame.at.strftime("%Y-%m-%d %H:%M:%S UTC") if frame.at else ""
    return " ".join(part for part in (*parts, stamp, "encrypted" if is_encrypted else "in clear") if part)
