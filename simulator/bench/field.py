"""The whole commune: 12 homes and 3 fire points with the real firmware and flash delays, broker, engine, console.

Milliseconds run from the moment when the finger presses: the pin changes in the world.
"""

import asyncio
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from protocol.incident import BellState, Incident
from simulator.bench.book import Book
from simulator.bench.figures import NotMeasured, of_samples
from simulator.stage import COMMUNES, Stage
from simulator.terminals import BELL

SITE = COMMUNES / "ngo-thu-5.toml"
GROUP = "TLG-03"
BUTTON = "button-1"
FREEZABLE = ("DCC-017", "DCC-018", "DCC-019")  # of another group: their loss is waited for while bells in the lane are silent
PATIENCE_S = 15.0
LOST_S = 120.0
LOST_WORD = "MẤT KẾT NỐI"  # the console's own
RINGS: tuple[BellState, ...] = ("measured", "commanded")
PRESSES = ("press_to_own_bell_ms", "press_to_all_bells_ms", "press_to_console_ms", "press_to_first_sms_ms")
NAMES = (*PRESSES, "silent_bell_named_ms", "lost_board_shown_s")


async def measure(book: Book) -> None:
    """All figures of this family that the book wants."""
    book.tell("broker, engine, console and 15 boards with the real firmware start")
    async with Stage(SITE, book.directory / "field", modem=True) as stage:
        if stage.light:
            raise NotMeasured("expected the real firmware, got no MicroPython for this machine")
        await stage.ready()
        with book.measuring(*PRESSES):
            await _presses(book, stage)
        lost = asyncio.create_task(_lost(book, stage), name="lost boards")
        try:
            with book.measuring("silent_bell_named_ms"):
                await _silent(book, stage)
            with book.measuring("lost_board_shown_s"):
                await _waited_for(book, lost)
        finally:
            lost.cancel()


@dataclass
class _Press:
    """One press, followed to its end."""

    stage: Stage
    device: str
    at: float = field(init=False)

    def __post_init__(self) -> None:
        observer = self.stage.observer
        self.at = self.stage.world.press(self.device, BUTTON)
        self._before = set(observer.incidents)
        self._bells = self.stage.site.bells_of(GROUP)
        self._heard = {bell: len(observer.events.get(bell, ())) for bell in self._bells}

    def incident(self) -> Incident | None:
        """The newest snapshot of the incident that this press opened."""
        return next((incident for ident, incident in self.stage.observer.incidents.items() if ident not in self._before), None)

    async def until(self, what: str, test: Callable[[Incident], object]) -> float:
        """When a snapshot of its incident first passed the test. Raises NotMeasured."""
        observer = self.stage.observer
        if not await self.stage.watch.until(lambda: (found := self.incident()) and test(found), PATIENCE_S):
            raise NotMeasured(f"press at {self.device}: expected {what} within {PATIENCE_S:.0f} s, got {_told(self.incident())}")
        incident = self.incident()
        assert incident is not None  # noqa: S101  the condition above holds
        seen = observer.first(self.at, incident.id, test)
        assert seen is not None  # noqa: S101  the same
        return seen

    async def rung(self) -> float:
        """When the last bell rang and was confirmed."""
        confirmed = await self.until(f"{len(self._bells)} bells confirmed", lambda incident: incident.count(*RINGS) == len(self._bells))
        return max([confirmed, *[await self.bell(bell) for bell in self._bells]])

    async def bell(self, device: str) -> float:
        """When a bell first sounded. Raises NotMeasured."""
        world = self.stage.world
        if not await self.stage.watch.until(lambda: world.first_on(device, BELL, self.at), PATIENCE_S):
            raise NotMeasured(f"press at {self.device}: expected the bell of {device} on within {PATIENCE_S:.0f} s, got none")
        return world.first_on(device, BELL, self.at) or 0.0

    async def shown(self) -> float:
        """When the console sent the card of the incident by itself. Raises NotMeasured."""
        desk = self.stage.desk
        texts = ['id="title-', self.stage.site.place_of(self.device).name]
        if not await self.stage.watch.until(lambda: desk.first(texts, self.at), PATIENCE_S):
            raise NotMeasured(f"press at {self.device}: expected the console to show it within {PATIENCE_S:.0f} s, got nothing")
        return desk.first(texts, self.at) or 0.0

    async def told(self) -> float:
        """When the modem handed the first message about it to the network. Raises NotMeasured."""
        name = self.stage.site.place_of(self.device).name.partition(" (")[0]

        def sent() -> list[float]:
            return [sms.at for sms in self.stage.modem.sent if sms.at >= self.at and name in sms.text]

        if not await self.stage.watch.until(sent, PATIENCE_S):
            raise NotMeasured(f"press at {self.device}: expected an SMS within {PATIENCE_S:.0f} s, got none")
        return sent()[0]

    async def end(self) -> None:
        """Let go, resolve, and return when every bell has said that it is quiet. Raises NotMeasured."""
        self.stage.world.release(self.device, BUTTON)
        incident = self.incident()
        assert incident is not None  # noqa: S101  whoever ends it has seen it
        await self.stage.desk.order("resolve", incident.id, incident.version, "test")
        if not await self.stage.watch.until(self._quiet, PATIENCE_S):
            raise NotMeasured(f"press at {self.device}: expected every bell quiet within {PATIENCE_S:.0f} s of its end, got other news")

    def _quiet(self) -> bool:
        observer = self.stage.observer
        incident = self.incident()
        if incident is None or incident.id not in observer.closed:
            return False
        news = {bell: observer.events.get(bell, ())[self._heard[bell] :] for bell in self._bells}
        told = {bell: [event.state for event in events if event.type == BELL] for bell, events in news.items()}
        # A finger that comes back within a flash stall has not been away: the board must have said that the button is clear.
        button = [event.state for event in news[self.device] if event.point == BUTTON]
        # A board that was out of reach may hear ring and silence in one breath: it has nothing to tell then.
        quiet = all(states[-1] != "active" if states else not self.stage.world.is_ringing(bell) for bell, states in told.items())
        return quiet and button[-1:] == ["clear"] and not observer.lost_events()


