"""What an incident or a fault is in SIA's event codes (SIA DC-03), and the data of its frame. Pure.

A receiver knows places by number: the area is the last number in the group's id, the point the last one in the place's (TLG-03, H03-07:
area 3, point 007). Names follow as text, in letters that every receiver can show.
"""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, get_args

from gateway.domain.maintenance import What
from protocol.incident import Incident

Trigger = Literal["M", "F", "G", "C", ""]  # Annex I, [T...]: by hand, fire or smoke detector, gas detector, contact

# Every code that may be sent, with its meaning. The table is printed in docs/police-receiver.md.
MEANING = {
    "FA": "fire alarm: button or smoke",
    "KA": "heat alarm",
    "GA": "gas alarm",
    "FH": "the cause of a fire alarm is gone",
    "FR": "fire alarm over",
    "PA": "SOS",
    "PH": "the cause of an SOS is gone",
    "PR": "SOS over",
    "FT": "detector or bell fault",
    "FJ": "detector or bell in order again",
    "FS": "fire point needs care: cabinet open, extinguisher gone, tank or pressure low",
    "FV": "fire point in order again",
    "FB": "point taken out of service",
    "FU": "point back in service",
    "FI": "drill or test begins",
    "FX": "point tested",
    "FK": "drill or test ends",
    "TA": "board opened",
    "TR": "board closed",
    "XT": "battery of a board low",
    "XR": "battery of a board in order",
    "YT": "battery of the gateway low",
    "YR": "battery of the gateway in order",
    "AT": "mains lost",
    "AR": "mains back",
    "UY": "board lost",
    "UJ": "board back",
    "YC": "a way to tell people does not work",
    "YK": "that way works again",
    "RP": "daily test of this connection",
    "RX": "test by hand",
    "RR": "gateway started",
}

ALARM: dict[str, tuple[str, Trigger, str]] = {
    "button": ("FA", "M", "CHAY, bam nut"),
    "smoke": ("FA", "F", "CHAY, dau bao khoi"),
    "heat": ("KA", "F", "CHAY, dau bao nhiet"),
    "gas": ("GA", "G", "RO KHI GAS"),
    "sos": ("PA", "M", "SOS, can giup"),
}
OVER = {"fire": "FR", "sos": "PR"}
DRILL = {"opened": "FI", "resolved": "FK"}

FAULT: dict[What, str] = {
    "extinguisher_taken": "FS",
    "extinguisher_back": "FV",
    "cabinet_open": "FS",
    "cabinet_closed": "FV",
    "pressure_low": "FS",
    "pressure_ok": "FV",
    "level_low": "FS",
    "level_ok": "FV",
    "battery_low": "XT",
    "battery_ok": "XR",
    "mains_lost": "AT",
    "mains_back": "AR",
    "tamper": "TA",
    "tamper_over": "TR",
    "point_fault": "FT",
    "point_ok": "FJ",
    "bell_fault": "FT",
    "bell_ok": "FJ",
    "board_lost": "UY",
    "board_back": "UJ",
}

AREA_MAX, POINT_MAX = 999, 999
_LATEST_MS = 253_370_000_000_000  # in the year 9998: a board with a wild clock may name a later one
TEXT_MAX, PLACE_MAX = 100, 160  # of the standard's own there is none; receivers cut what they cannot show


class Event(NamedTuple):
    """One event for a receiver; the fields of a delivery's body. `lat` and `lon` in WGS 84 degrees."""

    code: str
    area: int
    point: int
    text: str
    at_ms: int
    trigger: Trigger = ""
    location: str = ""
    lat: float | None = None
    lon: float | None = None


