"""The two alphabets of a short message: the GSM 7 bit default alphabet (3GPP TS 23.038, 6.2.1) and UCS-2. Pure."""

import unicodedata

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
ESCAPE = 0x1B  # the next septet is of the extension table, 6.2.1.1
_EXTENSION = {0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€"}

_CODES = {letter: bytes((code,)) for code, letter in enumerate(_BASIC) if code != ESCAPE}
_CODES |= {letter: bytes((ESCAPE, code)) for code, letter in _EXTENSION.items()}
# What a phone of 1995 cannot show, and what it can show instead.
_PLAIN = str.maketrans({"đ": "d", "Đ": "D", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "…": "...", "•": "-", "\t": " "})
_MARKS = ("Mn", "Me", "Cf")  # accents, circles, joiners: what has no width of its own


def letter_septets(letter: str) -> bytes | None:
    """The one or two septets of a letter, a byte each; None if the alphabet does not have it."""
    return _CODES.get(letter)


def septets(text: str) -> bytes | None:
    """The text in septets, a byte each; None if a letter is not of the alphabet."""
    codes = [_CODES.get(letter) for letter in text]
    return None if None in codes else b"".join(code for code in codes if code is not None)


def words(codes: bytes) -> str:
    """The text of septets. An unknown one after an escape is what it is in the basic table; an escape at the end is nothing (6.2.1.1)."""
    found = []
    is_escaped = False
    for code in codes:
        if code == ESCAPE:
            is_escaped = not is_escaped
            if is_escaped:
                continue
            found.append(" ")  # a doubled escape is reserved for another table: a space, as the standard says
        elif is_escaped:
            found.append(_EXTENSION.get(code, _BASIC[code]))
        else:
            found.append(_BASIC[code])
        is_escaped = False
    return "".join(found)


def packed(codes: bytes, *, fill_bits: int = 0) -> bytes:
    """Septets in octets (6.1.2.1.1), after so many zero bits (0..6)."""
    bits = 0
    for number, code in enumerate(codes):
        bits |= code << (fill_bits + 7 * number)
    return bits.to_bytes((fill_bits + 7 * len(codes) + 7) // 8, "little")


def unpacked(octets: bytes, count: int, *, fill_bits: int = 0) -> bytes:
    """The first `count` septets in octets, after so many fill bits; fewer if there are no more octets."""
    bits = int.from_bytes(octets, "little") >> fill_bits
    there = max(0, (8 * len(octets) - fill_bits) // 7)
    return bytes((bits >> (7 * number)) & 0x7F for number in range(min(count, there)))


def ucs2_units(text: str) -> int:
    """How many 16-bit units the text takes in UCS-2; an emoji takes two, since phones read it as UTF-16."""
    return sum(2 if ord(letter) > 0xFFFF else 1 for letter in text)


def plain(text: str) -> str:
    """The text without accents, every letter in the GSM alphabet: what has no likeness there is left out if it is a mark, else a "?"."""
    found = []
    for letter in unicodedata.normalize("NFC", text).translate(_PLAIN):
        if letter in _CODES and ord(letter) < 0x80:
            found.append(letter)
        else:
            bare = "".join(part for part in unicodedata.normalize("NFKD", letter).translate(_PLAIN) if not unicodedata.combining(part))
            found.append(
                "".join(part if part in _CODES else "" if unicodedata.category(part) in ("Mn", "Me", "Cf") else "?" for part in bare)
            )
    return "".join(found)
