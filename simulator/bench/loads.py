"""What is put on the engine, and on its floor alike: alarms one after the other, reports at a given rate, reports at full speed."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from simulator.bench import turns, usage
from simulator.bench.clients import Alarm, Fleet
from simulator.bench.communes import GROUP_SIZE, board_id
from simulator.bench.figures import Figure, NotMeasured, of_value
from simulator.bench.rig import Rig
from simulator.parts import Part

ALARM_S = 20.0
PACE_S = 0.005
WINDOW = 4000  # reports on their way at full speed: less than the broker's queue, which drops what does not fit
BURST = 200
DRAIN_S = 60.0
GREETED_S = 60.0
REPORT_EVERY_S = 30
BYTES_PER_MIB = 1 << 20


async def greeted(fleet: Fleet) -> None:
    """Return when the engine has answered every birth. Raises NotMeasured."""
    try:
        async with asyncio.timeout(GREETED_S):
            await asyncio.gather(*(board.be_greeted() for board in fleet.boards.values()))
    except TimeoutError:
        count = sum(board.greeted.is_set() for board in fleet.boards.values())
        raise NotMeasured(f"expected {len(fleet.boards)} boards answered within {GREETED_S:.0f} s, got {count}") from None


class Timing(NamedTuple):
    """Milliseconds from the publishing of each alarm."""

    bells_ms: list[float]
    receipt_ms: list[float]
    webhook_ms: list[float]


async def alarms(
    rig: Rig,
    fleet: Fleet,
    *,
    groups: int,
    enough: Callable[[Timing], bool],
    resolve: bool,
    ready: Callable[[], Awaitable[None]] | None = None,
) -> Timing:
    """Alarms one after the other in so many groups in turn, each a new incident and when it is `ready`, until it is enough.

    Raises NotMeasured.
    """
    with turns.boards_at_once():
        return await _alarms(rig, fleet, groups, enough, resolve=resolve, ready=ready)


async def _alarms(
    rig: Rig,
    fleet: Fleet,
    groups: int,
    enough: Callable[[Timing], bool],
    *,
    resolve: bool,
    ready: Callable[[], Awaitable[None]] | None,
) -> Timing:
    timing = Timing([], [], [])
    for number in itertools.count():
        if enough(timing):
            return timing
        if ready:
            await ready()
        device = board_id(number % groups * GROUP_SIZE + number // groups % GROUP_SIZE)
        before = len(rig.webhook.posts)
        alarm = fleet.press(device, bells=GROUP_SIZE)
        await out(alarm)
        assert alarm.receipt is not None  # noqa: S101  it is out
        timing.bells_ms.append((max(alarm.rings.values()) - alarm.sent) * 1000)
        timing.receipt_ms.append((alarm.receipt - alarm.sent) * 1000)
        timing.webhook_ms.append((await posted(rig, alarm, before) - alarm.sent) * 1000)
        fleet.clear(device)
        if resolve:
            await rig.desk.resolve(await rig.desk.proved(alarm.id, GROUP_SIZE))
        fleet.forget([alarm])
    raise AssertionError("count() has no end")


async def out(alarm: Alarm) -> None:
    """Return when an alarm has its receipt and all its rings. Raises NotMeasured."""
    try:
        async with asyncio.timeout(ALARM_S):
            await alarm.out.wait()
    except TimeoutError:
        got = f"{len(alarm.rings)} rings and {'a' if alarm.receipt else 'no'} receipt"
        raise NotMeasured(f"alarm {alarm.id}: expected {alarm.bells} rings and a receipt within {ALARM_S:.0f} s, got {got}") from None


async def posted(rig: Rig, alarm: Alarm, before: int) -> float:
    """When the first webhook with this alarm came, of those after the first `before`. Raises NotMeasured."""
    word = alarm.id.encode()
    found: list[float] = []

    def came() -> bool:
        found.extend(post.at for post in rig.webhook.posts[before:] if word in post.body)
        return bool(found)

    if not await rig.watch.until(came, ALARM_S):
        raise NotMeasured(f"alarm {alarm.id}: expected a webhook within {ALARM_S:.0f} s, got none")
    return found[0]


@dataclass
class Flow:
    """Reports that were sent, and since when (monotonic)."""

    since: float
    sent: int = 0


@asynccontextmanager
async def reports(fleet: Fleet, per_s: float) -> AsyncIterator[Flow]:
    """So many reports a second, from all boards in turn, for as long as `async with` lasts."""
    flow = Flow(time.monotonic())

    async def send() -> None:
        boards = itertools.cycle(fleet.boards.values())
        while True:
            due = int((time.monotonic() - flow.since) * per_s)
            for board in itertools.islice(boards, min(due - flow.sent, BURST)):
                board.report()
                flow.sent += 1
            await asyncio.sleep(PACE_S if due == flow.sent else 0)

    task = asyncio.create_task(send(), name="reports")
    try:
        yield flow
    finally:
        task.cancel()
        await asyncio.wait([task])


async def written_per_h(name: str, fleet: Fleet, engine: Part, seconds: float) -> Figure:
    """MiB an hour that the engine gives to the disk while the whole fleet reports at its ordinary rate, from so many seconds of it."""
    before = usage.use(engine.pid)
    async with reports(fleet, len(fleet.boards) / REPORT_EVERY_S) as flow:
        await asyncio.sleep(seconds)
        over_s = time.monotonic() - flow.since
    used = usage.use(engine.pid)
    written, wchar = (
        (after - was) / BYTES_PER_MIB * 3600 / over_s for after, was in ((used.write_bytes, before.write_bytes), (used.wchar, before.wchar))
    )
    cpu = (used.cpu_s - before.cpu_s) / over_s * 100
    return of_value(name, written, floor=0, wchar_mib_per_h=round(wchar, 2), cpu_percent=round(cpu, 2), over_s=round(over_s))


class Taken(NamedTuple):
    """How many reports were sent, and what was taken of them in the time of sending."""

    sent: int
    per_s: float


async def full_speed(fleet: Fleet, seconds: float, done: Callable[[], int]) -> Taken:
    """As many reports as are taken, WINDOW of them on their way. Raises NotMeasured if not all of them are taken in the end."""
    boards = itertools.cycle(fleet.boards.values())
    before, start, sent = done(), time.monotonic(), 0
    while time.monotonic() < start + seconds:
        if sent - (done() - before) <= WINDOW - BURST:
            for board in itertools.islice(boards, BURST):
                board.report()
            sent += BURST
        await asyncio.sleep(PACE_S)
    per_s = (done() - before) / (time.monotonic() - start)
    deadline = time.monotonic() + DRAIN_S
    while (taken := done() - before) < sent:
        if time.monotonic() > deadline:
            raise NotMeasured(f"expected {sent} reports taken within {DRAIN_S:.0f} s, got {taken}")
        await asyncio.sleep(PACE_S)
    return Taken(sent, per_s)
