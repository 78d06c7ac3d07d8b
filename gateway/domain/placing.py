"""When an event happened: by its age, else by its own clock, else before the birth of the board; and which of two is the later.
Pure; milliseconds.
"""

from typing import Literal, NamedTuple

from protocol.wire import parse_event_id

AtFrom = Literal["age", "t", "before"]

EARLIEST_MS = 1735689600000  # 2025-01-01: no board of ours is older, so an earlier clock is a clock that was never set
AHEAD_MS = 60_000  # a board's clock is set by ticks; further ahead than this it is wrong
APART_MS = 300_000  # age and clock may differ by a slow link, not by more than this


class Placed(NamedTuple):
    """`clock` says what is wrong with the board's clock, "" if nothing is."""

    at_ms: int
    at_from: AtFrom
    clock: str = ""


def place(*, age: int | None, t: int | None, received_ms: int, born_ms: int | None) -> Placed:
    """The moment of an event. `born_ms`: when the board's last birth came, None if none was seen. A wrong `t` refuses nothing."""
    clock = _clock(t, received_ms)
    if age is not None and age <= received_ms:
        at_ms = received_ms - age
        if t is not None and not clock and abs(t - at_ms) > APART_MS:
            clock = f"its clock and its age differ by {abs(t - at_ms) // 1000} s"
        return Placed(at_ms, "age", clock)
    if t is not None and not clock:
        return Placed(t, "t")
    return Placed(received_ms if born_ms is None else min(born_ms, received_ms), "before", clock)


def is_due(start_ms: int, duration_ms: int, now_ms: int) -> bool:
    """True when `duration_ms` have passed since the start. A start in the future (the clock was set back) is due now."""
    return now_ms >= start_ms + duration_ms or start_ms > now_ms


def is_newer(event: str, than: str | None) -> bool:
    """True if an event id is later than another of its board. Ids of different lives are not compared: what comes is taken."""
    if than is None:
        return True
    life, boot, seq = parse_event_id(event)
    old_life, old_boot, old_seq = parse_event_id(than)
    return bool(life != old_life or (boot, seq) > (old_boot, old_seq))


def _clock(t: int | None, received_ms: int) -> str:
    if t is None:
        return ""
    if t < EARLIEST_MS:
        return "its clock was never set"
    if t > received_ms + AHEAD_MS:
        return f"its clock is {(t - received_ms) // 1000} s ahead"
    return ""
