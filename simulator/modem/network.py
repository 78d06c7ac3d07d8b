"""The mobile network behind the virtual modem: phones that get messages and calls, and the messages that come back.

What was sent is decoded by smspdudecoder, which we did not write: whoever sends nonsense is found out here.
"""

from datetime import datetime, timedelta, timezone
from io import StringIO
from typing import Literal, NamedTuple

from smspdudecoder.codecs import GSM, UCS2
from smspdudecoder.elements import Date, Number
from smspdudecoder.fields import SMSSubmit

VIETNAM = timezone(timedelta(hours=7))

# How somebody's phone behaves. off: no message arrives, no call rings. nobody: the number does not exist.
Manner = Literal["rings", "answers", "busy", "rejects", "off", "nobody"]


class Submitted(NamedTuple):
    """One segment that was handed to the network; `at` is monotonic s. `part`: (reference, number, of) if it is one of several."""

    at: float
    number: str
    text: str
    coding: str
    reference: int
    wants_report: bool
    valid_min: int | None
    part: tuple[int, int, int] | None
    pdu: str


def submitted(pdu: str, *, at: float, reference: int) -> Submitted:
    """The segment in a PDU. Raises ValueError if the independent decoder cannot read it."""
    try:
        found = SMSSubmit.decode(StringIO(pdu))
    except Exception as exc:
        # Whatever its parts raise: it was written for messages that are right.
        raise ValueError(f"expected SMS-SUBMIT, got what cannot be decoded: {exc!r}") from exc
    if found["header"]["mti"] != "submit":
        raise ValueError(f"expected SMS-SUBMIT, got {found['header']['mti']}")
    to, header = found["recipient"], found["user_data"]["header"]
    parts = [element["data"] for element in (header or {}).get("elements", ()) if element["iei"] in (0x00, 0x08)]
    return Submitted(
        at,
        ("+" if to["toa"]["ton"] == "international" else "") + to["number"],
        found["user_data"]["data"],
        found["dcs"]["encoding"],
        reference,
        found["header"]["srr"],
        found.get("validity-minutes", found.get("validity-hours", 0) * 60 or None),
        (parts[0]["reference"], parts[0]["part_number"], parts[0]["parts_count"]) if parts else None,
        pdu,
    )


def joined(segments: list[Submitted]) -> list[tuple[str, str]]:
    """(number, text) of each message, its segments put together as a phone does; one that lacks a segment is not there."""
    found: list[tuple[str, str]] = []
    waiting: dict[tuple[str, int], dict[int, str]] = {}
    for segment in segments:
        if segment.part is None:
            found.append((segment.number, segment.text))
            continue
        reference, number, of = segment.part
        pieces = waiting.setdefault((segment.number, reference), {})
        pieces[number] = segment.text
        if len(pieces) == of:
            del waiting[segment.number, reference]
            found.append((segment.number, "".join(text for _, text in sorted(pieces.items()))))
    return found


def delivered_pdu(number: str, text: str, when: datetime) -> str:
    """SMS-DELIVER from a number, with the centre's address before it, as a modem shows it."""
    try:
        coded, coding, length = GSM.encode(text), "00", sum(1 + (letter in GSM.ALPHABET_EXT_INV) for letter in text)
    except ValueError:
        coded, coding = UCS2.encode(text), "08"
        length = len(coded) // 2
    return f"{_CENTRE}04{_address(number)}00{coding}{Date.encode(when)}{length:02X}{coded}".upper()


def report_pdu(reference: int, number: str, status: int, when: datetime) -> str:
    """SMS-STATUS-REPORT about a message to a number."""
    return f"{_CENTRE}06{reference:02X}{_address(number)}{Date.encode(when)}{Date.encode(when)}{status:02X}".upper()


def octets(pdu: str) -> int:
    """The length that a modem says beside a PDU: without the centre's address."""
    return len(pdu) // 2 - 1 - int(pdu[:2], 16)


def _address(number: str) -> str:
    digits = number.removeprefix("+")
    return f"{len(digits):02X}{'91' if number.startswith('+') else '81'}{Number.encode(digits)}"


_CENTRE = "07" + "91" + Number.encode("849800000000"[:12])
