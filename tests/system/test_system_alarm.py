"""From a button on a real board to every bell, the console, the webhook and the disk."""

import asyncio

import pytest

from tests.system.scene import HOMES, Scene

BOTH_BROKERS = pytest.mark.parametrize("broker", ["mosquitto", "embedded"], indirect=True)
SILENT_NAMED_MS = 3_000


@BOTH_BROKERS
async def test_one_press_rings_every_bell_and_is_told_to_all(scene: Scene) -> None:
    at = await scene.world.pulse("H1", "button-1")
    incident = await scene.until(scene.confirmed, "every bell is proved to ring")
    assert (incident.state, incident.sounding, incident.place.id) == ("open", True, "H1")
    assert [bell.device for bell in incident.bells] == HOMES
    assert all(scene.rang(home, at) for home in HOMES)
    await scene.until(lambda: scene.shown(at, "Hộ thử 1"), "the console shows the place")
    await scene.until(lambda: scene.shown(at, 'data-alarms="1"'), "the console sounds")
    await scene.until(lambda: scene.posts, "the webhook is told")
    await scene.receipted()
    assert len(scene.incidents) == 1
    assert scene.presses(incident) == ["H1/button-1"]
    assert scene.quiet("D1", "D2")


@BOTH_BROKERS
async def test_d34_two_homes_within_five_seconds_make_one_incident(scene: Scene) -> None:
    await scene.world.pulse("H1", "button-1")
    await scene.until(scene.confirmed, "every bell is proved to ring")
    await asyncio.sleep(1)
    await scene.world.pulse("H3", "button-2")
    incident = await scene.until(lambda: scene.confirmed(n=2), "every bell is proved to ring for the second press")
    assert [activation.device for activation in incident.activations] == ["H1", "H3"]
    assert len(scene.incidents) == 1


@BOTH_BROKERS
async def test_bell_with_a_cut_wire_is_named_within_three_seconds(scene: Scene) -> None:
    scene.world.cut_wire("H3")
    await scene.world.pulse("H1", "button-1")

    def named() -> bool:
        return bool(scene.incident and [bell for bell in scene.incident.bells if bell.device == "H3" and bell.state in ("fault", "silent")])

    await scene.until(named, "the bell with the cut wire is named")
    incident = await scene.until(lambda: scene.confirmed("H1", "H2", "H4"), "the other bells are proved to ring")
    naming = next(entry for entry in incident.timeline if entry.who == "H3" and entry.what in ("bell_fault", "bell_silent"))
    assert naming.at_ms - incident.activations[0].at_ms <= SILENT_NAMED_MS


@BOTH_BROKERS
async def test_press_next_door_after_acknowledge_rings_sounds_and_shows_again(scene: Scene) -> None:
    await scene.world.pulse("H1", "button-1")
    await scene.until(scene.confirmed, "every bell is proved to ring")
    assert (await scene.decide("acknowledge")).state == "acknowledged"
    assert not (await scene.decide("silence")).sounding
    await scene.until(scene.quiet, "every bell is quiet")

    at = await scene.world.pulse("H2", "button-1")
    incident = await scene.until(lambda: scene.confirmed(n=2), "every bell is proved to ring again")
    assert (incident.state, incident.sounding) == ("open", True)
    assert all(scene.rang(home, at) for home in HOMES)
    assert all(scene.proofs(home, incident) for home in HOMES), "the proof of the first press counts for the second"
    await scene.until(lambda: scene.shown(at, 'data-alarms="1"'), "the console sounds again")
    await scene.until(lambda: scene.shown(at, "Hộ thử 2"), "the console shows the second place")
