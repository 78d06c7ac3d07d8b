"""Each channel proves once a day that it works; one that has not is a fault. Pure; Unix milliseconds.

At a time of the day a canary goes out over every channel that nothing real has got through since the day before: by the same table and
queue as an alarm, behind all of them. What proves a channel is that something has arrived: PROVES. A day is decided on once: `slot_ms` is
on the disk, so neither a start nor a clock that is set repeats it, and none skips more than one.
"""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from functools import partial
from typing import NamedTuple

from gateway.domain import audiences, incidents
from gateway.domain.placing import is_due
from gateway.domain.rows import Canary, DeliveryRow
from gateway.domain.situation import Act, Now, Situation, Turn
from protocol.incident import Delivery, DeliveryState

CANARY = "canary"  # what its delivery is about, and the kind of its fault
DAY_MS = 86_400_000
YOUNG_MS = 3_600_000  # nobody's first hour begins with a canary
WINDOW_MS = 8 * 3_600_000  # later than this on its day it is left out: it may be night
PHONES = ("sms", "voice")
PROGRAMS = ("webhook", "sia")
WRITE_MS = 600_000  # a proof that says nothing new is written so often
# How far a message must have come to prove its channel: the modem or a service may take what arrives nowhere.
PROVES: dict[str, tuple[DeliveryState, ...]] = {
    "sms": ("delivered", "acknowledged"),
    "voice": ("handed", "delivered", "acknowledged"),  # it has rung
    "apprise": ("handed", "delivered", "acknowledged"),  # no more is known but from people
    "webhook": ("delivered",),
    "sia": ("delivered",),
}


class Probe(NamedTuple):
    """How a channel proves itself. `sends`: by a canary to `address`; else what watches over the channel says so (see `supervised`).

    `returns`: the canary goes to the sender's own number, and only its return counts.
    """

    sends: bool = True
    address: str = ""
    person: str = ""
    returns: bool = False


class Plan(NamedTuple):
    """When, and how long a canary may take. `probes`: every channel that shall prove itself."""

    at: time = time(8, 30)
    patience_ms: int = 7_200_000
    probes: Mapping[str, Probe] = {}


def begin(turn: Turn, plan: Plan) -> None:
    """To be called at a start: watch what is set up now, and nothing else."""
    for channel in turn.situation.canaries.keys() - plan.probes.keys():
        del turn.situation.canaries[channel]
        turn.effects.canaries[channel] = None
        turn.fault_over(_key(channel))
    for channel in plan.probes.keys() - turn.situation.canaries.keys():
        # What would be due within the first hour is left out.
        _put(turn, channel, Canary(turn.now.ms, slot_ms=slot(plan.at, turn.now.ms + YOUNG_MS)))


def due(situation: Situation, plan: Plan, now: Now) -> list[Act]:
    """What time alone does now."""
    newest_ms = slot(plan.at, now.ms)
    found = [channel for channel, canary in situation.canaries.items() if _has_come(canary, plan, newest_ms, now.ms)]
    is_calm = bool(found) and incidents.is_calm(situation.incidents.values(), now.ms)
    if not is_calm:  # an alarm has all channels for itself
        found = [channel for channel in found if _is_overdue(situation.canaries[channel], plan, now.ms)]
    return [partial(_step, plan=plan, channel=channel) for channel in found]


def prove(turn: Turn, plan: Plan, channel: str) -> str:
    """Somebody wants to know now whether a channel works: its canary goes out, beside that of the day. What is wrong with that, "" if
    nothing is; one that is under way is not sent twice.
    """
    probe, canary = plan.probes.get(channel), turn.situation.canaries.get(channel)
    if probe is None or canary is None:
        known = f"one of {', '.join(sorted(plan.probes))}" if plan.probes else "a channel that is set up, and none is"
        return f"expected {known}, got {channel}"
    if not probe.sends:
        return f"{channel} is watched and gets no canary; last proof: {_last_proof(canary)}"
    if channel in PHONES and not probe.address:
        return "there is nobody to send a canary to: [canary] in the settings"
    if not incidents.is_calm(turn.situation.incidents.values(), turn.now.ms):
        return "an alarm of the last hour is open: it has all channels for itself"
    if not canary.delivery:
        _send(turn, channel, probe, canary.slot_ms)
    return ""


