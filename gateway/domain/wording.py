"""What people are told of an incident, in Vietnamese and short. Pure."""

import unicodedata
from collections.abc import Sequence

from gateway.domain.audiences import local
from gateway.domain.incidents import Incident
from protocol.incident import Place
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
# What is wrong, for people who are sent to repair it. The desk has its own words, in two languages.
_FAULTS: dict[str, str] = {
    "area": "mất điện/mạng {name}",
    "sms": "modem SMS hỏng",
    "sia": "trung tâm {name} không nhận tin",
    "apprise": "không gửi được qua {name}",
    "disk": "ổ đĩa không ghi được",
    "disk_space": "ổ đĩa sắp đầy",
    "disk_readonly": "ổ đĩa chỉ đọc",
    "disk_errors": "thẻ nhớ lỗi, cần thay",
    "database": "cơ sở dữ liệu hỏng",
    "temperature": "máy chủ quá nóng",
    "clock": "đồng hồ sai",
    "clock_stepped": "đồng hồ bị chỉnh",
    "certificate_authority": "chứng thư gốc sắp hết hạn",
    "certificate_broker": "chứng thư trạm MQTT sắp hết hạn",
    "certificate_boards": "chứng thư thiết bị sắp hết hạn",
    "certificate_page": "chứng thư trang web sắp hết hạn",
    "broker": "mất trạm MQTT",
    "broker_restarts": "trạm MQTT khởi động lại liên tục",
    "broker_memory": "trạm MQTT đầy bộ nhớ",
    "mains": "máy chủ mất điện lưới",
    "ups": "pin dự phòng yếu",
    "desk": "không có bàn trực mở tiếng",
    "roster": "không có ai trực",
    "ladder": "không báo được cho ai",
    "canary": "kênh {name} chưa thử thông",
    "update": "cập nhật {name} bị dừng",
}
CANARY = "Kẻng: thử kênh hằng ngày, không phải báo động."
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


def fault(kind: str, name: str) -> str:
    """One fault in a few words."""
    return _FAULTS.get(kind, f"{kind} {name}".rstrip()).format(name=name)


def faults(found: Sequence[tuple[str, str]], *, now_ms: int, longest: int) -> str:
    """All that is wrong, (kind, name) each, in one message of so many letters: what does not fit is counted."""
    head, tail = "Kẻng báo lỗi: ", f" {local(now_ms):%H:%M}"
    words = [fault(kind, name) for kind, name in found]
    for shown in range(len(words), 0, -1):
        rest = f" (+{len(words) - shown})" if shown < len(words) else ""
        text = f"{head}{'; '.join(words[:shown])}{rest}.{tail}"
        if len(text) <= longest:
            return unicodedata.normalize("NFC", text)
    rest = f" (+{len(words) - 1})" if len(words) > 1 else ""
    return unicodedata.normalize("NFC", f"{head}{_cut(words[0], longest - len(head) - len(rest) - len(tail) - 1)}{rest}.{tail}")


def canary(now_ms: int) -> str:
    """What a canary says: nobody shall take it for an alarm."""
    return f"{CANARY} {local(now_ms):%H:%M}"


def is_canary(text: str) -> bool:
    """True for a canary that comes back, with or without its accents."""
    return _bare(text).startswith(_bare(CANARY))


def _bare(text: str) -> str:
    letters = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in letters.casefold() if letter.isalnum() and letter.isascii())


def _place(incident: Incident) -> Place:
    return incident.activations[-1].place if incident.activations else incident.place


def _short(name: str) -> str:
    """A home's name without what stands in brackets, its people: 60 characters must carry everything."""
    return name.partition(" (")[0]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip(" ,") + "…"
