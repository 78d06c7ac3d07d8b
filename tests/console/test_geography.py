"""Where things are."""

import pytest
from stage import SITE

from gateway.console import geography
from protocol.incident import Place


def test_a_degree_of_latitude_is_111_km_and_one_of_longitude_less() -> None:
    assert geography.metres(21.0, 105.9, 21.01, 105.9) == pytest.approx(1113, abs=1)
    assert geography.metres(21.0, 105.9, 21.0, 105.91) == pytest.approx(1039, abs=1)


def test_the_nearest_fire_point_and_water_come_first() -> None:
    near = geography.nearest(SITE, SITE.place_of("H03-07"))
    assert [(one.kind, one.id) for one in near] == [
        *(("fire_point", "DCC-018"), ("fire_point", "DCC-019"), ("fire_point", "DCC-017")),
        *(("water", "AO-1"), ("water", "TRU-1")),
    ]
    assert near[0].metres == pytest.approx(17, abs=10)


@pytest.mark.parametrize("place", [Place(id=None, name="?"), Place(id=None, name="far", lat=10.0, lon=106.0)])
def test_nothing_is_near_a_place_that_is_nowhere_or_far(place: Place) -> None:
    assert geography.nearest(SITE, place) == []


def test_the_map_has_every_place_longitude_first_and_says_nothing_of_people() -> None:
    found = geography.features(SITE)
    assert found["type"] == "FeatureCollection"
    kinds = [feature["properties"]["kind"] for feature in found["features"]]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"lane": 3, "home": 12, "fire_point": 3, "water": 2}
    home = next(feature for feature in found["features"] if feature["properties"].get("id") == "H03-05")
    assert home["geometry"] == {"type": "Point", "coordinates": [105.9167, 20.97895]}
    assert home["properties"].keys() == {"kind", "id", "name", "group"}
    assert "82 tuổi" not in str(found)
