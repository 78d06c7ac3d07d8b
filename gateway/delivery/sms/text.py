"""The words of an alarm in one segment of SMS: what, where, when, whom to call, and what to answer. Pure.

The first 60 characters carry everything: a phone's lock screen shows no more. Vietnamese with its accents has 70 characters in a
segment, without them 160; a second segment costs as much again and may come minutes after the first, or never.
"""

import unicodedata
from typing import Literal, NamedTuple

from gateway.delivery.sms import alphabet, pdu

Accents = Literal["auto", "always", "never"]
Language = Literal["vi", "en"]
Kind = Literal["fire", "smoke", "sos", "fault", "drill", "test"]

_HEADLINES: dict[Language, dict[Kind, str]] = {
    "vi": {"fire": "CHÁY!", "smoke": "KHÓI!", "sos": "CẦU CỨU!", "fault": "SỰ CỐ:", "drill": "DIỄN TẬP:", "test": "THỬ TIN NHẮN:"},
    "en": {"fire": "FIRE!", "smoke": "SMOKE!", "sos": "SOS!", "fault": "FAULT:", "drill": "DRILL:", "test": "TEST MESSAGE:"},
}
_CALLS: dict[Language, dict[Kind, str]] = {
    "vi": {"fire": "Gọi 114.", "smoke": "Đang xác minh.", "sos": "Gọi 113."},
    "en": {"fire": "Call 114.", "smoke": "Being verified.", "sos": "Call 113."},
}
_ANSWER: dict[Language, str] = {"vi": "Nhắn 1: đã nhận", "en": "Reply 1: received"}
_ALARMS: tuple[Kind, ...] = ("fire", "smoke", "sos")


class Facts(NamedTuple):
    """What the message tells. `clock` is 14:03, the time on the spot; empty words are left out."""

    kind: Kind
    place: str
    address: str = ""
    group: str = ""
    clock: str = ""


def alarm(facts: Facts, *, language: Language = "vi", accents: Accents = "auto") -> str:
    """The message, in one segment whatever the facts are.

    What does not fit goes in this order: the answer to give, the accents (unless they are to stay), the group, the address, the call;
    headline, place and time stay, the place cut if it must be.
    """
    headline = _HEADLINES[language][facts.kind]
    call = _CALLS[language].get(facts.kind, "")
    answer = _ANSWER[language] if facts.kind in _ALARMS else ""
    where = (facts.group, facts.place, facts.address)
    tries = (
        (where, call, answer),
        (where, call, ""),
        (where[1:], call, ""),
        (where[1:2], call, ""),
        (where[1:2], "", ""),
    )
    for is_plain in {"auto": (False, True), "always": (False,), "never": (True,)}[accents]:
        # With a choice, accents go before any word but the answer.
        for places, number, reply in tries if is_plain or accents == "always" else tries[:2]:
            text = _text(headline, [_words(place) for place in places], number, _words(facts.clock), reply)
            text = alphabet.plain(text) if is_plain else text
            if pdu.segments_of(text) == 1:
                return text
    return _cut(headline, _words(facts.place), _words(facts.clock), is_plain=accents != "always")


def fitting(text: str, *, accents: Accents = "auto") -> str:
    """The text as it is to be sent: in NFC, and without accents where that is wanted or saves a segment."""
    text = unicodedata.normalize("NFC", text)
    if accents == "always":
        return text
    bare = alphabet.plain(text)
    return bare if accents == "never" or pdu.segments_of(bare) < pdu.segments_of(text) else text


def _text(headline: str, places: list[str], call: str, clock: str, answer: str) -> str:
    where = ", ".join(place for place in places if place)
    return " ".join(piece for piece in (headline, f"{where}." if where else "", call, clock, answer) if piece)


def _cut(headline: str, place: str, clock: str, *, is_plain: bool) -> str:
    """With as much of the place as there is room for; a place cut in the middle ends with two dots."""
    headline, place, clock = (alphabet.plain(piece) if is_plain else piece for piece in (headline, place, clock[:8]))
    for end in range(len(place), -1, -1):
        text = f"{headline} {place[:end].rstrip()}.. {clock}".rstrip()
        if pdu.segments_of(text) == 1:
            return text
    return headline


def _words(text: str) -> str:
    """In NFC and in one line."""
    return " ".join(unicodedata.normalize("NFC", text).split())
