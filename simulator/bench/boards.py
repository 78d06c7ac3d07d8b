"""One board of each kind, fully fitted, over TLS: its heap, its bundle, its event loop, its start, a press, a day's wear of its flash.

The real firmware in the real MicroPython, flash delays on. Its floor is onboard/bare: what merely connects, rings and publishes.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from protocol.config import Address, BoardConfig, Network, Point
from protocol.site import Kind
from simulator import gauges, terminals
from simulator.bench import bundles
from simulator.bench.book import Book
from simulator.bench.figures import NotMeasured, of_samples, of_value
from simulator.bench.hall import GROUP, HOST, NAME, SITE, Hall
from simulator.flashes import Flash
from simulator.parts import answer
from simulator.processes import FIRMWARE_HEAP_KB, NAMES_KB, STAND_INS, available
from simulator.terminals import BELL, WIRINGS
from simulator.world import World

KINDS: tuple[Kind, ...] = get_args(Kind)
ONBOARD = Path(__file__).parent / "onboard"
# What is pressed on a board of this kind, and for how long at least: an SOS counts after 1 s.
PRESSED: dict[Kind, tuple[str, float]] = {
    "household": ("button-1", 0.0),
    "fire_point": ("button-1", 0.0),
    "street_light": ("tamper", 0.0),
    "sos_post": ("sos-1", 1.0),
}
LEFT_OUT = {"household": ("extinguisher-1",)}  # its terminal has no GPIO to spare beside all the others
PROBE_KB = 2  # what simulator/board/probe.py takes beside the other stand-ins
PATIENCE_S = 20.0
PAUSE_S = (0.2, 0.5)
SYMBOLS = "symbols.json"
DAY_S = 86_400
DAYS_TIMEOUT_S = 300.0
START_MS = 1_763_744_400_000  # 22/11/2025 0:00 in Vietnam
DAWN_S, DUSK_S = 6 * 3600, 18 * 3600
NIGHT_UV, DAY_UV = 100_000, 3_000_000  # of the light sensor: 2 lx and as much as it can show

HEAP, BUNDLE, STALL, BOOT, ERASES = "device_heap_kb", "bundle_kb", "loop_stall_ms", "boot_to_publish_ms", "flash_erases_per_day_n"
RING, PUBLISH = "press_to_own_bell_ms", "press_to_publish_ms"
LIVE = (HEAP, STALL, BOOT, RING, PUBLISH)


def name_of(figure: str, kind: Kind) -> str:
    """household_loop_stall_ms: a figure of one kind."""
    return f"{kind}_{figure}"


def has(kind: Kind, figure: str) -> bool:
    """Whether there is such a figure of such a kind: a street light has no bell."""
    return figure != RING or BELL in WIRINGS[kind].outputs


NAMES = tuple(name_of(figure, kind) for figure in (HEAP, BUNDLE, STALL, BOOT, RING, PUBLISH, ERASES) for kind in KINDS if has(kind, figure))


async def measure(book: Book) -> None:
    """All figures of this family that the book wants."""
    if not available():
        raise NotMeasured("expected the real firmware, got no MicroPython for this machine")
    directory = book.directory / "boards"
    directory.mkdir()
    await answer("firmware.bench.bundle", str(directory / "rom"))
    rom = directory / "rom" / "firmware.romfs"
    if book.wants(*_names(BUNDLE)):
        with book.measuring(*_names(BUNDLE)):
            _bundles(book, directory / "rom")
    if book.wants(*_names(*LIVE)):
        with book.measuring(*_names(*LIVE)):
            await _live(book, directory, rom)
    if book.wants(*_names(ERASES)):
        with book.measuring(*_names(ERASES)):
            await _days(book, directory, rom)


def _names(*figures: str) -> list[str]:
    return [name_of(figure, kind) for figure in figures for kind in KINDS if has(kind, figure)]


def fitted(kind: Kind) -> dict[str, Point | None]:
    """Every point and output that a board of this kind can have."""
    chosen: dict[str, Point | None] = {name: Point() for name in WIRINGS[kind].choices}
    return chosen | dict.fromkeys(LEFT_OUT.get(kind, ()))


def _config(kind: Kind, device: str, port: int) -> BoardConfig:
    return BoardConfig(
        site=SITE,
        device=device,
        kind=kind,
        group=GROUP,
        brokers=[Address(host=HOST, port=port)],
        server_name=NAME,
        wifi=[Network(ssid="ngo-thu", key="mot-hai-ba-bon")],
        points=fitted(kind),
    )


def _bundles(book: Book, rom: Path) -> None:
    sizes = {path.relative_to(rom).with_suffix("").as_posix(): path.stat().st_size for path in rom.rglob("*.mpy")}
    image = (rom / "firmware.romfs").stat().st_size
    for kind in KINDS:
        alone = sum(size for name, size in sizes.items() if name not in bundles.of_others(kind, sizes))
        book.add(
            of_value(name_of(BUNDLE, kind), sum(sizes.values()) / 1000, alone_kb=round(alone / 1000, 1), image_kb=round(image / 1000, 1))
        )


@dataclass
class Samples:
    """What was seen of one board. Milliseconds, and bytes of heap."""

    boot: list[float] = field(default_factory=list)
    ring: list[float] = field(default_factory=list)
    publish: list[float] = field(default_factory=list)
    call: list[float] = field(default_factory=list)
    stall: list[float] = field(default_factory=list)
    of_flash: list[float] = field(default_factory=list)
    peak: int = 0
    held: int = 0

    def own_stall(self) -> float:
        """The longest stall with the flash's share taken off."""
        return max(whole - flash for whole, flash in zip(self.stall, self.of_flash, strict=True))


