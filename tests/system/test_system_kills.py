"""kill -9 of the broker and of the engine while people press: nothing is lost, nothing is doubled."""

import asyncio
import json

import pytest

from tests.system.scene import HOMES, Scene

DEAD_S = 3.0
BETWEEN_PRESSES_S = 0.1
PRESSES = [(home, f"button-{number}") for number in (1, 2) for home in HOMES]
BOTH_BROKERS = pytest.mark.parametrize("broker", ["mosquitto", "embedded"], indirect=True)


async def press_around_death(scene: Scene, part: str) -> None:
    """Eight presses, the part killed in their midst and started again DEAD_S later."""
    async with asyncio.TaskGroup() as fingers:
        for number, (home, button) in enumerate(PRESSES):
            if number == len(PRESSES) // 2:
                await scene.stage.part(part).kill()
            fingers.create_task(scene.world.pulse(home, button))
            await asyncio.sleep(BETWEEN_PRESSES_S)
    await asyncio.sleep(DEAD_S)
    await scene.stage.part(part).start()


@pytest.mark.parametrize("part", ["broker", "engine"])
@BOTH_BROKERS
async def test_d06_d07_kill_amid_presses_loses_none_and_doubles_none(scene: Scene, part: str) -> None:
    await press_around_death(scene, part)
    incident = await scene.until(lambda: scene.confirmed(n=len(PRESSES)), "every press counts once, and every bell is proved to ring")
    await scene.receipted()
    assert scene.presses(incident) == sorted(f"{home}/{button}" for home, button in PRESSES)
    assert scene.incident is not None
    assert scene.incident.n == len(PRESSES)
    assert len({activation.event for activation in incident.activations}) == len(PRESSES)


async def test_bells_ring_on_while_the_engine_is_dead(scene: Scene) -> None:
    await scene.stage.part("engine").kill()
    at = await scene.world.pulse("H1", "button-1")
    await scene.until(lambda: all(scene.rang(home, at) for home in HOMES), "every bell rings without an engine")
    await scene.stage.part("engine").start()
    await scene.until(scene.confirmed, "the engine hears of it when it is back")


async def test_killed_engine_goes_on_with_the_incident_and_its_webhook(scene: Scene) -> None:
    scene.stage.webhook.status = 503
    refused = len(scene.stage.webhook.refused)
    await scene.world.pulse("H1", "button-1")
    before = await scene.until(scene.confirmed, "every bell is proved to ring")
    await scene.until(lambda: len(scene.stage.webhook.refused) > refused, "the webhook is tried")

    await scene.stage.part("engine").kill()
    await scene.stage.part("engine").start()
    after = await scene.until(lambda: scene.incident if scene.incident and scene.incident.engine != before.engine else None, "a snapshot")
    assert (after.id, after.state, after.sounding, after.n) == (before.id, "open", True, 1)
    assert all(scene.world.is_ringing(home) for home in HOMES)

    scene.stage.webhook.status = 204
    post = (await scene.until(lambda: scene.posts, "the webhook is told"))[0]
    told = json.loads(post.body)
    assert (told["event"], told["incident"]["id"]) == ("opened", before.id)
    assert post.key
    assert {tried.key for tried in scene.stage.webhook.refused[refused:]} == {post.key}
