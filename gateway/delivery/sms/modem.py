"""A GSM modem: set up, sends messages, gives those that have come, says how it is. One task uses it.

Commands: 3GPP TS 27.005 (messages) and 27.007 (the rest). What a modem may lack is asked with `may`.
"""

import itertools
import logging
from collections.abc import Sequence
from typing import NamedTuple

from gateway.delivery.sms import at
from gateway.delivery.sms.at import Command
from gateway.delivery.sms.line import Line, NoAnswer, Refused
from gateway.delivery.sms.pdu import Deliver, PduError, Segment, StatusReport, decode

logger = logging.getLogger(__name__)

# mode, mt, bm, ds: messages into the memory, where they outlive a kill -9 of ours; reports at once, or into the memory as well; the last
# is for modems that give no reports.
_INDICATIONS = ("2,1,0,1,0", "2,1,0,2,0", "1,1,0,1,0", "1,1,0,2,0", "2,1,0,0,0", "1,1")
_REGISTERED = (1, 5, 6, 7)  # at home, roaming, and both for messages only: 27.007, 7.2
_SIGNAL_UNKNOWN = 99


class PinProblem(Exception):
    """The SIM card wants a PIN or a PUK that we do not have, or refused the one that we have."""


class Health(NamedTuple):
    """How the modem is. `signal_dbm` is None if it does not know; `used` and `room` count messages in its memory (0, 0: unknown)."""

    registered: bool
    signal_dbm: int | None
    used: int = 0
    room: int = 0


class Stored(NamedTuple):
    """A message in the modem's memory; `message` is None if nobody can read it."""

    slot: int
    message: Deliver | StatusReport | None


class Modem:
    """The modem on an open line. Every method raises NoAnswer, Mute or PortLost, as Line does."""

    def __init__(self, line: Line, *, send_s: float) -> None:
        self.line = line
        self.reports = False
        self._send_s = send_s

    async def set_up(self, pin: str) -> None:
        """From whatever state it is in to one in which it can send. Raises PinProblem, Refused."""
        await self.line.synchronize()
        for wish in ("ATE0", "ATV1", "AT+CMEE=1", "AT+CRC=0", "AT+COLP=0", "AT+CLIP=1"):
            await self.line.may(Command(wish))
        await self._unlock(pin)
        await self.line.ask(Command("AT+CMGF=0"))
        await self.line.may(Command("AT+CSMS=0", "+CSMS:"))
        for indication in _INDICATIONS:
            if await self.line.may(Command(f"AT+CNMI={indication}")) is not None:
                self.reports = indication.split(",")[3:4] in (["1"], ["2"])
                break
        else:
            logger.warning("modem: refuses every AT+CNMI: neither replies nor delivery reports will come by themselves")

    async def name(self) -> str:
        """Maker and model, as it says itself; empty if it does not."""
        lines = [await self.line.may(Command(command, "*")) for command in ("AT+CGMI", "AT+CGMM")]
        return " ".join(line[0] for line in lines if line)

    async def send(self, segment: Segment) -> int:
        """Hand a message to the network; its reference (0..255). Raises Refused; NoAnswer means that it may have gone out."""
        command = Command(f"AT+CMGS={segment.length}", "+CMGS:", data=segment.hex, timeout_s=self._send_s)
        lines = await self.line.ask(command)
        reference = at.number(at.fields(lines[0])[0]) if lines else None
        if reference is None:
            raise NoAnswer("OK without a reference from the modem")
        return reference & 0xFF

    async def stored(self) -> list[Stored]:
        """Every message in its memory."""
        lines = await self.line.may(Command("AT+CMGL=4", "+CMGL:", pdus=True, timeout_s=20))
        found = []
        for head, pdu in itertools.zip_longest(lines or (), (lines or ())[1:], fillvalue=""):
            slot = at.number(at.fields(head)[0])
            if slot is not None:
                found.append(Stored(slot, _read("" if ":" in pdu else pdu, head)))
        return found

    async def delete(self, slot: int) -> None:
        """Take a message out of its memory."""
        await self.line.may(Command(f"AT+CMGD={slot}", timeout_s=10))

    async def health(self) -> Health:
        """Asks network, signal and memory: about 0.1 s."""
        registered = False
        for command in ("+CREG", "+CEREG"):
            states = await self.line.may(Command(f"AT{command}?", f"{command}:"))
            registered = registered or any(at.number(at.fields(state)[1]) in _REGISTERED for state in states or ())
        signal = await self.line.may(Command("AT+CSQ", "+CSQ:"))
        memory = await self.line.may(Command("AT+CPMS?", "+CPMS:"))
        used, room = [*at.fields(memory[0]), "", ""][1:3] if memory else ("", "")
        return Health(registered, _dbm(signal), at.number(used) or 0, at.number(room) or 0)

    async def hang_up(self) -> None:
        """End every call."""
        if await self.line.may(Command("AT+CHUP")) is None:
            await self.line.may(Command("ATH"))

    async def _unlock(self, pin: str) -> None:
        try:
            lines = await self.line.ask(Command("AT+CPIN?", "+CPIN:", timeout_s=10))
        except Refused as exc:
            if exc.refusal.kind == "error":
                return  # a modem that does not know the question has no lock either
            raise
        state = at.fields(lines[0])[0] if lines else "READY"
        if state == "READY":
            return
        if state != "SIM PIN":
            raise PinProblem(f"expected a SIM card that is ready, got {state}: put it into a phone and unlock it")
        if not pin:
            raise PinProblem("the SIM card wants its PIN: write it into the file that [sms] pin_file names, or take the PIN off in a phone")
        left = await self.line.may(Command("AT+CPINR", "+CPINR:"))
        if left and any(at.fields(line)[:2] == ["SIM PIN", "1"] for line in left):
            raise PinProblem("one try for the PIN is left: it is not risked. Put the SIM card into a phone and take the PIN off")
        try:
            await self.line.ask(Command(f'AT+CPIN="{pin}"', timeout_s=20))
        except Refused as exc:
            raise PinProblem(f"the PIN is refused: {exc}. It is not tried again before the next start: three tries lock the card") from exc


def message(notice: at.Notice) -> Deliver | StatusReport | None:
    """The message that a notice brings with it; None if there is none that we can read."""
    return _read(notice.pdu, f"{notice.name}:{notice.value}") if notice.pdu else None


def reads_memory(notices: Sequence[at.Notice]) -> bool:
    """Whether one of the notices says that something lies in the memory."""
    return any(notice.name in ("+CMTI", "+CDSI") for notice in notices)


def _read(pdu: str, head: str) -> Deliver | StatusReport | None:
    try:
        return decode(pdu, at.number(at.fields(head)[-1]))
    except PduError as exc:
        logger.warning("modem: a message that cannot be read: %s", exc)
        return None


def _dbm(lines: tuple[str, ...] | None) -> int | None:
    """From +CSQ: 0..31 is -113..-51 dBm in steps of 2 (27.007, 8.5)."""
    steps = at.number(at.fields(lines[0])[0]) if lines else None
    return None if steps is None or steps == _SIGNAL_UNKNOWN else 2 * min(steps, 31) - 113
