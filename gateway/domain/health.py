"""The gateway's own health: what was measured, and which faults that is. Pure.

Each fault begins and ends at different values, so that nothing flaps at a limit. What could not be measured (None) ends no fault: unknown
is never good. Seconds are monotonic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from gateway.domain.audiences import local
from gateway.domain.maintenance import Entry

if TYPE_CHECKING:
    from gateway.domain.situation import Turn

AWAY_S = 10.0  # a broker that is started again takes less
RESTARTS, RESTARTS_S = 3, 600.0
COOLER_C = 5
STEP_MS = 60_000  # by less a clock may be set that is synchronised now and then
STEPPED_S = 3600.0
NO_CLOCK_S = 300.0  # without a clock of its own, not yet synchronised: nobody knows the time
CHARGE_PCT = 30
MB = 1_000_000
CERTIFICATE_EARLY = timedelta(days=60)  # docs/board-life.md: clocks of boards may be months behind
NAMED = 5  # boards in the words of a fault


class Ending(NamedTuple):
    """Until when a certificate is good, and how long before its end that is a fault. `board`: whose, "" if it is no board's."""

    until_ms: int
    early_ms: int
    board: str = ""


class Power(NamedTuple):
    """What the gateway's supply says of itself; None: it does not say."""

    on_mains: bool | None = None
    charge_pct: int | None = None


class Reading(NamedTuple):
    """What was measured now; None: not to be had on this machine. Bytes, °C.

    `disk_errors`: counted by the file system. `synchronised`, `has_rtc`: the machine's clock. `connections`: to the broker since the
    start. `power`: None without a source that was set up; a Power of nothing if it gives no answer. `certificates`: by the fault that
    their end would be, None for those of which nobody can tell.
    """

    disk_free: int | None = None
    disk_total: int | None = None
    disk_readonly: bool | None = None
    disk_errors: int | None = None
    temperature_c: float | None = None
    synchronised: bool | None = None
    has_rtc: bool | None = None
    broker_up: bool | None = None
    connections: int = 0
    broker_bytes: int | None = None
    power: Power | None = None
    certificates: Mapping[str, tuple[Ending, ...] | None] = MappingProxyType({})


class Limits(NamedTuple):
    """Where a fault begins. `clock_min` 0: a clock that nobody synchronises is no fault here."""

    disk_free_mb: int = 500
    temperature_c: int = 80
    clock_min: int = 60
    broker_mb: int = 200


@dataclass
class Course:
    """What has gone on since this start: see `judge`."""

    unsynchronised_s: float | None = None
    away_s: float | None = None
    stepped_s: float | None = None
    connections: int = 0
    connected_s: list[float] = field(default_factory=list)


def judge(turn: "Turn", reading: Reading, limits: Limits) -> None:
    """Faults by what was measured now."""
    _disk(turn, reading, limits)
    if reading.temperature_c is not None:
        begins = limits.temperature_c - (COOLER_C if "temperature" in turn.situation.faults else 0)
        _say(turn, "temperature", f"{reading.temperature_c:.0f} °C", wrong=reading.temperature_c >= begins)
    _clock(turn, reading, limits)
    _broker(turn, reading, limits)
    _power(turn, reading.power)
    for key, found in reading.certificates.items():
        if found is not None:
            _certificate(turn, key, found)


def clock_set(turn: "Turn", by_ms: int) -> None:
    """The machine's clock was set."""
    if abs(by_ms) >= STEP_MS:
        turn.situation.course.stepped_s = turn.now.s
        turn.fault("clock_stepped", f"set by {by_ms / 1000:+.0f} s")


