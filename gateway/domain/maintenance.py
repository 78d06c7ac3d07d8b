"""The maintenance log: what is missing, broken or weak between fires, as entries that people can work through. Pure."""

from typing import Literal, NamedTuple

What = Literal[
    "extinguisher_taken",
    "extinguisher_back",
    "cabinet_open",
    "cabinet_closed",
    "battery_low",
    "battery_ok",
    "mains_lost",
    "mains_back",
    "tamper",
    "tamper_over",
    "lamp_fault",
    "lamp_ok",
    "pressure_low",
    "pressure_ok",
    "level_low",
    "level_ok",
    "point_fault",
    "point_ok",
    "bell_fault",
    "bell_ok",
    "board_lost",
    "board_back",
    "board_fault",
    "board_crash",
    "safe_mode",
    "group_fault",
    "clock_fault",
    "odd_event",
    "doubled_id",
    "unplaced_device",
    "self_test",
    "board_registered",
    "board_flashed",
    "board_revoked",
    "board_updated",
    "update_failed",
    "config_ordered",
    "config_changed",
    "config_failed",
    "update_begun",
    "update_halted",
    "update_resumed",
    "update_over",
    "bell_test",
    "second_engine",
    "engine_error",
    "gateway_fault",
    "gateway_ok",
    "area_lost",
    "area_back",
    "flood",
]

FAULTS = ("open", "short", "stuck", "silent")

# Type of a point -> what it means that the point becomes active, and clear again.
_MEANING: dict[str, tuple[What, What]] = {
    "presence": ("extinguisher_taken", "extinguisher_back"),
    "door": ("cabinet_open", "cabinet_closed"),
    "battery": ("battery_low", "battery_ok"),
    "mains": ("mains_lost", "mains_back"),
    "tamper": ("tamper", "tamper_over"),
    "lamp": ("lamp_fault", "lamp_ok"),
    "pressure": ("pressure_low", "pressure_ok"),
    "level": ("level_low", "level_ok"),
    "loop": ("point_fault", "point_ok"),
}
_BELL: tuple[What, What] = ("bell_fault", "bell_ok")
_POINT: tuple[What, What] = ("point_fault", "point_ok")
# The end of something, and of what.
_END: dict[What, What] = {
    **{good: fault for fault, good in (*_MEANING.values(), _BELL)},
    "board_back": "board_lost",
    "gateway_ok": "gateway_fault",
    "area_back": "area_lost",
}


class Entry(NamedTuple):
    """One line of the log. `point` is empty where the whole board is meant; `device` is empty for the gateway itself, `point` then says
    what of it.
    """

    at_ms: int
    device: str
    point: str
    what: What
    detail: str = ""


def is_onset(what: What) -> bool:
    """False for the end of something."""
    return what not in _END


def family(what: What) -> What:
    """The same word for a fault and its end."""
    return _END.get(what, what)


def remembered(type: str, before: str, after: str) -> str:
    """The state to keep of a point. A bell that stops has not proved that its fault is gone: only one that sounds has."""
    return before if type == "bell" and before in FAULTS and after == "clear" else after


def meanings(type: str, before: str, after: str) -> list[tuple[What, str]]:
    """(what, detail) of each entry that a point of `type` gives by going from state `before` to `after`; none without a change."""
    if before == after:
        return []
    fault, good = _BELL if type == "bell" else _POINT
    found: list[tuple[What, str]] = []
    if before in FAULTS and after not in FAULTS:
        found.append((good, before))
    if after in FAULTS:
        found.append((fault, after))
    elif type in _MEANING and "active" in (before, after):
        active, clear = _MEANING[type]
        found.append((active if after == "active" else clear, ""))
    return found
