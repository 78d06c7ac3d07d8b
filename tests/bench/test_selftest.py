"""Every point and output of every kind is tried: pressed, covered, measured, switched on. On the real MicroPython."""

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, get_args

import pytest

from firmware.bench import points, selftest
from firmware.bench.images import BOARDS as BOARD_TYPES
from firmware.bench.points import Trial
from firmware.bench.tools import Tools
from protocol.config import BoardConfig
from protocol.site import Kind
from simulator.terminals import WIRINGS
from simulator.usb.boards import Boards
from simulator.usb.flash import NorFlash
from tests.bench.hall import ROOT, with_lines
from tests.simulator.usb import make_image, need_micropython

LOOP = {"smoke-1": {"loop": "loop-3", "normal_mv": 2260}}
SOS = {name: {} for name in WIRINGS["sos_post"].choices}
FIRE = {name: {} for name in WIRINGS["fire_point"].choices}
FITTED: list[tuple[Kind, dict[str, Any]]] = [("household", LOOP), ("fire_point", FIRE), ("street_light", {"tamper": {}}), ("sos_post", SOS)]


def config(kind: Kind, of_points: dict[str, Any], **more: Any) -> BoardConfig:
    address = {"host": "10.0.0.1", "port": 8883}
    return BoardConfig.model_validate(
        {"site": "s", "device": "d", "kind": kind, "group": "g", "brokers": [address], "points": of_points, **more}
    )


@pytest.mark.parametrize("board", BOARD_TYPES)
@pytest.mark.parametrize("kind", get_args(Kind))
def test_nothing_that_fits_is_left_untried(kind: Kind, board: str) -> None:
    """Each point at choice by itself: some share a GPIO."""
    wiring = WIRINGS[kind]
    count = 0
    for choice in ("", *wiring.choices):
        found = config(kind, {choice: {}} if choice else {})
        if not points.misfits(found, board):
            count += 1
            trials, left = points.trials(found, board)
            assert left == []
            assert {trial.point for trial in trials} == {*wiring.always, *wiring.outputs, *([choice] if choice else [])}
    assert count or board == "wt32_eth01", "what has hardly any terminals"


def test_the_bench_judges_as_the_board_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "firmware/device"))
    before = set(sys.modules)
    loop, transmitter, light, lamp = (
        runpy.run_path(str(ROOT / f"firmware/device/drivers/{name}.py")) for name in ("loop", "ratiometric", "light", "lamp")
    )
    for name in {name for name in sys.modules if name.partition(".")[0] == "drivers"} - before:
        del sys.modules[name]
    assert loop["NORMAL_MV"] == points.LOOP_MV
    assert (loop["SHORT_MV"] * 1000, loop["ACTIVE_MV"] * 1000) == points.LOOP_ACTIVE_UV
    assert (loop["ACTIVE_MV"] * 1000, loop["OPEN_MV"] * 1000) == points.LOOP_REST_UV
    at_pin = transmitter["SUPPLY_MV"] / transmitter["DIVIDER"]
    assert (transmitter["OPEN"] * at_pin, transmitter["SHORT"] * at_pin) == points.TRANSMITTER_UV
    assert (light["DARK_LX"] * light["MILLIVOLT_PER_LUX"] * 1000, light["BRIGHT_LX"] * light["MILLIVOLT_PER_LUX"] * 1000) == (
        points.DARK_UV[1],
        points.BRIGHT_UV[0],
    )
    assert lamp["NOISE_MA"] < points.LAMP_MA


def test_a_loop_is_judged_by_what_it_has_read_at_rest() -> None:
    (smoke,) = [trial for trial in points.trials(config("household", LOOP), "esp32_wroom")[0] if trial.point == "smoke-1"]
    assert smoke == Trial("smoke-1", "band", 39, limits=(251_670, 1_610_690), rest=(1_610_690, 2_718_040))


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boards]:
    """One of each kind with MicroPython and nothing else, and somebody who does what is asked."""
    need_micropython()
    content = make_image(tmp_path_factory.mktemp("image")).read_bytes()
    which = [
        {"kind": kind, "fitted": [f"{name}={own['loop']}" if "loop" in own else name for name, own in of_points.items()]}
        for kind, of_points in FITTED
    ]
    with Boards(tmp_path_factory.mktemp("usb"), len(which), which=which, technician=True) as found:
        for number in range(len(which)):
            found.ask(number, "off")
            with NorFlash(found.flash(number), found.flash(number).stat().st_size) as flash:
                flash.write(0x1000, content)
            found.ask(number, "on")
        yield found


def tried(boards: Boards, number: int, tmp_path: Path, *, press_s: int = 10) -> tuple[selftest.Result, list[str]]:
    """How the self-test of a board goes, and what somebody was asked for."""
    trials, _ = points.trials(config(*FITTED[number]), "esp32_wroom")
    file = tmp_path / "selftest.py"
    file.write_text(selftest.script(trials, press_s=press_s))
    result, asked = selftest.Result(), []

    def heard(line: str) -> None:
        if result.take(line) and result.asked:
            asked.append(result.asked)

    Tools().mpremote(boards.ports[number], ["run", str(file)], deadline_s=selftest.deadline_s(trials, press_s=press_s), on_line=heard)
    return result, asked


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(FITTED)), ids=[kind for kind, _ in FITTED])
def test_each_point_is_asked_for_and_each_output_switched_on(
    boards: Boards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with_lines(monkeypatch)
    kind, of_points = FITTED[number]
    wiring = WIRINGS[kind]
    contacts = set(wiring.contacts(tuple(of_points)))
    result, asked = tried(boards, number, tmp_path)
    assert result.errors == {}
    assert result.uid
    pressed = contacts | ({"light"} if kind == "street_light" else set())
    assert {name for name, how in result.tested.items() if how == "pressed"} == pressed
    assert sorted(asked) == sorted(f"press {name}" for name in pressed)
    outputs = {*wiring.outputs, *(name for name in wiring.outputs_at_choice if name in of_points)}
    seen = {name for name in ("bell", "lamp") if name in outputs} | (set(wiring.gauges(tuple(of_points))) - {"light", "lamp"})
    assert {name for name, how in result.tested.items() if how == "measured"} == seen
    assert {name for name, how in result.tested.items() if how == "commanded"} == outputs - {"bell", "lamp"}


@pytest.mark.long
def test_what_is_wrong_is_named_and_measured(boards: Boards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_lines(monkeypatch)
    home, point, light = range(3)
    orders = [
        (home, "break", "smoke-1"),
        (home, "turn", "loop-3", "3.3"),
        (point, "turn", "tank", "-20"),
        (light, "turn", "lamp", "0"),
        (light, "hold", "tamper"),
    ]
    for number, *words in orders:
        boards.ask(number, *cast("list[str]", words))
    assert tried(boards, home, tmp_path, press_s=3)[0].errors == {"smoke-1": "3300 mV at rest, expected 1610 to 2718"}
    assert tried(boards, point, tmp_path)[0].errors == {"tank": "-150 mV at the pin, expected 150 to 2350"}
    result, asked = tried(boards, light, tmp_path)
    assert result.errors == {"lamp": "no current seen: wire, lamp or supply"}
    assert "release tamper" in asked, "a lid that is open is closed first"
    assert result.tested["tamper"] == "pressed"
