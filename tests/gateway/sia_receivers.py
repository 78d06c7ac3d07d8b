"""A receiver of SIA DC-09 that does what its script says. It reads and answers with a codec that is not ours."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

from siadc09 import message as independent
from siadc09.account import Account

ACCOUNT = "1001"


class FaultyReceiver:
    """`script`: what it does with each message, the last for all that follow: ack, nak, duh, mute, close, garbage, wrong_seq,
    wrong_account, clear_ack, half, slow, flood, or bytes to send. `heard`: the messages, as the independent codec reads them. `off`: how
    far its clock is from the true time.
    """

    def __init__(self, script: list[str | bytes], key: bytes | None = None) -> None:
        self.script = script
        self.heard: list[independent.Message] = []
        self.off = timedelta()
        self.port = 0
        self._key = key
        self._news = asyncio.Condition()

    async def has_heard(self, count: int) -> None:
        """Wait for so many messages."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.heard) >= count)

    @property
    def events(self) -> list[str]:
        """The message data of what it acknowledged and of what it did not."""
        return [heard.data.pack(brackets=False).decode() for heard in self.heard if heard.idtoken == "SIA-DCS"]

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            raw = await reader.readuntil(b"\r")
            self.heard.append(independent.parse_frame(raw, self._key))
            async with self._news:
                self._news.notify_all()
            step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            await self._answer(step, self.heard[-1], reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(
        self, step: str | bytes, heard: independent.Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if isinstance(step, bytes):
            writer.write(step)
            await reader.read()
        elif step == "mute":
            await reader.read()
        elif step == "slow":
            await asyncio.sleep(0.3)
            writer.write(self._ack(heard))
        elif step == "half":
            writer.write(self._ack(heard)[:9])
            await reader.read()
        elif step == "flood":
            while True:
                writer.write(b"\nABCD" * 1000)
                await writer.drain()
        elif step != "close":
            writer.write(self._frame(step, heard))

    def _frame(self, step: str, heard: independent.Message) -> bytes:
        account, now = heard.account, datetime.now(UTC) + self.off
        makes: dict[str, Callable[[], bytes]] = {
            "ack": lambda: self._ack(heard),
            "clear_ack": lambda: bytes(independent.AckMessage(account, heard.seq).encode(encrypt=False)),
            "nak": lambda: bytes(independent.NakMessage(account, now).encode()),
            "duh": lambda: bytes(independent.DuhMessage(account, heard.seq).encode()),
            "garbage": lambda: b"\x00\xff\n\r\nNOPE\r\r\n" + self._ack(heard)[:-3] + b"\r",
            "wrong_seq": lambda: self._ack(heard, seq=heard.seq % 9999 + 1),
            "wrong_account": lambda: bytes(independent.AckMessage(Account(acct=0x2002, key=self._key), heard.seq, now).encode()),
        }
        return makes[step]()

    def _ack(self, heard: independent.Message, *, seq: int | None = None) -> bytes:
        now = datetime.now(UTC) + self.off
        return bytes(independent.AckMessage(heard.account, heard.seq if seq is None else seq, now, self._key is not None).encode())


@asynccontextmanager
async def listening(*script: str | bytes, key: bytes | None = None) -> AsyncIterator[FaultyReceiver]:
    receiver = FaultyReceiver(list(script), key)
    server = await asyncio.start_server(receiver, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


@contextmanager
def in_a_thread(*script: str | bytes, key: bytes | None = None) -> Iterator[FaultyReceiver]:
    """For tests that wait for other processes. Write to its script by replacing what is in it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    scope = listening(*script, key=key)
    try:
        yield asyncio.run_coroutine_threadsafe(scope.__aenter__(), loop).result(10)
        asyncio.run_coroutine_threadsafe(_close(scope), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _close(scope: AbstractAsyncContextManager[FaultyReceiver]) -> None:
    await scope.__aexit__(None, None, None)
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
