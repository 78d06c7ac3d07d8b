"""Every point of every kind in the hands of whoever plays with a simulated board: the real firmware reads what was pressed and turned."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from firmware.bench import bundle
from protocol.site import Kind
from simulator.gauges import at_rest, fitted, volts
from simulator.mqtt import Account, Client, Message
from simulator.terminals import BELL_SENSE, WIRINGS, load
from simulator.world import World
from tests.simulator.boards import board_config

WITHIN_S = 30.0
NOON = 1_763_787_600_000
ENGINE = "5be07711-3"


class Ear:
    """What a board says; greets it and receipts its events, as the engine does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.client = Client(self._took)
        self.said: list[tuple[str, dict[str, Any]]] = []

    def tell(self, leaf: str, **fields: object) -> None:
        self.client.send(f"keng/1/xa-mau/dev/B1/{leaf}", json.dumps({"v": 1, "engine": ENGINE} | fields).encode())

    def _took(self, message: Message) -> None:
        leaf, fields = message.topic.rpartition("/")[2], json.loads(message.payload)
        if leaf == "state" and fields["online"]:
            self.tell("hello", t=NOON, **{"for": f"{fields['life']}-{fields['boot']}"}, group="TLG-03", ring=None)
        if leaf == "event":
            self.tell("receipt", id=fields["id"])
        self.said.append((leaf, fields))
        self._world.watch.changed()

    async def hears(self, leaf: str, test: Callable[[dict[str, Any]], Any]) -> bool:
        return await self._world.watch.until(lambda: any(where == leaf and test(fields) for where, fields in self.said), WITHIN_S)


@asynccontextmanager
async def one_board(rom: Path, broker: tuple[str, int], kind: Kind, *names: str) -> AsyncIterator[tuple[World, Ear]]:
    """A board B1 of this kind on the real firmware, with an ear at the broker."""
    bundle.build(rom)
    async with World(rom.parent / "boards", broker, rom=rom / bundle.IMAGE, flash_delays=False, heap_kb=220) as world:
        ear = Ear(world)
        await world.add(board_config("B1", kind, fitted=names))
        async with ear.client as client:
            await client.connect(Account(*broker, "ear", ""), client_id="ear")
            for leaf in ("state", "event", "answer", "report"):
                await client.subscribe(f"keng/1/xa-mau/dev/B1/{leaf}")
            await world.power("B1", True)
            assert await ear.hears("state", lambda birth: birth["online"])
            yield world, ear


async def reports(ear: Ear, **expected: float) -> bool:
    """Whether the board says so in a report before long: `battery`, or the value of a gauge."""
    for number in range(60):
        ear.tell("order", id=f"r-{len(ear.said)}-{number}", do="report", valid_s=30)
        await asyncio.sleep(0.5)
        newest = next((fields for where, fields in reversed(ear.said) if where == "report"), {"values": {}})
        found = newest["values"] | {"battery": newest.get("battery")}
        if all(abs((found.get(name) or 0) - value) < 0.02 for name, value in expected.items()):
            return True
    return False


@pytest.mark.parametrize("kind", ["household", "fire_point", "sos_post"])
def test_every_contact_of_a_kind_can_be_pressed(kind: Kind, rom: Path, broker: tuple[str, int]) -> None:
    wiring = WIRINGS[kind]
    contacts = wiring.contacts(wiring.choices)

    async def run() -> tuple[list[str], list[str]]:
        async with one_board(rom, broker, kind, *wiring.choices) as (world, ear):
            birth = next(fields for where, fields in ear.said if where == "state")
            told = []
            for name in contacts:
                world.press("B1", name)
                if await ear.hears("event", lambda event, name=name: event["point"] == name and event["state"] == "active"):
                    told.append(name)
            return list(birth["active"]) + birth.get("faults", []), told

    assert asyncio.run(run()) == ([], list(contacts))


def test_every_gauge_of_a_fire_point_can_be_turned(rom: Path, broker: tuple[str, int]) -> None:
    async def run() -> list[bool]:
        async with one_board(rom, broker, "fire_point", "tank", "pump") as (world, ear):
            rested = await reports(ear, tank=80, pump=900, battery=93)
            for point, value in (("tank", 25), ("pump", 1200), ("battery", 3.5)):
                world.turn("B1", point, value)
            turned = await reports(ear, tank=25, pump=1200, battery=16)
            return [rested, turned, await ear.hears("event", lambda event: event["point"] == "battery" and event["state"] == "active")]

    assert asyncio.run(run()) == [True, True, True]


def test_lamp_and_light_of_a_street_light_can_be_turned(rom: Path, broker: tuple[str, int]) -> None:
    async def run() -> list[bool]:
        async with one_board(rom, broker, "street_light") as (world, ear):
            ear.tell("order", id="o-1", do="test", what="lamp", valid_s=30)
            burns = await reports(ear, lamp=0.35)
            whole = await ear.hears("answer", lambda answer: answer["id"] == "o-1" and answer.get("proof") == "measured")
            world.turn("B1", "lamp", 0)
            world.turn("B1", "light", 12)
            ear.tell("order", id="o-2", do="test", what="lamp", valid_s=30)
            dead = await ear.hears("answer", lambda answer: answer["id"] == "o-2" and not answer["ok"])
            return [burns, whole, dead, await reports(ear, light=12)]

    assert asyncio.run(run()) == [True, True, True, True]


def test_gauge_that_a_board_does_not_have_is_a_key_error(rom: Path) -> None:
    async def run() -> None:
        async with World(rom.parent / "boards", ("127.0.0.1", 9), rom=None) as world:
            await world.add(board_config("B1"))
            with pytest.raises(KeyError):
                world.turn("B1", "tank", 3)

    asyncio.run(run())


def test_only_terminals_on_which_something_hangs_have_a_level_at_rest() -> None:
    wired = load().wired("household", ("coming",))
    assert set(wired) == {"button-1", "button-2", "smoke-1", "extinguisher-1", "silence", "coming", "jumper", BELL_SENSE}


def test_each_gauge_at_rest_shows_something_between_its_ends() -> None:
    for kind in WIRINGS:
        config = board_config("B1", kind, fitted=tuple(WIRINGS[kind].at_choice))
        for name, value in at_rest(config).items():
            assert 0 < volts(name, value, config, lamp_burns=True).level <= 3_300_000
        assert set(at_rest(config)) == set(WIRINGS[kind].gauges(fitted(config)))
