"""Kinds of device on board types: which fit, and what is said of one that does not."""

import runpy
from pathlib import Path

import pytest
from rig import FIRMWARE_KB, ROOT

from firmware.bench import bundle

BOARDS = ROOT / "firmware/boards"


@pytest.mark.parametrize("board", bundle.boards())
def test_every_kind_with_every_point_fits_every_board_type_that_is_for_it(board: str) -> None:
    assert bundle.misfits(BOARDS / f"{board}.py") == []


@pytest.mark.parametrize("board", bundle.boards())
def test_no_board_type_uses_a_pin_that_its_chip_needs(board: str) -> None:
    forbidden = {
        "esp32_wroom": {0, 1, 2, 3, 5, 12, 15, *range(6, 12), 20, 24, *range(28, 32), 37, 38},
        "wt32_eth01": {0, 1, 2, 3, 5, *range(6, 14), 15, 16, 18, 19, 20, *range(21, 32), 34, 37, 38},
        "esp32_s3": {0, 3, 19, 20, *range(22, 38), 43, 44, 45, 46},
    }[board]
    names = runpy.run_path(str(BOARDS / f"{board}.py"))
    # To ground at a start it only silences the ROM (ESP32), or counts on chips alone whose eFuses ask for a debugger (ESP32-S3).
    assert names["INPUTS"]["jumper"] == ({"esp32_s3": 3}.get(board, 15), 0)
    inputs = [gpio for name, (gpio, _) in names["INPUTS"].items() if name != "jumper"]
    used = {*inputs, *(gpio for gpio, _ in names["OUTPUTS"].values()), *names["ANALOG"].values()}
    assert not used & {*forbidden, names["INPUTS"]["jumper"][0]}
    assert set(names["ANALOG"].values()) <= set(names["ADC1"])
    assert not {gpio for gpio, _ in names["OUTPUTS"].values()} & set(names["NO_PULL"])
    latched = {gpio for name, (gpio, _) in names["INPUTS"].items() if name.partition("-")[0] in ("button", "sos")}
    assert not latched & {36, 39}, "their interrupts misfire while Wi-Fi sleeps: ESP-IDF Programming Guide 5.2, GPIO & RTC GPIO"


def test_small_board_type_has_no_room_for_a_kind_that_it_does_not_name(tmp_path: Path) -> None:
    text = (BOARDS / "wt32_eth01.py").read_text(encoding="utf-8")
    larger = tmp_path / "larger.py"
    larger.write_text(text.replace('KINDS = ("household",)', 'KINDS = ("household", "fire_point")'), encoding="utf-8")
    assert {why.partition(":")[0] for why in bundle.misfits(larger)} == {"fire_point"}


@pytest.mark.parametrize("board", bundle.boards())
def test_pins_of_the_ethernet_chip_are_no_terminals(board: str) -> None:
    names = runpy.run_path(str(BOARDS / f"{board}.py"))
    lan = names.get("LAN", {})
    rmii = {0, 19, 21, 22, 25, 26, 27} if lan else set()  # ESP32 Technical Reference Manual v5, table 10-3; the clock comes in on GPIO 0
    used = {gpio for gpio, _ in [*names["INPUTS"].values(), *names["OUTPUTS"].values()]} | set(names["ANALOG"].values())
    assert not used & (rmii | {lan[key] for key in ("mdc", "mdio", "power", "ref_clk") if key in lan})


def test_bundle_for_a_board_type_that_a_kind_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    text = (BOARDS / "esp32_wroom.py").read_text(encoding="utf-8")
    small = tmp_path / "small.py"
    small.write_text(text.replace('"lamp-current": 39', '"lamp-current": 14').replace("HEAP_KB = 100", "HEAP_KB = 20"), encoding="utf-8")
    found = bundle.misfits(small)
    assert "street_light: lamp: GPIO 14 of esp32_wroom is no ADC1 channel" in found
    assert [text.partition(":")[0] for text in found if "heap" in text] == ["fire_point", "household", "sos_post", "street_light"]


@pytest.mark.parametrize("kind", bundle.kinds())
def test_kind_needs_half_of_the_heap_that_the_64_bit_port_is_given(kind: str) -> None:
    needs = runpy.run_path(str(ROOT / f"firmware/device/kinds/{kind}.py"))["HEAP_KB"]
    assert FIRMWARE_KB / 2 <= needs <= FIRMWARE_KB / 2 * 1.2


@pytest.mark.parametrize("board", bundle.boards())
def test_bundle_of_all_kinds_stays_under_96_kb(board: str, tmp_path: Path) -> None:
    assert sum(bundle.build(tmp_path, board).values()) < 96_000