def told(turn: Turn, row: DeliveryRow, plan: Plan) -> None:
    """A channel has said how far a message has come, an alarm's or a canary's."""
    channel, delivery = row.delivery.channel, row.delivery
    is_canary = delivery.what == CANARY
    probe = plan.probes.get(channel)
    if probe is None or channel not in turn.situation.canaries:
        return  # it need not prove itself
    canary = turn.situation.canaries[channel]
    if is_canary and delivery.id == canary.delivery and delivery.state != "waiting":
        _put(turn, channel, canary._replace(delivery=0))  # out of our hands; a report may come still
    taken_by = f"sia:{row.reference}" if channel.startswith("sia:") and row.reference else channel
    if delivery.state in PROVES[channel.partition(":")[0]] and not (is_canary and probe.returns):
        # What a fallback has taken says nothing of the one that did not take it.
        if taken_by in turn.situation.canaries:
            _proved(turn, taken_by, is_real=not is_canary)
    elif delivery.state == "failed" and is_canary and delivery.id == canary.delivery and canary.asked_ms is not None:
        _failed(turn, channel, delivery.error or "it was given up")


def supervised(turn: Turn, channel: str, plan: Plan) -> None:
    """What watches over a channel has found that it works, or its canary has come back."""
    probe = plan.probes.get(channel)
    if probe is not None and channel in turn.situation.canaries and (probe.returns or not probe.sends):
        _proved(turn, channel, is_real=False)


def clock_set(turn: Turn, by_ms: int) -> None:
    """The clock was set: a canary that is under way has as long as before. A proof stays as it was told; in the future it is none."""
    for channel, canary in turn.situation.canaries.items():
        if canary.asked_ms is not None:
            _put(turn, channel, canary._replace(asked_ms=max(0, canary.asked_ms + by_ms)))


def slot(at: time, now_ms: int) -> int:
    """The last time that it was this time of the day in Vietnam."""
    now = audiences.local(now_ms)
    found = datetime.combine(now.date(), at, audiences.VIETNAM)
    return int((found if found <= now else found - timedelta(days=1)).timestamp() * 1000)


def _has_come(canary: Canary, plan: Plan, newest_ms: int, now_ms: int) -> bool:
    is_new = newest_ms > canary.slot_ms or canary.slot_ms - now_ms > DAY_MS
    return is_new or _is_overdue(canary, plan, now_ms) or _is_again(canary, plan, newest_ms, now_ms)


def _is_overdue(canary: Canary, plan: Plan, now_ms: int) -> bool:
    return canary.asked_ms is not None and not canary.failed and is_due(canary.asked_ms, plan.patience_ms, now_ms)


def _is_again(canary: Canary, plan: Plan, newest_ms: int, now_ms: int) -> bool:
    """One that has failed is tried again on its day, so that a repair is seen."""
    if not canary.failed or canary.delivery or canary.asked_ms is None or now_ms - newest_ms > WINDOW_MS:
        return False
    return newest_ms == canary.slot_ms and is_due(canary.asked_ms, plan.patience_ms, now_ms)


def _step(turn: Turn, *, plan: Plan, channel: str) -> None:
    probe, now_ms = plan.probes[channel], turn.now.ms
    # Asked anew: since it was asked first an alarm may have come, or the clock was set and the alarm of just now looked a year old.
    is_calm = incidents.is_calm(turn.situation.incidents.values(), now_ms)
    newest_ms = slot(plan.at, now_ms)
    if _is_overdue(turn.situation.canaries[channel], plan, now_ms):
        _overdue(turn, channel, f"nothing has arrived within {plan.patience_ms // 60_000} min")
    canary = turn.situation.canaries[channel]
    if is_calm and _is_again(canary, plan, newest_ms, now_ms):
        _send(turn, channel, probe, newest_ms)
    elif canary.slot_ms - now_ms > DAY_MS:
        _put(turn, channel, canary._replace(slot_ms=newest_ms))  # the clock was set back: the next day is the next
    elif newest_ms > canary.slot_ms:
        _day(turn, channel, probe, newest_ms, is_calm=is_calm)


