"""The virtual modem's way into the mobile network: messages that come, reports, and the call that is up."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from simulator.modem import network
from simulator.modem.network import VIETNAM, Submitted

if TYPE_CHECKING:
    from simulator.modem.device import VirtualModem

DIALLING, ALERTING, ACTIVE = 2, 3, 0  # <stat> of +CLCC
CONNECT_S = 0.1
REJECT_S = 0.3


@dataclass
class Call:
    """A phone that we ring. `rang_s` is known once it is over; `end` says how: hung up (by us), or the network's words."""

    at: float
    number: str
    state: int = DIALLING
    answered: bool = False
    rang_s: float | None = None
    end: str = ""


class Radio:
    """What the network does to one modem."""

    def __init__(self, modem: "VirtualModem") -> None:
        self._modem = modem
        self._call: Call | None = None
        self.indications = [0, 0, 0, 0, 0]  # AT+CNMI
        self.next_reference = 0

    @property
    def call(self) -> Call | None:
        """The call that is up."""
        return self._call

    def switched_on(self) -> None:
        """What was set is forgotten, a call is lost; the memory stays."""
        self.indications = [0, 0, 0, 0, 0]
        self.over("lost")

    def deliver(self, pdu: str) -> None:
        """A message from the network goes into the memory, if there is room, or right out."""
        _, mt, *_ = self.indications
        if mt == 2:
            self._modem.start(self._modem.say(f"+CMT: ,{network.octets(pdu)}", pdu))
        elif (slot := self._stored(pdu)) and mt == 1:
            self._modem.start(self._modem.say(f'+CMTI: "SM",{slot}'))

    async def report(self, segment: Submitted) -> None:
        """The network says what became of a message."""
        pdu = network.report_pdu(segment.reference, segment.number, self._modem.faults.report_status, datetime.now(VIETNAM))
        ds = self.indications[3]
        if ds == 1:
            await self._modem.say(f"+CDS: {network.octets(pdu)}", pdu)
        elif ds == 2 and (slot := self._stored(pdu)):
            await self._modem.say(f'+CDSI: "SM",{slot}')
        self._modem.changed()

    def dial(self, number: str) -> None:
        """Call somebody: what happens depends on that phone's manner."""
        self._call = Call(time.monotonic(), number)
        self._modem.calls.append(self._call)
        self._modem.changed()
        self._modem.start(self._connect(self._call))

    def over(self, end: str) -> None:
        """The call ends, if one is up."""
        if self._call is not None:
            self._call.rang_s, self._call.end = time.monotonic() - self._call.at, end
            self._call = None
            self._modem.changed()

    async def _connect(self, call: Call) -> None:
        await asyncio.sleep(CONNECT_S)
        manner = self._modem.manners.get(call.number, "rings")
        if manner in ("off", "nobody", "busy"):
            await self._ended(call, "BUSY" if manner == "busy" else "NO CARRIER")
            return
        call.state = ALERTING
        self._modem.changed()
        if manner in ("answers", "rejects"):
            await asyncio.sleep(REJECT_S)
        if manner == "answers" and self._call is call:
            call.state, call.answered = ACTIVE, True
        elif manner == "rejects":
            await self._ended(call, "BUSY")

    async def _ended(self, call: Call, words: str) -> None:
        if self._call is call:
            self.over(words)
            await self._modem.say(words)

    def _stored(self, pdu: str) -> int:
        """The slot, from 1; 0 if the memory is full: the network keeps the message."""
        memory = self._modem.memory
        if len(memory) >= self._modem.faults.room:
            return 0
        slot = next(number for number in range(1, len(memory) + 2) if number not in memory)
        memory[slot] = pdu
        return slot
