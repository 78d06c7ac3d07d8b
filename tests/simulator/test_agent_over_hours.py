"""The real firmware on boards whose clock jumps: over the wrap of its ticks at 2^30 ms, and through hours without a network."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from firmware.bench import bundle
from simulator.mqtt import Account, Client, Message
from simulator.world import World
from tests.simulator.boards import board_config

WRAP_MS = 1 << 30
PATIENCE_S = 20.0
SITE = "keng/1/xa-mau/"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware's image."""
    folder = tmp_path_factory.mktemp("bundle")
    bundle.build(folder)
    return folder / bundle.IMAGE


class Ear:
    """What a world's boards have said, with the time of it (monotonic s), and a voice to answer them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.heard: list[tuple[float, str, dict[str, Any]]] = []
        self.client = Client(self._hear)

    def all(self, topic: str, test: Callable[[dict[str, Any]], bool] = lambda _: True) -> list[tuple[float, dict[str, Any]]]:
        return [(at, fields) for at, where, fields in self.heard if where == SITE + topic and test(fields)]

    async def wait(self, topic: str, test: Callable[[dict[str, Any]], bool] = lambda _: True) -> float:
        """When such a message came."""
        assert await self.world.watch.until(lambda: bool(self.all(topic, test)), PATIENCE_S), (topic, self.heard, self.world.log("H1"))
        return self.all(topic, test)[0][0]

    async def say(self, topic: str, **fields: object) -> None:
        await self.client.publish(SITE + topic, json.dumps({"v": 1, "engine": "5be07711-3", **fields}).encode())

    def _hear(self, message: Message) -> None:
        self.heard.append((time.monotonic(), message.topic, json.loads(message.payload)))
        self.world.watch.changed()


@asynccontextmanager
async def board(folder: Path, image: Path, broker: tuple[str, int], *, before_wrap_s: float) -> AsyncIterator[tuple[World, Ear, float]]:
    """A connected board H1 without network delays, somebody who hears it, and when its ticks wrap (monotonic s)."""
    async with World(folder / "boards", broker, rom=image, flash_delays=False) as world:
        ear = Ear(world)
        await ear.client.connect(Account(*broker, "ear", ""))
        async with ear.client:
            await ear.client.subscribe(SITE + "#")
            await world.add(board_config("H1"), ticks_bits=30, ticks_at_ms=WRAP_MS - round(before_wrap_s * 1000))
            began = time.monotonic()
            await world.power("H1", True)
            await ear.wait("dev/H1/state", lambda m: m["online"])
            yield world, ear, began + before_wrap_s


async def until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - time.monotonic()))


def test_call_its_repeats_and_the_bell_s_pattern_go_on_over_the_wrap(
    rom: Path, tmp_path: Path, image: Path, broker: tuple[str, int]
) -> None:
    async def run() -> None:
        async with board(tmp_path, image, broker, before_wrap_s=10.0) as (world, ear, wrap):
            await until(wrap - 1.5)
            pressed = await world.pulse("H1", "button-1")
            assert pressed < wrap
            for k, after_s in ((1, 0.0), (2, 2.0), (3, 5.0)):
                came = await ear.wait("group/TLG-03/call/H1", lambda m, k=k: m["k"] == k)  # type: ignore[misc]
                assert abs(came - pressed - after_s) < 0.7, k
            beats = [change.at for change in world.changes if change.output == "bell" and change.at >= pressed]
            assert beats[0] < wrap < beats[-1]
            lengths = [later - earlier for earlier, later in pairwise(beats)]
            assert len(lengths) >= 6
            expected = [0.5, 0.5, 0.5, 0.5, 0.5, 1.5] * 9
            assert all(abs(length - want) < 0.3 for length, want in zip(lengths, expected, strict=False)), lengths
            age = [fields["age"] for _, fields in ear.all("dev/H1/event", lambda m: m["type"] == "button" and m["state"] == "active")]
            assert age == sorted(age)
            assert age[-1] < 20_000

    asyncio.run(run())


def test_deadline_of_an_alarm_and_the_back_off_go_on_over_the_wrap(rom: Path, tmp_path: Path, image: Path, broker: tuple[str, int]) -> None:
    async def run() -> None:
        async with board(tmp_path, image, broker, before_wrap_s=9.0) as (world, ear, wrap):
            await until(wrap - 1.0)
            world.link("H1").swallow(True)
            pressed = world.press("H1", "button-1")
            assert pressed < wrap
            assert await world.watch.until(lambda: "no answer in time" in world.log("H1"), PATIENCE_S)
            late = time.monotonic() - pressed
            assert 1.5 < late < 4.0, "2 s, over the wrap"
            world.link("H1").swallow(False)
            await ear.wait("dev/H1/event", lambda m: m["type"] == "button")

    asyncio.run(run())


def test_ring_ends_300_s_after_its_last_word_over_the_wrap(rom: Path, tmp_path: Path, image: Path, broker: tuple[str, int]) -> None:
    async def run() -> None:
        async with board(tmp_path, image, broker, before_wrap_s=100.0) as (world, ear, _):
            ring = {"rev": 1, "incident": "2026-000001", "pattern": "fire", "n": 1, "place": None, "for_s": 60, "covers": {}, "mute": []}
            await ear.say("group/TLG-03/ring", **ring)
            await ear.wait("dev/H1/event", lambda m: m["type"] == "bell")
            world.clock_advance("H1", 285)
            at = time.monotonic()
            assert await world.watch.until(lambda: world.first_on("H1", "bell", at) is not None, PATIENCE_S), "it rings on"
            world.clock_advance("H1", 20)
            await ear.wait("dev/H1/event", lambda m: m["type"] == "bell" and m["state"] == "clear")
            assert world.bites["H1"] == world.restarts["H1"] == 0

    asyncio.run(run())


def test_board_without_network_for_six_hours_starts_not_once_again_and_rings_by_its_own_button(
    rom: Path, tmp_path: Path, image: Path, broker: tuple[str, int]
) -> None:
    """Half a minute at a time, so that every wait of the session has its turn; the gateway's name is an address, the Wi-Fi is away."""

    async def run() -> None:
        async with board(tmp_path, image, broker, before_wrap_s=3600.0) as (world, ear, _):
            world.link("H1").unplug()
            for half_minute in range(720):
                if half_minute == 360:
                    world.link("H1").plug()
                    world.link("H1").freeze()  # not even a refusal
                world.clock_advance("H1", 30)
                await asyncio.sleep(0.02)
            assert (world.bites["H1"], world.restarts["H1"], world.crashed) == (0, 0, set())
            pressed = world.press("H1", "button-1")
            assert await world.watch.until(lambda: world.first_on("H1", "bell", pressed) is not None, PATIENCE_S)
            world.link("H1").thaw()
            world.clock_advance("H1", 60)
            await ear.wait("dev/H1/event", lambda m: m["type"] == "button")
            starts = {(m["life"], m["boot"]) for _, m in ear.all("dev/H1/state")}
            assert len(starts) == 1

    asyncio.run(run())
