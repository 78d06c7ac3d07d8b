"""A virtual board on a serial port: a chip with flash, a boot ROM, and MicroPython if there is one in the flash.

Reset with IO0 low, it is in download mode, and real esptool can identify, erase, write and verify. Reset with IO0 high, it looks for
bootloader, partition table and application in the flash as the ROM does, then runs the real MicroPython with the file system in the
flash's partition, its pins on a bench where points can be pressed.
"""

import json
import os
import selectors
import socket
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.site import Kind
from simulator.usb.chips import CHIPS
from simulator.usb.flash import APP, NorFlash
from simulator.usb.interpreter import Interpreter
from simulator.usb.loader import Loader
from simulator.usb.pins import Pins
from simulator.usb.ports import MakePort, PtyPort

POWER, RESET, WATCHDOG, SOFT = 1, 2, 3, 5  # machine.reset_cause() of the ESP32 port
MEBI = 1 << 20
SAMPLED_S = 0.02  # after EN is let go IO0 is sampled so much later: a condenser is on EN
NO_MORE_S = 0.2  # if no line has changed for so long, none will before the sample
# What ESP32-WROOM gives the firmware (HEAP_KB of its file in firmware/boards), where a word is half as long, and what the stand-ins take.
HEAP_KB = 2 * 100 + 24
IMAGE_MAGIC = 0xE9
ROM = b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:"
LABELS = ("vfs", "ffat")  # where MicroPython keeps its files


@dataclass(frozen=True)
class Make:
    """What a board is. `image`: the stand-ins as ROMFS; `flash_id`: JEDEC id, manufacturer last; `fitted`: see Pins."""

    flash: Path
    image: Path
    chip: str = "esp32"
    mac: str = "240ac4000001"
    flash_mb: int = 4
    flash_id: int = 0x1640EF
    kind: Kind = "household"
    fitted: tuple[str, ...] = ()
    heap_kb: int = HEAP_KB
    throttled: bool = False  # bytes take the time that they take at the line's rate
    technician: bool = False  # see Pins
    start_s: float = 0.0  # from a reset to MicroPython's first line: what comes at the console meanwhile is lost


@dataclass
class _Modem:
    """The modem lines, through the usual circuit of two transistors: RTS alone pulls EN low, DTR alone IO0.

    `released`: when EN was let go, by the clock of whoever did it; None: it is low or IO0 has been sampled.
    """

    dtr: bool = False
    rts: bool = False
    released: float | None = None

    @property
    def enabled(self) -> bool:
        """EN."""
        return not (self.rts and not self.dtr)

    @property
    def io0_low(self) -> bool:
        """IO0: low asks for the download mode."""
        return self.dtr and not self.rts


def control_path(device: str) -> Path:
    """The control socket of the board on a pty; simulator/usb/lines knows it by the same rule."""
    return Path(tempfile.gettempdir()) / f"keng-usb-{os.getuid()}" / device.strip("/").replace("/", "-")


