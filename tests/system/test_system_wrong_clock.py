"""A whole commune that starts while the gateway's clock stands at 2020, or a year ahead. This machine's clock is left alone."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from tests.system.scene import HOMES, Scene

YEAR_2020_S = datetime(2020, 1, 1, tzinfo=UTC).timestamp() - time.time()
YEAR_S = 365 * 86_400.0


@pytest.mark.parametrize("ahead_s", [YEAR_2020_S, YEAR_S], ids=["2020", "a year ahead"])
async def test_d18_commune_that_starts_with_a_wrong_clock_hears_a_press_and_opens_one_incident(
    scene: Scene, spoilt: None, ahead_s: float
) -> None:
    world, engine = scene.world, scene.stage.part("engine")
    await asyncio.gather(*(world.power(device, False) for device in world.devices))
    clocks = dict(world.clocks)
    boots = {device: birth.boot for device, birth in scene.stage.observer.births.items()}
    await engine.stop()
    engine.command = ["tests.system.late_engine", str(ahead_s), *engine.command[2:]]
    await engine.start()
    await asyncio.gather(*(world.power(device, True) for device in world.devices))
    for device in world.devices:
        await scene.until(lambda device=device: scene.stage.observer.births[device].boot > boots[device], f"{device} starts")  # type: ignore[misc]
    await scene.greeted(*world.devices)
    at = await world.pulse("H2", "button-1")
    incident = await scene.until(scene.confirmed, "every bell of the group is proved to ring")
    assert all(scene.rang(home, at) for home in HOMES)
    assert abs(incident.opened_ms / 1000 - time.time() - ahead_s) < 600, "told in the engine's own time"
    await scene.until(lambda: [post for post in scene.posts if incident.id in str(post.body)], "the webhook is told")
    assert len(scene.incidents) == 1
    assert {device: world.clocks[device] for device in world.devices} == clocks, "no board has moved its own clock for it"