async def _presses(book: Book, stage: Stage) -> None:
    if not book.wants(*PRESSES):
        return
    book.tell(f"{book.scale.presses} presses, flash delays on")
    own, every, console, sms = [], [], [], []
    for device in itertools.islice(itertools.cycle(stage.site.bells_of(GROUP)), book.scale.presses):
        press = _Press(stage, device)
        every.append((await press.rung() - press.at) * 1000)
        own.append((await press.bell(device) - press.at) * 1000)
        console.append((await press.shown() - press.at) * 1000)
        sms.append((await press.told() - press.at) * 1000)
        await press.end()
    for name, samples in zip(PRESSES, (own, every, console, sms), strict=True):
        book.add(of_samples(name, samples))


async def _silent(book: Book, stage: Stage) -> None:
    if not book.wants("silent_bell_named_ms"):
        return
    book.tell(f"{book.scale.silent} bells without a wire and {book.scale.silent} boards out of reach are looked for")
    wires, frozen = [], []
    homes = stage.site.bells_of(GROUP)
    for number in range(book.scale.silent):
        device, silent = homes[number % len(homes)], homes[(number + 5) % len(homes)]
        wires.append(await _named(stage, device, silent, stage.world.cut_wire, stage.world.mend_wire))
        frozen.append(
            await _named(
                stage, device, silent, lambda ident: stage.world.link(ident).freeze(), lambda ident: stage.world.link(ident).thaw()
            )
        )
    book.add(of_samples("silent_bell_named_ms", [*wires, *frozen], wire_max=round(max(wires)), frozen_max=round(max(frozen))))


async def _named(stage: Stage, device: str, silent: str, harm: Callable[[str], object], mend: Callable[[str], object]) -> float:
    """Milliseconds from a press until the incident names the bell that cannot ring."""
    harm(silent)
    press = _Press(stage, device)
    named = await press.until(
        f"{silent} named", lambda incident: any(bell.device == silent and bell.state in ("fault", "silent") for bell in incident.bells)
    )
    mend(silent)
    await press.end()
    return (named - press.at) * 1000


async def _lost(book: Book, stage: Stage) -> list[float]:
    """Freeze the links of some boards; how long until the console shows each as lost, in s. Nothing tells the broker but silence."""
    if not book.wants("lost_board_shown_s"):
        return []

    async def shown(device: str) -> float:
        since = time.monotonic()
        stage.world.link(device).freeze()
        if not await stage.desk.lists([f'id="device-{device}"', LOST_WORD], LOST_S):
            raise NotMeasured(f"{device}: expected the console to show it as lost within {LOST_S:.0f} s, got nothing")
        return time.monotonic() - since

    return await asyncio.gather(*(shown(device) for device in FREEZABLE[: book.scale.lost]))


async def _waited_for(book: Book, lost: asyncio.Task[list[float]]) -> None:
    if book.wants("lost_board_shown_s"):
        book.tell("the boards that were frozen at the start are waited for")
        book.add(of_samples("lost_board_shown_s", await lost))


def _told(incident: Incident | None) -> str:
    return "no incident" if incident is None else ", ".join(f"{bell.device} {bell.state}" for bell in incident.bells)
