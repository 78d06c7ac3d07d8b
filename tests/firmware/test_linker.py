"""The linker: one module does what the many did."""

import sys
from types import ModuleType
from typing import Any

import pytest

from firmware.bench import linker

BELLS = '''"""Bells."""
from lane import times
from lane.times import BEAT_MS
LOUD, QUIET = 1, 0
NAME = "bell"
TUNE = (BEAT_MS, 2 * BEAT_MS)
def ring(times_):
    """Shadowed and not: `count` is a parameter, `BEAT_MS` a constant."""
    return [count * BEAT_MS for count in range(times_)] + [times.late(LOUD), NAME]
def _hidden():
    return "bells"
class Bell:
    _hidden = "of the class"
    def own(self):
        return _hidden(), self._hidden, [len(NAME) for NAME in ("ab", "c")]
def unused():
    return TUNE
'''
TIMES = """import math
BEAT_MS = 5 * 100
def late(minutes, *, more=BEAT_MS):
    return math.floor(minutes) * 60 + more
def _hidden():
    return "times"
def told():
    late = _hidden
    return late()
"""
STAGE = """from lane import bells, times
from lane.bells import Bell, LOUD as VOLUME
def play():
    from lane.times import told
    return bells.ring(2), Bell().own(), VOLUME, times.BEAT_MS, told()
"""
SOURCES = {"lane.bells": BELLS, "lane.times": TIMES, "stage": STAGE}


def run(name: str, source: str) -> ModuleType:
    module = ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    return module


@pytest.fixture
def linked(monkeypatch: pytest.MonkeyPatch) -> tuple[linker.Linked, Any]:
    result = linker.link("unit", ["lane.bells", "lane.times"], SOURCES)
    monkeypatch.setitem(sys.modules, "unit", run("unit", result.unit))
    return result, run("stage", result.others["stage"])


def test_linked_modules_do_what_they_did(linked: tuple[linker.Linked, Any]) -> None:
    assert linked[1].play() == ([0, 500, 560, "bell"], ("bells", "of the class", [2, 1]), 1, 500, "times")


def test_constants_are_literals_and_what_nobody_uses_is_gone(linked: tuple[linker.Linked, Any]) -> None:
    unit = sys.modules["unit"]
    names = {name for name in vars(unit) if not name.startswith("__")}
    assert names == {"math", "late", "_hidden", "told", "ring", "_hidden_bells", "Bell"}
    assert "lane" not in linked[0].others["stage"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"lane.times": "from lane import bells\n" + TIMES}, "expected no circle"),
        ({"lane.bells": BELLS + "def keep():\n    global LOUD\n"}, "expected no `global LOUD`"),
        ({"lane.bells": BELLS + "def keep():\n    return times\n"}, "lane.bells: expected a name of module times, got the module"),
        ({"lane.bells": BELLS + "def keep():\n    from lane.times import told\n"}, "at the top"),
        ({"stage": STAGE + "bells.shout()\n"}, "stage: expected lane.bells.shout, got no such name"),
        ({"stage": STAGE + "from lane.bells import shout\n"}, "stage: expected lane.bells.shout, got no such name"),
        ({"stage": STAGE + "def more():\n    from lane.bells import LOUD\n"}, "at the top"),
    ],
)
def test_what_cannot_be_linked_is_refused_by_name(changed: dict[str, str], why: str) -> None:
    with pytest.raises(linker.LinkError, match=why):
        linker.link("unit", ["lane.bells", "lane.times"], SOURCES | changed)


def test_reachable_are_the_modules_imported_at_the_top() -> None:
    assert linker.reachable(["lane.bells"], SOURCES) == {"lane.bells", "lane.times"}
    assert linker.reachable(["stage"], SOURCES, without=["lane.times"]) == {"stage", "lane.bells"}
