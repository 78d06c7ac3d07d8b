"""A storm: 500 alarms at once from 500 groups; the same with the engine killed in the middle; and what 50 communes take of memory and
disk.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from simulator.bench import usage
from simulator.bench.book import Book
from simulator.bench.clients import Alarm, Fleet
from simulator.bench.communes import GROUP_SIZE
from simulator.bench.figures import NotMeasured, of_samples, of_value
from simulator.bench.loads import greeted, written_per_h
from simulator.bench.rig import Rig
from simulator.parts import Part

ALARMS = 500
WEBHOOK_S = 0.05  # a slow receiver: the bells must not be slower for it
OUT_S = 30.0
KILL_AFTER = 0.3  # of the receipts
FORWARDED_S = 90.0
FLOOR_FORWARDED_S = 12.0  # it never forwards all of them: longer than its boards repeat what has no receipt is not waited
BOARDS_50 = 11_450
REPORTED_S = 60.0
EVENT_ID = re.compile(rb"[0-9a-f]{8}-[0-9]+-[0-9]+")
OF_50 = ("engine_memory_50_mib", "written_50_mib_per_h")
NAMES = ("storm_500_s", "storm_kill_incomplete_n", *OF_50)


async def measure(book: Book) -> None:
    """All figures of this family that the book wants."""
    if book.wants("storm_500_s", "storm_kill_incomplete_n"):
        with book.measuring("storm_500_s", "storm_kill_incomplete_n"):
            await _storms(book)
    if book.wants(*OF_50):
        with book.measuring(*OF_50):
            await _fifty(book)


async def _storms(book: Book) -> None:
    book.tell(f"{ALARMS} boards of {ALARMS} groups of {GROUP_SIZE} connect")
    pressers = range(0, ALARMS * GROUP_SIZE, GROUP_SIZE)
    async with Rig(book.directory / "storm", boards=ALARMS * GROUP_SIZE) as rig, rig.fleet(pressers) as fleet:
        floor = rig.floor()
        await rig.online(floor)
        below = [await _storm(rig, fleet, resolve=False) for _ in range(book.scale.storms)]
        lost = await _killed_storm(rig, fleet, floor, within_s=FLOOR_FORWARDED_S)
        await _end(rig, fleet, lost.alarms, resolve=False)
        await floor.stop()
        await rig.desk.offline()
        engine = rig.engine()
        await rig.online(engine)
        await greeted(fleet)
        with book.measuring("storm_500_s"):
            book.tell(f"{book.scale.storms} times {ALARMS} alarms at once, to a webhook that takes {WEBHOOK_S * 1000:.0f} ms")
            samples = [await _storm(rig, fleet, resolve=True) for _ in range(book.scale.storms)]
            book.add(of_samples("storm_500_s", samples, floor=below))
        with book.measuring("storm_kill_incomplete_n"):
            book.tell(f"{ALARMS} alarms at once, kill -9 of the engine among them, and a start")
            found = await _killed_storm(rig, fleet, engine, within_s=FORWARDED_S)
            book.add(
                of_value(
                    "storm_kill_incomplete_n",
                    found.incomplete,
                    floor=lost.incomplete,
                    receipts_at_kill=found.receipts_at_kill,
                    posts_at_kill=found.posts_at_kill,
                    all_out_s=found.all_out_s,
                )
            )


async def _storm(rig: Rig, fleet: Fleet, *, resolve: bool) -> float:
    """Seconds from the first of the alarms to the last receipt and ring. Returns when their webhooks are through as well."""
    before = len(rig.webhook.posts)
    rig.webhook.delay_s = WEBHOOK_S
    alarms = _press_all(fleet)
    await _all_out(alarms)
    rig.webhook.delay_s = 0
    incomplete = await _incomplete(rig, alarms, before, FORWARDED_S)
    if incomplete:
        raise NotMeasured(f"expected {ALARMS} alarms out and posted, got {len(incomplete)} that are not")
    await _end(rig, fleet, alarms, resolve=resolve)
    return max(alarm.all_out_at for alarm in alarms) - alarms[0].sent


async def _end(rig: Rig, fleet: Fleet, alarms: list[Alarm], *, resolve: bool) -> None:
    """All buttons are let go, all incidents resolved, all events receipted: the next storm finds a calm sea."""
    for alarm in alarms:
        fleet.clear(alarm.device)
        if resolve:
            await rig.desk.resolve(await rig.desk.proved(alarm.id, 1))
    fleet.forget(alarms)
    if not await rig.watch.until(lambda: not fleet.waiting, OUT_S):
        raise NotMeasured(f"expected every event receipted within {OUT_S:.0f} s, got {fleet.waiting} that are not")


@dataclass
class _Killed:
    """What became of a storm in whose midst who had to forward it was killed and started again."""

    alarms: list[Alarm]
    incomplete: int
    receipts_at_kill: int
    posts_at_kill: int
    all_out_s: float


async def _killed_storm(rig: Rig, fleet: Fleet, part: Part, *, within_s: float) -> _Killed:
    """How many alarms are not wholly forwarded in the end: a receipt, a ring, a webhook each."""
    before = len(rig.webhook.posts)
    alarms = _press_all(fleet)
    if not await rig.watch.until(lambda: _receipts(alarms) >= KILL_AFTER * ALARMS, OUT_S):
        raise NotMeasured(f"expected {KILL_AFTER:.0%} of {ALARMS} receipts within {OUT_S:.0f} s, got {_receipts(alarms)}")
    await part.kill()
    at_kill, posts_at_kill = _receipts(alarms), len(rig.webhook.posts) - before
    start = time.monotonic()
    await part.start()
    incomplete = await _incomplete(rig, alarms, before, within_s)
    return _Killed(alarms, len(incomplete), at_kill, posts_at_kill, round(time.monotonic() - start, 2))


async def _incomplete(rig: Rig, alarms: list[Alarm], before: int, within_s: float) -> list[Alarm]:
    """The alarms that so many seconds have not brought out and into a webhook after the first `before`."""
    missing = {alarm.id: alarm for alarm in alarms}
    looked = before

    def forwarded() -> bool:
        nonlocal looked
        for post in rig.webhook.posts[looked:]:
            looked += 1
            posted.update(ident for ident in _idents(post.body) if ident in missing)
        for ident in [ident for ident in posted if missing[ident].out.is_set()]:
            posted.discard(ident)
            del missing[ident]
        return not missing

    posted: set[str] = set()
    await rig.watch.until(forwarded, within_s)
    return list(missing.values())


def _idents(body: bytes) -> list[str]:
    """Every event id in a webhook's body, wherever it stands there."""
    return [word.decode() for word in EVENT_ID.findall(body)]