def _disk(turn: "Turn", reading: Reading, limits: Limits) -> None:
    if reading.disk_free is not None and reading.disk_total is not None:
        floor = min(limits.disk_free_mb * MB, reading.disk_total // 10)  # of a small disk a tenth
        ends = floor * 6 // 5 if "disk_space" in turn.situation.faults else floor
        _say(turn, "disk_space", f"{reading.disk_free // MB} MB free", wrong=reading.disk_free < ends)
    if reading.disk_readonly is not None:
        _say(turn, "disk_readonly", "mounted read-only", wrong=reading.disk_readonly)
    if reading.disk_errors is not None:
        _say(turn, "disk_errors", f"{reading.disk_errors} errors", wrong=reading.disk_errors > 0)


def _clock(turn: "Turn", reading: Reading, limits: Limits) -> None:
    course, now_s = turn.situation.course, turn.now.s
    if "clock_stepped" in turn.situation.faults:
        course.stepped_s = now_s if course.stepped_s is None else course.stepped_s
        if now_s - course.stepped_s >= STEPPED_S:
            turn.fault_over("clock_stepped")
    if reading.synchronised is None or not limits.clock_min:
        return
    if reading.synchronised:
        course.unsynchronised_s = None
        turn.fault_over("clock")
        return
    course.unsynchronised_s = now_s if course.unsynchronised_s is None else course.unsynchronised_s
    for_s = now_s - course.unsynchronised_s
    if reading.has_rtc is False and for_s >= NO_CLOCK_S:
        turn.fault("clock", "no clock of its own, and not synchronised")
    elif for_s >= limits.clock_min * 60:
        turn.fault("clock", "not synchronised")


def _broker(turn: "Turn", reading: Reading, limits: Limits) -> None:
    course, now_s = turn.situation.course, turn.now.s
    if reading.broker_up:
        if course.away_s is not None and "broker" not in turn.situation.faults:
            turn.effects.note([Entry(turn.now.ms, "", "broker", "gateway_ok", f"connected again within {now_s - course.away_s:.0f} s")])
        course.away_s = None
        turn.fault_over("broker")
    elif reading.broker_up is False:
        course.away_s = now_s if course.away_s is None else course.away_s
        if now_s - course.away_s >= AWAY_S:
            turn.fault("broker", "not connected")
    new = max(0, reading.connections - max(1, course.connections))  # the first is the start's
    course.connections = reading.connections
    course.connected_s = [at_s for at_s in course.connected_s if now_s - at_s < RESTARTS_S] + [now_s] * new
    if len(course.connected_s) >= RESTARTS:
        turn.fault("broker_restarts", f"{RESTARTS} times in {RESTARTS_S / 60:.0f} min")
    elif not course.connected_s:
        turn.fault_over("broker_restarts")
    if reading.broker_bytes is not None:
        ends = limits.broker_mb * MB * (4 if "broker_memory" in turn.situation.faults else 5) // 5
        _say(turn, "broker_memory", f"{reading.broker_bytes // MB} MB", wrong=reading.broker_bytes >= ends)


def _power(turn: "Turn", power: Power | None) -> None:
    if power is None:
        return
    if power == Power():
        turn.fault("ups", "nothing can be read from it")
        return
    charge = "" if power.charge_pct is None else f", battery {power.charge_pct} %"
    if power.on_mains is not None:
        _say(turn, "mains", f"on battery{charge}", wrong=not power.on_mains)
    if power.charge_pct is not None:
        _say(turn, "ups", f"battery {power.charge_pct} %", wrong=power.charge_pct < CHARGE_PCT)


def _certificate(turn: "Turn", key: str, found: tuple[Ending, ...]) -> None:
    """One fault for all of a kind, however many they are: with their number its words change, and nothing is logged or told anew."""
    soon = sorted(one for one in found if one.until_ms - turn.now.ms < one.early_ms)
    if not soon:
        turn.fault_over(key)
        return
    words = f"{'ended on' if soon[0].until_ms <= turn.now.ms else 'good until'} {local(soon[0].until_ms):%d/%m/%Y}"
    boards = [one.board for one in soon if one.board]
    if boards:
        words += ": " + ", ".join(boards[:NAMED]) + (f" and {len(boards) - NAMED} more" if len(boards) > NAMED else "")
    turn.fault(key, words, names=boards)


def _say(turn: "Turn", key: str, words: str, *, wrong: bool) -> None:
    """What lasts is not told anew for each number that changes."""
    if not wrong:
        turn.fault_over(key)
    elif key not in turn.situation.faults:
        turn.fault(key, words)
