"""The engine of one commune: 229 boards, 12 bells a group. Each figure beside the floor of the same broker, boards and minute."""

import time
from collections.abc import Callable

from simulator.bench import disk, usage
from simulator.bench.book import Book
from simulator.bench.clients import Fleet
from simulator.bench.communes import GROUP_SIZE, board_id
from simulator.bench.figures import of_samples, of_value
from simulator.bench.loads import REPORT_EVERY_S, Timing, alarms, full_speed, greeted, out, reports, written_per_h
from simulator.bench.rig import Rig
from simulator.parts import Part

BOARDS = 229
GROUPS = 6  # where it burns in turn
FLOOD_PER_S = 6600  # a little more than the promise, so that a late timer does not break it

ALARMS = ("alarm_to_bells_ms", "alarm_to_webhook_ms")
SPEED = ("stored_per_s", "cpu_us_per_report", "written_bytes_per_report")
NAMES = (*ALARMS, "engine_memory_mib", "written_mib_per_h", "engine_back_s", "alarm_under_flood_ms", *SPEED)


async def measure(book: Book) -> None:
    """All figures of this family that the book wants."""
    async with Rig(book.directory / "commune", boards=BOARDS) as rig, rig.fleet(range(BOARDS)) as fleet:
        book.tell(f"{BOARDS} boards connected; the floor behind the broker")
        floor = await _Floor.measured(book, rig, fleet)
        book.tell("the engine behind the broker")
        engine = rig.engine()
        await rig.online(engine)
        await greeted(fleet)
        await _steady(book, fleet, engine)  # first: no checkpoint of what alarms wrote falls into it
        await _alarms(book, rig, fleet, floor)
        await _memory(book, rig, engine, floor)
        await _back(book, rig, fleet, engine, floor)
        await _flood(book, rig, fleet, floor)
        await _full_speed(book, rig, fleet, engine, floor)


class _Floor:
    """What the floor did on the same broker with the same boards."""

    timing: Timing
    under_flood: Timing
    memory_mib: float
    back_s: list[float]
    handled_per_s: float = 0.0
    cpu_us: float = 0.0

    @classmethod
    async def measured(cls, book: Book, rig: Rig, fleet: Fleet) -> "_Floor":
        """Measure it, as far as the book's figures need it."""
        found = cls()
        part = rig.floor()
        found.back_s = []
        if book.wants("engine_back_s"):
            found.back_s = [await _back_once(rig, fleet, part, number, resolve=False) for number in range(book.scale.starts)]
        await rig.online(part)
        found.timing = Timing([], [], [])
        if book.wants(*ALARMS):
            async with reports(fleet, BOARDS / REPORT_EVERY_S):
                found.timing = await alarms(rig, fleet, groups=GROUPS, enough=_count(book.scale.alarms), resolve=False)
        found.memory_mib = usage.memory_mib(part.pid)
        found.under_flood = Timing([], [], [])
        if book.wants("alarm_under_flood_ms"):
            async with reports(fleet, FLOOD_PER_S):
                found.under_flood = await alarms(rig, fleet, groups=GROUPS, enough=_until(book.scale.flood_s / 2), resolve=False)
        if book.wants(*SPEED):
            before = usage.use(part.pid)
            count, found.handled_per_s = await full_speed(fleet, book.scale.full_speed_s / 2, lambda: rig.desk.handled)
            found.cpu_us = (usage.use(part.pid).cpu_s - before.cpu_s) / count * 1e6
        await part.stop()
        await rig.desk.offline()
        return found


async def _alarms(book: Book, rig: Rig, fleet: Fleet, floor: _Floor) -> None:
    if not book.wants(*ALARMS):
        return
    with book.measuring(*ALARMS):
        book.tell(f"{book.scale.alarms} alarms, one after the other")
        commits = disk.commit_ms(book.directory)
        async with reports(fleet, BOARDS / REPORT_EVERY_S):
            timing = await alarms(rig, fleet, groups=GROUPS, enough=_count(book.scale.alarms), resolve=True)
        receipt = of_samples("receipt", timing.receipt_ms).fields
        book.add(
            of_samples(
                "alarm_to_bells_ms",
                timing.bells_ms,
                floor=floor.timing.bells_ms,
                disk_floor=of_samples("commit", commits).fields["p50"],
                receipt_p50=receipt["p50"],
                receipt_p99=receipt["p99"],
            )
        )
        book.add(of_samples("alarm_to_webhook_ms", timing.webhook_ms, floor=floor.timing.webhook_ms))


