"""The simulator's MQTT client: its bytes against the standard, written out by hand, and its manners against a real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from simulator.mqtt import Account, Client, Message, Refused
from simulator.watch import Watch

Bytes = list[bytes]

# OASIS MQTT 3.1.1, 3.1: CONNECT of client "a", user "a", password "pw", clean session, keep-alive 20 s, no will.
CONNECT = bytes.fromhex("10 14 00044d515454 04 c2 0014 000161 000161 00027077".replace(" ", ""))
CONNACK = bytes.fromhex("20020000")


@asynccontextmanager
async def served(script: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[Account]:
    """A server that follows the script in each connection, and then waits for its end."""
    connections: list[asyncio.Task[None]] = []

    async def follow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        connections.append(task)
        try:
            await script(reader, writer)
            await reader.read()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    server = await asyncio.start_server(follow, "127.0.0.1", 0)
    async with server:
        yield Account("127.0.0.1", server.sockets[0].getsockname()[1], "a", "pw")
        await asyncio.wait_for(asyncio.gather(*connections), 2)


def test_connect_is_what_the_standard_says() -> None:
    async def run() -> bytes:
        came = asyncio.get_running_loop().create_future()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.set_result(await reader.readexactly(len(CONNECT)))
            writer.write(CONNACK)

        async with served(script) as account, Client(lambda _: None) as client:
            await client.connect(account)
            return bytes(await came)

    assert asyncio.run(run()) == CONNECT


def test_message_in_pieces_is_one_message() -> None:
    topic, payload = b"\x00\x01t", b"x" * 200  # a length of two bytes
    packet = bytes([0x30, 0xCB, 0x01]) + topic + payload

    async def run() -> list[Message]:
        got: list[Message] = []
        seen = asyncio.Event()

        def take(message: Message) -> None:
            got.append(message)
            seen.set()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(len(CONNECT))
            for piece in (CONNACK[:1], CONNACK[1:] + packet[:2], packet[2:100], packet[100:]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)

        async with served(script) as account, Client(take) as client:
            await client.connect(account)
            await asyncio.wait_for(seen.wait(), 1)
        return got

    assert asyncio.run(run()) == [Message("t", payload, False)]


def test_refused_connection_says_with_which_code() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(len(CONNECT))
            writer.write(bytes.fromhex("20020005"))

        async with served(script) as account, Client(lambda _: None) as client:
            await client.connect(account)

    with pytest.raises(Refused, match="code 5"):
        asyncio.run(run())


def test_reply_that_never_comes_ends_with_the_connection() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(len(CONNECT))
            writer.write(CONNACK)
            await reader.readexactly(2)
            writer.close()

        async with served(script) as account, Client(lambda _: None) as client:
            await client.connect(account)
            await client.publish("t", b"x")

    with pytest.raises(ConnectionResetError):
        asyncio.run(run())


def test_messages_pass_through_a_broker(broker: tuple[str, int]) -> None:
    async def run() -> set[tuple[str, bytes, bool]]:
        watch, got = Watch(), set()

        def take(message: Message) -> None:
            got.add(message)
            watch.changed()

        async with Client(lambda _: None) as sender, Client(take) as reader:
            await sender.connect(Account(*broker, "sender", ""))
            await sender.publish("a/kept", b"1", retain=True)
            await reader.connect(Account(*broker, "reader", ""))
            await reader.subscribe("a/+", "b")
            await sender.publish("a/now", "lửa".encode())
            sender.send("b", b"2")
            await watch.until(lambda: len(got) == 3, 2)
        return got  # type: ignore[return-value]

    assert asyncio.run(run()) == {("a/kept", b"1", True), ("a/now", "lửa".encode(), False), ("b", b"2", False)}


@pytest.mark.parametrize("goodbye", [True, False])
def test_last_will_is_published_only_without_goodbye(broker: tuple[str, int], goodbye: bool) -> None:
    async def run() -> Bytes:
        watch, got = Watch(), list[bytes]()

        def take(message: Message) -> None:
            got.append(message.payload)
            watch.changed()

        async with Client(take) as reader, Client(lambda _: None) as other:
            await reader.connect(Account(*broker, "reader", ""))
            await reader.subscribe("will", "end")
            await other.connect(Account(*broker, "other", ""))
            leaver = Client(lambda _: None)
            await leaver.connect(Account(*broker, "leaver", ""), will=Message("will", b"gone", False))
            (leaver.close if goodbye else leaver.abort)()
            await leaver.lost.wait()
            if not goodbye:
                await watch.until(lambda: got, 2)
            await other.publish("end", b"end")
            await watch.until(lambda: b"end" in got, 2)
        return got

    assert asyncio.run(run()) == ([b"end"] if goodbye else [b"gone", b"end"])
