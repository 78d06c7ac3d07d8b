"""Which words of a message fit into one segment of SMS. Pure.

Vietnamese with its accents has 70 characters in a segment, without them 160; a second segment costs as much again and may come minutes
after the first, or never.
"""

import unicodedata
from collections.abc import Iterable
from typing import Literal

from gateway.delivery.sms import alphabet, pdu

Accents = Literal["auto", "always", "never"]


def fitting(texts: Iterable[str], *, accents: Accents = "auto") -> str:
    """Of the same message in several lengths, the longest first, the first that is one segment; if none is, the last.

    auto: each with its accents and then without them, so that accents go before words. always, never: all with them, or without.
    """
    found = ""
    for text in texts:
        for found in _spellings(unicodedata.normalize("NFC", " ".join(text.split())), accents):
            if pdu.segments_of(found) == 1:
                return found
    return found


def _spellings(text: str, accents: Accents) -> tuple[str, ...]:
    bare = alphabet.plain(text)
    return {"auto": (text, bare), "always": (text,), "never": (bare,)}[accents]