async def _memory(book: Book, rig: Rig, engine: Part, floor: _Floor) -> None:
    if not book.wants("engine_memory_mib"):
        return
    with book.measuring("engine_memory_mib"):
        book.add(of_value("engine_memory_mib", usage.memory_mib(engine.pid), floor=floor.memory_mib, boards=rig.boards))


async def _steady(book: Book, fleet: Fleet, engine: Part) -> None:
    if not book.wants("written_mib_per_h"):
        return
    with book.measuring("written_mib_per_h"):
        book.tell(f"{book.scale.steady_s:.0f} s of an ordinary day: {BOARDS} reports in {REPORT_EVERY_S} s")
        book.add(await written_per_h("written_mib_per_h", fleet, engine, book.scale.steady_s))


async def _back(book: Book, rig: Rig, fleet: Fleet, engine: Part, floor: _Floor) -> None:
    if not book.wants("engine_back_s"):
        return
    with book.measuring("engine_back_s"):
        book.tell(f"{book.scale.starts} times kill -9 of the engine, an alarm meanwhile, and a start")
        samples = []
        for number in range(book.scale.starts):
            await engine.kill()
            samples.append(await _back_once(rig, fleet, engine, number, resolve=True))
        book.add(of_samples("engine_back_s", samples, floor=floor.back_s))
    if not engine.running:
        await rig.online(engine)


async def _back_once(rig: Rig, fleet: Fleet, part: Part, number: int, *, resolve: bool) -> float:
    """Seconds from a start to the first receipt, of an alarm pressed while nobody listened."""
    device = board_id(number % GROUPS * GROUP_SIZE)
    alarm = fleet.press(device, bells=GROUP_SIZE)
    start = time.monotonic()
    await part.start()
    await out(alarm)
    fleet.clear(device)
    if resolve:
        await rig.desk.resolve(await rig.desk.proved(alarm.id, GROUP_SIZE))
    else:
        await part.stop()
        await rig.desk.offline()
    fleet.forget([alarm])
    assert alarm.receipt is not None  # noqa: S101  it is out
    return alarm.receipt - start


async def _flood(book: Book, rig: Rig, fleet: Fleet, floor: _Floor) -> None:
    if not book.wants("alarm_under_flood_ms"):
        return
    with book.measuring("alarm_under_flood_ms"):
        book.tell(f"{book.scale.flood_s:.0f} s of {FLOOD_PER_S} reports a second, alarms among them")
        before = rig.stored()
        async with reports(fleet, FLOOD_PER_S) as flow:
            timing = await alarms(rig, fleet, groups=GROUPS, enough=_until(book.scale.flood_s), resolve=True)
            seconds = time.monotonic() - flow.since
            stored = rig.stored() - before
        book.add(
            of_samples(
                "alarm_under_flood_ms",
                timing.bells_ms,
                floor=floor.under_flood.bells_ms,
                sent_per_s=round(flow.sent / seconds),
                stored_per_s=round(stored / seconds),
            )
        )


async def _full_speed(book: Book, rig: Rig, fleet: Fleet, engine: Part, floor: _Floor) -> None:
    if not book.wants(*SPEED):
        return
    with book.measuring(*SPEED):
        book.tell(f"{book.scale.full_speed_s:.0f} s of reports at full speed")
        before = usage.use(engine.pid)
        count, per_s = await full_speed(fleet, book.scale.full_speed_s, rig.stored)
        used = usage.use(engine.pid)
        rows = disk.rows_per_s(book.directory)
        book.add(of_value("stored_per_s", per_s, floor=floor.handled_per_s, disk_floor=round(rows), sent=count))
        book.add(of_value("cpu_us_per_report", (used.cpu_s - before.cpu_s) / count * 1e6, floor=floor.cpu_us))
        written, wchar = used.write_bytes - before.write_bytes, used.wchar - before.wchar
        book.add(of_value("written_bytes_per_report", written / count, floor=0, wchar_bytes=round(wchar / count)))


def _count(wanted: int) -> Callable[[Timing], bool]:
    return lambda timing: len(timing.bells_ms) >= wanted


def _until(seconds: float) -> Callable[[Timing], bool]:
    deadline = time.monotonic() + seconds
    return lambda _: time.monotonic() >= deadline
