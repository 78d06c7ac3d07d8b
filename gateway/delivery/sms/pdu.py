"""Short messages as a modem takes and gives them in PDU mode: 3GPP TS 23.040, its clauses in brackets, in the hex of 27.005. Pure."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Literal, NamedTuple

from gateway.delivery.sms import alphabet

Alphabet = Literal["gsm7", "ucs2"]

# One segment holds 140 octets (9.2.3.24); with the 6 octets that say "part m of n" 134.
GSM7_MAX, GSM7_PART = 160, 153
UCS2_MAX, UCS2_PART = 70, 67
PARTS_MAX = 10  # 23.040 allows 255; a longer alarm is a mistake of whoever wrote it
PDU_MAX = 1 + 11 + 13 + 164  # octets: centre's address, and the longest TPDU that a centre delivers
_SUBMIT, _UDHI, _SRR, _VP_RELATIVE = 0x01, 0x40, 0x20, 0x10  # first octet, 9.2.2.2
_CONCATENATED_8, _CONCATENATED_16 = 0x00, 0x08  # 9.2.3.24.1 and .8
_DCS: dict[Alphabet, int] = {"gsm7": 0x00, "ucs2": 0x08}  # 23.038, clause 4
_SEMI_OCTETS = "0123456789*#abc"  # 9.1.2.3


class PduError(ValueError):
    """It is not a message that we can read: what was expected, what came."""


class Segment(NamedTuple):
    """A TPDU with its centre's address in hex, and `length`, the octets without that address: AT+CMGS=<length>."""

    hex: str
    length: int


class Deliver(NamedTuple):
    """A message from somebody. `sender` is +<digits> if it is international. `part`: (reference, number, of) if it is one of several."""

    sender: str
    text: str
    at: datetime | None
    part: tuple[int, int, int] | None = None


class StatusReport(NamedTuple):
    """What became of a message that was sent to `recipient`; `reference` is what +CMGS said; `status` is TP-ST."""

    reference: int
    recipient: str
    status: int

    @property
    def outcome(self) -> Literal["delivered", "trying", "failed"]:
        """By class of TP-ST (9.2.3.15): 0x00..1F done, 0x20..3F the centre goes on trying, the rest it has given up."""
        return "delivered" if self.status < 0x20 else "trying" if self.status < 0x40 else "failed"


def alphabet_of(text: str) -> Alphabet:
    """The smaller alphabet that has every letter of the text."""
    return "ucs2" if alphabet.septets(text) is None else "gsm7"


def segments_of(text: str) -> int:
    """How many segments the text takes."""
    return len(_parts(text, alphabet_of(text)))


def submit(to: str, text: str, *, reference: int, centre: str = "", report: bool = True, valid_min: int = 0) -> list[Segment]:
    """SMS-SUBMIT (9.2.2.2) in one or several segments, each of which asks for a status report if `report`.

    `to`: an international number, +<digits>, or a short one. `reference` (0..255) joins the segments of one message. `centre`: the
    service centre's number; without it the SIM card's. `valid_min`: the centre gives up after so many minutes (to 635,040; 0: as it likes).
    Raises ValueError for a number that is none, an empty text or more than PARTS_MAX segments.
    """
    coding = alphabet_of(text)
    parts = _parts(text, coding)
    if not text or len(parts) > PARTS_MAX:
        raise ValueError(f"text: expected 1..{PARTS_MAX} segments, got {len(parts) if text else 0}")
    first = _SUBMIT | (_SRR if report else 0) | (_UDHI if len(parts) > 1 else 0) | (_VP_RELATIVE if valid_min else 0)
    head = bytes((first, 0)) + _address(to) + bytes((0, _DCS[coding]))
    head += bytes((_validity(valid_min),)) if valid_min else b""
    found = []
    for number, part in enumerate(parts, 1):
        header = bytes((5, _CONCATENATED_8, 3, reference & 0xFF, len(parts), number)) if len(parts) > 1 else b""
        tpdu = head + _user_data(part, coding, header)
        found.append(Segment((_centre(centre) + tpdu).hex().upper(), len(tpdu)))
    return found


