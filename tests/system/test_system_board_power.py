"""A board whose power goes in the middle of writing a press, one that gets a new image, one that repeats itself."""

import asyncio

import pytest

from protocol import topics
from protocol.messages import Event
from tests.system.scene import HOMES, Scene, calm

CUT_S = 2.0  # a press and its end are in the flash long before
OPERATIONS_MAX = 40  # more than a press has


async def cut_in_press(scene: Scene, device: str, operation: int, *, connected: bool) -> bool:
    """Press a button and cut the power in the n-th flash operation from then on. True if there were so many.

    The board has no network meanwhile unless it is `connected`. Afterwards it is on, in the network and greeted.
    """
    world, observer = scene.world, scene.stage.observer
    before = observer.births[device]
    mounts = world.log(device).count("no file system")
    if not connected:
        world.link(device).unplug()
    world.cut_power_at(device, operation)
    at = await world.pulse(device, "button-1")
    was_cut = await scene.watch.until(lambda: not world.is_on(device), CUT_S)
    assert scene.rang(device, at), f"{device}: its own bell is silent, cut in operation {operation}"
    await world.power(device, False)
    world.link(device).plug()
    await world.power(device, True)
    await scene.until(lambda: observer.births[device].boot > before.boot, f"{device} is back")
    await scene.greeted(device)
    birth = observer.births[device]
    assert world.log(device).count("no file system") == mounts, f"{device}: operation {operation} has cost the file system"
    assert (birth.life, birth.boot, birth.faults) == (before.life, before.boot + 1, [])
    return was_cut


@pytest.mark.parametrize("connected", [False, True], ids=["without network", "connected"])
async def test_d11_power_cut_at_any_flash_operation_keeps_the_press_or_leaves_no_trace(scene: Scene, connected: bool) -> None:
    arrived: dict[int, bool] = {}
    is_within = True
    while is_within:
        assert len(arrived) < OPERATIONS_MAX, "a press never ends"
        cuts = dict(zip(HOMES, range(len(arrived) + 1, len(arrived) + 1 + len(HOMES)), strict=True))
        newest = scene.newest_event()
        within = await asyncio.gather(*(cut_in_press(scene, home, operation, connected=connected) for home, operation in cuts.items()))
        await scene.receipted()
        for home, operation in cuts.items():
            query = "SELECT id FROM event WHERE type = 'button' AND state = 'active' AND device = ? AND seq > ?"
            arrived[operation] = len(scene.stored(query, home, newest)) == 1
        is_within = all(within)
        await calm(scene.stage)
    taken = min(operation for operation, came in arrived.items() if came)
    assert arrived == {operation: operation >= taken for operation in arrived}
    assert taken > 1, "the first cut comes before the press is in the flash"
    assert len(arrived) > taken + 2, "some cuts come after the press is in the flash"


async def test_reimaged_board_under_its_old_id_opens_an_incident_with_its_first_press(scene: Scene) -> None:
    await scene.world.reimage("H2")
    await scene.greeted("H2")
    await scene.world.pulse("H2", "button-1")
    first = await scene.until(scene.confirmed, "every bell is proved to ring")
    await scene.decide("resolve", "test")
    await scene.until(scene.quiet, "every bell is quiet")
    life = scene.stage.observer.births["H2"].life

    await scene.world.reimage("H2")
    await scene.until(lambda: scene.stage.observer.births["H2"].life != life, "a new life")
    await scene.greeted("H2")
    await scene.world.pulse("H2", "button-1")
    second = await scene.until(lambda: next((one for one in scene.incidents if one.id != first.id), None), "a second incident")
    numbers = [incident.activations[0].event.partition("-")[2] for incident in (first, second)]
    assert numbers[0] == numbers[1], "the same boot and number in another life"


async def test_event_repeated_a_hundred_times_makes_one(scene: Scene) -> None:
    await scene.world.power("H4", False)
    event = Event(id="0badcafe-1-1", point="button-1", type="button", state="active", now="active", age=5, calling=False)
    topic = topics.device(scene.stage.site.id, "H4", "event")
    receipts: list[bytes] = []
    async with scene.voice("H4", lambda message: receipts.append(message.payload)) as board:
        await board.subscribe(topics.device(scene.stage.site.id, "H4", "receipt"))
        for _ in range(100):
            await board.publish(topic, event.payload())
        await scene.until(lambda: len(receipts) == 100, "a receipt for each repeat")
    incident = await scene.until(lambda: scene.confirmed("H1", "H2", "H3"), "the bells are proved to ring")
    assert incident.n == 1
    assert scene.stored("SELECT count(*) FROM event WHERE id = ?", event.id) == [(1,)]
    assert len(incident.activations) == 1
