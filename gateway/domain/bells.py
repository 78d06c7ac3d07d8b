"""Proof of ring: who was asked, who was heard, who stays silent. Pure; milliseconds."""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.domain.placing import is_due, is_newer
from protocol.incident import BellState
from protocol.messages import Event

# "A silent bell is named at most 3 s after the press": the rest is for the engine's own clockwork.
SILENT_MS = 2_700
# An event that was long under way does not make bells silent before they could answer.
HEAD_START_MS = 1_000
TOLD_MS = 86_400_000  # a proof that is older than a day is not: the clock was set between two starts of the engine

SOUNDS: tuple[BellState, ...] = ("measured", "commanded")


class Bell(NamedTuple):
    """One bell and the newest activation. `pressed_ms`: the press; `asked_ms`: from when the deadline runs; `event`: what it said last."""

    device: str
    place: str
    state: BellState
    pressed_ms: int
    asked_ms: int
    after_ms: int | None = None
    event: str | None = None


def ask(bells: Iterable[tuple[str, str]], *, pressed_ms: int, now_ms: int) -> tuple[Bell, ...]:
    """All bells (device, place) waiting, from a press at `pressed_ms` that is decided now."""
    asked_ms = min(now_ms, max(pressed_ms, now_ms - HEAD_START_MS))
    return tuple(Bell(device, place, "waiting", min(pressed_ms, now_ms), asked_ms) for device, place in bells)


def answered(bell: Bell, event: Event, *, at_ms: int) -> Bell:
    """The bell after its own event; older ones say nothing any more. A bell that stops because it was told to keeps the proof it had."""
    if not is_newer(event.id, bell.event):
        return bell
    bell = bell._replace(event=event.id)
    if event.state == "active":
        # It answers the call and the ring order; how soon it rang is told by the first of them.
        after_ms = bell.after_ms if bell.state in SOUNDS else _after_ms(bell, at_ms)
        return bell._replace(state=event.proof or "commanded", after_ms=after_ms)
    if event.state != "clear" or event.by == "fault":
        return bell._replace(state="fault")
    if event.by == "key":
        return bell._replace(state="silenced")
    if event.by == "time" and bell.state in SOUNDS:
        return bell._replace(state="silent")
    return bell


def _after_ms(bell: Bell, at_ms: int) -> int | None:
    after_ms = max(0, at_ms - bell.pressed_ms)
    return after_ms if after_ms <= TOLD_MS else None


def overdue(bells: tuple[Bell, ...], now_ms: int) -> tuple[Bell, ...]:
    """The same bells, those silent that were asked SILENT_MS ago and not heard; the same tuple if there is none."""
    late = [bell.state == "waiting" and is_due(bell.asked_ms, SILENT_MS, now_ms) for bell in bells]
    if not any(late):
        return bells
    return tuple(bell._replace(state="silent") if is_late else bell for bell, is_late in zip(bells, late, strict=True))
