"""What the page says about the models, decided without I/O: order, tone, counts, what may be pressed, and what is not known."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from gateway.store.queries import DeviceRow
from protocol.incident import Activation, Bell, BellState, Incident

Tone = Literal["fire", "fault", "drill", "lost", "good", "plain"]

GRAVEST_FIRST = ("fire", "smoke", "sos", "drill")
TONES: dict[str, Tone] = {"fire": "fire", "smoke": "fire", "sos": "fault", "drill": "drill"}
SIGNS = {"fire": "▲", "smoke": "◆", "sos": "✚", "drill": "◇"}  # so that kinds differ by shape, too
# The symbols stand beside words or in front of names: never colour alone.
SYMBOLS: dict[BellState, str] = {"measured": "✓", "commanded": "▷", "waiting": "…", "silent": "✕", "fault": "!", "silenced": "–"}
OUTCOME_TONES: dict[str, Tone] = {"fire": "fire", "false_alarm": "fault", "drill": "drill", "test": "drill"}
WEAK_DBM = -80  # below it a Wi-Fi board loses messages
LOW_BATTERY = 20  # percent


class Proof(NamedTuple):
    """The bells of an incident's newest activation. Measured and commanded are never added up."""

    total: int
    measured: int
    commanded: int
    waiting: int
    unproven: list[Bell]  # silent, faulty and silenced ones: named
    bells: list[Bell]


class Card(NamedTuple):
    """An open incident as the desk sees it."""

    incident: Incident
    tone: Tone
    alarm: bool  # the page sounds
    proof: Proof
    activations: list[Activation]  # newest first
    can_acknowledge: bool
    can_silence: bool
    can_go: bool
    can_arrive: bool
    can_alarm_again: bool
    outcomes: tuple[str, ...]  # beside a false alarm, of which there is none in a drill


class Health(NamedTuple):
    """Something measured: a tone, a key of the catalogue below `health.`, the number in it, and whether it is an old number."""

    tone: Tone
    key: str
    value: int | None = None
    old: bool = False


class Device(NamedTuple):
    """A board as the desk sees it."""

    row: DeviceRow
    tone: Tone
    state: str  # key of the catalogue below `device.state.`
    battery: Health
    mains: Health
    rssi: Health


def cards(incidents: Iterable[Incident]) -> list[Card]:
    """Open incidents, the most urgent first: unanswered, then not late, then the gravest, then the newest activation."""
    return [card(incident) for incident in sorted(incidents, key=_urgency)]


def card(incident: Incident) -> Card:
    """Silencing is offered while bells sound, acknowledging until somebody has, raising again after either."""
    return Card(
        incident=incident,
        tone=TONES[incident.kind],
        alarm=incident.state == "open" and incident.kind != "drill",
        proof=proof(incident),
        activations=list(reversed(incident.activations)),
        can_acknowledge=incident.state == "open",
        can_silence=incident.sounding,
        can_go=incident.state in ("open", "acknowledged"),
        can_arrive=incident.state in ("open", "acknowledged", "on_the_way"),
        can_alarm_again=incident.state != "open" or not incident.sounding,
        outcomes=("drill", "test") if incident.kind == "drill" else ("fire", "drill", "test"),
    )


def called_114(incident: Incident) -> tuple[int, str] | None:
    """When and by whom 114 was called last, None if nobody has said so."""
    return next(((one.at_ms, one.who) for one in reversed(incident.timeline) if one.what == "called_114"), None)


def chosen(shown: Sequence[Card], wanted: str, before: str) -> str:
    """The incident to show whole: the one that somebody asked for, else the one that stood there before, while they are open; else the
    most urgent. What is under somebody's hand never changes because something else is more urgent now; "" if none is open.
    """
    known = {card.incident.id for card in shown}
    return next((ident for ident in (wanted, before) if ident in known), shown[0].incident.id if shown else "")


def proof(incident: Incident) -> Proof:
    """Those that do not ring for sure are named, the silent first."""
    named = [bell for state in ("silent", "fault", "silenced") for bell in incident.bells if bell.state == state]
    return Proof(
        total=len(incident.bells),
        measured=incident.count("measured"),
        commanded=incident.count("commanded"),
        waiting=incident.count("waiting"),
        unproven=named,
        bells=incident.bells,
    )


def history(recorded: Sequence[Incident], open_now: Iterable[Incident], *, live: bool) -> list[Incident]:
    """What is over. Without a live engine also what the database has as open and nobody has published: better twice than not at all."""
    cards_of = {incident.id for incident in open_now}
    return [one for one in recorded if one.state == "resolved" or (not live and one.id not in cards_of)]


def devices(rows: Sequence[DeviceRow], *, live: bool) -> list[Device]:
    """Boards, those that need somebody first. Without a live engine nobody knows how a board is now."""
    shown = [device(row, live=live) for row in rows]
    return sorted(shown, key=lambda one: (_rank(one), one.row.id))


def device_counts(shown: Sequence[Device]) -> dict[str, int]:
    """total, online, lost, unknown."""
    return {"total": len(shown)} | {state: sum(one.state == state for one in shown) for state in ("online", "lost", "unknown")}


def trouble_counts(shown: Sequence[Device]) -> dict[str, int]:
    """lost, unknown, and faulty: online and yet not well."""
    counts = device_counts(shown)
    return {"lost": counts["lost"], "unknown": counts["unknown"], "faulty": sum(one.tone == "fault" for one in shown)}


def device(row: DeviceRow, *, live: bool) -> Device:
    """One board; well only if it is online, reports no fault, measures well, and a live engine says so."""
    state = row.state if live else "unknown"
    fresh = state == "online"
    measured = (
        _reading(row.battery, "battery", "low_battery", bad=row.battery is not None and row.battery < LOW_BATTERY, fresh=fresh),
        _reading(row.mains, "mains", "no_mains", bad=row.mains is False, fresh=fresh),
        _reading(row.rssi, "signal", "weak_signal", bad=row.rssi is not None and row.rssi < WEAK_DBM, fresh=fresh),
    )
    faulty = bool(row.faults or row.troubles) or any(reading.tone == "fault" for reading in measured)
    return Device(row, "lost" if not fresh else "fault" if faulty else "good", state, *measured)


def _reading(value: int | None, good: str, bad_key: str, *, bad: bool, fresh: bool) -> Health:
    """What was never measured is not known; what an unreachable board measured is old, and never shown as good."""
    if value is None:
        return Health("plain", "unknown")
    if bad:
        return Health("fault", bad_key, value, old=not fresh)
    return Health("good" if fresh else "plain", good, value, old=not fresh)


def _urgency(incident: Incident) -> tuple[bool, bool, int, int, str]:
    newest = max((activation.at_ms for activation in incident.activations), default=incident.opened_ms)
    return (incident.state != "open", incident.late, GRAVEST_FIRST.index(incident.kind), -newest, incident.id)


def _rank(shown: Device) -> int:
    """Lost before unknown before faulty before well."""
    if shown.state != "online":
        return 0 if shown.state == "lost" else 1
    return 2 if shown.tone == "fault" else 3