def _day(turn: Turn, channel: str, probe: Probe, newest_ms: int, *, is_calm: bool) -> None:
    """A day's time has come."""
    canary, now_ms = turn.situation.canaries[channel], turn.now.ms
    is_late = now_ms - newest_ms > WINDOW_MS  # it may be night
    needs = probe.sends and not is_late and not canary.delivery and not _within(canary.real_ms, newest_ms - DAY_MS, now_ms)
    if needs and not is_calm:
        return  # people have other things to read; its time will come, or the day is left out
    if needs and (probe.address or channel not in PHONES):
        _send(turn, channel, probe, newest_ms)
        return
    _put(turn, channel, canary._replace(slot_ms=newest_ms))
    if needs:
        _failed(turn, channel, "there is nobody to send a canary to")
    elif not probe.sends and not _within(canary.proved_ms, newest_ms - DAY_MS, now_ms):
        _failed(turn, channel, "it has not worked for a day")


def _overdue(turn: Turn, channel: str, why: str) -> None:
    """It is a fault now. Nobody is sent it later, at night; what goes to a program may still arrive and prove that it is well again."""
    if channel.partition(":")[0] not in PROGRAMS:
        _withdraw(turn, channel, "withdrawn: too late")
    _failed(turn, channel, why)


def _withdraw(turn: Turn, channel: str, why: str) -> None:
    """A canary that was not sent yet is not sent any more."""
    canary = turn.situation.canaries[channel]
    if canary.delivery:
        gone = Delivery(id=canary.delivery, channel=channel, what=CANARY, state="failed", tries=0, at_ms=turn.now.ms, error=why)
        turn.effects.tried.append(DeliveryRow("", gone))
        turn.effects.withdrawn.append(canary.delivery)
        _put(turn, channel, canary._replace(delivery=0))


def _send(turn: Turn, channel: str, probe: Probe, slot_ms: int) -> None:
    number = turn.situation.next_delivery
    turn.situation.next_delivery += 1
    now_ms = turn.now.ms
    delivery = Delivery(
        id=number, channel=channel, what=CANARY, person=probe.person, state="waiting", tries=0, at_ms=now_ms, decided_ms=now_ms
    )
    turn.effects.deliveries.append(DeliveryRow("", delivery, probe.address, now_ms))
    canary = turn.situation.canaries[channel]
    _put(turn, channel, canary._replace(slot_ms=slot_ms, asked_ms=now_ms, delivery=number, failed=""))


def _proved(turn: Turn, channel: str, *, is_real: bool) -> None:
    _withdraw(turn, channel, "withdrawn: no longer needed")
    canary, now_ms = turn.situation.canaries[channel], turn.now.ms
    after = canary._replace(proved_ms=now_ms, real_ms=now_ms if is_real else canary.real_ms, asked_ms=None, failed="")
    known_ms = canary.real_ms if is_real else canary.proved_ms
    is_news = canary.asked_ms is not None or canary.failed or known_ms is None or not 0 <= now_ms - known_ms < WRITE_MS
    if is_news:
        _put(turn, channel, after)
    turn.fault_over(_key(channel))


def _failed(turn: Turn, channel: str, why: str) -> None:
    canary = turn.situation.canaries[channel]
    _put(turn, channel, canary._replace(failed=why))
    turn.fault(_key(channel), f"{why}; last proof: {_last_proof(canary)}", name=channel)


def _last_proof(canary: Canary) -> str:
    return f"{audiences.local(canary.proved_ms):%d/%m/%Y %H:%M}" if canary.proved_ms else "never"


def _put(turn: Turn, channel: str, canary: Canary) -> None:
    turn.situation.canaries[channel] = turn.effects.canaries[channel] = canary


def _within(at_ms: int | None, first_ms: int, now_ms: int) -> bool:
    return at_ms is not None and first_ms <= at_ms <= now_ms


def _key(channel: str) -> str:
    return f"{CANARY}:{channel}"