class Board:
    """One board, from `run` until `stop`. Power is on from the start."""

    def __init__(self, make: Make, make_port: MakePort) -> None:
        self.make = make
        self.baud = 115200
        self.powered = False
        self._chip = CHIPS[make.chip]
        self._folder = Path(tempfile.mkdtemp(prefix="keng-board-"))
        self._selector = selectors.DefaultSelector()
        self._modem = _Modem()
        self._interpreter: Interpreter | None = None
        self._loader: Loader | None = None
        self._starting: tuple[float, int] | None = None  # (when, cause)
        self._dog: float | None = None
        self._drop: tuple[int, int] | None = None  # (command, count): from the count-th such command on the loader answers nothing
        self._stopped = False
        self.flash = NorFlash(make.flash, make.flash_mb * MEBI)
        self.pins = Pins(self._folder / "pins", make.kind, make.fitted, technician=make.technician)
        self.port = make_port(self)
        self._is_slow = not isinstance(self.port, PtyPort)  # each change of a line takes 50 ms and more: the sample waits for IO0
        self._control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.control = control_path(self.port.device) if isinstance(self.port, PtyPort) else self._folder / "control"
        self.control.parent.mkdir(mode=0o700, exist_ok=True)
        self.control.unlink(missing_ok=True)
        self._control.bind(str(self.control))

    # Modem lines, as the port sees them.

    @property
    def dtr(self) -> bool:
        """Data terminal ready."""
        return self._modem.dtr

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._set_lines(value, self._modem.rts, time.monotonic())

    @property
    def rts(self) -> bool:
        """Request to send."""
        return self._modem.rts

    @rts.setter
    def rts(self, value: bool) -> None:
        self._set_lines(self._modem.dtr, value, time.monotonic())

    def _set_lines(self, dtr: bool, rts: bool, at: float) -> None:
        """The host has set both lines at `at`, monotonic s: however late this process comes to hear of it."""
        modem = self._modem
        if modem.released is not None and at > modem.released + SAMPLED_S and not self._is_slow:
            self._sample()
        was_enabled = modem.enabled
        modem.dtr, modem.rts = dtr, rts
        if not self.powered:
            return
        if not modem.enabled:
            self._halt()
            modem.released = None
        elif not was_enabled:
            modem.released = at
        elif modem.released is not None and modem.io0_low and self._is_slow:
            self._sample()

    def _sample(self) -> None:
        self._modem.released = None
        self.reset(download=self._modem.io0_low)

    # The life of the chip.

    def reset(self, *, download: bool = False, cause: int = POWER) -> None:
        """Start anew, in download mode or from flash."""
        self._halt()
        self.powered = True
        if download:
            self.send(ROM + b"0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download\r\n")
            self._loader = Loader(
                self._chip,
                self.flash,
                mac=bytes.fromhex(self.make.mac),
                flash_id=self.make.flash_id,
                send=self.send,
                run=self.reset,
                drops=lambda command, count: self._drop is not None and command == self._drop[0] and count >= self._drop[1],
            )
            return
        self.send(ROM + b"0x13 (SPI_FAST_FLASH_BOOT)\r\n")
        head = self.flash.read(self._chip.boot, 4)
        app = next((part for part in self.flash.partitions() if part.kind == APP), None)
        if head[0] != IMAGE_MAGIC:
            self.send(f"invalid header: 0x{int.from_bytes(head, 'little'):08x}\r\n".encode() * 3)
        elif app is None or self.flash.read(app.offset, 1)[0] != IMAGE_MAGIC:
            self.send(b"E (47) boot: No bootable app partitions in the partition table\r\n")
        else:
            self._starting = time.monotonic() + self.make.start_s, cause

    def off(self) -> None:
        """Cut the power, in whatever it does."""
        self._halt()
        self._modem.released = None
        self.powered = False

    def received(self, data: bytes) -> None:
        """Bytes from the host."""
        if self.make.throttled:
            time.sleep(len(data) * 10 / self.baud)
        if self._loader:
            self._loader.feed(data)
        elif self._interpreter:
            self._interpreter.write(data)

    def send(self, data: bytes) -> None:
        """Bytes to the host."""
        if self.make.throttled:
            time.sleep(len(data) * 10 / self.baud)
        self.port.send(data)

    def run(self) -> None:
        """Work until `stop`, or an exception: the board and all that is its own are gone then."""
        try:
            self.reset()
            self._selector.register(self._control, selectors.EVENT_READ, self)
            while not self._stopped:
                self._turn()
        finally:
            self._halt()
            self.port.close()
            self._control.close()
            self.control.unlink(missing_ok=True)

    def stop(self) -> None:
        """End `run`; callable from a signal's handler."""
        self._stopped = True

    # One turn of the loop.

    def _turn(self) -> None:
        for one in self.port.watched():
            if one not in self._selector.get_map():
                self._selector.register(one, selectors.EVENT_READ, self.port)
        self.pins.register(self._selector)
        for key, _ in self._selector.select(self._pause_s()):
            self._take(key)
        self._after()

    def _take(self, key: selectors.SelectorKey) -> None:
        if key.data is self.pins:
            for words in self.pins.take(key.fileobj, self._selector):
                self._said(words)
        elif key.data is self.port:
            self.port.take(key.fileobj)
            self._forget_closed()
        elif key.data is self:
            self._ordered()
        elif key.data is self._interpreter and self._interpreter is not None:
            self._printed(self._interpreter)

    def _forget_closed(self) -> None:
        watched = self.port.watched()
        for key in list(self._selector.get_map().values()):
            if key.data is self.port and key.fileobj not in watched:
                self._selector.unregister(key.fileobj)

    def _pause_s(self) -> float:
        now = time.monotonic()
        waits = [at - now for at in (self._dog, self.pins.next_due()) if at is not None]
        if self._modem.released is not None:
            waits.append(self._modem.released + NO_MORE_S - now)
        if self._starting is not None:
            waits.append(self._starting[0] - now)
        return max(0.0, min([1.0, *waits]))

    def _after(self) -> None:
        now = time.monotonic()
        self.pins.run_due()
        if self._starting is not None and now >= self._starting[0]:
            cause, self._starting = self._starting[1], None
            self._start(cause, back_in_raw=False)
        if self._dog is not None and now > self._dog:
            self.reset(cause=WATCHDOG)
        if self._modem.released is not None and now > self._modem.released + NO_MORE_S:
            self._sample()

    def _said(self, words: list[str]) -> None:
        """What the firmware asks of the chip."""
        match words:
            case ["p"] if self._interpreter:
                self._interpreter.up = True
            case ["r"]:
                self.reset(cause=RESET)
            case ["l"]:
                self.reset(download=True)
            case ["d", timeout_ms]:
                self._dog = time.monotonic() + int(timeout_ms) / 1000

    def _ordered(self) -> None:
        """A datagram on the control socket; whoever has an address of its own gets the board's state, or what was wrong."""
        text, sender = self._control.recvfrom(1024)
        answer: dict[str, Any] = {"ok": True}
        try:
            self._obey(text.decode().split())
        except (KeyError, ValueError, IndexError) as exc:
            answer = {"ok": False, "error": f"expected an order that this board knows, got {text.decode(errors='replace')!r} ({exc})"}
        if sender:
            answer |= {"powered": self.powered, "mac": self.make.mac, **self.pins.state}
            with suppress(OSError):
                self._control.sendto(json.dumps(answer).encode(), sender)

    def _obey(self, words: list[str]) -> None:
        """Raises KeyError for an order or a point that is not known, ValueError, IndexError."""
        orders: dict[str, Callable[[list[str]], object]] = {
            "lines": lambda args: self._set_lines(args[0] == "1", args[1] == "1", float(args[2])),
            "on": lambda _: self.reset(),
            "reset": lambda _: self.reset(),
            "download": lambda _: self.reset(download=True),
            "off": lambda _: self.off(),
            "drop": lambda args: setattr(self, "_drop", (int(args[0], 0), int(args[1]))),
            "heal": lambda _: setattr(self, "_drop", None),
            "press": lambda args: self.pins.press(args[0]),
            "hold": lambda args: self.pins.press(args[0], None),
            "release": lambda args: self.pins.release(args[0]),
            "turn": lambda args: self.pins.turn(args[0], float(args[1])),
            "break": lambda args: self.pins.dead.add(args[0]),
            "mend": lambda args: self.pins.dead.discard(args[0]),
            "cut_wire": lambda _: self.pins.cut_wire(True),
            "mend_wire": lambda _: self.pins.cut_wire(False),
            "state": lambda _: None,
        }
        orders[words[0]](words[1:])

    # The interpreter.

    def _start(self, cause: int, *, back_in_raw: bool) -> None:
        files = next((part for part in self.flash.partitions() if part.label in LABELS), None)
        if files is None:
            self.send(b"No partition for files\r\n")
            return
        settings: dict[str, object] = {
            "flash": str(self.make.flash.resolve()),
            "offset": files.offset,
            "size": files.size,
            "pins": str(self._folder / "pins"),
            "unique_id": self.make.mac,
            "cause": cause,
        }
        self._interpreter = Interpreter(self.make.image, settings, heap_kb=self.make.heap_kb, back_in_raw=back_in_raw)
        self._selector.register(self._interpreter.fd, selectors.EVENT_READ, self._interpreter)

    def _printed(self, interpreter: Interpreter) -> None:
        data = interpreter.read()
        if data is None:  # it has ended: a soft reset
            was_raw = interpreter.was_raw
            self._halt()
            self.send(b"MPY: soft reboot\r\n")
            self._start(SOFT, back_in_raw=was_raw)
        elif data:
            self.pins.printed(data)
            self.send(data)

    def _halt(self) -> None:
        """Everything stops, as while EN is low."""
        self._loader = self._dog = self._starting = None
        if self._interpreter:
            self._selector.unregister(self._interpreter.fd)
            self._interpreter.end()
            self._interpreter = None
        self.pins.leave(self._selector)