def decode(hex: str, length: int | None = None) -> Deliver | StatusReport:
    """A message from the modem. `length` is what it said beside it; some leave out the centre's address, and only the length shows it.

    Raises PduError, and nothing else, whatever the text is.
    """
    try:
        octets = bytes.fromhex(hex)
    except ValueError:
        raise PduError(f"expected octets in hex, got {hex[:20]!r}") from None
    if not 1 <= len(octets) <= PDU_MAX:
        raise PduError(f"expected 1..{PDU_MAX} octets, got {len(octets)}")
    reader = _Reader(octets if length == len(octets) else octets[1 + octets[0] :])
    first = reader.octet()
    kind = first & 0x03  # 9.2.3.1, from the centre to us
    if kind == 0x00:
        return _deliver(reader, first)
    if kind == 0x02:
        return _status_report(reader)
    raise PduError(f"expected SMS-DELIVER or SMS-STATUS-REPORT, got the first octet {first:#04x}")


class _Reader:
    """Octets from the front. Raises PduError where they end too early."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def octet(self) -> int:
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        if len(self._octets) < count:
            raise PduError(f"expected {count} octets more, got {len(self._octets)}")
        taken, self._octets = self._octets[:count], self._octets[count:]
        return taken

    def rest(self) -> bytes:
        return self._octets


def _deliver(reader: _Reader, first: int) -> Deliver:
    """9.2.2.1."""
    sender = _read_address(reader)
    reader.octet()  # TP-PID
    coding = _read_dcs(reader.octet())
    at = _read_time(reader.take(7))
    length = reader.octet()
    data = reader.rest()
    part: tuple[int, int, int] | None = None
    skipped = 0
    if first & _UDHI:
        skipped = _Reader(data).octet() + 1
        part = _read_part(_Reader(data).take(skipped)[1:])
    if coding == "gsm7":
        header_septets = -(-8 * skipped // 7)
        codes = alphabet.unpacked(data[skipped:], length - header_septets, fill_bits=-8 * skipped % 7)
        return Deliver(sender, alphabet.words(codes), at, part)
    return Deliver(sender, data[skipped:length].decode("utf-16-be", errors="replace"), at, part)


def _status_report(reader: _Reader) -> StatusReport:
    """9.2.2.3."""
    reference = reader.octet()
    recipient = _read_address(reader)
    reader.take(7 + 7)  # TP-SCTS, TP-DT
    return StatusReport(reference, recipient, reader.octet())


def _parts(text: str, coding: Alphabet) -> list[str]:
    """The text in pieces of one segment each. Neither an escaped letter nor a surrogate pair is torn (23.038, 6.1.2.1.1)."""

    def units(letter: str) -> int:
        return alphabet.ucs2_units(letter) if coding == "ucs2" else len(alphabet.letter_septets(letter) or b"")

    whole, most = (UCS2_MAX, UCS2_PART) if coding == "ucs2" else (GSM7_MAX, GSM7_PART)
    if sum(map(units, text)) <= whole:
        return [text]
    parts, used = [""], 0
    for letter in text:
        if used + units(letter) > most:
            parts.append("")
            used = 0
        parts[-1] += letter
        used += units(letter)
    return parts


def _user_data(part: str, coding: Alphabet, header: bytes) -> bytes:
    """TP-UDL and TP-UD (9.2.3.16 and .24): the length in septets or in octets, header and fill bits counted."""
    if coding == "ucs2":
        octets = header + part.encode("utf-16-be", errors="replace")
        return bytes((len(octets),)) + octets
    codes = alphabet.septets(part) or b""
    header_septets = -(-8 * len(header) // 7)
    return bytes((header_septets + len(codes),)) + header + alphabet.packed(codes, fill_bits=-8 * len(header) % 7)


def _digits(number: str) -> tuple[int, str]:
    """Type of address (9.1.2.5) and digits."""
    digits = number.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and 3 <= len(digits) <= 15):
        raise ValueError(f"number: expected 3..15 digits, with + if it is international, got {len(number)} characters")
    return (0x91 if number.startswith("+") else 0x81), digits


def _swapped(digits: str) -> bytes:
    """Semi-octets (9.1.2.3): the digits of each octet swapped, an odd one filled with F."""
    return bytes(int(low, 16) | int(high, 16) << 4 for low, high in zip(digits[::2], digits[1::2] + "F", strict=False))


def _address(number: str) -> bytes:
    """9.1.2.5: its length in digits."""
    kind, digits = _digits(number)
    return bytes((len(digits), kind)) + _swapped(digits)


def _centre(number: str) -> bytes:
    """The service centre's address: its length in octets (27.005, 3.1)."""
    if not number:
        return b"\x00"
    kind, digits = _digits(number)
    octets = _swapped(digits)
    return bytes((1 + len(octets), kind)) + octets