def of_incident(incident: Incident, news: str) -> Event | None:
    """What a receiver hears of `news` (gateway.domain.situation.News); None if nothing.

    A lone smoke contact is told when it is believed.
    """
    if news in ("opened", "re_alarmed") and incident.kind in OVER and incident.activations:
        return _alarm(incident)
    if incident.kind == "drill" and news in DRILL:
        text = f"DIEN TAP: {incident.group_name}"
        at_ms = incident.resolved_ms if news == "resolved" else incident.opened_ms
        return Event(DRILL[news], number(incident.group, AREA_MAX), 0, plain(text, TEXT_MAX), at_ms or 0)
    if news == "resolved" and incident.kind in OVER:
        text = f"KET THUC: {incident.group_name or incident.place.name}"
        return Event(OVER[incident.kind], number(incident.group, AREA_MAX), 0, plain(text, TEXT_MAX), incident.resolved_ms or 0)
    return None


def _alarm(incident: Incident) -> Event:
    newest = incident.activations[-1]
    code, trigger, words = ALARM.get(newest.type, ("FA", "", "CHAY"))
    place = newest.place
    where = "; ".join(part for part in (place.address, place.landmark, place.way_in) if part)
    return Event(
        code=code,
        area=number(incident.group, AREA_MAX),
        point=number(place.id or newest.device, POINT_MAX),
        text=plain(f"{words}: {place.name}", TEXT_MAX),
        at_ms=newest.at_ms,
        trigger=trigger,
        location=plain(where, PLACE_MAX),
        lat=place.lat,
        lon=place.lon,
    )


def of_fault(what: What, *, group: str | None, place: str, name: str, at_ms: int) -> Event | None:
    """What a receiver hears of an entry in the maintenance log about the place with this id and name; None if nothing."""
    code = FAULT.get(what)
    if code is None:
        return None
    return Event(code, number(group, AREA_MAX), number(place, POINT_MAX), plain(f"{what}: {name}", TEXT_MAX), at_ms)


def data(event: Event, account: str) -> str:
    """The message data of a SIA-DCS frame: account, new event, area, code and point (DC-03, 5.2). One event a frame: some receivers read
    only the first.
    """
    return f"#{account}|Nri{event.area}/{event.code}{event.point:03d}"


def extended(event: Event) -> tuple[str, ...]:
    """The extended data: trigger, text, place, position, time of occurrence (Annex I). The last, since an alarm may come late."""
    found = [f"T{event.trigger}"] if event.trigger else []
    found += [f"{letter}{text}" for letter, text in (("I", event.text), ("L", event.location)) if text]
    if event.lat is not None and event.lon is not None:
        found += [f"X{_angle(event.lon, 3, 'EW')}", f"Y{_angle(event.lat, 2, 'NS')}"]
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=min(event.at_ms, _LATEST_MS))
    return (*found, f"H{at.strftime('%H:%M:%S,%m-%d-%Y')}")


def number(ident: str | None, longest: int) -> int:
    """The last number in an id, its last digits if it is longer than `longest`; 0 without one."""
    digits = re.findall(r"[0-9]+", ident or "")
    return int(digits[-1]) % (longest + 1) if digits else 0


def plain(text: str, longest: int) -> str:
    """Vietnamese as ASCII, without the marks that have a meaning in a frame, at most `longest` letters.

    Receivers that expect ASCII drop a frame with other letters.
    """
    letters = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    kept = (letter if " " <= letter <= "~" and letter not in '[]|"' else " " for letter in letters if not unicodedata.combining(letter))
    return " ".join("".join(kept).split())[:longest].rstrip()


def event_of(body: dict[str, object]) -> Event:
    """The event in a delivery's body. Raises TypeError or ValueError for a body that is none."""
    event = Event(**body)  # type: ignore[arg-type]  # checked below
    if event.code not in MEANING or event.trigger not in get_args(Trigger):
        raise ValueError(f"expected a code of the table, got {event.code!r} with trigger {event.trigger!r}")
    return event


def _angle(degrees: float, width: int, signs: str) -> str:
    """105.912 as 105E54.720: degrees, letter, minutes."""
    minutes = round(abs(degrees) * 60_000)
    return f"{minutes // 60_000:0{width}d}{signs[degrees < 0]}{minutes % 60_000 / 1000:06.3f}"
