"""The simulated board: small programs on the real MicroPython, with the world's hands on their pins, flash, clock and power."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from firmware.bench import romfs
from simulator import processes
from simulator.runner import play
from simulator.script import Scenario, Step
from simulator.stage import Stage
from simulator.world import World
from tests.simulator.boards import board_config

NOBODY = ("127.0.0.1", 9)
WITHIN_S = 5.0


@asynccontextmanager
async def world_of(rom: Path, program: str, *, flash_delays: bool = False, **ticks: int) -> AsyncIterator[World]:
    """A world with one board, H1, without power yet, whose main.py is `program`."""
    (rom / "main.py").write_text(program)
    image = rom.parent / "firmware.romfs"
    image.write_bytes(romfs.build(rom))
    async with World(rom.parent / "boards", NOBODY, rom=image, flash_delays=flash_delays) as world:
        await world.add(board_config("H1"), **ticks)
        yield world


async def printed(world: World, text: str) -> bool:
    return await world.watch.until(lambda: text in world.log("H1"), WITHIN_S)


def test_world_that_ends_leaves_no_wire_open(rom: Path) -> None:
    """Even if the other end does not let go."""

    async def run() -> bytes:
        async with world_of(rom, "") as world:
            bodies = cast("processes.Processes", world._bodies)
            reader, writer = await asyncio.open_unix_connection(str(bodies._socket))
            while not bodies._open:  # noqa: ASYNC110  nothing tells of it
                await asyncio.sleep(0.01)
            (line,) = bodies._open
        assert line._transport.get_extra_info("socket").fileno() == -1, "closed when the world is over, not some time later"
        try:
            return await asyncio.wait_for(reader.read(), WITHIN_S)
        finally:
            writer.close()

    assert asyncio.run(run()) == b""


BELL_FOLLOWS_BUTTON = """
import time
from machine import Pin
button, bell, sense = Pin(32, Pin.IN, Pin.PULL_UP), Pin(4, Pin.OUT, value=0), Pin(34, Pin.IN)
while True:
    bell.value(1 - button.value())
    if bell.value():
        time.sleep_ms(20)
        print("current", sense.value())
    time.sleep_ms(1)
"""


def test_press_drives_the_bell_and_its_current_is_sensed(rom: Path) -> None:
    async def run() -> tuple[bool, bool]:
        async with world_of(rom, BELL_FOLLOWS_BUTTON) as world:
            await world.power("H1", True)
            at = world.press("H1", "button-1")
            rang = await world.watch.until(lambda: world.first_on("H1", "bell", at), WITHIN_S)
            return rang, await printed(world, "current 1")

    assert asyncio.run(run()) == (True, True)


LOOKS_ONCE = """
from machine import Pin
print("jumper", Pin(15, Pin.IN, Pin.PULL_UP).value())
"""


def test_a_board_starts_with_every_level_however_slowly_they_come(rom: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its launcher looks at the jumper once: what came later would leave the console closed."""
    send = processes._Line.send
    later = itertools.count()
    monkeypatch.setattr(
        processes._Line, "send", lambda line, text: asyncio.get_running_loop().call_later(0.05 * next(later), send, line, text)
    )

    async def run() -> bool:
        async with world_of(rom, LOOKS_ONCE) as world:
            world.press("H1", "jumper")
            await world.power("H1", True)
            return await printed(world, "jumper 0")

    assert asyncio.run(run())


def test_cut_wire_shows_no_current(rom: Path) -> None:
    async def run() -> tuple[bool, bool]:
        async with world_of(rom, BELL_FOLLOWS_BUTTON) as world:
            world.cut_wire("H1")
            await world.power("H1", True)
            world.press("H1", "button-1")
            return await printed(world, "current 0"), "current 1" in world.log("H1")

    assert asyncio.run(run()) == (True, False)


def test_power_cut_silences_the_bell_and_is_no_crash(rom: Path) -> None:
    async def run() -> tuple[bool, set[str]]:
        async with world_of(rom, BELL_FOLLOWS_BUTTON) as world:
            await world.power("H1", True)
            world.press("H1", "button-1")
            await world.watch.until(lambda: world.is_output_on("H1", "bell"), WITHIN_S)
            await world.power("H1", False)
            return world.is_output_on("H1", "bell"), world.crashed

    assert asyncio.run(run()) == (False, set())


def test_program_that_ends_is_a_crash(rom: Path) -> None:
    async def run() -> bool:
        async with world_of(rom, "raise ValueError('bug')") as world:
            await world.power("H1", True)
            return await world.watch.until(lambda: "H1" in world.crashed, WITHIN_S) and "bug" in world.log("H1")

    assert asyncio.run(run())


