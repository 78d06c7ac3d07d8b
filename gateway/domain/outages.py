"""Boards of an area that are lost together: one fault, "power or network at X", and not sixty. Pure; Unix milliseconds.

An area is out when at least TOGETHER of its boards were lost within TOGETHER_MS and half of those that were ever heard are lost. Of several
areas that explain the same, the one with most of the lost boards is it, then the smallest. It is over when all are back, or when most are
and nobody else has come for RETURN_MS: then who is missing is named, each by itself.
"""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.domain.maintenance import Entry
from gateway.domain.placing import is_due
from gateway.domain.situation import Situation, Turn
from gateway.domain.supervision import Device
from protocol.areas import KINDS, Area

TOGETHER = 3
TOGETHER_MS = 120_000  # a last will comes after 30 s at most, silence is noticed after 80
RETURN_MS = 180_000  # boards of a lane do not start all at once
AREA = "area"


class Outage(NamedTuple):
    """An area that is out. `returned_ms`: when a board of it came back last, None while nobody has."""

    area: Area
    since_ms: int
    returned_ms: int | None = None


def assess(turn: Turn, entries: Iterable[Entry]) -> None:
    """To be called with what supervision has said of boards: an area may be out by it, or less out than before."""
    lost = [entry.device for entry in entries if entry.what == "board_lost"]
    back = [entry.device for entry in entries if entry.what == "board_back"]
    for board in back:
        _returned(turn, board)
    if lost:
        _lost(turn, lost)


def missing(situation: Situation, key: str) -> list[str]:
    """The boards that an outage has and that are not back, in the order of the site."""
    outage = situation.outages.get(key)
    return [device.id for device in _members(situation, outage.area, outage.since_ms)] if outage else []


def is_any_over(situation: Situation, now_ms: int) -> bool:
    """Whether `returned_for_long` has something to say."""
    return any(_is_over(situation, outage, now_ms) for outage in situation.outages.values())


def returned_for_long(turn: Turn) -> None:
    """Outages whose boards are back but for some that will not come."""
    for outage in list(turn.situation.outages.values()):
        if _is_over(turn.situation, outage, turn.now.ms):
            _end(turn, outage)


def restore(situation: Situation, since_ms: dict[str, int]) -> None:
    """The outages of an earlier start, by the faults that last: key -> since when. An area that the site no longer has is left out."""
    if not any(key.startswith(f"{AREA}:") for key in since_ms):
        return
    areas = {area.key: area for board in situation.devices for area in situation.commune.areas_of(board)}
    for key, at_ms in since_ms.items():
        if key in areas:
            situation.outages[key] = Outage(areas[key], at_ms)
        elif key.startswith(f"{AREA}:"):
            situation.faults.pop(key, None)
            situation.lasting.pop(key, None)


def clock_set(situation: Situation, by_ms: int) -> None:
    """The clock was set: what was lost together stays so."""
    for device in situation.devices.values():
        if device.lost_ms is not None:
            device.lost_ms = max(0, device.lost_ms + by_ms)
    for key, outage in situation.outages.items():
        returned_ms = None if outage.returned_ms is None else max(0, outage.returned_ms + by_ms)
        situation.outages[key] = outage._replace(since_ms=max(0, outage.since_ms + by_ms), returned_ms=returned_ms)


def _lost(turn: Turn, boards: list[str]) -> None:
    situation = turn.situation
    touched = {area.key: area for board in boards for area in situation.commune.areas_of(board)}
    found = [(area, _together(situation, area)) for area in touched.values()]
    explained: set[str] = set()
    for area, members in sorted(found, key=lambda one: (-len(one[1]), len(one[0].boards), KINDS.index(one[0].kind))):
        if area.key in situation.outages:
            _say(turn, situation.outages[area.key])
            explained.update(device.id for device in members)
        elif len({device.id for device in members} - explained) >= TOGETHER and _is_out(situation, area):
            _begin(turn, area, members)
            explained.update(device.id for device in members)
    for key in situation.outages.keys() & touched.keys():
        turn.effects.parts_of.update(dict.fromkeys(missing(situation, key), key))


def _begin(turn: Turn, area: Area, members: list[Device]) -> None:
    """It is out; what it explains wholly is no outage of its own any more."""
    situation, names = turn.situation, {device.id for device in members}
    since_ms = min(device.lost_ms or turn.now.ms for device in members)
    lesser = [key for key in situation.outages if names.issuperset(missing(situation, key))]
    situation.outages[area.key] = outage = Outage(area, since_ms)
    _say(turn, outage)
    for key in lesser:
        del situation.outages[key]
        turn.fault_over(key)


def _returned(turn: Turn, board: str) -> None:
    for area in turn.situation.commune.areas_of(board):
        outage = turn.situation.outages.get(area.key)
        if outage is not None:
            turn.situation.outages[area.key] = outage = outage._replace(returned_ms=turn.now.ms)
            turn.effects.parts_of[board] = area.key
            if missing(turn.situation, area.key):
                _say(turn, outage)
            else:
                _end(turn, outage)


def _end(turn: Turn, outage: Outage) -> None:
    key = outage.area.key
    left = missing(turn.situation, key)
    del turn.situation.outages[key]
    turn.fault_over(key, f"still missing: {', '.join(left)}" if left else "")
    for board in left:
        turn.effects.parts_of.pop(board, None)
        turn.effects.note([Entry(turn.now.ms, board, "", "board_lost", f"not back with {outage.area.name}")])


def _say(turn: Turn, outage: Outage) -> None:
    """The fault, with what is missing by count and name."""
    area, lost = outage.area, missing(turn.situation, outage.area.key)
    turn.fault(area.key, f"{len(lost)}/{len(area.boards)}: {', '.join(lost)}", name=area.name, names=lost)


def _is_over(situation: Situation, outage: Outage, now_ms: int) -> bool:
    left = missing(situation, outage.area.key)
    if not left:
        return True
    if outage.returned_ms is None or not is_due(outage.returned_ms, RETURN_MS, now_ms):
        return False
    return 2 * len(left) < len(_heard(situation, outage.area))


def _together(situation: Situation, area: Area) -> list[Device]:
    """The boards of an area that were lost within TOGETHER_MS of the newest loss."""
    lost = [device for device in _heard(situation, area) if device.state == "lost" and device.lost_ms is not None]
    newest_ms = max((device.lost_ms or 0 for device in lost), default=0)
    return [device for device in lost if newest_ms - (device.lost_ms or 0) <= TOGETHER_MS]


def _is_out(situation: Situation, area: Area) -> bool:
    heard = _heard(situation, area)
    return 2 * sum(device.state == "lost" for device in heard) >= len(heard)


def _members(situation: Situation, area: Area, since_ms: int) -> list[Device]:
    lost = (device for device in _heard(situation, area) if device.state == "lost")
    return [device for device in lost if device.lost_ms is not None and device.lost_ms >= since_ms - TOGETHER_MS]


def _heard(situation: Situation, area: Area) -> list[Device]:
    """Its boards that were ever heard: one that was never switched on says nothing about the others."""
    devices = (situation.devices.get(board) for board in area.boards)
    return [device for device in devices if device is not None and device.state != "unknown"]
