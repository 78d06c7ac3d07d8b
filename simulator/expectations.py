"""Whether what a scenario expects is so, and what is so instead."""

from collections.abc import Callable
from typing import Any

from protocol.incident import Incident
from simulator.script import Step
from simulator.stage import Stage


async def unmet(stage: Stage, step: Step) -> list[str]:
    """Wait until everything that the step expects is so, at most within_s, and see that it stays so for hold_s.

    Returns what is not so, in words: empty if all is well.
    """
    wanted = step.wanted()
    texts = wanted.pop("shows", [])

    def all_met() -> bool:
        return not _differences(stage, wanted)

    if not await stage.watch.until(all_met, step.within_s):
        return _differences(stage, wanted)
    if step.hold_s and await stage.watch.until(lambda: not all_met(), step.hold_s):
        return [f"{difference} (not for {step.hold_s:g} s)" for difference in _differences(stage, wanted)] or ["it did not stay so"]
    if texts and not await stage.desk.shows(texts, step.within_s):
        page = await stage.desk.page()
        return [f"shows: expected {text!r} on the console's page" for text in texts if text not in page]
    return []


def _differences(stage: Stage, wanted: dict[str, Any]) -> list[str]:
    found = []
    for name, value in wanted.items():
        actual = _VALUES[name](stage, value)
        met = actual >= value if name == "webhooks" else actual == value
        if not met:
            found.append(f"{name}: expected {value!r}, got {actual!r}")
    return found


def _of_newest(read: Callable[[Incident], Any]) -> Callable[[Stage, Any], Any]:
    def value(stage: Stage, _: Any) -> Any:
        incident = stage.observer.newest()
        return None if incident is None else read(incident)

    return value


def _those(test: Callable[[Stage, str], bool]) -> Callable[[Stage, Any], Any]:
    """Of the boards that are named, those for which the test is true: all of them if the expectation is met."""
    return lambda stage, devices: [device for device in devices if test(stage, device)]


_VALUES: dict[str, Callable[[Stage, Any], Any]] = {
    "incidents": lambda stage, _: len(stage.observer.incidents),
    "open": lambda stage, _: len(stage.observer.incidents.keys() - stage.observer.closed),
    "activations": _of_newest(lambda incident: incident.n),
    "state": _of_newest(lambda incident: incident.state),
    "sounding": _of_newest(lambda incident: incident.sounding),
    "bells_confirmed": _of_newest(lambda incident: incident.count("measured", "commanded")),
    "bells_silent": _of_newest(lambda incident: [bell.device for bell in incident.bells if bell.state in ("silent", "fault")]),
    "ringing": _those(lambda stage, device: stage.world.is_ringing(device)),
    "quiet": _those(lambda stage, device: not stage.world.is_ringing(device)),
    "online": _those(lambda stage, device: stage.observer.online.get(device, False)),
    "offline": _those(lambda stage, device: not stage.observer.online.get(device, False)),
    "webhooks": lambda stage, _: len(stage.webhook.posts),
    "changed": _those(lambda stage, device: stage.outcome(device) is True),
    "unchanged": _those(lambda stage, device: stage.outcome(device) is False),
    "events_lost": lambda stage, _: len(stage.observer.lost_events()),
}
