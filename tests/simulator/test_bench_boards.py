"""The figures of single boards: which there are, and that what measures them sees what it should."""

import asyncio
import dataclasses
import shutil
from pathlib import Path

import pytest

from firmware.bench import bundle
from simulator.bench import boards, bundles
from simulator.bench.book import QUICK, Book
from simulator.bench.figures import Figure
from simulator.bench.targets import TARGETS, met
from simulator.parts import answer
from simulator.processes import STAND_INS, available
from simulator.world import World
from tests.simulator.boards import board_config

needs_boards = pytest.mark.skipif(
    not available() or shutil.which("mosquitto", path="/usr/bin:/usr/sbin:/usr/local/sbin") is None,
    reason="no MicroPython for this machine, or no mosquitto",
)


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle.build(folder)
    return folder


def test_every_kind_has_every_figure_but_a_street_light_no_bell() -> None:
    figures = ("device_heap_kb", "bundle_kb", "loop_stall_ms", "boot_to_publish_ms", "press_to_own_bell_ms", "press_to_publish_ms")
    expected = {f"{kind}_{figure}" for kind in boards.KINDS for figure in (*figures, "flash_erases_per_day_n")}
    assert set(boards.NAMES) == expected - {"street_light_press_to_own_bell_ms"}


@pytest.mark.parametrize(
    ("name", "fields", "kept"),
    [
        ("household_press_to_own_bell_ms", {"p99": 150}, True),
        ("fire_point_press_to_own_bell_ms", {"p99": 151}, False),
        ("sos_post_press_to_own_bell_ms", {"p99": 1040}, True),
        ("street_light_loop_stall_ms", {"own_max": 40, "max": 480}, True),
        ("household_device_heap_kb", {"value": 101}, False),
        ("household_flash_erases_per_day_n", {"value": 4}, None),
    ],
)
def test_targets_of_single_boards(name: str, fields: dict[str, float | str], kept: bool | None) -> None:
    assert met(Figure(name, fields)) is kept
    assert (name in TARGETS) is (kept is not None)


@pytest.mark.parametrize(
    ("kind", "needs", "leaves"),
    [
        ("household", {"battery", "hold", "loop"}, {"lamp", "light", "street", "sun", "ratiometric", "nobell"}),
        ("fire_point", {"battery", "hold", "loop", "ratiometric"}, {"lamp", "light", "street", "sun", "nobell"}),
        ("street_light", {"lamp", "light", "street", "sun", "nobell", "loop", "hold"}, {"battery", "ratiometric"}),
        ("sos_post", {"battery", "hold", "loop"}, {"lamp", "light", "street", "sun", "ratiometric", "nobell"}),
    ],
)
def test_bundle_of_one_kind_leaves_out_what_only_others_load(modules: Path, kind: boards.Kind, needs: set[str], leaves: set[str]) -> None:
    names = [path.relative_to(modules).with_suffix("").as_posix() for path in modules.rglob("*.mpy")]
    others = bundles.of_others(kind, names)
    assert {name.removeprefix("drivers/") for name in others if name.startswith("drivers/")} == leaves
    assert not {f"drivers/{name}" for name in needs} & others
    assert {name for name in others if name.startswith("kinds/")} == {f"kinds/{other}" for other in boards.KINDS if other != kind}
    assert all(name.startswith(("drivers/", "kinds/")) for name in others)


def test_own_stall_is_the_longest_without_the_flash_s_share() -> None:
    seen = boards.Samples(stall=[460.0, 90.0, 20.0], of_flash=[400.0, 0.0, 0.0])
    assert seen.own_stall() == 90.0


STALLS = """
import asyncio, time, flashbdev
async def run():
    flash = flashbdev.bdev
    held = bytearray(20_000)
    await asyncio.sleep_ms(200)
    block = bytearray(60_000)
    del block
    time.sleep_ms(150)
    await asyncio.sleep_ms(100)
    flash._wait(300)
    print("stalled")
    await asyncio.sleep(60)
    print(held)
asyncio.run(run())
"""


def test_probe_sees_the_most_of_the_heap_and_the_longest_stall_with_the_flash_s_share(rom: Path) -> None:
    """What was allocated for a moment counts, and is let go; what the flash made the board wait for is told apart."""
    (rom / "main.py").write_text(STALLS)
    image = rom.parent / "firmware.romfs"
    image.write_bytes(bundle.romfs.build(rom))

    async def run() -> None:
        async with World(rom.parent / "boards", ("127.0.0.1", 9), rom=image) as world:
            await world.add(board_config("H1"), probed=True)
            await world.power("H1", True)
            assert await world.watch.until(lambda: "stalled" in world.log("H1"), 20.0), world.log("H1")
            probe = await world.probe("H1")
            assert probe.heap_peak >= 80_000
            assert 20_000 <= probe.heap_held < 60_000
            assert 0.28 <= probe.flash_s <= probe.stall_s, "10 ms of it were to be slept"
            again = await world.probe("H1")
            assert again.stall_s < probe.stall_s, "since the question before"
            assert again.flash_s == 0
            assert again.heap_peak >= probe.heap_peak

    asyncio.run(run())


@needs_boards
def test_day_of_a_board_counts_the_erases_that_the_board_itself_counts(modules: Path, tmp_path: Path) -> None:
    stand_ins = tmp_path / "stand-ins.romfs"

    async def run() -> dict[str, int]:
        await answer("firmware.bench.romfs", str(STAND_INS), str(stand_ins))
        images = [modules / bundle.IMAGE, stand_ins]
        return await boards.days("fire_point", tmp_path, images, 3, day_s=1200)

    counted = asyncio.run(run())
    assert counted["events"] >= 3 * 2 * 11  # button, door, eight extinguishers, tamper, mains
    assert counted["erases"] == counted["told"] > 0
    assert counted["programs"] > counted["erases"] >= counted["floor"] > 0


@needs_boards
def test_board_is_measured_from_its_start_to_its_press_beside_a_floor(tmp_path: Path) -> None:
    """One of the four, and the floor, over TLS: 10 s, the only test of what makes these figures."""
    only = [name for name in boards.NAMES if name.startswith("sos_post") and "erases" not in name]
    book = Book(dataclasses.replace(QUICK, boots=1, presses_a_boot=1), tmp_path, lambda _: None, frozenset(only))
    asyncio.run(boards.measure(book))
    assert book.failures == {}
    found = {figure.name: figure.fields for figure in book.figures}
    assert found.keys() == set(only)
    for name in ("boot_to_publish_ms", "press_to_own_bell_ms", "press_to_publish_ms"):
        fields = found[f"sos_post_{name}"]
        assert 0 < float(fields["floor"]) < 60_000, name
        assert float(fields["p50"]) > 0, name
    assert float(found["sos_post_press_to_own_bell_ms"]["p50"]) >= 1000, "an SOS is held for 1 s"
    assert float(found["sos_post_press_to_publish_ms"]["call_p50"]) >= 1000
    assert 50 < float(found["sos_post_device_heap_kb"]["value"]) <= boards.FIRMWARE_HEAP_KB + boards.PROBE_KB
