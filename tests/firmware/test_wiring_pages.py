"""The wiring pages: their terminals are those of kinds and board types."""

import itertools
import re
import runpy
import xml.etree.ElementTree as ET

import pytest
from agent import fit
from drivers import loop
from rig import ROOT

PULLED = "100 kΩ from bell-sense to 3.3 V: a wire that is cut is told"  # or it reads as nothing, and a silent bell as measured
PAGES = {"household": "household", "fire_point": "fire-point"}
BOARDS = [runpy.run_path(str(ROOT / f"firmware/boards/{board}.py")) for board in ("esp32_wroom", "esp32_s3")]


@pytest.mark.parametrize("kind", PAGES)
def test_page_shows_every_terminal_with_its_pins(kind: str) -> None:
    described = runpy.run_path(str(ROOT / f"firmware/device/kinds/{kind}.py"))
    svg = ET.parse(ROOT / f"docs/hardware/{PAGES[kind]}.svg")
    texts = [element.text or "" for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    shown = {name: pins for name, pins in itertools.pairwise(texts) if re.fullmatch(r"\d+ \| \d+", pins)}
    expected = {}
    points = [row[0] for row in described["POINTS"] + described["OPTIONAL"]]
    for terminal in [*points, *described["OUTPUTS"], *described["OPTIONAL_OUTPUTS"]]:
        pins = []
        for board in BOARDS:
            two_level = board["INPUTS"] | board["OUTPUTS"]
            pins.append(two_level[terminal][0] if terminal in two_level else board["ANALOG"][terminal])
        expected[terminal] = f"{pins[0]} | {pins[1]}"
    assert {terminal: shown.get(terminal) for terminal in expected} == expected


@pytest.mark.parametrize("kind", PAGES)
def test_terminals_that_are_there_without_being_named_are_bold_and_no_others(kind: str) -> None:
    described = runpy.run_path(str(ROOT / f"firmware/device/kinds/{kind}.py"))
    svg = ET.parse(ROOT / f"docs/hardware/{PAGES[kind]}.svg")
    shown = {element.text: element.get("font-weight") == "bold" for element in svg.iter("{http://www.w3.org/2000/svg}text")}
    there = [row[0] for row in described["POINTS"]] + [*described["OUTPUTS"], described["BELL_SENSE"]]
    chosen = [row[0] for row in described["OPTIONAL"]] + list(described["OPTIONAL_OUTPUTS"])
    assert [name for name in there if not shown[name]] == []
    assert [name for name in chosen if shown[name]] == []


@pytest.mark.parametrize(("kind", "page"), [("sos_post", "sos-post"), ("street_light", "street-light")])
def test_page_in_words_names_every_terminal_with_its_pins(kind: str, page: str) -> None:
    described = runpy.run_path(str(ROOT / f"firmware/device/kinds/{kind}.py"))
    shown = {}
    for line in (ROOT / f"docs/hardware/{page}.md").read_text(encoding="utf-8").splitlines():
        cells = line.split("|")
        if len(cells) == 5 and re.search(r"^\s*`[a-z0-9-]+`", cells[1]) and re.search(r"\d, \d", cells[2]):
            pins = {int(pin) for pin in re.findall(r"\d+", cells[2])}
            shown |= dict.fromkeys(re.findall(r"`([a-z0-9-]+)`", cells[1]), pins)
    rows = described["POINTS"] + described["OPTIONAL"]
    inputs = [terminal for row in rows for terminal in fit.terminals(row, {})]
    for board in BOARDS:
        pins_of = {name: board["ANALOG"].get(name) or board["INPUTS"][name][0] for name in inputs}
        pins_of |= {name: board["OUTPUTS"][name][0] for name in described["OUTPUTS"]}
        assert {name: gpio for name, gpio in pins_of.items() if gpio not in shown.get(name, ())} == {}


@pytest.mark.parametrize("page", PAGES.values())
def test_page_is_linked_with_its_drawing(page: str) -> None:
    text = (ROOT / f"docs/hardware/{page}.md").read_text(encoding="utf-8")
    assert f"({page}.svg)" in text
    assert "114" in text


@pytest.mark.parametrize("page", PAGES.values())
def test_drawing_has_the_resistors_of_the_loop_the_bell_s_driver_and_the_battery(page: str) -> None:
    """The voltages and thresholds that it shows are those of the loop's driver."""
    svg = ET.parse(ROOT / f"docs/hardware/{page}.svg")
    texts = [element.text or "" for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    for needed in ("end of line, at the", "Bell driver", "1N4007", "(low side)", "bell-sense", "18650 NMC", "fuse 2 A", PULLED):
        assert needed in texts, needed
    series, end = 4.7, 10.0
    assert texts.count("4.7 kΩ") >= 4, "the pull-up, and one at each contact"
    assert "10 kΩ" in texts

    def at(contacts: int) -> int:
        conductance = 1 / end + contacts / series
        return round(3300 / (1 + series * conductance))

    shown = next(text for text in texts if text.startswith("At the terminal:"))
    assert f"normal {at(0)} mV · one contact {at(1)} mV · eight contacts {at(8)} mV" in shown
    assert f"Thresholds {loop.OPEN_MV}, {loop.ACTIVE_MV} and {loop.SHORT_MV} mV" in shown
    assert at(0) == loop.NORMAL_MV


@pytest.mark.parametrize("page", [*PAGES.values(), "sos-post"])
def test_page_says_how_high_call_points_hang_and_how_tight_a_box_is(page: str) -> None:
    """TCVN 5738: call points at 0.8 to 1.5 m. Outside the dyke the flood comes to 2 m."""
    text = (ROOT / f"docs/hardware/{page}.md").read_text(encoding="utf-8")
    assert re.search(r"button.*\| 0\.8 to 1\.5 m high", text)
    assert "≥ 2 m above the ground" in text
    assert re.search(r"IP65", text)
