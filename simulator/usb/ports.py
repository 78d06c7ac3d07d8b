"""The two ways to a virtual board's serial line: a pty with a fixed name, and a TCP port that speaks RFC 2217.

A pty has no modem lines. esptool resets a board with them, so a tool that is to do that runs with simulator/usb/lines on its
PYTHONPATH: then DTR and RTS go to the board's control socket. Over RFC 2217 they go over the line itself.
"""

import os
import select
import socket
import tty
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import serial.rfc2217

CHUNK = 65536
STUCK_S = 2.0  # nobody reads so long: a UART would drop too


class Line(Protocol):
    """What a port needs of the board."""

    dtr: bool
    rts: bool
    baud: int

    def received(self, data: bytes) -> None:
        """Bytes from the host."""


class PtyPort:
    """A pty. `link`: a symbolic link to it; mpremote waits for ever at a dead board whose name begins with /dev/pts."""

    def __init__(self, line: Line, link: Path) -> None:
        # The other side stays open here, so that a tool that closes it is no hang-up.
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._line = line
        self._link = link
        self.device = os.ttyname(self._slave)
        link.unlink(missing_ok=True)
        link.symlink_to(self.device)
        self.name = str(link)

    def watched(self) -> list[Any]:
        """What to select for reading."""
        return [self._master]

    def take(self, _ready: object) -> None:
        """Something has come."""
        self._line.received(os.read(self._master, CHUNK))

    def send(self, data: bytes) -> None:
        """Bytes to the host."""
        while data:
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                if not select.select([], [self._master], [], STUCK_S)[1]:
                    return

    def close(self) -> None:
        """Take the port away."""
        self._link.unlink(missing_ok=True)
        os.close(self._master)
        os.close(self._slave)


class Rfc2217Port:
    """A TCP port of loopback, 0 for any; pyserial's own server side does the protocol. One user at a time, as at a serial port."""

    # What pyserial's PortManager asks of a serial port.
    xonxoff = rtscts = False
    cts = dsr = cd = True
    ri = False
    bytesize, parity, stopbits = 8, "N", 1

    def __init__(self, line: Line, port: int) -> None:
        self._line = line
        self._listener = socket.create_server(("127.0.0.1", port))
        self._client: socket.socket | None = None
        self._manager: Any = None
        self.name = f"rfc2217://127.0.0.1:{self._listener.getsockname()[1]}?ign_set_control"

    baudrate = property(lambda self: self._line.baud, lambda self, value: setattr(self._line, "baud", value))
    dtr = property(lambda self: self._line.dtr, lambda self, value: self._change("dtr", value))
    rts = property(lambda self: self._line.rts, lambda self, value: self._change("rts", value))

    def reset_input_buffer(self) -> None:
        """Nothing is kept here."""

    reset_output_buffer = reset_input_buffer

    def watched(self) -> list[Any]:
        """What to select for reading."""
        return [one for one in (self._listener, self._client) if one is not None]

    def take(self, ready: object) -> None:
        """Something has come: a user, bytes, or the user's end."""
        if ready is self._listener:
            self._accept()
            return
        assert self._client is not None  # noqa: S101  only that is watched besides
        try:
            data = self._client.recv(CHUNK)
        except OSError:
            data = b""
        if not data:
            self._client.close()
            self._client = self._manager = None
            self._line.rts = self._line.dtr = False  # as when a USB port is closed: RTS first, or the board were reset
        elif plain := b"".join(self._manager.filter(data)):
            self._line.received(plain)

    def send(self, data: bytes) -> None:
        """Bytes to the host."""
        self.write(data.replace(b"\xff", b"\xff\xff"))

    def write(self, data: bytes) -> None:
        """Bytes as they are: PortManager answers so."""
        if self._client is not None:
            try:
                self._client.sendall(data)
            except OSError:
                return  # its end is seen when it is read

    def close(self) -> None:
        """Take the port away."""
        for one in self.watched():
            one.close()

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self._client is not None:
            client.close()
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = client
        self._manager = serial.rfc2217.PortManager(self, self)

    def _change(self, name: str, value: bool) -> None:
        if getattr(self._line, name) != value:
            setattr(self._line, name, value)


Port = PtyPort | Rfc2217Port
MakePort = Callable[[Line], Port]
