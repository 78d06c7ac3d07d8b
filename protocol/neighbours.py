"""Which fire groups are neighbours: places in metres on a grid, so that only what is near is looked at. Flat earth, good for a commune."""

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

METRES_A_DEGREE = 111_320  # of latitude, and of longitude at the equator


class Location(NamedTuple):
    """A place of a group; WGS 84 degrees."""

    group: str
    lat: float
    lon: float


class Neighbours:
    """The groups with a place no further than `within_m` metres from one of another; answers are kept."""

    def __init__(self, places: Iterable[Location], within_m: float) -> None:
        self._within_m = within_m
        self._cells: dict[tuple[int, int], list[tuple[float, float, str]]] = defaultdict(list)
        self._of_group: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._known: dict[str, frozenset[str]] = {}
        wide = float(METRES_A_DEGREE)
        for group, lat, lon in places:
            if not self._of_group:
                wide = math.cos(math.radians(lat)) * METRES_A_DEGREE
            x_m, y_m = lon * wide, lat * METRES_A_DEGREE
            self._of_group[group].append((x_m, y_m))
            self._cells[self._cell(x_m, y_m)].append((x_m, y_m, group))

    def of(self, group: str) -> frozenset[str]:
        """The neighbours of a group, without itself."""
        if group not in self._known:
            self._known[group] = frozenset(other for x_m, y_m in self._of_group.get(group, ()) for other in self._near(x_m, y_m)) - {group}
        return self._known[group]

    def _near(self, x_m: float, y_m: float) -> set[str]:
        column, row = self._cell(x_m, y_m)
        around = [place for dx in (-1, 0, 1) for dy in (-1, 0, 1) for place in self._cells.get((column + dx, row + dy), ())]
        return {group for other_x_m, other_y_m, group in around if math.hypot(x_m - other_x_m, y_m - other_y_m) <= self._within_m}

    def _cell(self, x_m: float, y_m: float) -> tuple[int, int]:
        return int(x_m // self._within_m), int(y_m // self._within_m)