async def _live(book: Book, directory: Path, rom: Path) -> None:
    async with Hall(directory / "hall") as hall:
        book.tell("the floor of the boards: connect, ring, publish, and nothing else")
        bare = directory / "bare.romfs"
        await answer("firmware.bench.romfs", str(ONBOARD / "bare"), str(bare))
        async with _world(hall, directory / "floor", bare) as world:
            below = await _seen(book, hall, world, "household", probed=False)
        async with _world(hall, directory / "world", rom) as world:
            for kind in KINDS:
                book.tell(f"a {kind}, fully fitted: {book.scale.boots} starts, {book.scale.presses_a_boot} presses after each")
                with book.measuring(*[name_of(figure, kind) for figure in LIVE if has(kind, figure)]):
                    _add(book, kind, await _seen(book, hall, world, kind, probed=True), below)


def _world(hall: Hall, directory: Path, rom: Path) -> World:
    return World(directory, hall.tls, rom=rom, watch=hall.watch, heap_kb=FIRMWARE_HEAP_KB + PROBE_KB)


def _add(book: Book, kind: Kind, seen: Samples, below: Samples) -> None:
    hold_ms = PRESSED[kind][1] * 1000
    book.add(of_value(name_of(HEAP, kind), seen.peak / 1024, held_kb=round(seen.held / 1024, 1), room_kb=FIRMWARE_HEAP_KB))
    book.add(of_samples(name_of(STALL, kind), seen.stall, floor=seen.of_flash, own_max=round(seen.own_stall(), 1)))
    book.add(of_samples(name_of(BOOT, kind), seen.boot, floor=below.boot))
    if has(kind, RING):
        book.add(of_samples(name_of(RING, kind), seen.ring, floor=[hold_ms + ms for ms in below.ring]))
    calls = {f"call_{name}": of_samples("call", seen.call).fields[name] for name in ("p50", "p99")} if seen.call else {}
    book.add(of_samples(name_of(PUBLISH, kind), seen.publish, floor=[hold_ms + ms for ms in below.publish], **calls))


async def _seen(book: Book, hall: Hall, world: World, kind: Kind, *, probed: bool) -> Samples:
    """Power a new board of the kind a few times, press it each time, and take its power away."""
    device = f"{'B' if probed else 'F'}-{kind}"
    await world.add(_config(kind, device, hall.tls[1]), files=hall.files(device), probed=probed)
    seen = Samples()
    for number in range(book.scale.boots + 1):
        start = time.monotonic()
        await world.power(device, True)
        born = await hall.until(f"dev/{device}/state", start, lambda fields: fields["online"])
        faults = next(fields for at, where, fields in hall.heard if at == born and where == f"dev/{device}/state").get("faults")
        if faults:
            raise NotMeasured(f"{device}: expected a board without faults, got {', '.join(faults)}")
        if number:  # the first makes file system and journal
            seen.boot.append((born - start) * 1000)
        if probed:
            await hall.until(f"dev/{device}/hello", start)
            await _probe(world, device, seen, stalls=False)
        await asyncio.sleep(random.uniform(*PAUSE_S))
        # A few presses for each start: a button that is pressed more than a dozen times in a minute is faulty to the firmware.
        for _ in range(book.scale.presses_a_boot if number else 0):
            await _press(hall, world, device, kind, seen)
            if probed:
                await _probe(world, device, seen, stalls=True)
        await world.power(device, False)
    if device in world.crashed or world.restarts[device] or world.bites[device] or "MemoryError" in world.log(device):
        raise NotMeasured(f"{device}: expected it to run on, got a failure: {world.log(device)[-500:]}")
    return seen


async def _probe(world: World, device: str, seen: Samples, *, stalls: bool) -> None:
    """At a start the loop is not yet there for long: its stalls are the start's, which has a figure of its own."""
    probe = await world.probe(device)
    of_names = NAMES_KB * 1024  # which the probe has not yet seen when it takes the stand-ins off
    seen.peak, seen.held = max(seen.peak, probe.heap_peak - of_names), max(seen.held, probe.heap_held - of_names)
    if stalls:
        seen.stall.append(probe.stall_s * 1000)
        seen.of_flash.append(probe.flash_s * 1000)


