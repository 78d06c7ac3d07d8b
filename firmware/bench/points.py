"""What a board of a kind has to be tried: its points and outputs with their GPIOs, read as data from the files of the firmware."""

import runpy
from typing import Any, Literal, NamedTuple

from firmware.bench.bundle import ROOT
from protocol.config import BoardConfig

CONTACTS = ("contact", "mains")  # drivers of points with two levels
How = Literal["contact", "voltage", "output", "bell"]
BELL, BELL_SENSE, BATTERY, JUMPER = "bell", "bell-sense", "battery", "jumper"
BATTERY_UV = (1_500_000, 2_150_000)  # a cell of 3.0 to 4.3 V behind a divider of 1:2


class Trial(NamedTuple):
    """One thing to try. `level`: active, or on. `sense`: the GPIO and level of the bell's current, none for others.

    `limits`: microvolts between which a voltage is well.
    """

    point: str
    how: How
    gpio: int
    level: int = 1
    pull: bool = True
    sense: tuple[int, int] | None = None
    limits: tuple[int, int] | None = None


class Jumper(NamedTuple):
    """The terminal that opens a board's console while it has this level at a start."""

    gpio: int
    level: int


def jumper(board: str) -> Jumper | None:
    """That of a board type; None if it has none."""
    pins: dict[str, Any] = runpy.run_path(str(ROOT / f"firmware/boards/{board}.py"))
    return Jumper(*pins["INPUTS"][JUMPER]) if JUMPER in pins["INPUTS"] else None


def trials(config: BoardConfig, board: str) -> tuple[list[Trial], list[str]]:
    """What to try on a board of this configuration, and the points that this bench cannot try: those on loops, other transmitters."""
    kind: dict[str, Any] = runpy.run_path(str(ROOT / f"firmware/device/kinds/{config.kind}.py"))
    pins: dict[str, Any] = runpy.run_path(str(ROOT / f"firmware/boards/{board}.py"))
    chosen = {name for name, point in config.points.items() if point is not None}
    without = {name for name, point in config.points.items() if point is None}
    points = [row for row in kind["POINTS"] if row[0] not in without] + [row for row in kind["OPTIONAL"] if row[0] in chosen]
    on_loops = {name for name, point in config.points.items() if point is not None and point.loop}
    found: list[Trial] = []
    left: list[str] = []
    for name, _, _, driver in points:
        if driver in CONTACTS and name in pins["INPUTS"] and name not in on_loops:
            gpio, level = pins["INPUTS"][name]
            found.append(Trial(name, "contact", gpio, level, gpio not in pins["NO_PULL"]))
        elif driver == BATTERY and BATTERY in pins["ANALOG"]:
            found.append(Trial(name, "voltage", pins["ANALOG"][BATTERY], limits=BATTERY_UV))
        else:
            left.append(name)
    outputs = [name for name in kind["OUTPUTS"] if name not in without] + [name for name in kind["OPTIONAL_OUTPUTS"] if name in chosen]
    sense = pins["INPUTS"].get(BELL_SENSE) if config.bell_sense else None
    for name in outputs:
        gpio, level = pins["OUTPUTS"][name]
        found.append(Trial(name, "bell" if name == BELL else "output", gpio, level, sense=sense if name == BELL else None))
    return found, left
