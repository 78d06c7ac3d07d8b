"""What the transmitters of a simulated board show at its analog inputs: physical values in, volts out, as docs/hardware has them wired."""

from typing import NamedTuple

from protocol.config import BoardConfig, Point
from simulator.terminals import WIRINGS


class Volts(NamedTuple):
    """A voltage at an analog input, in µV: a level, and on it a sine of 50 Hz with this peak."""

    level: int
    peak: int = 0


class Gauge(NamedTuple):
    """A point that can be turned: its terminal, its unit, and what it shows when nobody has touched it."""

    terminal: str
    unit: str
    rest: float


GAUGES = {
    "battery": Gauge("battery", "V of the cell", 4.1),
    "tank": Gauge("tank", "% full", 80),
    "pump": Gauge("pump", "kPa", 900),
    "light": Gauge("light", "lx", 500),
    "lamp": Gauge("lamp-current", "A while it burns", 0.35),
}
FULL = {"tank": 100, "pump": 1600}


def fitted(config: BoardConfig) -> tuple[str, ...]:
    """The points and outputs at choice that a configuration names."""
    return tuple(name for name, point in config.points.items() if point is not None)


def at_rest(config: BoardConfig) -> dict[str, float]:
    """Each gauge of a board with the value that it shows."""
    return {name: GAUGES[name].rest for name in WIRINGS[config.kind].gauges(fitted(config))}


def volts(name: str, value: float, config: BoardConfig, *, lamp_burns: bool) -> Volts:
    """What `value` of a gauge is at its terminal. A cell behind 1:2; a transmitter of 0.5 to 4.5 V behind 1:2; 50 mV for each lx; 200 mV
    for each A on half of 3.3 V.
    """
    if name == "battery":
        return Volts(round(value * 500_000))
    if name == "light":
        return Volts(min(round(value * 50_000), 3_300_000))
    if name == "lamp":
        return Volts(1_650_000, round(value * 282_843) if lamp_burns else 0)
    full = (config.points.get(name) or Point()).full or FULL[name]
    return Volts(round((0.5 + 4 * value / full) * 500_000))