def test_scenario_in_which_a_program_ends_has_failed(rom: Path) -> None:
    async def run() -> list[str]:
        async with world_of(rom, "raise ValueError('bug')") as world:
            await world.power("H1", True)
            await world.watch.until(lambda: "H1" in world.crashed, WITHIN_S)
            scenario = Scenario(title="calm", steps=[Step(at_s=0, do="say", text="nothing is done")])
            failures = await play(cast(Stage, SimpleNamespace(world=world, light=False)), scenario, lambda _: None)
            return [line.text for line in failures]

    assert asyncio.run(run()) == ["H1: chương trình của bo mạch bị sập · the board's program crashed"]


def test_reset_starts_the_board_again_and_says_why(rom: Path) -> None:
    program = """
import machine
print("cause", machine.reset_cause())
if machine.reset_cause() == machine.PWRON_RESET:
    machine.reset()
while True:
    pass
"""

    async def run() -> tuple[bool, int]:
        async with world_of(rom, program) as world:
            await world.power("H1", True)
            return await printed(world, "cause 1\ncause 5"), world.restarts["H1"]

    assert asyncio.run(run()) == (True, 1)


def test_board_that_restarts_itself_while_its_world_ends_stays_off(rom: Path) -> None:
    async def run() -> int:
        async with world_of(rom, "while True:\n    pass") as world:
            await world.power("H1", True)
        world.reset("H1")  # its last word, read when everything is put away
        await asyncio.sleep(0)
        return world.restarts["H1"]

    assert asyncio.run(run()) == 1


def test_watchdog_that_is_not_fed_starts_a_board_again_that_stands_still(rom: Path) -> None:
    program = """
import machine, time
print("cause", machine.reset_cause())
dog = machine.WDT(timeout=300)
if machine.reset_cause() == machine.WDT_RESET:
    while True:
        time.sleep_ms(20)
        dog.feed()
while True:
    pass
"""

    async def run() -> tuple[bool, int, bool]:
        async with world_of(rom, program) as world:
            await world.power("H1", True)
            again = await printed(world, "cause 1\ncause 3")
            return again, world.bites["H1"], await world.watch.until(lambda: world.bites["H1"] > 1, 1.0)

    assert asyncio.run(run()) == (True, 1, False)


def test_clock_that_a_board_sets_is_seen(rom: Path) -> None:
    program = "import machine, time\nmachine.RTC().datetime((2026, 11, 22, 0, 7, 8, 9, 0))\ntime.sleep(9)"

    async def run() -> str:
        async with world_of(rom, program) as world:
            await world.power("H1", True)
            await world.watch.until(lambda: "H1" in world.clocks, WITHIN_S)
            return world.clocks["H1"].isoformat()

    assert asyncio.run(run()) == "2026-11-22T07:08:09+00:00"


def test_configuration_is_written_once_and_files_outlive_a_power_cut(rom: Path) -> None:
    program = """
import os, time
print("files", sorted(name for name in os.listdir("/") if name not in ("sim", "rom")), len(open("/config.json").read()) > 50)
with open("/config.json", "a") as file:
    file.write(" ")
with open("/kept", "w") as file:
    file.write("x")
print("written")
time.sleep(9)
"""

    async def run() -> str:
        async with world_of(rom, program) as world:
            for count in (1, 2):
                await world.power("H1", True)
                await world.watch.until(lambda count=count: world.log("H1").count("written") == count, WITHIN_S)  # type: ignore[misc]
                await world.power("H1", False)
            return world.log("H1")

    log = asyncio.run(run())
    assert "files ['config.json'] True" in log
    assert "files ['config.json', 'kept'] True" in log


def test_reimaged_board_has_forgotten_everything(rom: Path) -> None:
    program = """
import os, time
print("kept", "kept" in os.listdir("/"))
open("/kept", "w").close()
print("written")
time.sleep(9)
"""

    async def run() -> str:
        async with world_of(rom, program) as world:
            await world.power("H1", True)
            await printed(world, "written")
            await world.reimage("H1")
            await world.watch.until(lambda: world.log("H1").count("written") == 2, WITHIN_S)
            return world.log("H1")

    log = asyncio.run(run())
    assert log.count("kept False") == 2


RECORDS = """
import os, time
def committed():
    return sorted(name for name in os.listdir("/") if name.startswith("r"))
for name in committed():
    if name != "rom":
        assert open("/" + name).read() == "x" * 64, name
print("found", len(committed()))
for number in range(6):
    with open("/t", "w") as file:
        file.write("x" * 64)
    os.rename("/t", "/r%d" % number)
    print("committed", number)
print("done")
time.sleep(9)
"""


