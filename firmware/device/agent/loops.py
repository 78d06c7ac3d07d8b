"""Loops that nothing ends: whatever one part trips over, the bell goes on."""

import asyncio

AGAIN_S = 1
BEAT = 10  # turns of watch.Watch without one turn of a loop: then it hangs


async def every(period_ms, steps, clock, watch):
    """Take each step(now) every `period_ms`. Never returns: an exception costs one turn of one step, no other step."""
    period_s = period_ms / 1000
    tripped = {}  # step -> what it raised last: said once, for a line on the console takes as long as a reading
    while True:
        watch.expect(period_ms, BEAT)
        now = clock.now()
        for place, step in enumerate(steps):
            try:
                step(now)
                tripped.pop(place, None)
            except Exception as exc:
                if tripped.get(place) is not type(exc):
                    tripped[place] = type(exc)
                    watch.caught(exc)
                elif isinstance(exc, MemoryError):
                    watch.lacks()
        await asyncio.sleep(period_s)


async def for_ever(run, watch):
    """Await run() and, if it ends or raises, again a second later. Never returns."""
    while True:
        try:
            await run()
        except Exception as exc:
            watch.caught(exc)
        await asyncio.sleep(AGAIN_S)