async def _all_out(alarms: list[Alarm]) -> None:
    try:
        async with asyncio.timeout(OUT_S):
            for alarm in alarms:
                await alarm.out.wait()
    except TimeoutError:
        out = sum(alarm.out.is_set() for alarm in alarms)
        raise NotMeasured(
            f"expected {len(alarms)} receipts and rings within {OUT_S:.0f} s, got {_receipts(alarms)} receipts, {out} with a ring"
        ) from None


def _receipts(alarms: list[Alarm]) -> int:
    return sum(alarm.receipt is not None for alarm in alarms)


async def _fifty(book: Book) -> None:
    book.tell(f"{BOARDS_50} boards connect")
    async with Rig(book.directory / "fifty", boards=BOARDS_50) as rig, rig.fleet(range(BOARDS_50)) as fleet:
        floor = rig.floor()
        await rig.online(floor)
        await _report_once(fleet, lambda: rig.desk.handled)
        below = usage.memory_mib(floor.pid)
        await floor.stop()
        await rig.desk.offline()
        book.tell(f"the engine meets {BOARDS_50} boards")
        engine = rig.engine()
        start = time.monotonic()
        await rig.online(engine)
        await greeted(fleet)
        seconds = time.monotonic() - start
        await _report_once(fleet, rig.stored)
        book.add(of_value("engine_memory_50_mib", usage.memory_mib(engine.pid), floor=below, boards=BOARDS_50, greeted_s=round(seconds, 2)))
        if book.wants("written_50_mib_per_h"):
            book.tell(f"{book.scale.steady_50_s:.0f} s of an ordinary day of {BOARDS_50} boards")
            book.add(await written_per_h("written_50_mib_per_h", fleet, engine, book.scale.steady_50_s))


async def _report_once(fleet: Fleet, done: Callable[[], int]) -> None:
    """A report of each board, taken. Raises NotMeasured."""
    for number, board in enumerate(fleet.boards.values()):
        board.report()
        if number % 500 == 0:
            await asyncio.sleep(0.05)
    deadline = time.monotonic() + REPORTED_S
    while done() < len(fleet.boards):
        if time.monotonic() > deadline:
            raise NotMeasured(f"expected {len(fleet.boards)} reports taken within {REPORTED_S:.0f} s, got {done()}")
        await asyncio.sleep(0.05)


def _press_all(fleet: Fleet) -> list[Alarm]:
    return [fleet.press(device, bells=1) for device in fleet.boards]
