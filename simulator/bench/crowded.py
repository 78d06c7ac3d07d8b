"""Alarms while everybody looks at the console: 20 desks, 200 phones, and an incident's file rendered again and again, beside the same
alarms of the same minutes without anybody.

Rounds without and with the crowd go in pairs, which of the two first in turn. If the crowd changes nothing, it is chance which round of a
pair is called which: `noise` is what the ratio of the two p99 stays below in 19 of 20 of all ways to call them, and `over_noise` is how
much of it the real ratio is. At most 1: not to be told from noise. Rounds that differ much among themselves would hide much, so `noise`
has a target too.
"""

import asyncio
import itertools
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from simulator.bench.book import Book
from simulator.bench.clients import Fleet
from simulator.bench.communes import DUTY, GROUP_SIZE, group_id, member_id
from simulator.bench.crowd import Counts, Options
from simulator.bench.figures import Figure, NotMeasured, of_samples, percentile, rounded
from simulator.bench.loads import alarms, greeted
from simulator.bench.rig import Rig
from simulator.parts import Part

NAMES = ("alarm_beside_console_ms",)
BOARDS = 229
GROUPS = 6  # where it burns in turn
DESKS = 20
PHONES = 200
ROUNDS = 8  # of each kind
SURE = 0.95
OPENED_S = 60.0
FIRST_CODE = re.compile(r"/invitation/([A-Z0-9-]+)\s")


async def measure(book: Book) -> None:
    """The figure of this family."""
    with book.measuring(*NAMES):
        async with (
            Rig(book.directory / "crowd", boards=BOARDS, inhabited=True) as rig,
            rig.fleet(range(GROUPS * GROUP_SIZE)) as fleet,
        ):
            await rig.online(rig.engine())
            await greeted(fleet)
            console = await rig.console()
            async with _crowd(rig, console) as crowd:
                count = 2 * book.scale.alarms // ROUNDS  # of 1,000 alarms ten are slower than the p99
                book.tell(f"{ROUNDS} times {count} alarms alone, and beside a console with {DESKS} desks and {PHONES} phones")
                await _round(rig, fleet, count)  # everything is warm
                alone, beside, seen = [], [], []
                for number in range(ROUNDS):
                    for crowded in (False, True) if number % 2 == 0 else (True, False):
                        if not crowded:
                            alone.append(await _round(rig, fleet, count))
                            continue
                        await crowd.come()
                        beside.append(await _round(rig, fleet, count))
                        seen.append(await crowd.go())
            book.add(compared(alone, beside, seen))


async def _round(rig: Rig, fleet: Fleet, count: int) -> list[float]:
    return (await alarms(rig, fleet, groups=GROUPS, enough=lambda timing: len(timing.bells_ms) >= count, resolve=True)).bells_ms


def compared(alone: list[list[float]], beside: list[list[float]], counts: list[Counts]) -> Figure:
    """The figure of the pairs of rounds, in ms."""
    pairs = list(zip(alone, beside, strict=True))
    p99_ratio = _p99_ratio(pairs)
    by_chance = [
        _p99_ratio([pair[::-1] if swapped else pair for pair, swapped in zip(pairs, swaps, strict=True)])
        for swaps in itertools.product((False, True), repeat=len(pairs))
    ]
    noise = percentile(by_chance, SURE)
    more = {"p99_ratio": rounded(p99_ratio), "noise": rounded(noise), "over_noise": rounded(p99_ratio / noise)}
    seen = {"pages": DESKS + PHONES, "events": sum(one.events for one in counts), "papers": sum(one.papers for one in counts)}
    return of_samples(NAMES[0], _all(beside), floor=_all(alone), **more, **seen)


def _p99_ratio(pairs: Sequence[tuple[list[float], list[float]]]) -> float:
    without, beside = zip(*pairs, strict=True)
    return percentile(_all(beside), 0.99) / percentile(_all(without), 0.99)


def _all(rounds: Iterable[list[float]]) -> list[float]:
    return [ms for samples in rounds for ms in samples]


class _Crowd:
    """The process of crowd.py."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log

    async def come(self) -> None:
        """Return when all pages are open. Raises NotMeasured."""
        await self._told(b"come\n")

    async def go(self) -> Counts:
        """Close them; what they got. Raises NotMeasured."""
        return Counts(**json.loads(await self._told(b"go\n")))

    async def _told(self, order: bytes) -> bytes:
        pipe, lines = self._process.stdin, self._process.stdout
        assert pipe is not None and lines is not None  # noqa: S101, PT018  # opened as pipes
        pipe.write(order)
        try:
            async with asyncio.timeout(OPENED_S):
                line = await lines.readline()
        except TimeoutError:
            line = b""
        if not line:
            said = "".join(self._log.read_text(errors="replace").splitlines()[-1:])
            raise NotMeasured(f"expected {DESKS + PHONES} pages of the console within {OPENED_S:.0f} s, got: {said}")
        return line


@asynccontextmanager
async def _crowd(rig: Rig, console: Part) -> AsyncIterator[_Crowd]:
    homes = range(0, BOARDS, GROUP_SIZE)
    phones = [(member_id(number), group_id(number)) for number in itertools.islice(itertools.cycle(homes), PHONES)]
    options = Options(address=rig.address, administrator_code=await _first_code(console), duty=DUTY, desks=DESKS, phones=phones)
    with (rig.directory / "crowd.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulator.bench.crowd"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C in the terminal is for us alone: we end it in order
        )
    try:
        assert process.stdin is not None  # noqa: S101  opened as a pipe
        process.stdin.write(json.dumps(asdict(options)).encode() + b"\n")
        yield _Crowd(process, rig.directory / "crowd.log")
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _first_code(console: Part) -> str:
    """With which whoever sees the console's own terminal becomes its administrator. Raises NotMeasured."""
    deadline = time.monotonic() + OPENED_S
    while (found := FIRST_CODE.search(console.log.read_text(errors="replace"))) is None:
        if time.monotonic() > deadline:
            raise NotMeasured(f"expected an invitation within {OPENED_S:.0f} s, got none{console.last_lines()}")
        await asyncio.sleep(0.05)
    return found[1]
