"""A small MQTT 3.1.1 client on asyncio, for light boards by the thousand and for those who only look: QoS 0 and 1, clean session.

It shares no code with the firmware's client or the gateway's, so a mistake in one of those is not repeated here. Section numbers
are those of the OASIS standard MQTT 3.1.1.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, Self

REPLY_S = 10.0
_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK, _PINGREQ, _PINGRESP, _DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14


class Account(NamedTuple):
    """Where the broker listens and as whom to connect."""

    host: str
    port: int
    user: str
    password: str


class Message(NamedTuple):
    """A message as it came."""

    topic: str
    payload: bytes
    retained: bool


class Refused(OSError):
    """The broker will not have this user, or does not grant a subscription."""


class Client(asyncio.Protocol):
    """One connection. `lost` is set when it is gone, for whatever reason; what was being awaited then raises ConnectionResetError."""

    def __init__(self, on_message: Callable[[Message], None], *, keep_alive_s: int = 20) -> None:
        self.lost = asyncio.Event()
        self._on_message = on_message
        self._keep_alive_s = keep_alive_s
        self._buffer = bytearray()
        self._transport: asyncio.Transport
        self._ident = 0
        self._replies: dict[tuple[int, int], asyncio.Future[bytes]] = {}
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def connect(self, account: Account, *, will: Message | None = None, client_id: str = "") -> None:
        """`client_id` is the user's name unless given. Raises OSError if nobody listens or answers, Refused if the user is refused."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(REPLY_S):
            await loop.create_connection(lambda: self, account.host, account.port)
        flags = 0xC2 | (0x2C if will else 0)  # 3.1.2.3: user, password, clean session; will: retained, QoS 1
        fields: list[str | bytes] = [client_id or account.user]
        fields += [will.topic, will.payload] if will else []
        fields += [account.user, account.password]
        head = _field("MQTT") + bytes([4, flags]) + self._keep_alive_s.to_bytes(2, "big")
        reply = self._reply(_CONNACK, 0)
        self._send(_CONNECT << 4, head + b"".join(_field(value) for value in fields))
        code = (await self._wait(reply))[1]
        if code:
            raise Refused(f"{account.user}: the broker refuses the connection with code {code}")
        self._heard = loop.time()
        self._beat()

    async def subscribe(self, *filters: str, qos: int = 1) -> None:
        """Returns when all are granted. Raises Refused if one is not."""
        ident = self._next()
        reply = self._reply(_SUBACK, ident)
        self._send(_SUBSCRIBE << 4 | 2, ident.to_bytes(2, "big") + b"".join(_field(name) + bytes([qos]) for name in filters))
        if 0x80 in (await self._wait(reply))[2:]:
            raise Refused("the broker refuses a subscription to one of " + ", ".join(filters))

    def send(self, topic: str, payload: bytes, *, qos: int = 0) -> None:
        """Publish and wait for nothing. Lost without a word if the connection is."""
        if not self.lost.is_set():
            ident = self._next().to_bytes(2, "big") if qos else b""
            self._send(_PUBLISH << 4 | qos << 1, _field(topic) + ident + payload)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1; returns at the PUBACK."""
        ident = self._next()
        reply = self._reply(_PUBACK, ident)
        self._send(_PUBLISH << 4 | 2 | int(retain), _field(topic) + ident.to_bytes(2, "big") + payload)
        await self._wait(reply)

    def close(self) -> None:
        """Say goodbye, so that the last will is not published."""
        if not self.lost.is_set() and hasattr(self, "_transport"):
            self._send(_DISCONNECT << 4, b"")
            self._transport.close()

    def abort(self) -> None:
        """Vanish without goodbye, as a board without power does."""
        if hasattr(self, "_transport"):
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  a TCP connection gives nothing else
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102, ARG002
        self.lost.set()
        if self._timer:
            self._timer.cancel()
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(ConnectionResetError("the connection to the broker is lost"))

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._heard = asyncio.get_running_loop().time()
        self._buffer += data
        while (packet := _first_packet(self._buffer)) is not None:
            first, start, end = packet
            body = bytes(self._buffer[start:end])
            del self._buffer[:end]
            self._take(first, body)

    def _take(self, first: int, body: bytes) -> None:
        kind = first >> 4
        if kind == _PUBLISH:
            end = 2 + int.from_bytes(body[:2], "big")
            if first & 6:
                self._send(_PUBACK << 4, body[end : end + 2])
            self._on_message(Message(body[2:end].decode(), body[end + (2 if first & 6 else 0) :], bool(first & 1)))
        elif kind != _PINGRESP:
            ident = 0 if kind == _CONNACK else int.from_bytes(body[:2], "big")
            if (reply := self._replies.pop((kind, ident), None)) and not reply.done():
                reply.set_result(body)

    def _beat(self) -> None:
        """3.1.2.10: something within the keep-alive; an answer to it within half as long again."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._heard > 1.5 * self._keep_alive_s:
            self._transport.abort()
            return
        self._send(_PINGREQ << 4, b"")
        self._timer = loop.call_later(self._keep_alive_s / 2, self._beat)

    def _send(self, first: int, body: bytes) -> None:
        if self._transport.is_closing():
            return  # the loss is noticed in a moment; asyncio would complain of every write until then
        self._transport.write(bytes([first]) + _length(len(body)) + body)

    def _next(self) -> int:
        self._ident = self._ident % 0xFFFF + 1
        return self._ident

    def _reply(self, kind: int, ident: int) -> asyncio.Future[bytes]:
        if self.lost.is_set():
            raise ConnectionResetError("the connection to the broker is lost")
        reply = asyncio.get_running_loop().create_future()
        self._replies[kind, ident] = reply
        return reply

    async def _wait(self, reply: asyncio.Future[bytes]) -> bytes:
        async with asyncio.timeout(REPLY_S):
            return await reply


def _field(value: str | bytes) -> bytes:
    """1.5.3: a length of two bytes, then the bytes."""
    raw = value.encode() if isinstance(value, str) else value
    return len(raw).to_bytes(2, "big") + raw


def _length(count: int) -> bytes:
    """2.2.3: seven bits a byte, the lowest first."""
    found = bytearray()
    while True:
        count, low = divmod(count, 128)
        found.append(low | (0x80 if count else 0))
        if not count:
            return bytes(found)


def _first_packet(data: bytearray) -> tuple[int, int, int] | None:
    """(first byte, start of the body, end of the body) of the first whole packet, None if it is not whole yet."""
    size = 0
    for place in range(1, min(len(data), 5)):
        size |= (data[place] & 0x7F) << 7 * (place - 1)
        if not data[place] & 0x80:
            end = place + 1 + size
            return (data[0], place + 1, end) if len(data) >= end else None
    return None
