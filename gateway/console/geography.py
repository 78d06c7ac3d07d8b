"""The commune on a map: its description as GeoJSON, and what lies nearest to a place. Pure."""

import math
from typing import Any, Literal, NamedTuple

from protocol.incident import Place
from protocol.neighbours import METRES_A_DEGREE
from protocol.site import Site

NEAR_M = 1000.0
# To each of these kinds a person would run; of fire points the nearest may be empty.
LIMITS = {"fire_point": 3, "water": 2}


class Near(NamedTuple):
    """Something that helps, so many metres from the place as the crow flies."""

    kind: Literal["fire_point", "water"]
    id: str
    metres: int


def metres(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    """The distance between two places in WGS 84 degrees. Flat earth: good for a commune."""
    wide = math.cos(math.radians(lat)) * METRES_A_DEGREE
    return math.hypot((other_lat - lat) * METRES_A_DEGREE, (other_lon - lon) * wide)


def nearest(site: Site, place: Place) -> list[Near]:
    """The nearest fire points and water sources, the nearest of each kind first; nothing for a place that is nowhere."""
    if place.lat is None or place.lon is None:
        return []
    found: list[Near] = []
    kinds: tuple[tuple[Literal["fire_point", "water"], list[Any]], ...] = (("fire_point", site.fire_points), ("water", site.water_sources))
    for kind, things in kinds:
        near = sorted(
            (Near(kind, one.id, round(metres(place.lat, place.lon, one.lat, one.lon))) for one in things), key=lambda one: one.metres
        )
        found += [one for one in near if one.metres <= NEAR_M][: LIMITS[kind]]
    return found


def features(site: Site) -> dict[str, Any]:
    """Lanes, homes, fire points, posts and water sources as a GeoJSON FeatureCollection (RFC 7946: longitude first).

    Nothing of who lives there: names and places only.
    """
    kinds = {board.place: board.kind for board in site.boards}
    points = [("home", one) for one in site.homes] + [("fire_point", one) for one in site.fire_points]
    points += [("lamp" if kinds.get(one.id) == "street_light" else "sos", one) for one in site.posts]
    found = [_line(lane.name, [[lon, lat] for lat, lon in lane.path]) for lane in site.lanes]
    found += [_point(kind, one.id, one.name, one.lat, one.lon, group=one.group) for kind, one in points]
    found += [_point("water", one.id, one.name, one.lat, one.lon, water=one.kind) for one in site.water_sources]
    return {"type": "FeatureCollection", "features": found}


def _line(name: str, coordinates: list[list[float]]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": {"kind": "lane", "name": name},
        "geometry": {"type": "LineString", "coordinates": coordinates},
    }


def _point(kind: str, ident: str, name: str, lat: float, lon: float, **more: str) -> dict[str, Any]:
    properties = {"kind": kind, "id": ident, "name": name, **more}
    return {"type": "Feature", "properties": properties, "geometry": {"type": "Point", "coordinates": [lon, lat]}}
