"""Brokers that stop half way, each at another place."""

import socket
import ssl
import struct
import threading

READ_S = 60.0


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


class Mute:
    """A broker that says nothing more from some packet on: `until` is the MQTT packet type that it still answers, 0 for none.

    1: CONNECT, 8: SUBSCRIBE and PINGREQ, but no PUBLISH, 3: everything. From the connection number `well_from` on it answers everything.
    """

    def __init__(self, until: int = 0, *, context: ssl.SSLContext | None = None, well_from: int | None = None) -> None:
        self._answered = {0: set(), 1: {1}, 8: {1, 8, 12}, 3: {1, 8, 12, 3}}[until]
        self._context = context
        self._well_from = well_from
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self.published: list[tuple[int, bytes]] = []  # (number of the connection, topic and payload)
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in [self._listener, *self._sockets]:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client, self.connections), daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        well = self._well_from is not None and number >= self._well_from
        try:
            client.settimeout(READ_S)
            stream = self._context.wrap_socket(client, server_side=True) if self._context else client
            self._sockets.append(stream)
            while True:
                first, body = packet(stream)
                if well or first >> 4 in self._answered:
                    stream.sendall(answer(first, body))
                if first >> 4 == 3:
                    self.published.append((number, body))
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
