"""Server-sent events: what changed on the page a browser shows, and a beat by which it knows that we live."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Literal

from gateway.console.changes import Changes
from gateway.console.composer import Composer
from gateway.console.feed import Clock
from gateway.console.fragments import Fragment, differing
from gateway.console.words import Language

BEAT_S = 2.0
RETRY_MS = 1000
# Changes this close together travel as one: twelve bells answer within a second.
GATHER_S = 0.05

Show = Literal["desk", "strip"]


Pieces = Callable[[], tuple[Fragment, ...]]


def pieces_of(composer: Composer, language: Language, show: Show) -> Pieces:
    """What a page of the desk shows now."""

    def now() -> tuple[Fragment, ...]:
        page = composer.page(language)
        return (page.strip, *page.desk.parts) if show == "desk" else (page.strip,)

    return now


def digest(pieces: tuple[Fragment, ...]) -> str:
    """A short name for what a page shows, which it says when it connects."""
    return hashlib.sha256("".join(piece.html for piece in pieces).encode()).hexdigest()[:16]


async def stream(
    pieces: Pieces, changes: Changes, clock: Clock, may_stay: Callable[[], Awaitable[bool]], *, seen: str = ""
) -> AsyncIterator[str]:
    """The whole state first, so that nothing needs to be remembered about a browser that comes back; then only what differs. A page that
    has the whole state already, as its digest `seen` says, is spared it.

    Fragments go out as event `page`, ready for htmx's out-of-band swap. Event `beat` carries our Unix time in ms, every BEAT_S, as long
    as `may_stay` says so; event `over` is the last for a browser that is logged out.
    """
    yield f"retry: {RETRY_MS}\n\n{_beat(clock)}"
    now = pieces()
    shown: tuple[Fragment, ...] = now if seen == digest(now) else ()
    beaten = time.monotonic()
    with changes.listening() as changed:
        while not changes.ended:
            changed.clear()
            now = pieces()
            if differing := _differing(shown, now):
                yield _event("page", "".join(piece.html for piece in differing))
            shown = now
            await _either(changed, beaten + BEAT_S - time.monotonic())
            if time.monotonic() >= beaten + BEAT_S:
                beaten = time.monotonic()
                if not await may_stay():
                    yield _event("over", "{}")
                    return
                yield _beat(clock)


def _differing(shown: tuple[Fragment, ...], now: tuple[Fragment, ...]) -> list[Fragment]:
    if not shown:
        return list(now)
    return [piece for old, new in zip(shown, now, strict=True) for piece in differing(old, new)]


async def _either(changed: asyncio.Event, wait_s: float) -> None:
    """Until something has changed and its companions have had time to arrive, or until `wait_s` have passed."""
    try:
        async with asyncio.timeout(max(0.0, wait_s)):
            await changed.wait()
    except TimeoutError:
        return
    await asyncio.sleep(GATHER_S)


def _beat(clock: Clock) -> str:
    return _event("beat", json.dumps({"now_ms": clock.now_ms()}))


def _event(name: str, data: str) -> str:
    lines = "".join(f"data: {line}\n" for line in data.splitlines() if line.strip())
    return f"event: {name}\n{lines}\n"
