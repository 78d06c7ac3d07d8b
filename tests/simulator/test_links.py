"""The link between a board and the broker, against a server that answers every byte."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from simulator.links import Link
from simulator.parts import free_ports

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SILENCE_S = 0.1


@asynccontextmanager
async def linked() -> AsyncIterator[tuple[Link, Streams, list[str]]]:
    """A link to an echo server, one connection over it, and what happened to connections at the server."""
    ends: list[str] = []
    ended = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append("open")
        try:
            while data := await reader.read(100):
                writer.write(data)
                await writer.drain()
            ends.append("end")
        except ConnectionError:
            ends.append("end")
        finally:
            ended.set()
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server, Link(server.sockets[0].getsockname()) as link:
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        try:
            await said(streams, b"hello")
            yield link, streams, ends
        finally:
            streams[1].close()
            link.thaw()
            link.cut()
            await asyncio.wait_for(ended.wait(), 2)


async def said(streams: Streams, words: bytes, within_s: float = 1.0) -> bytes:
    streams[1].write(words)
    return await asyncio.wait_for(streams[0].readexactly(len(words)), within_s)


async def silent(streams: Streams) -> bool:
    """Nothing comes, and no end either."""
    try:
        await asyncio.wait_for(streams[0].read(1), SILENCE_S)
    except TimeoutError:
        return True
    return False


def test_bytes_pass_both_ways() -> None:
    async def run() -> bytes:
        async with linked() as (_, streams, _ends):
            return await said(streams, b"ding")

    assert asyncio.run(run()) == b"ding"


def test_frozen_link_passes_nothing_and_loses_nothing() -> None:
    async def run() -> tuple[bool, bytes]:
        async with linked() as (link, streams, _):
            link.freeze()
            streams[1].write(b"frozen")
            quiet = await silent(streams)
            link.thaw()
            return quiet, await asyncio.wait_for(streams[0].readexactly(6), 1)

    assert asyncio.run(run()) == (True, b"frozen")


def test_frozen_link_hides_the_end_of_a_connection() -> None:
    async def run() -> list[str]:
        async with linked() as (link, streams, ends):
            link.freeze()
            streams[1].close()
            await streams[1].wait_closed()
            await asyncio.sleep(SILENCE_S)
            return list(ends)

    assert asyncio.run(run()) == ["open"]


def test_cut_link_ends_the_connection_and_welcomes_a_new_one() -> None:
    async def run() -> tuple[bytes, bytes]:
        async with linked() as (link, streams, _):
            link.cut()
            try:
                rest = await asyncio.wait_for(streams[0].read(), 1)
            except ConnectionResetError:
                rest = b""
            again = await asyncio.open_connection("127.0.0.1", link.port)
            answer = await said(again, b"again")
            again[1].close()
            return rest, answer

    assert asyncio.run(run()) == (b"", b"again")


def test_delayed_link_is_late_in_order() -> None:
    async def run() -> tuple[float, bytes]:
        async with linked() as (link, streams, _):
            link.delay_s = 0.05
            loop = asyncio.get_running_loop()
            began = loop.time()
            streams[1].write(b"one")
            await asyncio.sleep(0.01)
            answer = await said(streams, b"two") + await asyncio.wait_for(streams[0].readexactly(3), 1)
            return loop.time() - began, answer

    took, answer = asyncio.run(run())
    assert answer == b"onetwo"
    assert took >= 0.1  # there and back


def test_swallowed_bytes_never_come() -> None:
    async def run() -> tuple[bool, bytes]:
        async with linked() as (link, streams, _):
            link.swallow(True)
            streams[1].write(b"gone")
            quiet = await silent(streams)
            link.swallow(False)
            return quiet, await asyncio.wait_for(streams[0].read(), 1)

    with suppress(ConnectionResetError):  # the other way that a connection may look when it was closed
        assert asyncio.run(run()) == (True, b"")


def test_unplugged_link_refuses_until_it_is_plugged() -> None:
    async def run() -> tuple[bool, bytes]:
        async with linked() as (link, _streams, _):
            link.unplug()
            refused = False
            try:
                streams = await asyncio.open_connection("127.0.0.1", link.port)
                refused = await streams[0].read(1) == b""
                streams[1].close()
            except ConnectionError:
                refused = True
            link.plug()
            again = await asyncio.open_connection("127.0.0.1", link.port)
            answer = await said(again, b"again")
            again[1].close()
            return refused, answer

    assert asyncio.run(run()) == (True, b"again")


def test_link_to_nobody_ends_the_connection() -> None:
    async def run() -> bytes:
        async with Link(("127.0.0.1", free_ports(1)[0])) as link:
            reader, writer = await asyncio.open_connection("127.0.0.1", link.port)
            try:
                return await asyncio.wait_for(reader.read(), 1)
            finally:
                writer.close()

    with suppress(ConnectionResetError):
        assert asyncio.run(run()) == b""


def test_connection_that_the_board_gives_up_while_its_twin_is_made_is_cut_with_the_others() -> None:
    async def run() -> list[str]:
        ends: list[str] = []
        came, ended = asyncio.Event(), asyncio.Event()

        async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.set()
            with suppress(ConnectionError):
                ends.append("end" if not await reader.read(1) else "data")
            writer.close()
            ended.set()

        server = await asyncio.start_server(note, "127.0.0.1", 0)
        async with server, Link(server.sockets[0].getsockname()) as link:
            link.freeze()  # the end of the board's side does not reach the other
            board = socket.create_connection(("127.0.0.1", link.port))
            board.close()
            await asyncio.wait_for(came.wait(), 2)
            link.cut()
            await asyncio.wait_for(ended.wait(), 2)
            return ends

    assert asyncio.run(run()) == ["end"]
