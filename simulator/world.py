"""The world of a simulation: every pin, flash, clock, bell wire and link of every board.

Times are seconds of CLOCK_MONOTONIC, as time.monotonic() gives them, in every process of this machine.
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Self

from protocol.config import Address as BrokerAddress
from protocol.config import BoardConfig
from simulator import gauges, terminals
from simulator.bodies import Bodies, Cause, Plan, Probe
from simulator.flashes import Flash, FlashStats
from simulator.light import LightBoards
from simulator.links import Address, Link
from simulator.processes import FIRMWARE_HEAP_KB, Processes
from simulator.terminals import BELL, BELL_SENSE
from simulator.watch import Watch

LAMP = "lamp"
PULSE_S = 0.3  # a finger on a button
CHANGES_KEPT = 100_000
BEAT_REST_S = 1.75


class Change(NamedTuple):
    """An output of a board has changed at `at` (monotonic s)."""

    at: float
    device: str
    output: str
    on: bool


class World:
    """Boards come with `add` and live until the end of `async with`. Their images, logs and links are in `directory`.

    rom: the firmware as a ROMFS image; None gives light boards.
    """

    def __init__(
        self,
        directory: Path,
        broker: Address,
        *,
        rom: Path | None,
        watch: Watch | None = None,
        flash_delays: bool = True,
        heap_kb: int = FIRMWARE_HEAP_KB,
    ) -> None:
        self.watch = watch or Watch()
        self.changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self.restarts: dict[str, int] = {}  # by machine.reset()
        self.bites: dict[str, int] = {}  # by the watchdog
        self.clocks: dict[str, datetime] = {}
        self.crashed: set[str] = set()
        self._probes: dict[str, Probe] = {}
        self._directory = directory
        self._broker = broker
        self._rom = rom
        self._flash_delays = flash_delays
        self._heap_kb = heap_kb
        self._terminals = terminals.load()
        self._plans: dict[str, Plan] = {}
        self._links: dict[str, Link] = {}
        self._values: dict[str, dict[str, float]] = {}
        self._on: dict[str, bool] = {}
        self._switches: dict[str, asyncio.Lock] = {}
        self._outputs: dict[tuple[str, str], bool] = {}
        self._cut_wires: set[str] = set()
        self._errands: set[asyncio.Task[None]] = set()
        self._over = False

    async def __aenter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._stack = AsyncExitStack()
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        self._bodies: Bodies = await self._stack.enter_async_context(
            LightBoards(self)
            if self._rom is None
            else Processes(self._rom, self._terminals, self, heap_kb=self._heap_kb, flash_delays=self._flash_delays)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over = True
        for device in self._on:
            self._on[device] = False
        for errand in self._errands:
            errand.cancel()
        await self._stack.aclose()

    @property
    def devices(self) -> list[str]:
        """Every board's id, in the order of `add`."""
        return list(self._plans)

    async def add(
        self,
        config: BoardConfig,
        *,
        ticks_bits: int = 62,
        ticks_at_ms: int = 0,
        files: dict[str, bytes] | None = None,
        probed: bool = False,
    ) -> None:
        """A new board with blank flash, wired and without power. Its brokers are replaced by its own link.

        ticks_bits 30 lets its ticks wrap as on an ESP32; they stand at ticks_at_ms at each start. files: what the bench writes besides the
        configuration, by absolute path. probed: probe() may be asked.
        """
        device = config.device
        link = await self._stack.enter_async_context(Link(self._broker))
        self._links[device] = link
        folder = self._directory / device
        folder.mkdir(exist_ok=True)
        self._plans[device] = Plan(
            config.model_copy(update={"brokers": [BrokerAddress(host="127.0.0.1", port=link.port)]}),
            Flash(folder / "flash.img"),
            folder / "log.txt",
            # Espressif's prefix, then what tells boards apart.
            "240ac4" + hashlib.sha256(device.encode()).hexdigest()[:6],
            ticks_bits=ticks_bits,
            ticks_at_ms=ticks_at_ms,
            files=files or {},
            probe=probed,
        )
        self._values[device] = gauges.at_rest(config)
        for name in self._values[device]:
            self._show(device, name)
        self._on[device] = False
        self._switches[device] = asyncio.Lock()
        self.restarts[device] = self.bites[device] = 0

    # Hands

    def press(self, device: str, point: str) -> float:
        """Make an input active: a finger on the button, an extinguisher taken, a door opened. Returns when, monotonic."""
        return self._set(device, point, True)

    def release(self, device: str, point: str) -> float:
        """Make an input inactive. Returns when, monotonic."""
        return self._set(device, point, False)

    async def pulse(self, device: str, point: str, seconds: float = PULSE_S) -> float:
        """Press, hold for `seconds`, release. Returns when it was pressed."""
        at = self.press(device, point)
        await asyncio.sleep(seconds)
        self.release(device, point)
        return at

    def turn(self, device: str, point: str, value: float) -> None:
        """Let a gauge of the board show a value, in the unit of gauges.GAUGES. Raises KeyError for one that the board does not have."""
        if point not in self._values[device]:
            raise KeyError(point)
        self._values[device][point] = value
        self._show(device, point)
        self.watch.changed()

    def _show(self, device: str, point: str) -> None:
        plan = self._plans[device]
        volts = gauges.volts(point, self._values[device][point], plan.config, lamp_burns=self.is_output_on(device, LAMP))
        terminal = gauges.GAUGES[point].terminal
        plan.volts[terminal] = volts
        self._bodies.set_volts(device, terminal, volts)

    def _set(self, device: str, point: str, active: bool) -> float:
        plan = self._plans[device]
        self._terminals.level(point, active)  # a KeyError for a terminal that is not there
        (plan.active.add if active else plan.active.discard)(point)
        at = time.monotonic()
        self._bodies.set_input(device, point, active)
        self.watch.changed()
        return at

    # Power, flash, clock

    async def power(self, device: str, on: bool) -> None:
        """Switch a board's power. Off is immediate and in the middle of whatever it does; on waits until it is off altogether."""
        async with self._switches[device]:
            if self._on[device] == on:
                return
            self._on[device] = on
            if on:
                await self._bodies.start(self._plans[device], Cause.POWER)
                self._plans[device].cut_at = 0
            else:
                await self._bodies.stop(device)
                self._dark(device)
        self.watch.changed()

    def is_on(self, device: str) -> bool:
        """Whether the board has power."""
        return self._on[device]

    def cut_power_at(self, device: str, operation: int) -> None:
        """Cut the power in the operation-th flash operation (erase or program) from now, or from its next start if it is off."""
        if self._on[device]:
            self._bodies.cut_at(device, operation)
        else:
            self._plans[device].cut_at = operation

    async def reimage(self, device: str) -> None:
        """Give a board a blank flash, as the technician's bench does, and leave it as it was: on or off."""
        was_on = self._on[device]
        await self.power(device, False)
        self._plans[device].flash.erase()
        await self.power(device, was_on)

    def flash(self, device: str) -> FlashStats:
        """Flash operations since the board was new; those of the last commit included."""
        return self._plans[device].flash.stats

    def log(self, device: str) -> str:
        """What the board has printed."""
        path = self._plans[device].log
        return path.read_text(errors="replace") if path.exists() else ""

    def clock_advance(self, device: str, seconds: float) -> None:
        """Let the board's clock jump ahead."""
        self._bodies.advance(device, round(seconds * 1000))

    async def probe(self, device: str, within_s: float = 5.0) -> Probe:
        """What was measured inside a board since its start: one that was added with probed=True, and is on. Raises TimeoutError."""
        self._probes.pop(device, None)
        self._bodies.probe(device)
        if not await self.watch.until(lambda: device in self._probes, within_s):
            raise TimeoutError(f"{device}: expected what its probe has measured within {within_s:g} s, got nothing")
        return self._probes[device]

    # Wires and links

    def cut_wire(self, device: str) -> None:
        """Cut the wire of the bell: no current flows, whatever its output says."""
        self._cut_wires.add(device)
        self._sense(device)

    def mend_wire(self, device: str) -> None:
        """Mend the bell's wire."""
        self._cut_wires.discard(device)
        self._sense(device)

    def link(self, device: str) -> Link:
        """The board's way to the broker."""
        return self._links[device]

    def access_point(self, device: str, in_reach: bool) -> None:
        """Take the board's access point away, or bring it back."""
        self._bodies.reach(device, in_reach)

    # What the boards do

    def output(self, device: str, terminal: str, on: bool) -> None:
        """A board reports that an output has changed."""
        if self._outputs.get((device, terminal), False) == on:
            return
        change = Change(time.monotonic(), device, terminal, on)
        self._outputs[device, terminal] = on
        self.changes.append(change)
        if terminal == BELL:
            self._sense(device)
        elif terminal == LAMP and LAMP in self._values[device]:
            self._show(device, LAMP)
        self.watch.changed()

    def is_output_on(self, device: str, output: str) -> bool:
        """Whether the output is on at this moment: a bell that rings is off between its beats."""
        return self._outputs.get((device, output), False)

    def is_ringing(self, device: str) -> bool:
        """Whether the bell sounds, the pauses between its beats included: temporal-3 rests 1.5 s at most (ISO 8201)."""
        if self.is_output_on(device, BELL):
            return True
        last = next((change.at for change in reversed(self.changes) if change.device == device and change.output == BELL), None)
        return self._on[device] and last is not None and time.monotonic() - last < BEAT_REST_S

    def first_on(self, device: str, output: str, since: float) -> float | None:
        """When the output was first switched on after `since` (monotonic), or None."""
        times = (change.at for change in self.changes if change.device == device and change.output == output and change.on)
        return next((at for at in times if at >= since), None)

    def cut(self, device: str) -> None:
        """A board has reached its ordered power cut."""
        self._errand(self.power(device, False))

    def reset(self, device: str) -> None:
        """A board restarts itself."""
        self.restarts[device] += 1
        self._errand(self._restart(device, Cause.RESET))

    def bitten(self, device: str) -> None:
        """A board's watchdog restarts it."""
        self.bites[device] += 1
        self._errand(self._restart(device, Cause.WATCHDOG))

    def clock(self, device: str, at: datetime) -> None:
        """A board has set its clock, by which it judges certificates."""
        self.clocks[device] = at
        self.watch.changed()

    def probed(self, device: str, probe: Probe) -> None:
        """A board's probe has been read."""
        self._probes[device] = probe
        self.watch.changed()

    def ended(self, device: str) -> None:
        """A board's process is gone: a crash unless its power was cut."""
        if self._on[device]:
            self.crashed.add(device)
            self._dark(device)
        self.watch.changed()

    async def _restart(self, device: str, cause: Cause) -> None:
        async with self._switches[device]:
            if not self._on[device]:
                return
            self._on[device] = False
            await self._bodies.stop(device)
            self._dark(device)
            self._on[device] = True
            await self._bodies.start(self._plans[device], cause)

    def _errand(self, work: Coroutine[None, None, None]) -> None:
        if self._over:
            work.close()  # a board's last word while the world ends
            return
        errand = self._tasks.create_task(work)
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)

    def _dark(self, device: str) -> None:
        for name in self._terminals.outputs:
            self.output(device, name, False)

    def _sense(self, device: str) -> None:
        current = self.is_output_on(device, BELL) and device not in self._cut_wires
        if (BELL_SENSE in self._plans[device].active) != current:
            self._set(device, BELL_SENSE, current)
