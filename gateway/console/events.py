"""Server-sent events: what changed on the page a browser shows, and a beat by which it knows that we live."""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.datastructures import Headers

from gateway.console.changes import Changes
from gateway.console.composer import Composer, Sees, Show
from gateway.console.feed import Clock
from gateway.console.fragments import Fragment, differing
from gateway.console.words import Language

BEAT_S = 2.0
RETRY_MS = 1000
# Changes this close together travel as one: twelve bells answer within a second.
GATHER_S = 0.05
CARD = "card-"


Pieces = Callable[[], tuple[Fragment, ...]]


def pieces_of(composer: Composer, language: Language, show: Show, sees: Sees, *, wanted: str = "", before: str = "") -> Pieces:
    """What a page shows now. `wanted`: the incident that somebody asked for; `before`: the one that the page has as it opens the stream.

    What a desk shows whole stays so while it is open, whatever else happens.
    """
    shown = before

    def now() -> tuple[Fragment, ...]:
        nonlocal shown
        whole = composer.chosen(wanted, shown) if show == "desk" else ""
        shown = whole or shown  # a console that has just started knows of no incident yet
        return composer.page(language, show, sees, whole)

    return now


def digest(pieces: tuple[Fragment, ...]) -> str:
    """A short name for what a page shows, which it says when it connects."""
    return hashlib.sha256("".join(piece.html for piece in pieces).encode()).hexdigest()[:16]


def mark(pieces: tuple[Fragment, ...]) -> str:
    """The id of an event after which a page shows these: their digest, and the incident that they show whole."""
    whole = (part.id.removeprefix(CARD) for piece in pieces for part in piece.parts if part.id.startswith(CARD))
    return f"{digest(pieces)}.{next(whole, '')}"


def has(headers: Headers, seen: str, shown: str = "") -> tuple[str, str]:
    """What a page shows that opens a stream, digest and incident: as the newest event said that it got, else as it was loaded."""
    last, _, whole = headers.get("last-event-id", "").partition(".")
    return last or seen, whole or shown


async def stream(
    pieces: Pieces, changes: Changes, clock: Clock, may_stay: Callable[[], Awaitable[bool]], *, seen: str = ""
) -> AsyncIterator[str]:
    """The whole state first, so that nothing needs to be remembered about a browser that comes back; then only what differs. A page that
    has the whole state already, as its digest `seen` says, is spared it. Each event `page` has as its id the `mark` of the page that it
    makes: a browser that comes back by itself says the newest (`has`), and is not taken for what it was when it was loaded.

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
                yield _event("page", "".join(piece.html for piece in differing), mark(now))
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


def _event(name: str, data: str, ident: str = "") -> str:
    lines = "".join(f"data: {line}\n" for line in data.splitlines() if line.strip())
    known = f"id: {ident}\n" if ident else ""
    return f"event: {name}\n{known}{lines}\n"
