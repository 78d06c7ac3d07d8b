"""Which boards live, and what is wrong with them. Lost is a fault, never an alarm. Pure: the watch counts in monotonic seconds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from gateway.domain.maintenance import Entry, What
from protocol.messages import Birth, Report, Will

LOST_S = 80  # without any message: two reports of 30 s and their jitter are missing
CRASH = "board_crash: "  # before its words it is the key of a crash: what a board says of itself has its words alone
_WHATS = frozenset(get_args(What))


@dataclass(slots=True)
class Device:
    """One board as it is known now. Changed in place by the functions of this module and by nobody else.

    `life`, `boot`: its newest birth. `watched_s`: monotonic time of its last message, or of the start of the watch. `lost_ms`: since when
    it is lost. `app`: which bundle it runs, "" if none; `updating`: what its newest update over the air has come to. `faults`: fault (see
    `what_of`) -> words, all found since its newest birth and ending with the next. `shown`, `config`: the group, and the digest of the
    configuration, that its newest birth has named; `settled`: its group, once it has shown that it knows it. Until then it has the rights
    of both.
    """

    id: str
    kind: str
    place: str
    group: str | None
    placed: bool = True
    state: Literal["online", "lost", "unknown"] = "unknown"
    life: str | None = None
    boot: int | None = None
    born_ms: int | None = None
    watch_s: int = LOST_S
    watched_s: float = 0.0
    last_seen_ms: int | None = None
    lost_ms: int | None = None
    firmware: str = ""
    app: str = ""
    updating: str = ""
    rssi: int | None = None
    battery: int | None = None
    mains: bool | None = None
    refused: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    shown: str | None = None
    config: str = ""
    settled: str | None = None


def heard(device: Device, *, now_ms: int, now_s: float) -> list[Entry]:
    """Any live message of a board. Says so in the log if it was lost."""
    device.last_seen_ms = now_ms
    device.watched_s = now_s
    was, device.state, device.lost_ms = device.state, "online", None
    return [Entry(now_ms, device.id, "", "board_back")] if was == "lost" else []


def born(device: Device, birth: Birth, *, retained: bool, now_ms: int, now_s: float) -> list[Entry]:
    """A birth. A retained one proves only that the board lived at some time, so it starts the watch of a board not known as lost."""
    # Boots of different lives are not compared; an older one of the same life comes late.
    is_new_start = device.life != birth.life or device.boot is None or birth.boot > device.boot
    if not retained:
        entries = heard(device, now_ms=now_ms, now_s=now_s)
    elif device.state == "unknown" or (device.state == "lost" and is_new_start):
        entries = heard(device, now_ms=device.last_seen_ms or now_ms, now_s=now_s)
    else:
        entries = []
    if is_new_start:
        device.life, device.boot, device.born_ms = birth.life, birth.boot, now_ms
        device.faults = {}
    elif (device.life, device.boot) != (birth.life, birth.boot):
        return entries
    device.firmware, device.app, device.shown, device.config = birth.fw, birth.app or "", birth.group, birth.config or ""
    device.updating = " ".join((birth.update.state, birth.update.bundle, birth.update.error or "")).rstrip() if birth.update else ""
    device.watch_s = 2 * birth.next_s if birth.sleeping and birth.next_s else LOST_S
    if not device.placed:
        device.kind = birth.kind
    for words in birth.faults:
        entries += found(device, "board_fault", words, now_ms=now_ms, key=words)
    if birth.crash:
        entries += found(device, "board_crash", birth.crash, now_ms=now_ms, key=f"{CRASH}{birth.crash}")
    if birth.safe:
        entries += found(device, "safe_mode", "button, bell and network only, after three crashes", now_ms=now_ms)
    if device.placed and birth.group != device.group:
        words = f"configured for group {birth.group}, belongs to {device.group}"
        entries += found(device, "group_fault", words, now_ms=now_ms)
    return entries


def is_moving(device: Device) -> bool:
    """True for a board that has shown its group, and is settled in another or none. Which group it is, the site file says: a board that
    names any other has no rights there.
    """
    return device.group is not None and device.shown == device.group != device.settled


def settle(device: Device) -> str | None:
    """The board is of its group alone from now on. Returns the group that it was in before, None for none."""
    before, device.settled = device.settled, device.group
    return before


def dead(device: Device, will: Will, *, now_ms: int) -> list[Entry]:
    """A last will counts only for the newest birth: an old connection's may come late."""
    if (device.life, device.boot) != (will.life, will.boot):
        return []
    return _lost(device, "last will", now_ms)


def measured(device: Device, report: Report) -> None:
    """What a report says about the board itself."""
    device.rssi = report.rssi
    device.battery = report.battery
    device.mains = report.mains
    device.refused = report.refused


def is_any_silent(devices: Iterable[Device], *, now_s: float) -> bool:
    """Whether `silent` has something to say."""
    return any(device.state == "online" and now_s - device.watched_s >= device.watch_s for device in devices)


def silent(devices: Iterable[Device], *, now_ms: int, now_s: float) -> list[Entry]:
    """Boards that were heard once and now are not, for as long as their watch lasts."""
    entries = []
    for device in devices:
        if device.state == "online" and now_s - device.watched_s >= device.watch_s:
            entries += _lost(device, f"{device.watch_s} s without a message", now_ms)
    return entries


def found(device: Device, what: What, words: str, *, now_ms: int, key: str = "", point: str = "") -> list[Entry]:
    """A fault of a board, shown until its next start and logged once in that time."""
    key = key or what
    if key in device.faults:
        return []
    device.faults[key] = words
    return [Entry(now_ms, device.id, point, what, words)]


def what_of(key: str) -> What:
    """Which entry of the log a key of `Device.faults` belongs to. What a board says of itself in its birth has its own words as its key."""
    if key.startswith(CRASH):
        return "board_crash"
    return key if key in _WHATS else "board_fault"  # type: ignore[return-value]  # one of them


def _lost(device: Device, why: str, now_ms: int) -> list[Entry]:
    if device.state == "lost":
        return []
    device.state, device.lost_ms = "lost", now_ms
    return [Entry(now_ms, device.id, "", "board_lost", why)]
