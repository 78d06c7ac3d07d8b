"""The terminals of a board type, read as data from its file in firmware/boards."""

import runpy
from dataclasses import dataclass
from pathlib import Path

from protocol.site import Kind

BOARDS = Path(__file__).parents[1] / "firmware" / "boards"
# What is wired to a board of each kind, besides its bell.
POINTS: dict[Kind, tuple[str, ...]] = {
    "household": ("button-1", "button-2", "smoke-1", "extinguisher-1", "silence"),
    "fire_point": ("button-1", "door", "extinguisher-1", "extinguisher-2", "tamper"),
    "street_light": (),
    "sos_post": ("sos-1", "tamper"),
}
BELL = "bell"
BELL_SENSE = "bell-sense"
# A lithium cell at 4.1 V (nearly full) behind the divider of 1:2 that the board files describe.
BATTERY_MICROVOLTS = 2_050_000


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

    def output(self, gpio: int, level: int) -> tuple[str, bool] | None:
        """(terminal, on) of a GPIO that has changed; None for one that drives nothing."""
        return next(((name, level == on) for name, (pin, on) in self.outputs.items() if pin == gpio), None)


def load(board: str = "esp32_wroom") -> Terminals:
    """The terminals of a board type. Raises OSError if there is no such file."""
    names = runpy.run_path(str(BOARDS / f"{board}.py"))
    return Terminals(names["INPUTS"], names["OUTPUTS"], names["ANALOG"])
