"""POST to one web address over HTTP/1.1: h11, which knows the protocol, on asyncio's streams.

A storm is 500 posts: a whole HTTP client costs 1.5 ms of CPU for each of them, this a third of a millisecond, and a quarter of its imports.
"""

import asyncio
import ssl
import time
from base64 import b64encode
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import h11

KEPT_S = 4.0  # uvicorn's and Apache's servers close an idle connection after 5 s
READ_BYTES = 65536

Headers = list[tuple[bytes, bytes]]


class Address(NamedTuple):
    """A web address as HTTP wants it, in ASCII; `headers` are those that follow from it."""

    host: str
    port: int
    is_secure: bool
    target: bytes
    headers: Headers


def address(url: str) -> Address:
    """The address in a checked http or https URL. user:password@ becomes a header."""
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    host = (parts.hostname or "").encode("idna").decode()
    place = f"[{host}]" if ":" in host else host
    headers = [(b"Host", (place if parts.port is None else f"{place}:{parts.port}").encode())]
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers.append((b"Authorization", b"Basic " + b64encode(secret.encode())))
    path, query = (quote(part, safe="/%:@!$&'()*+,;=?~") for part in (parts.path, parts.query))
    target = (path or "/") + (f"?{query}" if query else "")
    return Address(host, parts.port or (443 if is_secure else 80), is_secure, target.encode(), headers)


class Poster:
    """Posts to one address, and keeps connections for the next ones. It follows no redirection and asks no proxy."""

    def __init__(self, url: str) -> None:
        """Reads the system's certificates for https, which takes 20 ms."""
        self._address = address(url)
        self._tls = ssl.create_default_context() if self._address.is_secure else None
        self._kept: list[_Connection] = []

    async def post(self, headers: Headers, body: bytes) -> int:
        """The status of the answer. Raises OSError or h11.ProtocolError. Has no time-out of its own: cancel it."""
        connection = self._take() or await self._connect()
        try:
            status = await connection.post(headers, body)
        except BaseException:
            connection.close()
            raise
        self._keep(connection)
        return status

    def close(self) -> None:
        """Close what is kept."""
        while self._kept:
            self._kept.pop().close()

    async def _connect(self) -> "_Connection":
        reader, writer = await asyncio.open_connection(self._address.host, self._address.port, ssl=self._tls)
        return _Connection(self._address, reader, writer)

    def _take(self) -> "_Connection | None":
        """One that the peer has not closed; the newest first, so that the rest grow old and go."""
        while self._kept:
            connection = self._kept.pop()
            if connection.is_fresh:
                return connection
            connection.close()
        return None

    def _keep(self, connection: "_Connection") -> None:
        if connection.is_fresh:
            self._kept.append(connection)
        else:
            connection.close()


class _Connection:
    """One connection, for one request after the other."""

    def __init__(self, address: Address, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._address = address
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)
        self._used_s = time.monotonic()

    @property
    def is_fresh(self) -> bool:
        """True if another request may go this way."""
        is_young = time.monotonic() - self._used_s < KEPT_S
        return self._http.our_state is h11.IDLE and is_young and not self._reader.at_eof() and not self._writer.is_closing()

    async def post(self, headers: Headers, body: bytes) -> int:
        """As Poster.post. After an exception the connection is not used again."""
        length = (b"Content-Length", b"%d" % len(body))
        request = h11.Request(method=b"POST", target=self._address.target, headers=[*self._address.headers, *headers, length])
        parts = (request, h11.Data(data=body), h11.EndOfMessage())
        self._writer.write(b"".join(self._http.send(part) or b"" for part in parts))
        await self._writer.drain()
        status = await self._status()
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        self._used_s = time.monotonic()
        return status

    async def _status(self) -> int:
        """The status, once the whole answer has come."""
        status = 0
        while not isinstance(event := self._http.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                status = event.status_code
            elif event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(READ_BYTES))
        return status

    def close(self) -> None:
        """At once: what has not gone out yet is not wanted any more."""
        self._writer.transport.abort()
