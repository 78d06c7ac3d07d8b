"""A test message, step by step: what the technician sees who has just put the modem in."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import NamedTuple

from gateway.delivery.sms import calls, pdu, text
from gateway.delivery.sms.line import Mute, NoAnswer, Refused, open_line
from gateway.delivery.sms.modem import Modem, PinProblem, message
from gateway.delivery.sms.pdu import StatusReport
from gateway.delivery.sms.port import PortLost
from gateway.settings import Sms

SEARCH_S = 60.0
SEARCH_EVERY_S = 1.0
FAILURES = (PortLost, Mute, NoAnswer, Refused, PinProblem)


class Step(NamedTuple):
    """One step: its name, whether it worked, and what came of it in words."""

    name: str
    ok: bool
    words: str


async def steps(settings: Sms, number: str, *, clock: str, rings: bool) -> AsyncIterator[Step]:
    """Each step as it is done, up to the first that fails. `clock` is the time for the text, as 14:03. Raises FileMistakes for the PIN."""
    pin = settings.pin()
    step = "port"
    try:
        async with open_line(settings.path, settings.baud) as line:
            yield Step(step, True, f"{settings.port} is open")
            step = "modem"
            modem = Modem(line, send_s=settings.send_s)
            await modem.set_up(pin)
            yield Step(step, True, f"{await modem.name() or 'unnamed'} answers, the SIM card is ready")
            step = "network"
            async for found in _network(modem):
                yield found
                if not found.ok:
                    return
            step = "message"
            words = text.fitting([f"THỬ TIN NHẮN: Kẻng. {clock}"], accents=settings.accents)
            (segment,) = pdu.submit(number, words, reference=0, centre=settings.centre, valid_min=settings.valid_min)
            began_s = time.monotonic()
            reference = await modem.send(segment)
            took_s = time.monotonic() - began_s
            yield Step(step, True, f'"{words}" handed to the network after {took_s:.1f} s, reference {reference}')
            step = "report"
            yield await _report(modem, reference, settings.report_s)
            if rings:
                step = "call"
                call = await calls.ring(modem, number, ring_s=settings.ring_s, urgent=asyncio.Event())
                said = f" ({call.words})" if call.words else ""
                yield Step(step, call.end in ("rang", "answered"), f"{call.end}, rang {call.rang_s:.0f} s{said}")
    except FAILURES as exc:
        yield Step(step, False, str(exc))


async def _network(modem: Modem) -> AsyncIterator[Step]:
    deadline = time.monotonic() + SEARCH_S
    while not (health := await modem.health()).registered:
        if time.monotonic() > deadline:
            yield Step("network", False, f"not registered in {SEARCH_S:.0f} s: is the antenna on, is the SIM card paid for?")
            return
        await asyncio.sleep(SEARCH_EVERY_S)
    signal = "unknown" if health.signal_dbm is None else f"{health.signal_dbm} dBm"
    yield Step("network", True, f"registered, signal {signal}")


async def _report(modem: Modem, reference: int, patience_s: float) -> Step:
    if not modem.reports:
        return Step("report", False, "the modem gives no delivery reports; messages go out all the same")
    began_s = time.monotonic()
    while (left_s := began_s + patience_s - time.monotonic()) > 0:
        modem.line.stirred.clear()
        for notice in list(modem.line.notices):
            found = message(notice)
            if isinstance(found, StatusReport) and found.reference == reference and found.outcome != "trying":
                words = f"{found.outcome} after {time.monotonic() - began_s:.1f} s"
                return Step("report", found.outcome == "delivered", words)
        try:
            async with asyncio.timeout(left_s):
                await modem.line.stirred.wait()
        except TimeoutError:
            break
        if modem.line.lost is not None:
            raise modem.line.lost
    return Step("report", False, f"none in {patience_s:.0f} s: is that phone on?")
