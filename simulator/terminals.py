"""The terminals of a board type, and what hangs on them in a board of each kind: read as data from the files of the firmware."""

import runpy
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from protocol.site import Kind

FIRMWARE = Path(__file__).parents[1] / "firmware"
BELL = "bell"
BELL_SENSE = "bell-sense"
JUMPER = "jumper"
CONTACTS = ("contact", "mains")  # drivers of points with two levels; the others are turned


@dataclass(frozen=True)
class Wiring:
    """What a kind has: point -> driver, always and at choice; output terminals likewise."""

    always: dict[str, str]
    at_choice: dict[str, str]
    outputs: tuple[str, ...]
    outputs_at_choice: tuple[str, ...]

    @property
    def choices(self) -> tuple[str, ...]:
        """What can be fitted besides what a board always has."""
        return (*self.at_choice, *self.outputs_at_choice)

    def contacts(self, fitted: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The points that can be pressed, of a board with these at choice."""
        return tuple(name for name, driver in self._points(fitted).items() if driver in CONTACTS)

    def gauges(self, fitted: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The points that can be turned."""
        return tuple(name for name, driver in self._points(fitted).items() if driver not in CONTACTS)

    def _points(self, fitted: tuple[str, ...]) -> dict[str, str]:
        return self.always | {name: driver for name, driver in self.at_choice.items() if name in fitted}


def _wiring(kind: Kind) -> Wiring:
    names: dict[str, Any] = runpy.run_path(str(FIRMWARE / "device" / "kinds" / f"{kind}.py"))
    always, at_choice = ({name: driver for name, _, _, driver in names[rows]} for rows in ("POINTS", "OPTIONAL"))
    return Wiring(always, at_choice, names["OUTPUTS"], names["OPTIONAL_OUTPUTS"])


WIRINGS: dict[Kind, Wiring] = {kind: _wiring(kind) for kind in get_args(Kind)}


@dataclass(frozen=True)
class Terminals:
    """Which GPIO is which terminal, and the level that means active (inputs) or on (outputs)."""

    inputs: dict[str, tuple[int, int]]
    outputs: dict[str, tuple[int, int]]
    analog: dict[str, int]

    def level(self, terminal: str, active: bool) -> tuple[int, int]:
        """(GPIO, level) of an input that is active or not. Raises KeyError for a terminal that the board does not have."""
        gpio, when_active = self.inputs[terminal]
        return gpio, when_active if active else 1 - when_active

    def levels(self, terminals: Iterable[str], active: Container[str]) -> str:
        """The line of board/wires.py that tells a board these inputs. Raises KeyError."""
        return " ".join(["i", *(str(word) for terminal in terminals for word in self.level(terminal, terminal in active))])

    def output(self, gpio: int, level: int, kind: Kind) -> tuple[str, bool] | None:
        """(terminal, on) of a GPIO that has changed; None for one that drives nothing on a board of this kind."""
        wiring = WIRINGS[kind]
        wired = (*wiring.outputs, *wiring.outputs_at_choice)
        return next(((name, level == on) for name, (pin, on) in self.outputs.items() if pin == gpio and name in wired), None)

    def wired(self, kind: Kind, fitted: tuple[str, ...]) -> list[str]:
        """The inputs with two levels on which something hangs: terminals of different kinds share a GPIO and rest at different levels."""
        return [name for name in (*WIRINGS[kind].contacts(fitted), BELL_SENSE, JUMPER) if name in self.inputs]


def load(board: str = "esp32_wroom") -> Terminals:
    """The terminals of a board type. Raises OSError if there is no such file."""
    names = runpy.run_path(str(FIRMWARE / "boards" / f"{board}.py"))
    return Terminals(names["INPUTS"], names["OUTPUTS"], names["ANALOG"])
