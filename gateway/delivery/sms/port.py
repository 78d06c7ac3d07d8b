"""A serial port on asyncio: bytes come to a callback, bytes go out without blocking; opening and closing, which may block, in a thread."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import serial

READ_BYTES = 4096
WAITING_MAX = 8192  # bytes that a dead modem does not take


class PortLost(OSError):
    """The port is not there, is another program's, or its modem was unplugged."""


class Port:
    """An open port. `received` gets the bytes as they come; `lost` the reason, once, when there will be no more."""

    def __init__(self, device: serial.Serial, received: Callable[[bytes], None], lost: Callable[[PortLost], None]) -> None:
        self._device = device
        self._received = received
        self._lost = lost
        self._waiting = b""
        self._loop = asyncio.get_running_loop()
        self._fd: int = device.fileno()
        self._loop.add_reader(self._fd, self._readable)

    def write(self, data: bytes) -> None:
        """Send, now or as soon as the port takes it."""
        is_first = not self._waiting
        self._waiting += data
        if len(self._waiting) > WAITING_MAX:
            self._end(PortLost("the modem takes no more bytes"))
        elif is_first:
            self._writable()

    def set_line(self, line: Literal["dtr", "rts"], on: bool) -> None:
        """Drive a control line. Raises PortLost if the port has none."""
        try:
            setattr(self._device, line, on)
        except OSError as exc:
            raise PortLost(f"the port has no line {line.upper()}: {exc.strerror}") from exc

    async def close(self) -> None:
        """Let go of the port; safe to call twice."""
        self._stop()
        await asyncio.to_thread(self._device.close)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as exc:
            self._end(PortLost(f"the modem is gone: {exc.strerror}"))
            return
        if data:
            self._received(data)
        else:
            self._end(PortLost("the modem is gone: it was unplugged"))

    def _writable(self) -> None:
        try:
            sent = os.write(self._fd, self._waiting)
        except BlockingIOError:
            sent = 0
        except OSError as exc:
            self._end(PortLost(f"the modem is gone: {exc.strerror}"))
            return
        self._waiting = self._waiting[sent:]
        if self._waiting:
            self._loop.add_writer(self._fd, self._writable)
        else:
            self._loop.remove_writer(self._fd)

    def _end(self, why: PortLost) -> None:
        self._stop()
        self._lost(why)

    def _stop(self) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd = -1


async def open_port(path: Path, baud: int, received: Callable[[bytes], None], lost: Callable[[PortLost], None]) -> Port:
    """Open it for us alone. Raises PortLost with the reason in plain words."""
    opening = asyncio.get_running_loop().run_in_executor(None, _open, path, baud)
    try:
        return Port(await asyncio.shield(opening), received, lost)
    except asyncio.CancelledError:
        with suppress(PortLost):
            (await opening).close()
        raise


def _open(path: Path, baud: int) -> serial.Serial:
    # exclusive (TIOCEXCL and flock): a second program that reads along would take half of every answer.
    try:
        return serial.Serial(os.fspath(path), baud, timeout=0, write_timeout=0, exclusive=True)
    except OSError as exc:
        raise PortLost(f"{path}: {_why(path, exc)}") from exc
    except ValueError as exc:
        raise PortLost(f"{path}: expected a speed that the port knows, got {baud}") from exc


def _why(path: Path, exc: OSError) -> str:
    if not path.exists():
        return "expected a modem's port, got none: is it plugged in?"
    if isinstance(exc.__cause__, PermissionError) or not os.access(path, os.R_OK | os.W_OK):
        return "expected a port that this user may use, got no right to: add the user to the group dialout"
    if "exclusively lock" in str(exc):
        return "expected a free port, got one that another program uses: stop ModemManager for it"
    return f"expected a serial port, got: {exc.strerror or exc}"
