"""What people are told of an incident, in Vietnamese and short. Pure."""

import unicodedata

from gateway.domain.audiences import local
from gateway.domain.incidents import Incident
from protocol.messages import Place
from protocol.policy import Cause

# One segment of 140 octets (3GPP TS 23.040), with accents (UCS-2) and without (7 bits a letter).
SMS_MAX = 70
SMS_PLAIN_MAX = 160
_HEAD: dict[Cause, str] = {
    "fire": "CHÁY!",
    "smoke": "KHÓI, hãy kiểm tra!",
    "sos": "SOS!",
    "silent_sos": "SOS thầm lặng!",
    "late": "Báo cháy đến muộn:",
    "drill": "DIỄN TẬP:",
}
_TAIL: dict[Cause, str] = {"fire": "Gọi 114.", "sos": "Gọi 113."}


def sms(incident: Incident, cause: Cause, *, now_ms: int, longest: int = SMS_MAX) -> str:
    """One SMS of so many letters: what, where, what to do, when. The address is cut before anything else is."""
    place = _place(incident)
    tail = f"{_TAIL.get(cause, '')} {local(now_ms):%H:%M}".strip()
    room = longest - len(_HEAD[cause]) - len(tail) - 3
    where = ", ".join(part for part in (_short(place.name), place.address) if part)
    return unicodedata.normalize("NFC", f"{_HEAD[cause]} {_cut(where, room)}. {tail}")


def title(incident: Incident, cause: Cause) -> str:
    """The first line of a longer message."""
    return f"{_HEAD[cause]} {_place(incident).name}"


def body(incident: Incident, cause: Cause) -> str:
    """The rest of it: everything that helps to get there."""
    place = _place(incident)
    lines = [place.address, place.landmark, place.way_in and f"Đường vào: {place.way_in}", _TAIL.get(cause, "")]
    if place.lat is not None and place.lon is not None:
        lines.append(f"{place.lat:.5f}, {place.lon:.5f}")
    return "\n".join([*(line for line in lines if line), f"{local(incident.opened_ms):%H:%M %d/%m/%Y}, {incident.id}"])


def _place(incident: Incident) -> Place:
    return incident.activations[-1].place if incident.activations else incident.place


def _short(name: str) -> str:
    """A home's name without what stands in brackets, its people: 60 characters must carry everything."""
    return name.partition(" (")[0]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip(" ,") + "…"
