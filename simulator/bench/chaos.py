"""Chaos: people press buttons while broker and engine are killed with -9 and started again, and links freeze and thaw at random.

Afterwards every press must stand on the engine's disk once, and in one activation of one incident. The seed is printed: it repeats
who does what and in which order; the moments depend on the machine too.
"""

import asyncio
import itertools
import random
import sqlite3
from collections import Counter, deque

from protocol.messages import Incident, decode
from simulator.bench.book import Book
from simulator.bench.figures import NotMeasured, of_value
from simulator.desk import DeskFailed
from simulator.stage import COMMUNES, Stage

SITE = COMMUNES / "ngo-thu-5.toml"
GROUP = "TLG-03"
BUTTONS = ("button-1", "button-2")
HOLD_S = 1.0  # longer than any stall of the flash: a person in need does not tap
SETTLED_S = 90.0
NAMES = ("presses_n", "events_lost_n", "incidents_doubled_n")
Button = tuple[str, str]


async def measure(book: Book) -> None:
    """All figures of this family that the book wants."""
    seed = book.seed
    book.tell(f"{book.scale.chaos_s:.0f} s of chaos, seed {seed}")
    async with Stage(SITE, book.directory / "chaos") as stage:
        if stage.light:
            raise NotMeasured("expected the real firmware, got no MicroPython for this machine")
        await stage.ready()
        chaos = _Chaos(stage, seed)
        await chaos.run(book.scale.chaos_s)
        book.tell(f"{chaos.presses.total()} presses, {chaos.kills} kills, {chaos.freezes} frozen links: what became of them?")
        stored = await chaos.settled()
        activations = sum(incident.n for incident in _incidents(stage))
    ids = stored.total()
    missing = sum((chaos.presses - stored).values())
    extra = sum((stored - chaos.presses).values())
    circumstances = {"seed": seed, "kills": chaos.kills, "freezes": chaos.freezes, "boards_crashed": len(stage.world.crashed)}
    book.add(of_value("presses_n", chaos.presses.total(), **circumstances))
    book.add(of_value("events_lost_n", missing + max(0, ids - activations), not_stored=missing, not_activated=max(0, ids - activations)))
    book.add(
        of_value("incidents_doubled_n", extra + max(0, activations - ids), stored_twice=extra, activated_twice=max(0, activations - ids))
    )


class _Chaos:
    """Who does what to a stage. `presses` counts each button."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.presses: Counter[Button] = Counter()
        self.kills = 0
        self.freezes = 0
        self._stage = stage
        self._seed = seed

    async def run(self, seconds: float) -> None:
        """All of them for so long; then everything runs and is in reach again."""
        deeds = (self._press(), self._kill("broker", 1.0, 3.0), self._kill("engine", 0.0, 2.0), self._freeze(), self._resolve())
        tasks = [asyncio.create_task(deed) for deed in deeds]
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for device, button in self.presses:
            self._stage.world.release(device, button)
        for device in self._stage.world.devices:
            self._stage.world.link(device).thaw()
        for name in ("broker", "engine"):
            await self._stage.part(name).start()
        for task in done:
            task.result()

    async def settled(self) -> Counter[Button]:
        """Presses of each button on the engine's disk, once they are all there or SETTLED_S are over."""
        await self._stage.watch.until(lambda: _stored(self._stage) == self.presses, SETTLED_S)
        return _stored(self._stage)

    async def _press(self) -> None:
        dice = random.Random(f"{self._seed} press")
        buttons = list(itertools.product(self._stage.site.bells_of(GROUP), BUTTONS))
        # A button that is still down, or has just come up, cannot be pressed anew.
        rested = deque(dice.sample(buttons, len(buttons)))
        async with asyncio.TaskGroup() as fingers:
            while True:
                button = rested[dice.randrange(len(rested) // 2)]
                rested.remove(button)
                rested.append(button)
                self.presses[button] += 1
                fingers.create_task(self._stage.world.pulse(*button, HOLD_S))
                await asyncio.sleep(dice.uniform(0.2, 2.0))

    async def _kill(self, name: str, least_s: float, most_s: float) -> None:
        dice = random.Random(f"{self._seed} {name}")
        part = self._stage.part(name)
        while True:
            await asyncio.sleep(dice.uniform(4, 12))
            await part.kill()
            self.kills += 1
            await asyncio.sleep(dice.uniform(least_s, most_s))
            await part.start()

    async def _freeze(self) -> None:
        dice = random.Random(f"{self._seed} freeze")
        while True:
            await asyncio.sleep(dice.uniform(0.5, 3))
            link = self._stage.world.link(dice.choice(self._stage.world.devices))
            link.freeze()
            self.freezes += 1
            await asyncio.sleep(dice.uniform(0.5, 6))
            link.thaw()

    async def _resolve(self) -> None:
        """The desk ends what is open now and then: if the engine is not dead just then."""
        dice = random.Random(f"{self._seed} resolve")
        observer, desk = self._stage.observer, self._stage.desk
        while True:
            await asyncio.sleep(dice.uniform(5, 10))
            for incident in [incident for ident, incident in observer.incidents.items() if ident not in observer.closed]:
                try:
                    await desk.order("resolve", incident.id, incident.version, "drill")
                except DeskFailed:
                    continue  # the next one to look at the desk does it


def _stored(stage: Stage) -> Counter[Button]:
    """Different presses of each button in the engine's journal."""
    rows = _asked(stage, "SELECT DISTINCT id, device, point FROM event WHERE type = 'button' AND state = 'active'")
    return Counter((device, point) for _, device, point in rows)


def _incidents(stage: Stage) -> list[Incident]:
    return [decode(Incident, snapshot.encode()) for (snapshot,) in _asked(stage, "SELECT snapshot FROM incident")]


def _asked(stage: Stage, question: str) -> list[tuple[str, ...]]:
    """The disk is asked, not the engine: what is promised is promised of the disk."""
    database = sqlite3.connect(f"file:{stage.directory / 'data' / 'keng.db'}?mode=ro", uri=True)
    try:
        return database.execute(question).fetchall()
    finally:
        database.close()
