"""The virtual modem: what a SIM800 or SIM7600 does in PDU mode, and what is done to it."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Self

from simulator.modem import network
from simulator.modem.commands import Commands
from simulator.modem.faults import Faults
from simulator.modem.network import VIETNAM, Manner, Submitted
from simulator.modem.radio import Call, Radio
from simulator.modem.terminal import Terminal

CTRL_Z, ESCAPE, RETURN = b"\x1a", b"\x1b", b"\r"
BOOT_S = 0.1
GARBAGE = b"\x00\xff\xfe\x80"
CHATTER = ("^RSSI:20", "+CREG: 1", '+CIEV: "SIGNAL",4', "*PSUTTZ: 26,11,22,7,3,12")


class VirtualModem:
    """A modem on a pty at `path` while `async with` lasts. `changed` is called whenever something was sent, called or reported.

    `sent` is what the network took, `calls` who was rung, `nonsense` what the independent decoder could not read; `manners` says how
    each phone behaves, by number.
    """

    def __init__(self, path: Path, *, faults: Faults | None = None, changed: Callable[[], None] = lambda: None) -> None:
        self.faults = faults or Faults()
        self.boots = 0
        self.sent: list[Submitted] = []
        self.nonsense: list[str] = []
        self.calls: list[Call] = []
        self.manners: dict[str, Manner] = {}
        self.typed: list[str] = []
        self.memory: dict[int, str] = {}
        self.radio = Radio(self)
        self._terminal = Terminal(path, self._received)
        self._changed = changed
        self._commands = Commands(self)
        self._input = b""
        self._more = asyncio.Event()
        self._speaking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving: asyncio.Task[None] | None = None

    @property
    def path(self) -> Path:
        """Where to open it."""
        return self._terminal.path

    @property
    def messages(self) -> list[tuple[str, str]]:
        """(number, text) of every whole message that was sent."""
        return network.joined(self.sent)

    async def __aenter__(self) -> Self:
        self._terminal.plug()
        self._boot()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop()
        self._terminal.unplug()

    def unplug(self) -> None:
        """Pull it out of the computer."""
        self._stop()
        self._terminal.unplug()

    def plug(self) -> None:
        """Put it back: it starts."""
        self._terminal.plug()
        self._boot()

    def reboot(self) -> None:
        """Start anew, as after a dip of the voltage: it forgets what was set, and says so."""
        self._stop()
        self._boot()
        self.later(BOOT_S, lambda: self.say("RDY", "+CPIN: READY" if not self.faults.pin else "+CPIN: SIM PIN", "SMS Ready"))

    def receive(self, number: str, text: str) -> None:
        """Somebody sends us a message."""
        self.radio.deliver(network.delivered_pdu(number, text, datetime.now(VIETNAM)))

    def rung_by(self, number: str) -> None:
        """Somebody calls us; it rings once."""
        self.start(self.say("RING", f'+CLIP: "{number}",145,"",0,"",0'))

    def took(self, pdu: str, reference: int) -> None:
        """The network has a message; it reports on it."""
        try:
            segment = network.submitted(pdu, at=time.monotonic(), reference=reference)
        except ValueError:
            self.nonsense.append(pdu)
            return
        self.sent.append(segment)
        if segment.wants_report and self.faults.reports and self.manners.get(segment.number, "rings") not in ("off", "nobody"):
            self.later(self.faults.report_s, lambda: self.radio.report(segment))
        self.changed()

    def changed(self) -> None:
        """Tell whoever waits."""
        self._changed()

    def start(self, work: Coroutine[object, None, None]) -> None:
        """Do this beside everything else, until the power goes."""
        task = asyncio.get_running_loop().create_task(work, name="virtual modem")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def later(self, delay_s: float, work: Callable[[], Coroutine[object, None, None]]) -> None:
        """Do this after a time."""

        async def wait() -> None:
            await asyncio.sleep(delay_s)
            await work()

        self.start(wait())

    async def say(self, *lines: str) -> None:
        """Lines that belong together, with nothing between them."""
        async with self._speaking:
            for line in lines:
                await self._write(b"\r\n" + (GARBAGE if self.faults.garbage else b"") + line.encode() + b"\r\n")

    async def answer(self, *lines: str) -> None:
        """Information lines and the final result, with notices in between if it chatters."""
        await asyncio.sleep(self.faults.slow_s)
        for number, line in enumerate(lines):
            if self.faults.chatter:
                await self.say(CHATTER[(len(self.typed) + number) % len(CHATTER)])
            # An information line and the PDU below it are one.
            await self.say(*line.split("\n"))

    async def entry(self) -> str | None:
        """What is typed at the prompt; None if it was left with escape."""
        if not self.faults.deaf_prompt:
            async with self._speaking:
                await self._write(b"\r\n> ")
        text = b""
        while True:
            letter = await self._letter()
            if letter == ESCAPE:
                return None
            if letter == CTRL_Z:
                return text.decode("ascii", errors="replace").strip()
            text += letter

    def _boot(self) -> None:
        self.boots += 1
        self.faults.echo = True
        self._input = b""
        self._commands = Commands(self)
        self.radio.switched_on()
        self._serving = asyncio.get_running_loop().create_task(self._serve(), name="virtual modem: commands")
        self.changed()

    def _stop(self) -> None:
        for task in (*self._tasks, *([self._serving] if self._serving else ())):
            task.cancel()
        self._speaking = asyncio.Lock()

    async def _serve(self) -> None:
        with suppress(asyncio.CancelledError):
            while True:
                line = b""
                while not line.endswith(RETURN):
                    letter = await self._letter()
                    line = b"" if letter in (ESCAPE, CTRL_Z) else line + letter
                text = line.decode("ascii", errors="replace").strip()
                if text.upper().startswith("AT"):
                    self.typed.append(text)
                    await self._commands.run(text)

    async def _letter(self) -> bytes:
        while not self._input:
            self._more.clear()
            await self._more.wait()
        letter, self._input = self._input[:1], self._input[1:]
        if self.faults.echo and letter != ESCAPE:
            await self._write(letter)
        return letter

    async def _write(self, data: bytes) -> None:
        if self.faults.mute:
            return
        if not self.faults.halves:
            self._terminal.write(data)
            return
        for start in range(0, len(data), 2):
            self._terminal.write(data[start : start + 2])
            await asyncio.sleep(0)

    def _received(self, data: bytes) -> None:
        self._input += data
        self._more.set()
