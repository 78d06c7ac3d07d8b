"""Brokers that stop half way, each at another place."""

import contextlib
import queue
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Any


class Full:
    """A listener whose queue is full and who accepts nobody: Linux drops the SYN then, so a connect gets no answer at all."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._waiting: list[socket.socket] = []
        while True:
            one = socket.socket()
            self._waiting.append(one)
            one.settimeout(0.3)
            try:
                one.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return

    def close(self) -> None:
        for one in [self._listener, *self._waiting]:
            one.close()


class Door:
    """Accepts connections on a free port and gives each, with its number from 1, to `_serve` in a thread of its own."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._open: list[socket.socket] = []
        self._closing = False
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def close(self) -> None:
        with self._lock:
            self._closing = True
            for one in [self._listener, *self._open]:
                self._end(one)
        for thread in self._threads:  # more may come while we wait for the first, which accepts
            thread.join()
        for one in [self._listener, *self._open]:
            one.close()

    def _serve(self, client: socket.socket, number: int) -> None:
        raise NotImplementedError

    def _hold(self, one: socket.socket) -> Any:
        """A socket that close() closes; it is at its end if close() has come before."""
        with self._lock:
            self._open.append(one)
            if self._closing:
                self._end(one)
        return one

    @staticmethod
    def _end(one: socket.socket) -> None:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)

    def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._hold(client)
            self._run(self._serve, client, self.connections)


class Mute(Door):
    """A broker that says nothing more from some packet on: `until` is the MQTT packet type that it still answers, 0 for none.

    1: CONNECT, 8: SUBSCRIBE and PINGREQ too, but no PUBLISH. From the connection number `well_from` on it answers everything.
    """

    def __init__(self, until: int = 0, *, context: ssl.SSLContext | None = None, well_from: int | None = None) -> None:
        self._answered = {0: set(), 1: {1}, 8: {1, 8, 12}}[until]
        self._context = context
        self._well_from = well_from
        self.published: list[tuple[int, bytes]] = []  # (number of the connection, topic and payload)
        super().__init__()

    def _serve(self, client: socket.socket, number: int) -> None:
        well = self._well_from is not None and number >= self._well_from
        try:
            stream = client
            if self._context:
                stream = self._context.wrap_socket(client, server_side=True)
                self._hold(stream)
            while True:
                first, body = packet(stream)
                if well or first >> 4 in self._answered:
                    stream.sendall(answer(first, body))
                if first >> 4 == 3:
                    self.published.append((number, body))
        except OSError:
            stream.close()


class Slow(Door):
    """Before a broker: every byte takes `delay_s` longer, so that something is on its way at any time."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._target = port
        self._delay_s = delay_s
        super().__init__()

    def _serve(self, client: socket.socket, number: int) -> None:
        try:
            broker = self._hold(socket.create_connection(("127.0.0.1", self._target)))
        except OSError:
            client.close()
            return
        for source, target in ((client, broker), (broker, client)):
            late: queue.Queue[tuple[float, bytes]] = queue.Queue()
            self._run(self._take, source, late)
            self._run(self._give, target, late)

    def _take(self, source: socket.socket, late: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            try:
                data = source.recv(4096)
            except OSError:
                data = b""
            late.put((time.monotonic() + self._delay_s, data))

    def _give(self, target: socket.socket, late: queue.Queue[tuple[float, bytes]]) -> None:
        data = b"-"
        while data:
            due, data = late.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if data:
                    target.sendall(data)
                else:
                    target.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


def packet(stream: socket.socket) -> tuple[int, bytes]:
    """The next MQTT packet: (first byte, body). Raises OSError at the end."""
    first = take(stream, 1)[0]
    length = shift = 0
    while True:
        digit = take(stream, 1)[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            return first, take(stream, length)


def take(stream: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        if not (more := stream.recv(count - len(data))):
            raise OSError("closed")
        data += more
    return data


def answer(first: int, body: bytes) -> bytes:
    """What a broker says to a packet."""
    kind = first >> 4
    if kind == 1:
        return b"\x20\x02\x00\x00"
    if kind == 8:
        return suback(body)
    if kind == 12:
        return b"\xd0\x00"
    if kind == 3 and first & 6:
        start = 2 + struct.unpack(">H", body[:2])[0]
        return b"\x40\x02" + body[start : start + 2]
    return b""


def suback(body: bytes) -> bytes:
    codes, place = b"", 2
    while place < len(body):
        place += 3 + struct.unpack(">H", body[place : place + 2])[0]
        codes += body[place - 1 : place]
    return bytes([0x90, 2 + len(codes)]) + body[:2] + codes
