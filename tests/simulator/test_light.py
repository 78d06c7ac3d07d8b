"""Light boards over a real broker, with the test in the engine's place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from protocol import topics
from protocol.messages import Birth, Event, Hello, OddEvent, Receipt, Ring, decode_event, decode_state
from simulator.mqtt import Account, Client, Message
from simulator.world import World
from tests.simulator.boards import board_config

SITE = "xa-mau"
GROUP = "TLG-03"
ENGINE = "5be07711-1"
WITHIN_S = 5.0


class Engine:
    """Hears every board, and answers births; receipts on demand."""

    def __init__(self, world: World) -> None:
        self.births: list[tuple[str, Birth]] = []
        self.events: list[tuple[str, Event]] = []
        self.offline: set[str] = set()
        self.receipts = False
        self._world = world
        self.client = Client(self._hear)

    def _hear(self, message: Message) -> None:
        found = topics.parse(SITE, message.topic)
        assert found
        if found[0] == "state":
            state = decode_state(message.payload)
            if isinstance(state, Birth):
                self.births.append((found[1], state))
                self.offline.discard(found[1])
                hello = Hello(engine=ENGINE, t=1763791234610, birth=state.start, group=GROUP, ring=None)
                self.client.send(topics.device(SITE, found[1], "hello"), hello.payload(), qos=1)
            else:
                self.offline.add(found[1])
        elif found[0] == "event":
            event = decode_event(message.payload)
            assert not isinstance(event, OddEvent)
            self.events.append((found[1], event))
            if self.receipts:
                self.client.send(topics.device(SITE, found[1], "receipt"), Receipt(engine=ENGINE, id=event.id).payload(), qos=1)
        self._world.watch.changed()

    def proofs(self) -> dict[str, str | None]:
        """board -> proof, or the state of a bell that cannot prove anything."""
        return {device: event.proof or event.state for device, event in self.events if event.type == "bell"}


@asynccontextmanager
async def lane(tmp_path: Path, broker: tuple[str, int], count: int = 3) -> AsyncIterator[tuple[World, Engine]]:
    async with World(tmp_path / "boards", broker, rom=None) as world:
        engine = Engine(world)
        async with engine.client:
            await engine.client.connect(Account(*broker, "engine", ""))
            await engine.client.subscribe(f"{topics.PREFIX}{SITE}/dev/+/state", f"{topics.PREFIX}{SITE}/dev/+/event")
            for number in range(1, count + 1):
                await world.add(board_config(f"H{number}"))
                await world.power(f"H{number}", True)
            assert await world.watch.until(lambda: len(engine.births) == count, WITHIN_S)
            yield world, engine


def test_press_rings_every_bell_of_the_group_and_each_proves_it(tmp_path: Path, broker: tuple[str, int]) -> None:
    async def run() -> dict[str, str | None]:
        async with lane(tmp_path, broker) as (world, engine):
            world.cut_wire("H3")
            at = world.press("H1", "button-1")
            assert await world.watch.until(lambda: all(world.first_on(d, "bell", at) for d in world.devices), WITHIN_S)
            await world.watch.until(lambda: len(engine.proofs()) == 2, WITHIN_S)
            return engine.proofs()

    assert asyncio.run(run()) == {"H2": "measured", "H3": "open"}


def test_event_is_repeated_until_its_receipt_and_no_more(tmp_path: Path, broker: tuple[str, int]) -> None:
    async def run() -> tuple[int, bool]:
        async with lane(tmp_path, broker, 1) as (world, engine):
            world.press("H1", "extinguisher-1")
            assert await world.watch.until(lambda: len(engine.events) >= 2, WITHIN_S)
            engine.receipts = True
            assert await world.watch.until(lambda: len(engine.events) >= 3, WITHIN_S)
            before = len(engine.events)
            more = await world.watch.until(lambda: len(engine.events) > before, 4.5)  # the next repeat would be due after 4 s
            return len({event.id for _, event in engine.events}), more

    assert asyncio.run(run()) == (1, False)


def test_event_outlives_a_power_cut_and_the_next_start_has_the_same_life(tmp_path: Path, broker: tuple[str, int]) -> None:
    async def run() -> tuple[list[str], list[int | None]]:
        async with lane(tmp_path, broker, 1) as (world, engine):
            world.press("H1", "extinguisher-1")
            assert await world.watch.until(lambda: engine.events, WITHIN_S)
            await world.power("H1", False)
            assert await world.watch.until(lambda: "H1" in engine.offline, WITHIN_S)
            engine.events.clear()
            await world.power("H1", True)
            assert await world.watch.until(lambda: engine.events, WITHIN_S)
            return [birth.start for _, birth in engine.births], [event.age for _, event in engine.events[:1]]

    starts, ages = asyncio.run(run())
    assert [start.partition("-")[2] for start in starts] == ["1", "2"]
    assert len({start.partition("-")[0] for start in starts}) == 1
    assert ages == [None]  # nobody knows how long the power was gone


def test_reimaged_board_has_a_new_life(tmp_path: Path, broker: tuple[str, int]) -> None:
    async def run() -> set[str]:
        async with lane(tmp_path, broker, 1) as (world, engine):
            await world.reimage("H1")
            assert await world.watch.until(lambda: len(engine.births) == 2, WITHIN_S)
            return {birth.life for _, birth in engine.births}

    assert len(asyncio.run(run())) == 2


def test_ring_sounds_and_a_quiet_ring_that_covers_the_press_stops_everything(tmp_path: Path, broker: tuple[str, int]) -> None:
    async def run() -> tuple[bool, bool, set[int | None]]:
        async with lane(tmp_path, broker, 2) as (world, engine):
            topic = topics.ring(SITE, GROUP)
            world.press("H1", "button-1")
            assert await world.watch.until(lambda: engine.events, WITHIN_S)
            covers = {"H1": engine.events[0][1].id}
            loud = Ring(engine=ENGINE, rev=1, incident="2026-1", pattern="fire", n=1, place=None, for_s=60, covers=covers)
            await engine.client.publish(topic, loud.payload())
            proven = await world.watch.until(lambda: {d for d, e in engine.events if e.n == 1} == {"H1", "H2"}, WITHIN_S)
            await engine.client.publish(topic, loud.model_copy(update={"rev": 2, "pattern": None}).payload())
            quiet = await world.watch.until(lambda: not any(world.is_output_on(d, "bell") for d in world.devices), WITHIN_S)
            return proven, quiet, {e.n for _, e in engine.events if e.cause == "2026-1"}

    assert asyncio.run(run()) == (True, True, {1})