def _validity(minutes: int) -> int:
    """TP-VP, relative (9.2.3.12.1): the shortest period that is not shorter than this."""
    if minutes <= 12 * 60:
        return max(0, -(-minutes // 5) - 1)
    if minutes <= 24 * 60:
        return 143 + -(-(minutes - 12 * 60) // 30)
    days = -(-minutes // (24 * 60))
    return 166 + days if days <= 30 else min(255, 192 + max(5, -(-days // 7)))


def _read_address(reader: _Reader) -> str:
    digits, kind = reader.octet(), reader.octet()
    if digits > 20:
        raise PduError(f"expected an address of at most 20 digits, got {digits}")
    octets = reader.take((digits + 1) // 2)
    if kind & 0x70 == 0x50:  # alphanumeric: a company's name, in septets
        return alphabet.words(alphabet.unpacked(octets, digits * 4 // 7))
    swapped = "".join(_semi_octets(octets))[:digits]
    return f"+{swapped}" if kind & 0x70 == 0x10 else swapped


def _semi_octets(octets: bytes) -> Iterator[str]:
    for octet in octets:
        for half in (octet & 0x0F, octet >> 4):
            if half < len(_SEMI_OCTETS):
                yield _SEMI_OCTETS[half]


def _read_dcs(octet: int) -> Alphabet:
    """The alphabet that TP-DCS names (23.038, clause 4). Raises PduError for data that is no text, or is compressed."""
    group = octet >> 4
    if group == 0xE:
        return "ucs2"
    if group in (0xC, 0xD):
        return "gsm7"
    code = (octet >> 2) & (0x1 if group == 0xF else 0x3)
    if group < 0x8 and octet & 0x20:
        raise PduError(f"expected a text, got a compressed one (TP-DCS {octet:#04x})")
    if code == 1:
        raise PduError(f"expected a text, got 8-bit data (TP-DCS {octet:#04x})")
    return "ucs2" if code == 2 else "gsm7"


def _read_time(octets: bytes) -> datetime | None:
    """TP-SCTS (9.2.3.11); None for a time that is none: the text counts, not its date."""
    zone = octets[6]
    try:
        year, month, day, hour, minute, second = (int(f"{octet & 0x0F:x}{octet >> 4:x}") for octet in octets[:6])
        quarters = (zone & 0x07) * 10 + (zone >> 4)
        offset = timedelta(minutes=15 * (-quarters if zone & 0x08 else quarters))
        return datetime(2000 + year, month, day, hour, minute, second, tzinfo=timezone(offset))
    except ValueError:
        return None


def _read_part(header: bytes) -> tuple[int, int, int] | None:
    """(reference, number, of) in a user data header; None if it says nothing of parts."""
    reader = _Reader(header)
    while reader.rest():
        element, octets = reader.octet(), reader.take(reader.octet())
        if element == _CONCATENATED_8 and len(octets) == 3:
            return octets[0], octets[2], octets[1]
        if element == _CONCATENATED_16 and len(octets) == 4:
            return int.from_bytes(octets[:2], "big"), octets[3], octets[2]
    return None
