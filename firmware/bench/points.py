"""What a board of a kind has to be tried: its points and outputs with their GPIOs, read as data from the files of the firmware."""

import runpy
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

from firmware.bench.bundle import ROOT
from protocol.config import BoardConfig

CONTACTS = ("contact", "mains")  # drivers of points with two levels
How = Literal["contact", "band", "voltage", "lamp", "output", "bell"]
ASKED = ("contact", "band")  # somebody has to do something
BELL, BELL_SENSE, BATTERY, JUMPER, LAMP, LIGHT = "bell", "bell-sense", "battery", "jumper", "lamp", "light"
CURRENT = "lamp-current"
BATTERY_UV = (1_500_000, 2_150_000)  # a cell of 3.0 to 4.3 V behind a divider of 1:2
TRANSMITTERS = ("level", "pressure")
# As the board judges: firmware/device/drivers/ratiometric.py, loop.py, light.py, lamp.py.
TRANSMITTER_UV = (150_000, 2_350_000)
LOOP_MV = 2245  # at rest, unless the configuration says otherwise; the bands below go with it
LOOP_ACTIVE_UV, LOOP_REST_UV = (250_000, 1_600_000), (1_600_000, 2_700_000)
DARK_UV, BRIGHT_UV = (0, 750_000), (2_000_000, 3_400_000)
LAMP_MA = 50  # above an ADC's noise of 15, below the smallest lamp


class Trial(NamedTuple):
    """One thing to try. `level`: active, or on. `sense`: the GPIO and level of the bell's current; of a lamp's the GPIO and mA; none for
    others.

    `limits`: microvolts between which a voltage is well, or those of a band that means active; `rest`: those that mean clear.
    """

    point: str
    how: How
    gpio: int
    level: int = 1
    pull: bool = True
    sense: tuple[int, int] | None = None
    limits: tuple[int, int] | None = None
    rest: tuple[int, int] | None = None


class Jumper(NamedTuple):
    """The terminal that opens a board's console while it has this level at a start."""

    gpio: int
    level: int


def jumper(board: str) -> Jumper | None:
    """That of a board type; None if it has none."""
    pins: dict[str, Any] = runpy.run_path(str(ROOT / f"firmware/boards/{board}.py"))
    return Jumper(*pins["INPUTS"][JUMPER]) if JUMPER in pins["INPUTS"] else None


def misfits(config: BoardConfig, board: str) -> list[str]:
    """Why a board of this type cannot be what the configuration says, in the words in which the board itself would tell it."""
    fit = runpy.run_path(str(ROOT / "firmware/device/agent/fit.py"))
    kind, pins = (
        SimpleNamespace(**runpy.run_path(str(ROOT / path)))
        for path in (f"firmware/device/kinds/{config.kind}.py", f"firmware/boards/{board}.py")
    )
    chosen = {name: None if point is None else point.model_dump(exclude_defaults=True) for name, point in config.points.items()}
    return [why for _, why in fit["problems"](config.kind, kind, chosen, pins)]


def trials(config: BoardConfig, board: str) -> tuple[list[Trial], list[str]]:
    """What to try on a board of this configuration that fits (see misfits), and the points that cannot be tried."""
    kind: dict[str, Any] = runpy.run_path(str(ROOT / f"firmware/device/kinds/{config.kind}.py"))
    pins: dict[str, Any] = runpy.run_path(str(ROOT / f"firmware/boards/{board}.py"))
    chosen = {name for name, point in config.points.items() if point is not None}
    without = {name for name, point in config.points.items() if point is None}
    points = [row for row in kind["POINTS"] if row[0] not in without] + [row for row in kind["OPTIONAL"] if row[0] in chosen]
    found: list[Trial] = []
    left: list[str] = []
    for name, _, _, driver in points:
        if trial := _of_point(name, driver, config, pins):
            found.append(trial)
        elif driver != LAMP:  # that is tried with its output
            left.append(name)
    outputs = [name for name in kind["OUTPUTS"] if name not in without] + [name for name in kind["OPTIONAL_OUTPUTS"] if name in chosen]
    return found + [_of_output(name, config, pins) for name in outputs], left


def _of_point(name: str, driver: str, config: BoardConfig, pins: dict[str, Any]) -> Trial | None:
    own = config.points.get(name)
    analog: dict[str, int] = pins["ANALOG"]
    if own and own.loop:
        active, rest = (_scaled(band, own.normal_mv or LOOP_MV) for band in (LOOP_ACTIVE_UV, LOOP_REST_UV))
        return Trial(name, "band", analog[own.loop], limits=active, rest=rest) if own.loop in analog else None
    if driver in CONTACTS and name in pins["INPUTS"]:
        gpio, level = pins["INPUTS"][name]
        return Trial(name, "contact", gpio, level, gpio not in pins["NO_PULL"])
    if driver in (BATTERY, *TRANSMITTERS) and name in analog:
        return Trial(name, "voltage", analog[name], limits=BATTERY_UV if driver == BATTERY else TRANSMITTER_UV)
    if driver == LIGHT and LIGHT in analog:
        return Trial(name, "band", analog[LIGHT], limits=DARK_UV, rest=BRIGHT_UV)
    return None


def _of_output(name: str, config: BoardConfig, pins: dict[str, Any]) -> Trial:
    gpio, level = pins["OUTPUTS"][name]
    if name == BELL:
        return Trial(name, "bell", gpio, level, sense=pins["INPUTS"].get(BELL_SENSE) if config.bell_sense else None)
    if name == LAMP and CURRENT in pins["ANALOG"]:
        return Trial(name, "lamp", gpio, level, sense=(pins["ANALOG"][CURRENT], LAMP_MA))
    return Trial(name, "output", gpio, level)


def _scaled(band: tuple[int, int], normal_mv: int) -> tuple[int, int]:
    return band[0] * normal_mv // LOOP_MV, band[1] * normal_mv // LOOP_MV
