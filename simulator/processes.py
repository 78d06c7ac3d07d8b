"""Boards as real MicroPython processes: the fork server's client, and the local socket over which the boards' pins come."""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from simulator.bodies import Cause, Plan, Probe, Reports
from simulator.gauges import Volts, fitted
from simulator.parts import answer
from simulator.terminals import Terminals

STAND_INS = Path(__file__).parent / "board"
CONNECT_S = 20.0
# What the firmware has on an ESP32, and what these stand-ins take of it here and not there: 24 kB (measured with gc.mem_alloc), and what
# comes later: the next pool of names, of which theirs make the board's the 621st and more (firmware/bench/texts.py).
FIRMWARE_HEAP_KB = 100
NAMES_KB = 7
STAND_INS_KB = 24 + NAMES_KB


def available() -> bool:
    """Whether this machine has the MicroPython interpreter (a wheel for x86-64 Linux only)."""
    return find_spec("micropython_run") is not None


class Processes:
    """Every board of a world, with the firmware in the image `rom`. `async with` starts the fork server and ends it with all boards."""

    def __init__(
        self, rom: Path, terminals: Terminals, reports: Reports, *, heap_kb: int = FIRMWARE_HEAP_KB, flash_delays: bool = True
    ) -> None:
        self._rom = rom
        self._terminals = terminals
        self._reports = reports
        self._heap_kb = heap_kb + STAND_INS_KB
        self._flash_delays = flash_delays
        self._lines: dict[str, _Line] = {}
        self._open: set[_Line] = set()
        self._plans: dict[str, Plan] = {}
        self._ended: dict[str, asyncio.Event] = {}
        self._keys: dict[str, str] = {}
        self._dogs: dict[str, asyncio.TimerHandle] = {}
        self._starts = 0

    async def __aenter__(self) -> Self:
        # A short path: that of a Unix socket has at most 107 bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="keng-"))
        self._socket = self._folder / "pins"
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Line(self._arrived, self._said, self._open), str(self._socket))
        stand_ins = self._folder / "stand-ins.romfs"
        await answer("firmware.bench.romfs", str(STAND_INS), str(stand_ins))
        self._forks = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulator.forkserver", str(self._rom), str(stand_ins)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = loop.create_task(self._read_reports(), name="fork server")
        return self

    async def __aexit__(self, *_: object) -> None:
        for device in list(self._dogs):
            self._unleash(device)
        assert self._forks.stdin  # noqa: S101  opened as a pipe
        self._forks.stdin.close()
        await self._forks.wait()
        await self._reader
        self._server.close()
        for line in list(self._open):
            line.close()
            await line.gone.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def start(self, plan: Plan, cause: Cause) -> None:
        """Power on. Returns when the board has its pins. Raises TimeoutError if the process does not come up."""
        self._starts += 1
        key = f"{plan.device}#{self._starts}"
        self._plans[plan.device], self._keys[plan.device], self._ended[key] = plan, key, asyncio.Event()
        plan.flash.started()
        settings = {
            "device": plan.device,
            "socket": str(self._socket),
            "image": str(plan.flash.path),
            "blocks": plan.flash.blocks,
            "erased": plan.flash.stats.erases,
            "files": {path: content.hex() for path, content in self._files(plan).items()},
            "cause": cause,
            "unique_id": plan.unique_id,
            "slow": self._flash_delays,
            "ticks_bits": plan.ticks_bits,
            "ticks_at_ms": plan.ticks_at_ms,
            "probe": plan.probe,
        }
        environment = {"BOARD": json.dumps(settings), "MICROPYPATH": ".frozen"}
        argv = ["micropython", "-X", f"heapsize={self._heap_kb}k", str(STAND_INS / "boot_board.py")]
        self._ask(start=key, argv=argv, environment=environment, log=str(plan.log))
        async with asyncio.timeout(CONNECT_S):
            while plan.device not in self._lines and not self._ended[key].is_set():
                await self._reports.watch.next_change()

    async def stop(self, device: str) -> None:
        """Power off: the process is killed in whatever it does. Returns when it is gone."""
        key = self._keys.get(device)
        if key is None:
            return
        self._unleash(device)
        ended = self._ended[key]
        if not ended.is_set():
            self._ask(kill=key)
            await ended.wait()
        if line := self._lines.pop(device, None):
            line.close()

    def set_input(self, device: str, terminal: str, active: bool) -> None:
        """Change the level of an input, if the board is on."""
        self._send(device, self._terminals.levels([terminal], [terminal] if active else []))

    def set_volts(self, device: str, terminal: str, volts: Volts) -> None:
        """Change the voltage at an ADC channel."""
        self._send(device, f"a {self._terminals.analog[terminal]} {volts.level} {volts.peak}")

    def advance(self, device: str, ms: int) -> None:
        """Let the board's clock jump ahead."""
        self._send(device, f"t {ms}")

    def cut_at(self, device: str, operation: int) -> None:
        """Cut the power in the `operation`-th block operation from now: half of its bytes arrive."""
        self._send(device, f"k {operation}")

    def reach(self, device: str, in_reach: bool) -> None:
        """Take the access point away or bring it back."""
        self._send(device, f"w {int(in_reach)}")

    def probe(self, device: str) -> None:
        """Ask what its probe has measured."""
        self._send(device, "m")

    @staticmethod
    def _files(plan: Plan) -> dict[str, bytes]:
        return {**plan.files, "/config.json": plan.config.model_dump_json().encode()}

    def _fed(self, device: str, timeout_s: float) -> None:
        """The watchdog counts real time, as the chip's does: what is due when a clock jumps ahead is no delay."""
        self._unleash(device)
        self._dogs[device] = asyncio.get_running_loop().call_later(timeout_s, self._reports.bitten, device)

    def _unleash(self, device: str) -> None:
        if dog := self._dogs.pop(device, None):
            dog.cancel()

    def _send(self, device: str, line: str) -> None:
        if found := self._lines.get(device):
            found.send(line)

    def _ask(self, **request: object) -> None:
        assert self._forks.stdin  # noqa: S101  opened as a pipe
        self._forks.stdin.write(json.dumps(request).encode() + b"\n")

    async def _read_reports(self) -> None:
        assert self._forks.stdout  # noqa: S101  opened as a pipe
        async for text in self._forks.stdout:
            report: dict[str, Any] = json.loads(text)
            if key := report.get("ended"):
                self._end(key)
        for key in list(self._ended):
            self._end(key)

    def _end(self, key: str) -> None:
        if self._ended[key].is_set():
            return
        self._ended[key].set()
        device = key.partition("#")[0]
        if self._keys.get(device) == key:
            self._reports.ended(device)

    def _arrived(self, device: str, line: "_Line") -> None:
        self._lines[device] = line
        plan = self._plans[device]
        # The board starts as soon as it knows levels: they come last, and in one line.
        if plan.cut_at:
            line.send(f"k {plan.cut_at}")
        for terminal, volts in plan.volts.items():
            line.send(f"a {self._terminals.analog[terminal]} {volts.level} {volts.peak}")
        line.send(self._terminals.levels(self._terminals.wired(plan.config.kind, fitted(plan.config)), plan.active))
        self._reports.watch.changed()

    def _said(self, device: str, words: list[str]) -> None:
        match words:
            case ["o", gpio, level]:
                if found := self._terminals.output(int(gpio), int(level), self._plans[device].config.kind):
                    self._reports.output(device, *found)
            case ["f", erases, programs]:
                self._plans[device].flash.counted(int(erases), int(programs))
            case ["c"]:
                self._reports.cut(device)
            case ["r"]:
                self._reports.reset(device)
            case ["d", ms]:
                self._fed(device, int(ms) / 1000)
            case ["u", *numbers]:
                year, month, day, hour, minute, second = map(int, numbers)
                self._reports.clock(device, datetime(year, month, day, hour, minute, second, tzinfo=UTC))
            case ["p", *numbers]:
                peak, held, stand_ins, stall_us, flash_us = map(int, numbers)
                self._reports.probed(device, Probe(peak - stand_ins, held - stand_ins, stall_us / 1e6, flash_us / 1e6))


class _Line(asyncio.Protocol):
    """The world's end of one board's wires. It is in `open_` while it has a socket."""

    def __init__(self, arrived: Callable[[str, "_Line"], None], said: Callable[[str, list[str]], None], open_: set["_Line"]) -> None:
        self._arrived = arrived
        self._said = said
        self._open = open_
        self.gone = asyncio.Event()
        self._device = ""
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  a stream server gives nothing else
        self._transport = transport
        self._open.add(self)

    def connection_lost(self, *_: object) -> None:
        self._open.discard(self)
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            words = line.decode().split()
            if words[0] == "b":
                self._device = words[1]
                self._arrived(self._device, self)
            else:
                self._said(self._device, words)

    def send(self, line: str) -> None:
        self._transport.write(line.encode() + b"\n")

    def close(self) -> None:
        self._transport.abort()
