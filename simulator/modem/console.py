"""The virtual modem's commands in words, and what happened to it in words."""

from dataclasses import fields
from typing import cast, get_args

from simulator.modem.device import VirtualModem
from simulator.modem.faults import Faults
from simulator.modem.network import Manner


def obey(modem: VirtualModem, line: str) -> str:
    """Carry out one line; what is wrong with it, or nothing."""
    match line.split(maxsplit=2):
        case []:
            return ""
        case ["reply", number, text]:
            modem.receive(number, text.strip())
        case ["call", number]:
            modem.rung_by(number)
        case ["phone", number, word] if word in get_args(Manner):
            modem.manners[number] = cast("Manner", word)
        case ["fault", name, value]:
            return _set_fault(modem.faults, name, value.strip())
        case ["unplug"]:
            modem.unplug()
        case ["plug"]:
            modem.plug()
        case ["reboot"]:
            modem.reboot()
        case _:
            return f"expected reply, call, phone, fault, unplug, plug or reboot with what belongs to it; got {line.strip()!r}"
    return ""


def story(modem: VirtualModem) -> list[str]:
    """What was sent and who was rung, in order."""
    sent = [(segment.at, f"sent to {segment.number}: {segment.text}") for segment in modem.sent]
    called = [(call.at, f"rang {call.number}") for call in modem.calls]
    return [line for _, line in sorted(sent + called)]


def _set_fault(faults: Faults, name: str, value: str) -> str:
    kinds = {field.name: type(getattr(faults, field.name)) for field in fields(Faults)}
    kind = kinds.get(name)
    if kind not in (bool, int, float, str):
        names = ", ".join(known for known, kind in kinds.items() if kind in (bool, int, float, str))
        return f"fault: expected one of {names}; got {name!r}"
    try:
        setattr(faults, name, value in ("1", "yes", "true") if kind is bool else kind(value))
    except ValueError:
        return f"fault {name}: expected a number, got {value!r}"
    return ""
