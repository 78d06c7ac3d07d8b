"""What the page says about the models, decided without I/O: order, tone, counts, what may be pressed, and what is not known."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from gateway.store.queries import DeviceRow
from protocol.messages import Activation, Bell, BellState, Incident, TimelineEntry

Tone = Literal["fire", "fault", "drill", "lost", "good", "plain"]

GRAVEST_FIRST = ("fire", "smoke", "sos")
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


class Health(NamedTuple):
    """Something measured: a tone, a key of the catalogue below `health.`, and the number in it."""

    tone: Tone
    key: str
    value: int | None = None


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
    """Silencing is offered while bells sound, acknowledging until somebody has."""
    return Card(
        incident=incident,
        tone="fault" if incident.kind == "sos" else "fire",
        alarm=incident.state == "open",
        proof=proof(incident),
        activations=list(reversed(incident.activations)),
        can_acknowledge=incident.state == "open",
        can_silence=incident.sounding,
    )


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


def device(row: DeviceRow, *, live: bool) -> Device:
    """One board; well only if it is online, reports no fault, and a live engine says so."""
    state = row.state if live else "unknown"
    tones: dict[str, Tone] = {"online": "good", "lost": "lost"}
    return Device(
        row=row,
        tone="fault" if row.faults and state == "online" else tones.get(state, "lost"),
        state=state,
        battery=battery(row.battery, live=live),
        mains=mains(row.mains, live=live),
        rssi=rssi(row.rssi, live=live),
    )


def battery(percent: int | None, *, live: bool) -> Health:
    """Not live: the number is an old one, and no number is good news."""
    if percent is None:
        return Health("plain", "unknown")
    tone: Tone = "fault" if percent < LOW_BATTERY else "good"
    return Health(tone if live or tone == "fault" else "plain", "low_battery" if tone == "fault" else "battery", percent)


def mains(present: bool | None, *, live: bool) -> Health:
    """Mains power, if the board can tell."""
    if present is None:
        return Health("plain", "unknown")
    if not present:
        return Health("fault", "no_mains")
    return Health("good" if live else "plain", "mains")


def rssi(dbm: int | None, *, live: bool) -> Health:
    """Wi-Fi signal in dBm."""
    if dbm is None:
        return Health("plain", "unknown")
    tone: Tone = "fault" if dbm < WEAK_DBM else "good"
    return Health(tone if live or tone == "fault" else "plain", "weak_signal" if tone == "fault" else "signal", dbm)


def timeline(incident: Incident) -> list[TimelineEntry]:
    """Newest first."""
    return list(reversed(incident.timeline))


def _urgency(incident: Incident) -> tuple[bool, bool, int, int, str]:
    newest = max((activation.at_ms for activation in incident.activations), default=incident.opened_ms)
    return (incident.state != "open", incident.late, GRAVEST_FIRST.index(incident.kind), -newest, incident.id)


def _rank(shown: Device) -> int:
    """Lost before unknown before faulty before well."""
    if shown.state != "online":
        return 0 if shown.state == "lost" else 1
    return 2 if shown.tone == "fault" else 3