async def _press(hall: Hall, world: World, device: str, kind: Kind, seen: Samples) -> None:
    """One press to its end: rung, published, silenced, let go, receipted."""
    point, _ = PRESSED[kind]
    events = f"dev/{device}/event"
    at = world.press(device, point)
    published = await hall.until(events, at, lambda fields: fields["point"] == point and fields["state"] == "active")
    seen.publish.append((published - at) * 1000)
    if BELL in WIRINGS[kind].outputs:
        if not await hall.watch.until(lambda: world.first_on(device, BELL, at), PATIENCE_S):
            raise NotMeasured(f"{device}: expected its bell within {PATIENCE_S:.0f} s of the press, got none")
        seen.ring.append(((world.first_on(device, BELL, at) or at) - at) * 1000)
    called = hall.first(f"group/{GROUP}/call/{device}", at)
    if called:
        seen.call.append((called - at) * 1000)
    await asyncio.sleep(random.uniform(*PAUSE_S))
    hall.quiet(device)
    let_go = world.release(device, point)
    await hall.until(events, let_go, lambda fields: fields["point"] == point and fields["state"] == "clear")
    await hall.watch.until(lambda: not world.is_output_on(device, BELL), PATIENCE_S)
    await asyncio.sleep(random.uniform(*PAUSE_S))


async def _days(book: Book, directory: Path, rom: Path) -> None:
    book.tell("a day of each kind: every contact moves once, dusk and dawn, an engine that ticks")
    stand_ins = directory / "stand-ins.romfs"
    await answer("firmware.bench.romfs", str(STAND_INS), str(stand_ins))

    async def live(kind: Kind) -> None:
        with book.measuring(name_of(ERASES, kind)):
            count = book.scale.days
            counted = {name: value / count for name, value in (await days(kind, directory, [rom, stand_ins], count)).items()}
            more = {"programs": round(counted["programs"]), "events": counted["events"], "days": count}
            book.add(of_value(name_of(ERASES, kind), counted["erases"], floor=counted["floor"], **more))

    await asyncio.gather(*(live(kind) for kind in KINDS))  # nothing in them is timed


async def days(kind: Kind, directory: Path, images: list[Path], count: int, *, day_s: int = DAY_S) -> dict[str, int]:
    """So many days of a board, each in some seconds: {"erases", "programs", "events" kept, "told": erases by its own reports, "floor"}.

    `images`: the firmware's, its symbols beside it, and the stand-ins'. On each day every contact is active once for half a minute, evenly
    over it, and the light comes and goes. Raises NotMeasured.
    """
    config = _config(kind, f"D-{kind}", 1)
    pins = terminals.load()
    names = gauges.fitted(config)
    flash = Flash(directory / f"day-{kind}.img")
    contacts = [name for name in WIRINGS[kind].contacts(names) if name not in LEFT_OUT.get(kind, ())]
    begins = range(0, count * day_s, day_s)
    moves = [(begin + place * day_s // (len(contacts) + 1), name) for begin in begins for place, name in enumerate(contacts, 1)]
    lights = [(begin + at * day_s // DAY_S, uv) for begin in begins for at, uv in ((0, NIGHT_UV), (DAWN_S, DAY_UV), (DUSK_S, NIGHT_UV))]
    volts = {
        pins.analog[gauges.GAUGES[name].terminal]: gauges.volts(name, value, config, lamp_burns=False)
        for name, value in gauges.at_rest(config).items()
    }
    told = {
        "image": str(flash.path),
        "blocks": flash.blocks,
        "files": {"/config.json": config.model_dump_json().encode().hex()},
        "levels": dict(pins.level(name, False) for name in pins.wired(kind, names)),
        "microvolts": volts,
        "seconds": count * day_s,
        "device": config.device,
        "group": GROUP,
        "site": SITE,
        "start": START_MS,
        "plan": [[at + later, *pins.level(name, active)] for at, name in moves for later, active in ((0, True), (30, False))],
        "dark": [[at, pins.analog["light"], uv] for at, uv in lights] if kind == "street_light" else [],
    }
    script = directory / f"day-{kind}.py"  # by the names that the bundle has
    script.write_text(await answer("firmware.bench.translation", str(images[0].with_name(SYMBOLS)), str(ONBOARD / "day.py")))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator.inplace", *map(str, images), "--", "-X", "heapsize=4m", str(script)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"DAY": json.dumps(told), "MICROPYPATH": ".frozen"},
    )
    try:
        async with asyncio.timeout(DAYS_TIMEOUT_S):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NotMeasured(f"a day of {kind}: expected its end within {DAYS_TIMEOUT_S:.0f} s") from None
    if process.returncode:
        raise NotMeasured(f"a day of {kind}: exit code {process.returncode}: {out.decode()[-800:]}")
    counted: dict[str, int] = json.loads(out.decode().splitlines()[-1])
    return counted
