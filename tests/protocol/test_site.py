"""The commune's description."""

import unicodedata
from pathlib import Path

import pytest

from protocol import site
from protocol.site import Site
from protocol.tomlfile import FileMistakes

DEMO = Path(__file__).parents[2] / "simulator/communes/ngo-thu-5.toml"

# A small commune in which every part can be made wrong.
GOOD = """\
[site]
id = "xa-mau"
name = "Xã Mẫu"
[[groups]]
id = "TLG-03"
name = "Tổ liên gia 03"
[[homes]]
id = "H03-01"
group = "TLG-03"
name = "Hộ 1"
address = "Số 1"
lat = 20.9
lon = 105.9
[[fire_points]]
id = "DCC-017"
group = "TLG-03"
name = "Điểm chữa cháy"
address = "Đầu ngõ"
lat = 20.9
lon = 105.9
[[boards]]
id = "B-1"
kind = "household"
place = "H03-01"
[[boards]]
id = "B-2"
kind = "fire_point"
place = "DCC-017"
[[people]]
id = "truc-ban-1"
name = "Cán bộ"
role = "duty"
phone = "0912 345 678"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def mistakes(path: Path, *changes: tuple[str, str]) -> list[str]:
    text = GOOD
    for old, new in changes:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileMistakes) as caught:
        site.load(path)
    return [line.removeprefix(f"{path}:") for line in caught.value.mistakes]


def good(path: Path) -> Site:
    path.write_text(GOOD, encoding="utf-8")
    return site.load(path)


def test_the_demo_commune_is_in_order() -> None:
    demo = site.load(DEMO)
    assert (len(demo.homes), len(demo.fire_points), len(demo.boards)) == (12, 3, 15)
    assert len(demo.bells_of("TLG-03")) == 12
    assert demo.bells_of("DCC-N5") == ["DCC-017", "DCC-018", "DCC-019"]


def test_a_board_has_the_place_and_the_group_of_its_home(path: Path) -> None:
    commune = good(path)
    assert commune.place_of("B-1").name == "Hộ 1"
    assert commune.place_of("B-1").id == "H03-01"
    assert commune.group_of("B-2") == "TLG-03"
    assert commune.group_name("TLG-03") == "Tổ liên gia 03"


def test_a_board_that_the_file_does_not_know_is_unplaced(path: Path) -> None:
    commune = good(path)
    assert commune.place_of("X-9").id is None
    assert "X-9" in commune.place_of("X-9").name
    assert commune.group_of("X-9") is None


def test_words_are_kept_in_nfc_and_phones_in_e164(path: Path) -> None:
    path.write_text(GOOD.replace("Hộ 1", unicodedata.normalize("NFD", "Hộ 1")), encoding="utf-8")
    commune = site.load(path)
    assert commune.homes[0].name == unicodedata.normalize("NFC", "Hộ 1")
    assert commune.people[0].phone == "+84912345678"


def test_an_unknown_group_a_doubled_id_bad_coordinates_and_a_missing_field_come_in_one_go(path: Path) -> None:
    found = mistakes(
        path,
        ('group = "TLG-03"', 'group = "TLG-99"'),
        ('id = "DCC-017"', 'id = "H03-01"'),
        ("lat = 20.9\n", "lat = 120.9\n"),
        ('address = "Đầu ngõ"\n', ""),
        ('id = "B-2"', 'id = "B-1"'),
    )
    assert found == [
        "9: homes[1].group: expected the id of a group in this file, got 'TLG-99'",
        "12: homes[1].lat: expected less than or equal to 90, got 120.9",
        "14: fire_points[1].address: expected to be there, got nothing",
        "15: fire_points[1].id: expected an id used only once, got 'H03-01'",
        "25: boards[2].id: expected an id used only once, got 'B-1'",
        "27: boards[2].place: expected the id of a home, fire point or post in this file, got 'DCC-017'",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('id = "H03-01"', 'id = "H03/01"', "homes[1].id: expected 1 to 32 of A-Z a-z 0-9 _ -, got 'H03/01'"),
        ('id = "TLG-03"\n', f'id = "{"T" * 33}"\n', "groups[1].id: expected 1 to 32 of A-Z a-z 0-9 _ -"),
        ("lon = 105.9", "long = 105.9", "homes[1].long: expected no such key (a typing mistake?)"),
        ('kind = "household"', 'knid = "household"', "boards[1].kind: expected to be there, got nothing"),
        ("lon = 105.9", "lon = nan", "homes[1].lon: expected a finite number"),
        ("lon = 105.9", 'lon = "105° 54"', "homes[1].lon: expected a valid number"),
        ("lon = 105.9", "lon = -180.5", "homes[1].lon: expected greater than or equal to -180, got -180.5"),
        (
            'kind = "household"',
            'kind = "houshold"',
            "boards[1].kind: expected 'household', 'fire_point', 'street_light'",
        ),
        (
            'place = "H03-01"',
            'place = "H03-99"',
            "boards[1].place: expected the id of a home, fire point or post in this file",
        ),
        ('id = "B-1"', 'id = "engine"', "boards[1].id: expected an id other than engine, console, bench, observer, got 'engine'"),
        ('role = "duty"', 'role = "boss"', "people[1].role: expected 'duty'"),
        ('role = "duty"', 'role = "leader"', "people[1]: expected a group for the role leader"),
        ('phone = "0912 345 678"', 'phone = "114"', "people[1].phone: expected a Vietnamese phone number such as 0912 345 678, got '114'"),
        ('name = "Hộ 1"', 'name = "  "', "homes[1].name: expected words, got nothing"),
        ('name = "Hộ 1"', 'name = "Hộ\\n1"', "homes[1].name: expected printable characters"),
        ('[site]\nid = "xa-mau"\nname = "Xã Mẫu"\n', "", "site: expected to be there, got nothing"),
        ("[[people]]", "[[peoples]]", "peoples: expected no such key (a typing mistake?)"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(path: Path, old: str, new: str, expected: str) -> None:
    assert expected in "\n".join(mistakes(path, (old, new)))


def test_a_site_without_any_group_is_refused(path: Path) -> None:
    path.write_text('groups = []\n[site]\nid = "x"\nname = "X"\n', encoding="utf-8")
    with pytest.raises(FileMistakes, match="groups: expected"):
        site.load(path)


def test_a_board_of_another_group_does_not_ring_with_this_one(path: Path) -> None:
    assert good(path).bells_of("TLG-03") == ["B-1", "B-2"]
    assert good(path).bells_of("DCC-N5") == []


POST = """\
[[posts]]
id = "DEN-112"
group = "TLG-03"
name = "Đèn 112"
address = "Cột 112"
lat = 20.9
lon = 105.9
[[boards]]
id = "B-3"
kind = "street_light"
place = "DEN-112"
[[boards]]
id = "B-4"
kind = "sos_post"
place = "DEN-112"
"""


def test_a_street_light_is_placed_and_has_no_bell(path: Path) -> None:
    path.write_text(GOOD + POST, encoding="utf-8")
    commune = site.load(path)
    assert commune.place_of("B-3").name == "Đèn 112"
    assert commune.group_of("B-3") == "TLG-03"
    assert commune.bells_of("TLG-03") == ["B-1", "B-2", "B-4"]


def test_a_post_with_the_id_of_a_home_and_an_unknown_group_is_refused(path: Path) -> None:
    path.write_text(GOOD + POST.replace("DEN-112", "H03-01").replace("TLG-03", "TLG-99"), encoding="utf-8")
    with pytest.raises(FileMistakes) as caught:
        site.load(path)
    found = "\n".join(caught.value.mistakes)
    assert "posts[1].id: expected an id used only once, got 'H03-01'" in found
    assert "posts[1].group: expected the id of a group in this file, got 'TLG-99'" in found


MAP = """
[[lanes]]
id = "NGO-5"
name = "Ngõ Thử 5"
path = [[20.9, 105.9], [20.91, 105.91]]
[[water_sources]]
id = "TRU-1"
kind = "hydrant"
name = "Trụ nước"
lat = 20.9
lon = 105.9
"""


def test_lanes_and_water_are_for_the_map_alone(path: Path) -> None:
    path.write_text(GOOD + MAP, encoding="utf-8")
    commune = site.load(path)
    assert commune.lanes[0].path == [(20.9, 105.9), (20.91, 105.91)]
    assert (commune.water_sources[0].kind, commune.water_sources[0].note) == ("hydrant", "")
    assert commune.place_of("B-1").model_dump().keys().isdisjoint({"needs_help", "extinguishers"})  # the wire says nothing of either


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("[20.91, 105.91]]", "[120.91, 105.91]]", "lanes[1].path[2][1]: expected less than or equal to 90, got 120.91"),
        (", [20.91, 105.91]", "", "lanes[1].path: "),
        ('"hydrant"', '"tap"', "water_sources[1].kind: expected 'hydrant', 'pond' or 'tank', got 'tap'"),
        ("[[water_sources]]", '[[lanes]]\nid = "NGO-5"\nname = "X"\npath = [[1, 2], [3, 4]]\n[[water_sources]]', "an id used only once"),
    ],
)
def test_a_mistake_on_the_map_is_named(path: Path, old: str, new: str, expected: str) -> None:
    path.write_text(GOOD + MAP.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(FileMistakes) as caught:
        site.load(path)
    assert expected in str(caught.value)


def test_who_needs_help_is_said_in_nfc_or_not_at_all(path: Path) -> None:
    said = unicodedata.normalize("NFD", "cụ bà không tự đi được")
    path.write_text(GOOD.replace('name = "Hộ 1"', f'name = "Hộ 1"\nneeds_help = " {said} "\nextinguishers = 2'), encoding="utf-8")
    home = site.load(path).homes[0]
    assert (home.needs_help, home.extinguishers) == ("cụ bà không tự đi được", 2)
    assert good(path).homes[0].needs_help == ""
