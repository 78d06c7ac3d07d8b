"""Changes of boards' configurations by order: when one may go out, and what becomes of it. Acts on a turn; pure.

The board checks the change, tries it, and goes back by itself (docs/wire.md, Set config). Here one board of a group at a time is
allowed to, none during an alarm of its group, and what came of each is kept. Secrets go through in the order and are kept nowhere.
"""

import json
from typing import NamedTuple

from gateway.domain import incidents, rollout
from gateway.domain.maintenance import Entry
from gateway.domain.rows import Change
from gateway.domain.situation import Situation, Turn
from gateway.domain.supervision import Device
from gateway.domain.updates import Refusal
from protocol import config
from protocol.boards import ChangeState
from protocol.messages import Answer, Order

DISK = "disk"
# Three tries of three minutes, and what lies between them. A board that has not answered then holds up no other.
PATIENCE_MS = 900_000
ROLLED_BACK = "rolled back"  # how a board begins that had tried the change
UNKNOWN = "not supported: set"  # what it answers to the question for an order that it has not had


class Wish(NamedTuple):
    """What a person wants: `order`, as config.change() makes it, for this board."""

    device: str
    by: str
    order: Order


def order(turn: Turn, wish: Wish) -> Change:
    """Send it. Raises Refusal. Said again, it changes nothing."""
    situation, device = turn.situation, turn.situation.device(wish.device)
    known = situation.changes.get(device.id)
    if known is not None and known.order == wish.order.id:
        return known
    if known is not None and known.state == "ordered":
        _ask(turn, known)
        raise Refusal(f"expected no change of {device.id} under way, got one of {', '.join(known.keys)}, by {known.by}; the board is asked")
    if why := _why_not(situation, device, turn.now.ms):
        raise Refusal(why)
    before = json.loads(known.told) if known else {}
    change = Change(
        device=device.id,
        order=wish.order.id,
        by=wish.by,
        keys=tuple(wish.order.config or {}),
        at_ms=turn.now.ms,
        state="ordered",
        before=_text(before),
        after=_text(config.amended(before, wish.order)),
    )
    _put(turn, change)
    turn.effects.note([Entry(turn.now.ms, device.id, "", "config_ordered", _title(change))])
    turn.effects.errands.append((device.id, wish.order))
    return change


def flashed(turn: Turn, device: str, by: str, told: dict[str, object]) -> None:
    """The bench has written the configuration anew: whatever was ordered before is over."""
    _put(turn, Change(device, "", by, (), turn.now.ms, "applied", before="{}", after=_text(told)))


def answered(turn: Turn, ident: str, answer: Answer) -> None:
    """A board has answered an order."""
    known = turn.situation.changes.get(ident)
    if known is None or known.order != answer.id or known.state != "ordered":
        return
    words = "" if answer.ok else answer.error or "no reason given"
    state: ChangeState = "applied"
    if words:
        state = "missed" if words == UNKNOWN else "rolled_back" if words.startswith(ROLLED_BACK) else "refused"
    _put(turn, known._replace(state=state, ended_ms=turn.now.ms, words=words))
    told = _title(known) if answer.ok else f"{_title(known)}: {'the order did not reach the board' if state == 'missed' else words}"
    turn.effects.note([Entry(turn.now.ms, ident, "", "config_changed" if answer.ok else "config_failed", told)])
    if state == "rolled_back":
        turn.situation.device(ident).faults["config_failed"] = words  # until its next start: the person who waited may have gone home


def born(turn: Turn, device: Device) -> None:
    """A board is there: what became of a change whose answer was lost, with an engine or a connection?"""
    known = turn.situation.changes.get(device.id)
    if known is not None and known.state == "ordered":
        _ask(turn, known)


def undecided(situation: Situation, now_ms: int) -> list[str]:
    """Boards that try a change, as far as is known."""
    return [one.device for one in situation.changes.values() if one.state == "ordered" and abs(now_ms - one.at_ms) < PATIENCE_MS]


def _why_not(situation: Situation, device: Device, now_ms: int) -> str:
    """Why this board is not sent a change now, "" if it can be."""
    if device.state != "online":
        return f"expected {device.id} to be online, got {device.state}: only a board that hears it can try a change"
    if DISK in situation.faults:
        return "expected a disk that can be written, got one that takes nothing"
    groups = _groups(device)
    if going := [one.id for group in groups for one in incidents.unresolved(situation.of_group(group))]:
        return f"expected no alarm and no drill in the group of {device.id}, got {going[0]}: again when it is over"
    if busy := [one for one in (*undecided(situation, now_ms), *situation.tests) if groups & _groups(situation.device(one))]:
        return (
            f"expected one board of a group at a time, got {busy[0]} with a change or a test of its bell under way: again when it is over"
        )
    if updated := [row.device for row in rollout.under_way(situation) if groups & _groups(situation.device(row.device))]:
        return f"expected no update over the air in the group of {device.id}, got {updated[0]}: again when it is over"
    return ""


def _groups(device: Device) -> set[str | None]:
    """Where neighbours count on its bell; a board without a group is alone."""
    return {group for group in (device.group, device.settled, device.shown) if group} or {f" {device.id}"}


def _ask(turn: Turn, known: Change) -> None:
    """What became of the order? One with its id is answered as it was; a board that has not had it knows no such order."""
    turn.effects.errands.append((known.device, Order(id=known.order, do="set", valid_s=config.VALID_S)))


def _put(turn: Turn, change: Change) -> None:
    turn.situation.changes[change.device] = turn.effects.changes[change.device] = change


def _title(change: Change) -> str:
    return f"{', '.join(change.keys)}, by {change.by}"


def _text(told: dict[str, object]) -> str:
    return json.dumps(told, ensure_ascii=False)
