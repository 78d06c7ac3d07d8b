"""What happens in a chaos, each deed with dice of its own, so that a seed repeats who does what and in which order."""

import asyncio
import random
import sqlite3
from collections import Counter, deque
from dataclasses import dataclass, field

from simulator.chaos.scene import BUTTONS, Scene
from simulator.chaos.verdict import Button
from simulator.parts import Part

YEAR_S = 365 * 86_400.0
REAL_SHARE = 0.2  # of the presses, on the boards with the real firmware
HOLD_S = (1.0, 1.6)  # longer than any stall of the flash: a person in need does not tap
LONG_HOLD_S = (4.0, 12.0)  # long enough to be down while a board comes back
LONG_SHARE = 0.1
REAL_MAX = 11  # presses of one button: after 24 changes a board takes a contact for one that chatters, and no longer tells each
REST_S = 1.5  # a button that has just come up cannot be pressed anew
FULL_S = 60.0
FULL_AFTER_S = 20.0


@dataclass
class Tally:
    """What was done."""

    presses: Counter[Button] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    unbacked: set[str] = field(default_factory=set)  # receipts that stood for nothing when the engine was killed


class Chaos:
    """All deeds on a scene, until so many presses are made, `per_s` of them a second on average."""

    def __init__(self, scene: Scene, seed: int, *, presses: int, per_s: float) -> None:
        self.tally = Tally()
        self._scene = scene
        self._seed = seed
        self._presses = presses
        self._per_s = per_s
        self._full = False
        self._checked: set[str] = set()
        self._busy: set[Button] = set()

    async def run(self) -> None:
        """Do all of it; then let everything run and be in reach again, on a disk with room and with the right clock."""
        others = (
            self._kill(self._scene.broker, least_s=0.5, most_s=3),
            self._kill(self._scene.engine, least_s=0, most_s=2),
            self._disturb(),
            self._set_clock(),
            self._fill_disk(),
            self._sit_at_desk(),
        )
        tasks = [asyncio.create_task(deed) for deed in others]
        fingers = asyncio.create_task(self._press_all())
        try:
            await asyncio.wait([fingers, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
        for result in done:
            if isinstance(result, Exception):
                fingers.cancel()
                raise result
        await fingers
        await self._calm()

    async def _calm(self) -> None:
        for device in self._scene.devices:
            link = self._scene.link(device)
            link.plug()
            link.thaw()
            link.swallow(False)
            link.delay_s = 0.0
        self._scene.disk.free(self._scene.engine_pid())
        self._full = False
        self._scene.clock.set(0.0)

    # Fingers

    async def _press_all(self) -> None:
        dice = self._dice("press")
        real = [Button(device, point) for device in self._scene.real for point in BUTTONS]
        light = [Button(device, point) for device in self._scene.devices if device not in self._scene.real for point in BUTTONS]
        rested = {name: deque(dice.sample(buttons, len(buttons))) for name, buttons in (("real", real), ("light", light)) if buttons}
        async with asyncio.TaskGroup() as fingers:
            while self.tally.presses.total() < self._presses:
                name = "real" if dice.random() < REAL_SHARE and rested.get("real") else "light"
                of = rested[name]
                at, hold_s = dice.randrange(max(1, len(of) // 2)), dice.uniform(*(LONG_HOLD_S if dice.random() < LONG_SHARE else HOLD_S))
                if button := next((button for button in (*list(of)[at:], *list(of)[:at]) if button not in self._busy), None):
                    of.remove(button)
                    if name == "light" or self.tally.presses[button] + 1 < REAL_MAX:
                        of.append(button)
                    self._busy.add(button)
                    self.tally.presses[button] += 1
                    fingers.create_task(self._hold(button, hold_s))
                await asyncio.sleep(dice.expovariate(self._per_s))

    async def _hold(self, button: Button, seconds: float) -> None:
        self._scene.press(button)
        await asyncio.sleep(seconds)
        self._scene.release(button)
        await asyncio.sleep(REST_S)
        self._busy.discard(button)

    # Processes

    async def _kill(self, part: Part, *, least_s: float, most_s: float) -> None:
        """Kill it at random. The scene starts it again."""
        dice = self._dice(part.name)
        while True:
            await asyncio.sleep(dice.uniform(5, 20))
            if part is self._scene.engine and self._full and not self._scene.disk.outlives:
                continue  # a start would set it free
            with self._scene.down(part):
                await part.kill()
                self.tally.deeds[f"{part.name} killed"] += 1
                if part is self._scene.engine:
                    self._look_at_receipts()
                await asyncio.sleep(dice.uniform(least_s, most_s))

    def _look_at_receipts(self) -> None:
        """Nobody writes now: every receipt that was given must have its row already."""
        new = self._scene.ear.receipts - self._checked
        try:
            self.tally.unbacked.update(self._scene.are_kept(new))
        except sqlite3.OperationalError:
            return  # on a full disk SQLite cannot even read what a dead writer left: they are looked at another time
        self._checked |= new

    # Links

    async def _disturb(self) -> None:
        dice = self._dice("links")
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(dice.uniform(0.1, 0.6))
                device = dice.choice(self._scene.devices)
                tasks.create_task(
                    self._one(
                        device, dice.choice(("freeze", "freeze", "long freeze", "stall", "reset", "unplug", "swallow")), dice.random()
                    )
                )

    async def _one(self, device: str, what: str, share: float) -> None:
        link = self._scene.link(device)
        self.tally.deeds[what] += 1
        if what == "reset":
            link.reset()
        elif what == "stall":
            link.delay_s = 0.1 + share
            await asyncio.sleep(1 + 5 * share)
            link.delay_s = 0.0
        elif what == "unplug":
            link.unplug()
            await asyncio.sleep(1 + 4 * share)
            link.plug()
        elif what == "swallow":
            link.swallow(True)
            await asyncio.sleep(0.2 + 3 * share)
            link.swallow(False)
        else:
            link.freeze()
            await asyncio.sleep(30 * share if what == "long freeze" else 0.3 + 5 * share)
            link.thaw()

    # Clock, disk, desk

    async def _set_clock(self) -> None:
        dice = self._dice("clock")
        while True:
            await asyncio.sleep(dice.uniform(8, 25))
            self._scene.clock.set(dice.choice((-YEAR_S, 0.0, YEAR_S)))
            self.tally.deeds["clock set"] += 1

    async def _fill_disk(self) -> None:
        dice = self._dice("disk")
        await asyncio.sleep(FULL_AFTER_S + dice.uniform(0, 10))
        self._full = True
        self._scene.disk.fill(self._scene.engine_pid())
        self.tally.deeds["disk full"] += 1
        await asyncio.sleep(FULL_S)
        self._scene.disk.free(self._scene.engine_pid())
        self._full = False
        await asyncio.Event().wait()

    async def _sit_at_desk(self) -> None:
        dice = self._dice("desk")
        while True:
            await asyncio.sleep(dice.uniform(2, 6))
            for incident in list(self._scene.desk.open.values()):
                do = dice.choices(("resolve", "acknowledge", "on_the_way", ""), (5, 2, 1, 2))[0]
                if do:
                    self._scene.desk.order(do, incident)
                    self.tally.deeds[f"desk: {do}"] += 1

    def _dice(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {name}")


async def resolve_all(scene: Scene, within_s: float) -> bool:
    """Whether the desk could end everything in the time."""
    for _ in range(max(1, round(within_s))):
        for incident in list(scene.desk.open.values()):
            scene.desk.order("resolve", incident)
        if await scene.watch.until(lambda: not scene.desk.open, 1.0):
            return True
    return False
