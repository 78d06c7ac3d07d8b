"""One figure: a name that ends in its unit, and what was measured, beside the floor measured in the same run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


class NotMeasured(Exception):
    """A figure could not be measured. The text says what was waited for, how long, and what came instead."""


@dataclass(frozen=True)
class Figure:
    """`fields` as they stand in bench.json: p50, p95, p99, max, n for many samples; value, n for a single one; floor and ratio."""

    name: str
    fields: dict[str, float | str]


def of_samples(name: str, samples: Sequence[float], *, floor: Sequence[float] = (), **more: float | str) -> Figure:
    """A figure of many samples. Its floor is the floor's p50, its ratio that of the two p50. Raises NotMeasured without samples."""
    if not samples:
        raise NotMeasured(f"{name}: expected samples, got none")
    fields: dict[str, float | str] = {key: rounded(percentile(samples, share)) for key, share in SHARES.items()}
    fields |= {"n": len(samples)}
    if floor:
        below = percentile(floor, 0.5)
        fields |= {"floor": rounded(below), "floor_p99": rounded(percentile(floor, 0.99)), **ratio(percentile(samples, 0.5), below)}
    return Figure(name, fields | more)


def of_value(name: str, value: float, *, floor: float | None = None, **more: float | str) -> Figure:
    """A figure of one value."""
    fields: dict[str, float | str] = {"value": rounded(value), "n": 1}
    if floor is not None:
        fields |= {"floor": rounded(floor), **ratio(value, floor)}
    return Figure(name, fields | more)


SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def percentile(samples: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest sample that `share` (above 0, to 1) of all do not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ratio(value: float, floor: float) -> dict[str, float]:
    """The ratio as a field; none over a floor of 0."""
    return {"ratio": rounded(value / floor)} if floor else {}


def rounded(value: float) -> float:
    """To four significant digits: more would be noise."""
    return float(f"{value:.4g}") if abs(value) < 10_000 else round(value)
