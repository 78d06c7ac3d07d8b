"""Ringing a phone: call, let it ring, hang up. Nothing is said: the ringing wakes people, and the message says why."""

import asyncio
from typing import Literal, NamedTuple

from gateway.delivery.sms import at
from gateway.delivery.sms.at import Command
from gateway.delivery.sms.line import NoAnswer, Refused
from gateway.delivery.sms.modem import Modem

# rang: nobody took it. answered: somebody did. busy: engaged, or pushed away. unreachable: off, out of reach, or no such number.
# cut: something more urgent needed the modem. refused: the modem would not dial.
End = Literal["rang", "answered", "busy", "unreachable", "cut", "refused"]

POLL_S = 0.5
CONNECT_S = 20.0  # from dialling to the other phone's ringing, at most
ANSWERED_S = 2.0  # time enough to see that nobody speaks
_ALERTING, _ACTIVE = 3, 0  # <stat> of +CLCC, 27.007, 7.18
_BUSY = "BUSY"


class Call(NamedTuple):
    """How a call ended; `rang_s` is how long the other phone is known to have rung; `words` what the modem said, if it said something."""

    end: End
    rang_s: float = 0.0
    words: str = ""


async def ring(modem: Modem, number: str, *, ring_s: float, urgent: asyncio.Event, routine: bool = False) -> Call:
    """Let a phone ring for `ring_s`. Once `urgent` is set, and it has rung or tried for half of that, the call is cut; a `routine` one at
    once.

    Raises NoAnswer, Mute, PortLost, as the modem does; the call is hung up in every case but the last two.
    """
    _said_end(modem)  # of a call before
    try:
        await modem.line.ask(Command(f"ATD{number};", timeout_s=CONNECT_S))
    except NoAnswer:
        await modem.hang_up()  # it may be dialling all the same
        raise
    except Refused as exc:
        if exc.refusal.kind == "call":
            return Call(_end_of(exc.refusal.words), 0.0, exc.refusal.words)
        return Call("refused", 0.0, str(exc))
    try:
        return await _follow(modem, ring_s, urgent, routine=routine)
    finally:
        if modem.line.lost is None:
            await modem.hang_up()


async def _follow(modem: Modem, ring_s: float, urgent: asyncio.Event, *, routine: bool) -> Call:
    now = asyncio.get_running_loop().time
    dialled, alerting = now(), 0.0
    knows_state = False
    while True:
        rang_s = now() - alerting if alerting else 0.0
        if ended := _said_end(modem):
            return Call(_end_of(ended), rang_s, ended)
        if routine and urgent.is_set():
            return Call("cut", rang_s, "an alarm was more urgent")
        state = await _state(modem)
        knows_state = knows_state or state is not None
        if state == _ACTIVE:
            await asyncio.sleep(ANSWERED_S)
            return Call("answered", rang_s)
        if state == _ALERTING and not alerting:
            alerting = now()
        since = alerting or (dialled if not knows_state else 0.0)
        if since and now() - since >= (ring_s / 2 if urgent.is_set() else ring_s):
            return Call("cut" if urgent.is_set() else "rang", now() - since)
        if not since and now() - dialled >= CONNECT_S:
            return Call("unreachable", 0.0, f"did not ring in {CONNECT_S:.0f} s")
        await _stir(modem)


async def _state(modem: Modem) -> int | None:
    """Of our call, None if the modem does not know, or has none any more."""
    for line in await modem.line.may(Command("AT+CLCC", "+CLCC:")) or ():
        values = [at.number(value) for value in at.fields(line)[:3]]
        if len(values) == 3 and values[1] == 0:
            return values[2]
    return None


async def _stir(modem: Modem) -> None:
    modem.line.stirred.clear()
    try:
        async with asyncio.timeout(POLL_S):
            await modem.line.stirred.wait()
    except TimeoutError:
        pass


def _said_end(modem: Modem) -> str:
    """The end of the call that the modem has told since it was last asked; what else it told stays."""
    ends = [notice for notice in modem.line.notices if notice.name in ("NO CARRIER", _BUSY, "NO ANSWER")]
    for notice in ends:
        modem.line.notices.remove(notice)
    return ends[-1].name if ends else ""


def _end_of(words: str) -> End:
    if words == _BUSY:
        return "busy"
    return "rang" if words == "NO ANSWER" else "unreachable"
