"""Ten thousand random payloads on every topic: counted where they cannot be read, and nothing else disturbed."""

import asyncio
import os
import random
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from protocol import topics
from protocol.incident import Incident
from simulator.mqtt import Client
from tests.system.rubbish import Piece, pieces
from tests.system.scene import HOMES, Scene

COUNT = 10_000
AT_ONCE = 20  # publishes that wait for their PUBACK
COUNTED_S = 30.0  # the engine writes its counters every 10 s
TALKER = "D1"  # its board is off: the flood speaks in its name
READERS = [*HOMES, "D2"]


class Flood:
    """Sends pieces in the names of those who may, and counts what each reader will refuse."""

    def __init__(self, scene: Scene, voices: dict[str, Client], chance: random.Random) -> None:
        self.engine: Counter[tuple[str, str]] = Counter()
        self.boards: Counter[str] = Counter()
        self._site = scene.stage.site.id
        self._voices = voices
        self._chance = chance

    async def send(self, piece: Piece) -> None:
        """Publish one piece; returns when the broker has it."""
        user, topic, owner, boards = self._route(piece.kind)
        self.engine[owner, piece.kind] += piece.engine
        self.boards.update(boards if piece.board else ())
        await self._voices[user].publish(topic, piece.payload)

    def _route(self, kind: str) -> tuple[str, str, str, list[str]]:
        """(who sends, topic, whom the engine counts it for, the boards that read it)."""
        site, reader = self._site, self._chance.choice(READERS)
        if kind in topics.FROM_BOARD:
            return TALKER, topics.device(site, TALKER, kind), TALKER, []
        if kind in topics.TO_BOARD:
            return "engine", topics.device(site, reader, kind), "", [reader]
        if kind == "call":
            return TALKER, topics.call(site, "DCC-N1", TALKER), "", ["D2"]
        if kind == "ring":
            group, boards = self._chance.choice([("TLG-01", HOMES), ("DCC-N1", ["D2"])])
            return "engine", topics.ring(site, group), "", boards
        if kind == "tick":
            return "engine", topics.tick(site), "", READERS
        if kind == "gateway":
            return "engine", topics.gateway(site), "", []
        if kind == "incident":
            return "engine", topics.incident(site, "2026-999999"), "", []
        if kind == "bench_command":
            return "bench", topics.bench(site, "ky-thuat", "command"), "ky-thuat", []
        sender = "console" if kind == "desk_command" else "engine"
        return sender, topics.desk(site, "truc-ban", kind.removeprefix("desk_")), "truc-ban", []


def all_ring(scene: Scene) -> Incident | None:
    """The homes' incident, once every bell of theirs is proved to ring."""
    found = next((incident for incident in scene.incidents if incident.group == "TLG-01"), None)
    return found if found and found.count("measured", "commanded") == len(HOMES) else None


def starts(scene: Scene) -> dict[str, object]:
    """What would change if anything restarted."""
    stage = scene.stage
    births = {device: (stage.observer.births[device].life, stage.observer.births[device].boot) for device in READERS}
    return {**births, **{name: part.pid for name, part in stage.parts.items()}, "crashed": set(stage.world.crashed)}


def counted(scene: Scene) -> Counter[tuple[str, str]]:
    rows = scene.stored("SELECT device, kind, count FROM rubbish")
    return Counter({(str(device), str(kind)): int(str(count)) for device, kind, count in rows})


async def refused(scene: Scene, device: str) -> int:
    await scene.waiting(device)
    return scene.stage.observer.reports[device][-1].refused


@pytest.mark.timeout(240)
async def test_ten_thousand_random_payloads_are_counted_and_disturb_nothing(scene: Scene, micropython: str, spoilt: None) -> None:
    seed = int(os.environ.get("SEED", random.SystemRandom().getrandbits(32)))
    print(f"SEED={seed}")
    load = pieces(seed, COUNT, micropython)
    await scene.world.power(TALKER, False)
    before, in_database = starts(scene), counted(scene)
    on_boards = {device: await refused(scene, device) for device in READERS}

    async with AsyncExitStack() as stack:
        voices = {user: await stack.enter_async_context(scene.voice(user)) for user in (TALKER, "engine", "console", "bench")}
        flood = Flood(scene, voices, random.Random(seed))

        async def pour(some: list[Piece]) -> None:
            for piece in some:
                await flood.send(piece)

        await asyncio.gather(*(pour(load[start : COUNT // 2 : AT_ONCE]) for start in range(AT_ONCE)))
        press = asyncio.create_task(scene.world.pulse("H1", "button-1"))
        await asyncio.gather(*(pour(load[COUNT // 2 + start :: AT_ONCE]) for start in range(AT_ONCE)))
        await press
    await scene.until(lambda: all_ring(scene), "a press among the rubbish rings every bell")

    await scene.until(lambda: counted(scene) - in_database == flood.engine, "the engine has counted all", COUNTED_S)
    for device in READERS:
        assert await refused(scene, device) - on_boards[device] == flood.boards[device], device
    await scene.receipted()
    assert starts(scene) == before
