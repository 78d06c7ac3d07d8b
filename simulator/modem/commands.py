"""What the virtual modem does on each command: 3GPP TS 27.005 and 27.007, as far as a gateway needs them."""

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from simulator.modem import network

if TYPE_CHECKING:
    from simulator.modem.device import VirtualModem

OK = ("OK",)
ERROR = ("ERROR",)
NO_SIM, PIN_WANTED, PUK_WANTED, WRONG_PIN, UNKNOWN = 10, 11, 12, 16, 100
CMS_INVALID_PDU, CMS_PIN, CMS_NO_NETWORK, CMS_BAD_SLOT = 304, 311, 331, 321

Answer = Awaitable[tuple[str, ...]]


class Commands:
    """The commands of one start of a modem, and what they set."""

    def __init__(self, modem: "VirtualModem") -> None:
        self._modem = modem
        self._errors = 0  # AT+CMEE
        self._pdu_mode = False
        self._unlocked = not modem.faults.pin
        self._read: dict[str, Callable[[], Answer]] = {
            "+CPIN?": self._pin_state,
            "+CPINR": self._pin_tries,
            "+CSQ": self._signal,
            "+CREG?": self._registration,
            "+CPMS?": self._memory,
            "+CLCC": self._calls,
            "+GCAP": self._abilities,
            "+CGMI": self._maker,
            "+CGMM": self._model,
            "H": self._hang_up,
            "+CHUP": self._hang_up,
        }
        self._set: dict[str, Callable[[str], Answer]] = {
            "E": self._echo,
            "D": self._dial,
            "+CMEE=": self._error_form,
            "+CPIN=": self._enter_pin,
            "+CMGF=": self._mode,
            "+CNMI=": self._indicate,
            "+CMGS=": self._submit,
            "+CMGL=": self._list,
            "+CMGD=": self._delete,
        }
        self._taken = re.compile(r"V1|Z|&F|\+CRC=\d|\+COLP=\d|\+CLIP=\d|\+CSMS=\d")

    async def run(self, line: str) -> None:
        """Carry out a command line, and answer."""
        command = line[2:].strip()
        answer = await self._answer(command)
        if answer:
            await self._modem.answer(*answer)

    async def _answer(self, command: str) -> tuple[str, ...]:
        faults = self._modem.faults
        if command.startswith(faults.refuses):
            return self._cme(UNKNOWN) if faults.refuses else ERROR
        if not command or self._taken.fullmatch(command.upper()):
            return OK
        if found := self._read.get(command.upper()):
            return await found()
        for start, setter in self._set.items():
            if command.upper().startswith(start):
                return await setter(command[len(start) :])
        return self._cme(UNKNOWN)

    async def _echo(self, value: str) -> tuple[str, ...]:
        self._modem.faults.echo = value != "0"
        return OK

    async def _error_form(self, value: str) -> tuple[str, ...]:
        self._errors = int(value)
        return OK

    async def _pin_state(self) -> tuple[str, ...]:
        if not self._modem.faults.sim:
            return self._cme(NO_SIM)
        locked = "SIM PUK" if self._modem.faults.pin_tries == 0 else "SIM PIN"
        return (f"+CPIN: {'READY' if self._unlocked else locked}", "OK")

    async def _pin_tries(self) -> tuple[str, ...]:
        return (f"+CPINR: SIM PIN,{self._modem.faults.pin_tries},3", "OK")

    async def _enter_pin(self, value: str) -> tuple[str, ...]:
        faults = self._modem.faults
        if self._unlocked or faults.pin_tries == 0:
            return self._cme(PUK_WANTED if faults.pin_tries == 0 else 3)
        self._unlocked = value.strip('"') == faults.pin
        faults.pin_tries = 3 if self._unlocked else faults.pin_tries - 1
        return OK if self._unlocked else self._cme(WRONG_PIN)

    async def _signal(self) -> tuple[str, ...]:
        return (f"+CSQ: {self._modem.faults.signal},99", "OK")

    async def _registration(self) -> tuple[str, ...]:
        return (f"+CREG: 0,{self._modem.faults.registered}", "OK")

    async def _memory(self) -> tuple[str, ...]:
        used, room = len(self._modem.memory), self._modem.faults.room
        return (f'+CPMS: "SM",{used},{room},"SM",{used},{room},"SM",{used},{room}', "OK")

    async def _abilities(self) -> tuple[str, ...]:
        return ("+GCAP: +CGSM", "OK")

    async def _maker(self) -> tuple[str, ...]:
        return ("KENG", "OK")

    async def _model(self) -> tuple[str, ...]:
        return ("VIRTUAL-1", "OK")

    async def _mode(self, value: str) -> tuple[str, ...]:
        self._pdu_mode = value == "0"
        return OK

    async def _indicate(self, value: str) -> tuple[str, ...]:
        values = [int(each) for each in value.split(",")]
        if values[3:4] == [1] and self._modem.faults.reports_in_memory:
            return self._cms(303)
        self._modem.radio.indications = (values + [0] * 5)[:5]
        return OK

    async def _submit(self, value: str) -> tuple[str, ...]:
        modem, faults = self._modem, self._modem.faults
        if not self._pdu_mode or not self._unlocked:
            return self._cms(302 if self._unlocked else CMS_PIN)
        pdu = await modem.entry()
        if pdu is None:
            return OK  # left with escape: 27.005, 4.3
        if faults.reboots:
            faults.reboots -= 1
            modem.reboot()
            return ()
        if error := self._refused(pdu, int(value)):
            return self._cms(error)
        reference = modem.radio.next_reference
        modem.radio.next_reference = (reference + 1) % 256
        modem.took(pdu, reference)
        if faults.swallow_ok:
            faults.swallow_ok -= 1
            return ()
        return (f"+CMGS: {reference}", "OK")

    def _refused(self, pdu: str, length: int) -> int:
        faults = self._modem.faults
        if faults.registered not in (1, 5):
            return CMS_NO_NETWORK
        try:
            segment = network.submitted(pdu, at=0, reference=0)
        except ValueError:
            self._modem.nonsense.append(pdu)
            return CMS_INVALID_PDU
        if network.octets(pdu) != length:
            return CMS_INVALID_PDU
        if faults.refuse_sends:
            return faults.refuse_sends.pop(0)
        return faults.refuse_numbers.get(segment.number, 1 if self._modem.manners.get(segment.number) == "nobody" else 0)

    async def _list(self, value: str) -> tuple[str, ...]:
        return (
            *(f"+CMGL: {slot},1,,{network.octets(pdu)}\n{pdu}" for slot, pdu in sorted(self._modem.memory.items()) if value == "4"),
            "OK",
        )

    async def _delete(self, value: str) -> tuple[str, ...]:
        return OK if self._modem.memory.pop(int(value.partition(",")[0]), None) else self._cms(CMS_BAD_SLOT)

    async def _dial(self, value: str) -> tuple[str, ...]:
        if not value.endswith(";"):
            return ("NO CARRIER",)  # a data call: this modem has none
        if self._modem.faults.registered not in (1, 5):
            return ("NO CARRIER",)
        self._modem.radio.dial(value[:-1])
        return OK

    async def _calls(self) -> tuple[str, ...]:
        call = self._modem.radio.call
        return (f'+CLCC: 1,0,{call.state},0,0,"{call.number}",145', "OK") if call else OK

    async def _hang_up(self) -> tuple[str, ...]:
        self._modem.radio.over("hung up")
        return OK

    def _cme(self, code: int) -> tuple[str, ...]:
        return (f"+CME ERROR: {code}",) if self._errors else ERROR

    def _cms(self, code: int) -> tuple[str, ...]:
        return (f"+CMS ERROR: {code}",)
