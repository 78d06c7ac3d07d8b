"""The link between a board and the broker: a TCP proxy that can freeze, cut, delay and swallow."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Self

Address = tuple[str, int]
_RST = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER: on, for 0 s


class Link:
    """One board's way to the broker. Listens on a free loopback port from `async with` on; `broker` may be changed at any time.

    What a link does to connections that exist and to those that come:
    freeze    nothing passes and nothing is lost, no end of connection either: out of radio range. thaw lets all of it pass.
    swallow   bytes vanish for ever. Connections that have lost some are closed at the end of it.
    unplug    connections are closed and new ones refused, until plug.
    cut       connections are closed, new ones are welcome.
    reset     the same with a RST: what was on its way is gone.
    """

    def __init__(self, broker: Address) -> None:
        self.broker = broker
        self.delay_s = 0.0
        self.port = 0
        self._frozen = False
        self._swallows = False
        self._plugged = True
        self._pairs: set[_Pair] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server:
            self._server.close()
        self.cut()

    @property
    def connections(self) -> int:
        """How many connections the board holds now."""
        return len(self._pairs)

    def freeze(self) -> None:
        """Stop forwarding both ways without a sign of it."""
        self._frozen = True

    def thaw(self) -> None:
        """Forward again, first what has waited."""
        self._frozen = False
        for pair in list(self._pairs):
            pair.flush()

    def cut(self) -> None:
        """Close every connection at once, at both ends."""
        for pair in list(self._pairs):
            pair.abort()

    def reset(self) -> None:
        """Reset every connection at once, at both ends."""
        for pair in list(self._pairs):
            pair.abort(reset=True)

    def unplug(self) -> None:
        """Close every connection and refuse new ones."""
        self._plugged = False
        self.cut()

    def plug(self) -> None:
        """Accept connections again."""
        self._plugged = True

    def swallow(self, on: bool) -> None:
        """Let all bytes vanish, or stop doing so."""
        if self._swallows and not on:
            self.cut()
        self._swallows = on

    @property
    def passes(self) -> bool:
        """Whether bytes that arrive now are forwarded."""
        return not self._frozen

    @property
    def swallows(self) -> bool:
        """Whether bytes that arrive now vanish."""
        return self._swallows

    def _accept(self) -> asyncio.Protocol:
        pair = _Pair(self, self._pairs.discard)
        if self._plugged:
            self._pairs.add(pair)
        return _Side(pair.board, welcome=self._plugged)


class _Flow:
    """What one side has sent: bytes in order, then perhaps the end. They go `out` as the link allows."""

    def __init__(self, link: Link, pair: "_Pair") -> None:
        self.pair = pair
        self.source: asyncio.Transport | None = None
        self.out: asyncio.Transport | None = None
        self._link = link
        self._waiting: list[bytes] = []  # b"" is the end

    def take(self, data: bytes) -> None:
        if self._link.swallows:
            return
        if self._link.delay_s:
            asyncio.get_running_loop().call_later(self._link.delay_s, self._pass_on, data)
        else:
            self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        self._waiting.append(data)
        self.flush()

    def flush(self) -> None:
        """Send what may be sent now."""
        if self.out is None or not self._link.passes:
            return
        for data in self._waiting:
            if self.out.is_closing():
                break
            if data:
                self.out.write(data)
            else:
                self.out.close()
        self._waiting.clear()


class _Pair:
    """A board's connection and its twin to the broker."""

    def __init__(self, link: Link, ended: Callable[["_Pair"], None]) -> None:
        self.board = _Flow(link, self)
        self.broker = _Flow(link, self)
        self._link = link
        self._ended = ended
        self._dialling: asyncio.Task[None] | None = None
        self._is_whole = False  # both its sides have been there

    def opened(self, flow: _Flow) -> None:
        if flow is self.board:
            self.broker.out = flow.source
            self._dialling = asyncio.get_running_loop().create_task(self._dial(), name="link")
        else:
            self._is_whole = True
            self.board.out = flow.source
            self.board.flush()

    def closed(self, flow: _Flow) -> None:
        flow.source = None
        flow.take(b"")
        if self._is_whole and self.board.source is None and self.broker.source is None:
            self._ended(self)  # until then the broker's side may still come, and must be found when all are cut

    def flush(self) -> None:
        self.board.flush()
        self.broker.flush()

    def abort(self, *, reset: bool = False) -> None:
        if self._dialling:
            self._dialling.cancel()
        for flow in (self.board, self.broker):
            if flow.source:
                if reset and (sock := flow.source.get_extra_info("socket")):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                flow.source.abort()
        self._ended(self)

    async def _dial(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: _Side(self.broker), *self._link.broker)
        except OSError:
            self.abort()


class _Side(asyncio.Protocol):
    """One socket of a pair."""

    def __init__(self, flow: _Flow, *, welcome: bool = True) -> None:
        self._flow = flow
        self._welcome = welcome

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  a TCP server gives nothing else
        if not self._welcome:
            transport.abort()
            return
        self._flow.source = transport
        self._flow.pair.opened(self._flow)

    def data_received(self, data: bytes) -> None:
        self._flow.take(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._flow.source:
            self._flow.pair.closed(self._flow)
