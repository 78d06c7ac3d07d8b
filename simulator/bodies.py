"""What a world knows of a board that it starts, and what the board's body, a MicroPython process or a light board, reports back."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from protocol.config import BoardConfig
from simulator.flashes import Flash
from simulator.gauges import Volts
from simulator.watch import Watch


class Cause(IntEnum):
    """machine.reset_cause() of the ESP32: PWRON_RESET, WDT_RESET, and SOFT_RESET, which follows machine.reset()."""

    POWER = 1
    WATCHDOG = 3
    RESET = 5


@dataclass
class Plan:
    """A board as it stands in the world: what it is, and how its pins are now."""

    config: BoardConfig
    flash: Flash
    log: Path
    unique_id: str
    active: set[str] = field(default_factory=set)
    volts: dict[str, Volts] = field(default_factory=dict)  # analog terminal -> what is there
    cut_at: int = 0
    ticks_bits: int = 62
    ticks_at_ms: int = 0
    files: dict[str, bytes] = field(default_factory=dict)  # of a new board, besides its configuration: absolute paths, one folder deep
    probe: bool = False

    @property
    def device(self) -> str:
        """Its id."""
        return self.config.device


class Probe(NamedTuple):
    """What was measured inside a board since its start. Bytes of heap that the firmware has taken: at most, garbage and gaps included, and
    what it holds now; since the question before, the longest time for which its event loop stood still, in s, and the flash's share of it.
    """

    heap_peak: int
    heap_held: int
    stall_s: float
    flash_s: float


class Reports(Protocol):
    """What a body tells the world."""

    watch: Watch

    def output(self, device: str, terminal: str, on: bool) -> None:
        """An output has changed now."""

    def cut(self, device: str) -> None:
        """The ordered power cut was reached."""

    def reset(self, device: str) -> None:
        """The board restarts itself."""

    def bitten(self, device: str) -> None:
        """The board has not fed its watchdog in time: it starts again."""

    def clock(self, device: str, at: datetime) -> None:
        """The board has set its clock."""

    def ended(self, device: str) -> None:
        """The board's program ended, unasked or not."""

    def probed(self, device: str, probe: Probe) -> None:
        """The answer to a question of World.probe()."""


class Bodies(Protocol):
    """Everything that can be done to boards, whatever they run on."""

    async def start(self, plan: Plan, cause: Cause) -> None:
        """Power on; returns when the board has its pins."""

    async def stop(self, device: str) -> None:
        """Power off, in the middle of whatever it does."""

    def set_input(self, device: str, terminal: str, active: bool) -> None:
        """Change an input."""

    def set_volts(self, device: str, terminal: str, volts: Volts) -> None:
        """Change an analog input."""

    def advance(self, device: str, ms: int) -> None:
        """Let the board's clock jump ahead."""

    def cut_at(self, device: str, operation: int) -> None:
        """Cut the power in the operation-th block operation from now."""

    def reach(self, device: str, in_reach: bool) -> None:
        """Take the access point away or bring it back."""

    def probe(self, device: str) -> None:
        """Ask for Reports.probed()."""
