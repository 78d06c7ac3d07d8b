"""The design system: every colour stands out from what it is used on, by day and by night, and every property is explained."""

import re
from itertools import product
from pathlib import Path

import pytest
from stage import ROOT

from gateway.console.app import STATIC

CSS = (STATIC / "console.css").read_text(encoding="utf-8")
SETS = {"light": ":root {", "dark": ':root[data-theme="dark"] {'}
GROUNDS = ("paper", "sheet", "fire-paper", "fault-paper", "drill-paper", "lost-paper")
# What is read, and on what. WCAG 2.2, 1.4.3: 4.5 to 1.
WORDS = [
    *product(("ink", "soft"), GROUNDS),
    *product(("fire", "fault", "drill", "lost", "good"), ("paper", "sheet")),
    *((tone, f"{tone}-paper") for tone in ("fire", "fault", "drill", "lost")),
    *(("on", tone) for tone in ("fire", "fault", "lost")),
    *(("good", "fire-paper"), ("fault", "fire-paper"), ("paper", "ink"), ("ink", "ground"), ("soft", "sheet")),
]
# Edges of controls, and the frame of the focus. WCAG 2.2, 1.4.11: 3 to 1.
EDGES = [*product(("control", "focus"), GROUNDS), ("fire", "ground"), ("drill", "ground")]


def properties(theme: str) -> dict[str, str]:
    start = CSS.index(SETS[theme])
    return dict(re.findall(r"--([a-z-]+): ([^;]+);", CSS[start : CSS.index("}", start)]))


def light(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_21_to_1() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", SETS)
def test_every_pair_of_colours_stands_apart(theme: str) -> None:
    known = properties(theme)
    faint = [
        (front, ground, round(contrast(known[front], known[ground]), 2))
        for pairs, least in ((WORDS, 4.5), (EDGES, 3.0))
        for front, ground in pairs
        if contrast(known[front], known[ground]) < least
    ]
    assert faint == []


def test_the_night_has_every_colour_of_the_day() -> None:
    colours = {name for name, value in properties("light").items() if value.startswith("#")}
    assert colours == set(properties("dark"))


def test_every_property_is_explained_and_every_one_that_is_used_exists() -> None:
    page = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    known = set(properties("light"))
    assert [name for name in sorted(known) if f"--{name}" not in page] == []
    for path in sorted(Path(STATIC).rglob("*.css")):
        if "vendor" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        own = set(re.findall(r"--([a-z-]+):", text))
        used = set(re.findall(r"var\(--([a-z-]+)", text))
        assert used <= known | own, path.name


def test_the_phones_page_has_the_same_colours() -> None:
    """It carries its own copy, so as to load one file less over a slow link."""
    own = (STATIC / "group/group.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", own, re.DOTALL)
    assert len(blocks) == 2
    for theme, block in zip(SETS, blocks, strict=True):
        known = properties(theme)
        copied = {name: value for name, value in re.findall(r"--([a-z-]+): ([^;]+);", block) if name in known}
        assert len(copied) > 12
        full = {name: long(value) for name, value in known.items()}
        assert {name: long(value) for name, value in copied.items()} == {name: full[name] for name in copied}


def long(colour: str) -> str:
    """#fff is #ffffff."""
    return "#" + "".join(2 * one for one in colour[1:]) if re.fullmatch(r"#[0-9a-f]{3}", colour) else colour


def test_no_style_sheet_has_a_colour_of_its_own() -> None:
    """Colours come from the properties, so that day and night are decided in one place. Papers are black on white."""
    for name in ("desk.css", "people.css", "group/group.css"):
        text = (STATIC / name).read_text(encoding="utf-8")
        assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)", text) == [], name
