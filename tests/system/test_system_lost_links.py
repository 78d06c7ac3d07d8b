"""Boards whose link freezes or is gone for a while: what they miss, and what they must not ring for when they are back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.system.scene import Scene

NOTICED_S = 30.0  # 1.5 keep-alives
AWAY_S = 3.0
SIX_HOURS_S = 6 * 3600.0


@pytest.mark.long
async def test_d01_frozen_link_is_noticed_and_the_next_press_arrives(scene: Scene) -> None:
    link = scene.world.link("H2")
    link.freeze()
    frozen = time.monotonic()
    await scene.until(lambda: link.connections > 1, "the board tries a new connection", NOTICED_S)
    assert time.monotonic() - frozen <= NOTICED_S
    link.thaw()
    await scene.world.pulse("H2", "button-1")
    await scene.until(scene.confirmed, "every bell is proved to ring")
    await scene.receipted("H2")


async def test_press_over_a_frozen_link_arrives_as_soon_as_it_thaws(scene: Scene) -> None:
    link = scene.world.link("H2")
    link.freeze()
    at = await scene.world.pulse("H2", "button-1")
    await scene.until(lambda: scene.rang("H2", at), "the own bell rings")
    await scene.until(lambda: link.connections > 1, "the board gives the frozen connection up")
    link.thaw()
    incident = await scene.until(scene.confirmed, "every bell is proved to ring")
    assert incident.n == 1
    await scene.receipted("H2")


@asynccontextmanager
async def away(scene: Scene, device: str) -> AsyncIterator[None]:
    """The board is out of the network; at the end it is back, and has taken the hello."""
    births = scene.stage.observer.births
    link = scene.world.link(device)
    link.unplug()
    await scene.until(lambda: not scene.stage.observer.online[device], f"{device} is missed")
    yield
    link.plug()
    before = births[device]
    scene.stage.observer.births.pop(device)
    await scene.until(lambda: device in births, f"{device} is back")
    assert births[device].start == before.start, "it has not restarted"
    await scene.greeted(device)
    await scene.receipted(device)


async def resolve(scene: Scene) -> None:
    await scene.until(lambda: scene.confirmed("H1", "H3", "H4"), "the other bells are proved to ring")
    await scene.decide("resolve", "test")
    await scene.until(scene.quiet, "every bell is quiet")


async def six_hours_pass(scene: Scene, *devices: str) -> None:
    """For the engine, and for these boards; the engine is started again with its later clock."""
    engine = scene.stage.part("engine")
    before = scene.stage.observer.gateway
    assert before is not None
    await engine.stop()
    engine.command = ["tests.system.late_engine", str(SIX_HOURS_S), *engine.command[2:]]
    await engine.start()

    def is_there() -> bool:
        now = scene.stage.observer.gateway
        return now is not None and now.online and now.engine != before.engine

    await scene.until(is_there, "the late engine")
    for device in devices:
        scene.world.clock_advance(device, SIX_HOURS_S)


async def test_d08_board_away_for_three_seconds_rings_at_its_return_if_the_fire_is_open(scene: Scene) -> None:
    async with away(scene, "H2"):
        await scene.world.pulse("H1", "button-1")
        await scene.until(lambda: scene.confirmed("H1", "H3", "H4"), "the other bells are proved to ring")
        await asyncio.sleep(AWAY_S)
        back = time.monotonic()
    await scene.until(lambda: scene.rang("H2", back), "the bell rings when it is back")
    await scene.until(scene.confirmed, "it is proved to ring")


async def test_board_away_for_three_seconds_is_quiet_at_its_return_if_the_fire_is_over(scene: Scene) -> None:
    async with away(scene, "H2"):
        await scene.world.pulse("H1", "button-1")
        await resolve(scene)
        await asyncio.sleep(AWAY_S)
        back = time.monotonic()
    assert scene.rang("H2", back) is None


async def test_board_away_for_six_hours_is_quiet_at_its_return_if_the_fire_is_over(scene: Scene, spoilt: None) -> None:
    async with away(scene, "H2"):
        await scene.world.pulse("H1", "button-1")
        await resolve(scene)
        await six_hours_pass(scene, "H2")
        back = time.monotonic()
    assert scene.rang("H2", back) is None


async def test_board_away_for_six_hours_rings_at_its_return_if_the_fire_is_open_and_sounds(scene: Scene, spoilt: None) -> None:
    async with away(scene, "H2"):
        await scene.world.pulse("H1", "button-1")
        await scene.until(lambda: scene.confirmed("H1", "H3", "H4"), "the other bells are proved to ring")
        await six_hours_pass(scene, "H2")
        await scene.until(lambda: scene.incident and not scene.incident.sounding, "after half an hour the bells rest")
        await scene.world.pulse("H3", "button-1")
        await scene.until(lambda: scene.confirmed("H1", "H3", "H4", n=2), "the other bells are proved to ring again")
        back = time.monotonic()
    await scene.until(lambda: scene.rang("H2", back), "the bell rings when it is back")
    await scene.until(lambda: scene.confirmed(n=2), "it is proved to ring")
