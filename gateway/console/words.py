"""The console's words, in Vietnamese and English: one TOML file for each language in locale/. Times and numbers too."""

import re
import tomllib
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal, get_args

from gateway.console import remarks

Language = Literal["vi", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
# Asia/Ho_Chi_Minh: UTC+7 without summer time since 1975, so that no zone database is needed.
ZONE = timezone(timedelta(hours=7), "+07")
_NUMBERED = re.compile(r"^(.+)-(\d+)$")


class Words:
    """The texts of one language. `words("card.version", n=3)` is the text of that key with its fields filled in."""

    def __init__(self, language: Language, texts: dict[str, str]) -> None:
        self.language = language
        self.texts = texts

    def __call__(self, key: str, **fields: object) -> str:
        """Raises KeyError for a key that the catalogue lacks: a mistake of ours."""
        text = self.texts[key]
        return text.format(**fields) if fields else text

    def of(self, area: str, value: str) -> str:
        """The word for a value of a vocabulary that others may extend; the value itself for one that we do not know."""
        return self.texts.get(f"{area}.{value}", value)

    def fault(self, kind: str, name: str) -> str:
        """What is wrong with the gateway or an area, in one sentence; the kind itself for one that we do not know."""
        text = self.texts.get(f"fault.{kind}")
        name = self.channel(name) if kind == "canary" else name
        return text.format(name=name) if text else f"{self.texts['engine.fault']}: {kind} {name}".rstrip()

    def remark(self, what: str, said: str) -> str:
        """What a board or the engine remarks beside an entry `what` of the log, in words; the remark itself if we do not know it."""
        found = remarks.of(what, said)
        if found is None:
            return said
        fields = dict(found.fields)
        if "point" in fields:
            fields["point"] = self.point(fields["point"])
        if "why" in fields:
            fields["why"] = self.remark("delivery", fields["why"])
        return self(f"remark.{found.key}", **fields)

    def ailment(self, what: str, said: str) -> str:
        """What is wrong with a board, in words."""
        name = self.of("what", what)
        if remarks.of(what, said) is None:
            return name
        return self.remark(what, said) if what == "board_fault" else f"{name}: {self.remark(what, said)}"

    @staticmethod
    def original(what: str, said: str) -> str:
        """The remark as a technician wants to read it, beside its words; "" if they say it whole."""
        found = remarks.of(what, said)
        return said if found and found.key not in remarks.WHOLE else ""

    def subject(self, device: str, point: str) -> str:
        """What an entry of the log is about, beside its board: a point, or something of the gateway; "" if nothing more is to be said."""
        if device or not point:
            return self.point(point) if point else ""
        kind, _, name = point.partition(":")
        return "" if kind == "area" else self.fault(kind, name)

    def point(self, point: str) -> str:
        """A point's id in words: button-1 is "nút ấn 1"."""
        numbered = _NUMBERED.match(point)
        return f"{self.of('point', numbered[1])} {numbered[2]}" if numbered else self.of("point", point)

    def point_state(self, point: str, state: str) -> str:
        """What a point said: a bell rings, everything else reports; and the faults of wires."""
        key = f"ring_{state}" if point.startswith("bell") and f"point_state.ring_{state}" in self.texts else state
        return self.of("point_state", key)

    def deed(self, what: str, detail: str) -> str:
        """The detail of an entry of the record of who did what: its own words, each as it is said to people."""
        areas = {"ordered": ("record.do", "deed", "outcome", "roll"), "looked": ("deed",)}.get(what, ())
        return " ".join(self._said(word, areas) for word in detail.split(" "))

    def _said(self, word: str, areas: tuple[str, ...]) -> str:
        bare = word.rstrip(":")
        known = next((self.texts[f"{area}.{bare}"] for area in areas if f"{area}.{bare}" in self.texts), "")
        return known + word[len(bare) :] if known else word

    def detail(self, detail: str) -> str:
        """A timeline's detail: an outcome, what a delivery told, or a point; free text stays as it is."""
        for area in ("outcome", "timeline"):
            if f"{area}.{detail}" in self.texts:
                return self.texts[f"{area}.{detail}"]
        return self.point(detail)

    def channel(self, channel: str) -> str:
        """A way by which people and programs are told: "SMS", "gọi điện", "Zalo, Telegram…: to-03"."""
        kind, colon, name = channel.partition(":")
        return f"{self.of('channel', kind)}{colon} {name}" if colon else self.of("channel", kind)

    @staticmethod
    def phone(number: str) -> str:
        """E.164 as people dial it here: 0912 345 678."""
        digits = number.replace("+84", "0", 1) if number.startswith("+84") else number
        return " ".join((digits[:4], digits[4:7], digits[7:])).rstrip()

    def seconds(self, ms: int) -> str:
        """Milliseconds as seconds with one decimal: 0,4 s in Vietnamese, 0.4 s in English."""
        text = f"{ms / 1000:.1f} s"
        return text.replace(".", ",") if self.language == "vi" else text


def stamp(at_ms: int) -> str:
    """dd/MM/yyyy HH:mm:ss in Asia/Ho_Chi_Minh."""
    return _local(at_ms).strftime("%d/%m/%Y %H:%M:%S")


def clock(at_ms: int) -> str:
    """HH:mm:ss in Asia/Ho_Chi_Minh."""
    return _local(at_ms).strftime("%H:%M:%S")


def day(known: date) -> str:
    """dd/MM/yyyy."""
    return known.strftime("%d/%m/%Y")


def day_of(text: str) -> date | None:
    """The day that somebody has typed as people do here, or that an address has in ISO 8601; None for nothing. Raises ValueError, also for
    a day of another century: there is no log of it, and one beyond the calendar's end."""
    if not text:
        return None
    found = date.fromisoformat(text) if "-" in text else datetime.strptime(text, "%d/%m/%Y").replace(tzinfo=ZONE).date()
    if not 2000 <= found.year < 2100:
        raise ValueError(f"expected a year from 2000 to 2099, got {found.year}")
    return found


def midnight(day: date) -> int:
    """The beginning of a day in Asia/Ho_Chi_Minh, in Unix milliseconds."""
    return int(datetime(day.year, day.month, day.day, tzinfo=ZONE).timestamp() * 1000)


def iso(at_ms: int) -> str:
    """For <time datetime>: 2026-11-22T14:03:07+07:00."""
    return _local(at_ms).isoformat(timespec="seconds")


def load(language: Language) -> Words:
    """The words of one language. Raises ValueError if a text is not in NFC: two spellings of one letter would not match each other."""
    path = Path(__file__).parent / "locale" / f"{language}.toml"
    texts = dict(_flat("", tomllib.loads(path.read_text(encoding="utf-8"))))
    odd = [key for key, text in texts.items() if not unicodedata.is_normalized("NFC", text)]
    if odd:
        raise ValueError(f"{path}: expected NFC, got another form at {', '.join(odd)}")
    return Words(language, texts)


def _flat(prefix: str, table: dict[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        found += _flat(f"{prefix}{key}.", value) if isinstance(value, dict) else [(prefix + key, value)]
    return found


def _local(at_ms: int) -> datetime:
    # By addition: fromtimestamp() refuses years that a board with a wild clock may name.
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=min(at_ms, _LATEST_MS))).astimezone(ZONE)


_LATEST_MS = 253_370_000_000_000  # in the year 9998