def test_power_cut_at_any_flash_operation_leaves_whole_files(rom: Path) -> None:
    async def run() -> list[str]:
        torn = []
        async with world_of(rom, RECORDS) as world:
            await world.power("H1", True)
            await printed(world, "done")
            for operation in range(1, 25):
                await world.power("H1", False)
                world.cut_power_at("H1", operation)
                await world.power("H1", True)
                assert await world.watch.until(lambda: not world.is_on("H1"), WITHIN_S), operation
                done = world.log("H1").count("done")
                await world.power("H1", True)
                if not await world.watch.until(lambda done=done: world.log("H1").count("done") > done, WITHIN_S):  # type: ignore[misc]
                    torn.append(f"after operation {operation}: {world.log('H1')[-300:]}")
        return torn

    assert asyncio.run(run()) == []


def test_flash_takes_its_time_and_is_counted(rom: Path) -> None:
    program = """
import time
began = time.ticks_ms()
for _ in range(12):
    with open("/a", "w") as file:
        file.write("x" * 5000)
print("took", time.ticks_diff(time.ticks_ms(), began))
time.sleep(9)
"""

    async def run() -> tuple[int, int, int]:
        async with world_of(rom, program, flash_delays=True) as world:
            await world.power("H1", True)
            await printed(world, "took")
            stats = world.flash("H1")
            return int(world.log("H1").split("took")[1].split()[0]), stats.erases, stats.programs

    took, erases, programs = asyncio.run(run())
    assert erases >= 12
    assert programs > 100
    assert took >= 60 * (erases - 4) + programs / 2  # making the file system and the configuration was free


CLOCK = """
import asyncio, time
async def late():
    await asyncio.sleep(3600)
    print("an hour later", time.time() >= 3600)
async def main():
    asyncio.create_task(late())
    from machine import Pin
    button = Pin(32, Pin.IN)
    print("waiting")
    while True:
        button.value()
        await asyncio.sleep_ms(10)
asyncio.run(main())
"""


def test_clock_that_jumps_wakes_what_is_due(rom: Path) -> None:
    async def run() -> bool:
        async with world_of(rom, CLOCK) as world:
            await world.power("H1", True)
            await printed(world, "waiting")
            world.clock_advance("H1", 3601)
            return await printed(world, "an hour later True")

    assert asyncio.run(run())


def test_tasks_go_on_when_the_ticks_wrap(rom: Path) -> None:
    program = """
import asyncio, time
async def beat(name, ms):
    began = time.ticks_ms()
    for _ in range(20):
        await asyncio.sleep_ms(ms)
    print(name, time.ticks_diff(time.ticks_ms(), began) >= 20 * ms, time.ticks_ms() < began)
async def main():
    waiter = asyncio.create_task(beat("never", 100000))
    await asyncio.gather(beat("slow", 20), beat("fast", 15))
    waiter.cancel()
    try:
        await waiter
    except asyncio.CancelledError:
        print("cancelled")
    try:
        await asyncio.wait_for_ms(beat("never", 9000), 50)
    except asyncio.TimeoutError:
        print("timed out")
asyncio.run(main())
print("end")
time.sleep(9)
"""

    async def run() -> str:
        async with world_of(rom, program, ticks_bits=30, ticks_at_ms=(1 << 30) - 200) as world:
            await world.power("H1", True)
            await printed(world, "end")
            return world.log("H1")

    log = asyncio.run(run())
    assert "slow True True" in log
    assert "fast True True" in log
    assert "cancelled\ntimed out" in log


def test_access_point_out_of_reach_is_not_connected(rom: Path) -> None:
    program = """
import network, time
wlan = network.WLAN(network.STA_IF)
wlan.active(True)
wlan.connect("a", "b")
last = None
while True:
    if wlan.isconnected() != last:
        last = wlan.isconnected()
        print("connected", last)
    time.sleep_ms(2)
"""

    async def run() -> bool:
        async with world_of(rom, program) as world:
            await world.power("H1", True)
            await printed(world, "connected True")
            world.access_point("H1", False)
            return await printed(world, "connected True\nconnected False")

    assert asyncio.run(run())


EDGES_IN_A_STALL = """
import time
from machine import Pin
count = [0]
def note(pin):
    count[0] += 1
button = Pin(32, Pin.IN, Pin.PULL_UP)
button.irq(handler=note, trigger=Pin.IRQ_FALLING)
button.value()
print("stalled")
time.sleep_ms(300)
print("edges", count[0], "level", button.value(), "edges", count[0])
while True:
    time.sleep_ms(100)
"""


def test_edge_while_the_program_stands_still_is_latched_and_told_once_after_it(rom: Path) -> None:
    async def run() -> bool:
        async with world_of(rom, EDGES_IN_A_STALL) as world:
            await world.power("H1", True)
            assert await printed(world, "stalled")
            for _ in range(2):
                await world.pulse("H1", "button-1", 0.02)
            return await printed(world, "edges 0 level 1 edges 1")

    assert asyncio.run(run())
