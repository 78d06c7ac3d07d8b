"""Updates over the air: what people order, what boards say, and what time makes of it. Acts on a turn; pure.

One campaign at a time. No board is asked during an alarm, none of a group while another of it is under way, and none that is not well. What
goes wrong halts the campaign, and a person decides how it goes on. Boards under way go on by themselves meanwhile.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from gateway.domain import incidents
from gateway.domain.campaigns import FAILED, UNDER_WAY, BoardState, Campaign, Pace, Progress, Release, Step, count
from gateway.domain.maintenance import FAULTS, Entry, What
from gateway.domain.situation import Situation, Turn
from gateway.domain.supervision import Device
from protocol.messages import Answer, Birth, Order
from protocol.updates import parse_version

FAULT = "update"
DISK = "disk"
VALID_S = 60  # an order that a broker keeps for longer is not meant any more
EVERY_S = 2.0
AGAIN_S = 30.0  # no answer to an order: once more
ANSWER_S = 150.0
RESUME_S = 300.0  # no step: the board may have dropped it, asked again it goes on where it was
BUSY_S = 600.0
AWAY_S = 60.0  # a restart takes less
LOST_S = 300.0  # of a board on trial: it starts anew twice at most, each time with Wi-Fi, broker and clock
TRIES_MAX = 5
OPEN_MS = 30 * 86_400_000
BUSY = "busy"  # how a board's answer begins that can be asked later


class Refusal(ValueError):
    """This cannot be ordered now; the text says what was expected and what came."""


class Wish(NamedTuple):
    """What a person wants to begin. `command`: the id under which it was said, maybe again. `boards`: the boards that it is for; `types`:
    board -> its type, where the bench has told it.
    """

    release: Release
    by: str
    command: str
    boards: tuple[str, ...]
    types: dict[str, str]
    sizes: tuple[int, ...]
    downgrade: bool
    at_once: int
    soak_s: int
    within_s: int


def begin(turn: Turn, wish: Wish) -> Campaign:
    """Begin a campaign. Raises Refusal."""
    situation, release = turn.situation, wish.release
    known = situation.campaign
    if known is not None and (known.by, known.command) == (wish.by, wish.command):
        return known  # the answer was lost, perhaps with the engine that gave it
    if known is not None and not known.is_over:
        raise Refusal(f"expected no campaign under way, got number {known.number} ({known.release.version}), {known.state}: end it first")
    of_type = [board for board in wish.boards if wish.types.get(board, release.board) == release.board]
    rows = {board: _row(situation.device(board), release, turn.now.ms) for board in of_type}
    if not count(rows.values(), "waiting"):
        raise Refusal(f"expected a board of the type {release.board} without {release.version} ({release.bundle}), got none")
    newer = [board for board in of_type if rows[board].state == "waiting" and _is_newer(situation.device(board).firmware, release.version)]
    if newer and not wish.downgrade:
        raise Refusal(
            f"expected boards with {release.version} or older, got {_named(newer)} with a newer one: --downgrade if that is meant"
        )
    number = situation.next_campaign
    situation.next_campaign += 1
    campaign = Campaign(
        number=number,
        release=release,
        by=wish.by,
        command=wish.command,
        began_ms=turn.now.ms,
        sizes=wish.sizes,
        downgrade=wish.downgrade,
        at_once=wish.at_once,
        soak_s=wish.soak_s,
        within_s=wish.within_s,
    )
    situation.updates, situation.pace = {}, Pace()
    for row in rows.values():
        _put_board(turn, row)
    _put(turn, campaign)
    _log(turn, "update_begun", f"{_title(campaign)}, {count(rows.values(), 'waiting')} boards, by {wish.by}")
    return campaign


def halt(turn: Turn, by: str) -> Campaign:
    """Ask no further boards until somebody resumes it. Raises Refusal."""
    campaign = _current(turn, "open")
    after = _put(turn, replace(campaign, state="halted", why=f"by {by}"))
    _log(turn, "update_halted", f"{_title(campaign)}, by {by}")
    return after


def resume(turn: Turn, by: str, *, retry: bool) -> Campaign:
    """Go on. `retry`: ask those again that have failed. Raises Refusal."""
    campaign = _current(turn, "halted")
    for row in list(turn.situation.updates.values()) if retry else ():
        if row.state in FAILED:
            _put_board(turn, replace(row, state="waiting", tries=0, wave=0, at_ms=turn.now.ms))
    after = _put(turn, replace(campaign, state="open", why=""))
    turn.situation.pace.through_s = None
    turn.fault_over(FAULT, f"by {by}")
    _log(turn, "update_resumed", f"{_title(campaign)}, by {by}")
    return after


def end(turn: Turn, by: str) -> Campaign:
    """End it: no board is asked any more, and nothing more is sent to those under way. Raises Refusal."""
    return _end(turn, _current(turn, "open", "halted"), by, f"by {by}")


def born(turn: Turn, device: Device, birth: Birth, *, retained: bool) -> None:
    """A board has said what it runs and how far it is."""
    row, campaign = turn.situation.updates.get(device.id), turn.situation.campaign
    if row is None or campaign is None or campaign.is_over:
        return
    has_it = birth.app == campaign.release.bundle
    said = birth.update if birth.update is not None and birth.update.bundle == campaign.release.bundle else None
    if (has_it and said is None) or (has_it and said is not None and said.state == "kept"):
        if row.state not in ("kept", "had"):
            _finish(turn, row, "had" if row.state == "waiting" else "kept")
    elif row.state in UNDER_WAY and said is not None and said.state in ("fetching", "verified", "trial"):
        # Of a bundle that was begun before: it goes on when it is asked, not by itself.
        _moved(turn, row, "fetching" if said.state == "fetching" else "trial", said.state)
    elif (
        said is not None and said.state == "rolled_back" and birth.start != row.start and row.state in ("fetching", "trial", "lost", "late")
    ):
        _failed(turn, row, "rolled_back", said.error or "no reason given")
    elif said is not None and said.state == "refused" and row.state in ("fetching", "trial") and not retained:
        _failed(turn, row, "refused", said.error or "no reason given")
    elif row.state in UNDER_WAY and (birth.start != row.start or (row.state != "ordered" and not retained)):
        # Nothing of this order, or only the end of an earlier try of the same bundle.
        _begun_anew(turn, row)


def answered(turn: Turn, ident: str, answer: Answer) -> None:
    """A board has answered an order."""
    row = turn.situation.updates.get(ident)
    if row is None or row.order != answer.id or row.state not in UNDER_WAY or _over(turn.situation):
        return
    words = answer.error or "no reason given"
    if answer.ok:
        if row.state == "ordered":
            _moved(turn, row, "fetching", "")
    elif words.startswith(BUSY):
        turn.situation.pace.not_before_s[ident] = turn.now.s + BUSY_S
        _wait(turn, row, words)
    elif row.state == "ordered":
        _failed(turn, row, "refused", words)
    else:
        _failed(turn, row, "rolled_back" if row.state == "trial" else "refused", words)


def fetched(turn: Turn, ident: str, *, whole: bool) -> None:
    """A board has begun to fetch, or (`whole`) was sent the last piece."""
    row = turn.situation.updates.get(ident)
    if row is None or row.state not in ("ordered", "fetching") or _over(turn.situation):
        return
    if whole or row.state == "ordered":
        _moved(turn, row, "trial" if whole else "fetching", "")


def is_offered(situation: Situation, ident: str, bundle: str) -> bool:
    """Whether pieces of this bundle may be sent to this board."""
    row, campaign = situation.updates.get(ident), situation.campaign
    is_its = campaign is not None and not campaign.is_over and campaign.release.bundle == bundle
    return is_its and row is not None and row.state in UNDER_WAY


def is_due(situation: Situation, now_s: float) -> bool:
    """Whether `step` is to be done now."""
    return situation.campaign is not None and not situation.campaign.is_over and now_s >= situation.pace.next_s


def may_go_on(situation: Situation) -> bool:
    """False during an alarm of any kind, a drill among them, and while the disk takes nothing: what is decided must outlive a start."""
    return DISK not in situation.faults and not incidents.unresolved(situation.incidents.values())


def step(turn: Turn) -> None:
    """What time changes: boards that are lost or late, the next wave, the next orders. During an alarm it stands still."""
    situation, pace = turn.situation, turn.situation.pace
    if situation.campaign is None or situation.campaign.is_over:
        return
    pace.next_s = turn.now.s + EVERY_S
    if not pace.looked:
        pace.looked = True
        _let_go(turn)
    if not may_go_on(situation):
        for row in _under_way(situation):
            _stand_still(pace.step(row.device, turn.now.s), turn.now.s)
        return
    for row in _under_way(situation):
        _look_after(turn, row)
    if situation.campaign.state == "open":
        _advance(turn, situation.campaign)


def why_not(situation: Situation, row: Progress) -> str:
    """Why a board that waits is not asked now, "" if it can be."""
    device = situation.device(row.device)
    if device.state != "online":
        return "offline"
    bell, mains, battery = (situation.points.get((row.device, point)) for point in ("bell", "mains", "battery"))
    if bell is not None and bell.state in FAULTS:
        return "its bell is faulty"
    if device.mains is False or (mains is not None and mains.state == "active"):
        return "no mains"
    if battery is not None and battery.state == "active":
        return "battery low"
    return "safe mode" if "safe_mode" in device.faults else ""


def _let_go(turn: Turn) -> None:
    """Boards that the commune's description does not have any more."""
    for row in list(turn.situation.updates.values()):
        if row.state in ("waiting", *UNDER_WAY) and turn.situation.commune.place_of(row.device).id is None:
            _put_board(turn, replace(row, state="gone", at_ms=turn.now.ms, words="no longer in the commune's description"))


def _look_after(turn: Turn, row: Progress) -> None:
    """A board under way: is it there, does it answer, does it make steps?"""
    situation, now_s = turn.situation, turn.now.s
    device, known = situation.device(row.device), situation.pace.step(row.device, now_s)
    if device.state == "lost":
        if any(area.key in situation.outages for area in situation.commune.areas_of(row.device)):
            _stand_still(known, now_s)  # not its update is to blame: the whole area has no power or network
            return
        known.gone_s = now_s if known.gone_s is None else known.gone_s
        if row.state == "trial" and now_s - known.gone_s >= LOST_S:
            _failed(turn, row, "lost", f"not heard for {LOST_S:.0f} s in its trial")
        elif row.state != "trial" and now_s - known.gone_s >= AWAY_S:
            _wait(turn, row, "lost while it fetched")
    else:
        known.gone_s = None
        _chase(turn, row, known)


def _chase(turn: Turn, row: Progress, known: Step) -> None:
    campaign, now_s = turn.situation.campaign, turn.now.s
    assert campaign is not None  # noqa: S101  # of `step`
    patience_s = ANSWER_S if row.state == "ordered" else float(campaign.within_s)
    if now_s - known.moved_s >= patience_s:
        _failed(turn, row, "late", f"{'no answer' if row.state == 'ordered' else 'no step'} for {patience_s:.0f} s")
    elif campaign.state == "open" and row.state == "ordered" and now_s - known.asked_s >= AGAIN_S:
        _send(turn, campaign, row)
    elif campaign.state == "open" and row.state == "fetching" and now_s - known.asked_s >= RESUME_S:
        _begun_anew(turn, row)


def _advance(turn: Turn, campaign: Campaign) -> None:
    rows = turn.situation.updates.values()
    if not count(rows, "waiting", *UNDER_WAY):
        failed = count(rows, *FAILED)
        _end(turn, campaign, "", f"{count(rows, 'kept', 'had')} of {len(rows)} boards have it{f', {failed} have failed' if failed else ''}")
    elif turn.now.ms - campaign.began_ms >= OPEN_MS:
        _end(turn, campaign, "", f"{OPEN_MS // 86_400_000} days are over: {_named([row.device for row in rows if row.state == 'waiting'])}")
    elif campaign.quota is not None and _taken(turn.situation, campaign) >= campaign.quota:
        _soak(turn, campaign)
    else:
        _ask(turn, campaign)


def _soak(turn: Turn, campaign: Campaign) -> None:
    """The wave has its boards: once all of them are through, the next one begins after a while."""
    pace = turn.situation.pace
    if _under_way(turn.situation):
        pace.through_s = None
    elif pace.through_s is None:
        pace.through_s = turn.now.s
    elif turn.now.s - pace.through_s >= campaign.soak_s:
        pace.through_s = None
        _put(turn, replace(campaign, wave=campaign.wave + 1))


def _ask(turn: Turn, campaign: Campaign) -> None:
    """The next boards, as many as may be under way at once."""
    situation = turn.situation
    under_way = _under_way(situation)
    busy = {_group(situation, row.device) for row in under_way}
    free = campaign.at_once - len(under_way)
    if campaign.quota is not None:
        free = min(free, campaign.quota - _taken(situation, campaign))
    if free <= 0:
        return
    for row in [row for row in situation.updates.values() if row.state == "waiting" and situation.device(row.device).state == "online"]:
        group = _group(situation, row.device)
        if group not in busy and _may_be_asked(turn, campaign, row):
            campaign = _order(turn, campaign, replace(row, wave=campaign.wave, tries=row.tries + 1))
            busy.add(group)
            free -= 1
            if free == 0:
                return


def _may_be_asked(turn: Turn, campaign: Campaign, row: Progress) -> bool:
    situation = turn.situation
    if situation.pace.not_before_s.get(row.device, turn.now.s) > turn.now.s or row.device in situation.tests:
        return False
    is_newer = not campaign.downgrade and _is_newer(situation.device(row.device).firmware, campaign.release.version)
    return not is_newer and not why_not(situation, row)


def _order(turn: Turn, campaign: Campaign, row: Progress) -> Campaign:
    """Ask a board, with a new id. The order goes out after the commit."""
    device, orders = turn.situation.device(row.device), campaign.orders + 1
    after = _put(turn, replace(campaign, orders=orders))
    asked = replace(
        row,
        state="ordered",
        order=f"u-{campaign.began_ms:x}-{orders}",
        start=f"{device.life}-{device.boot}",
        from_version=row.from_version or device.firmware,
        from_app=row.from_app or device.app,
        ordered_ms=turn.now.ms,
        at_ms=turn.now.ms,
        words="",
    )
    _put_board(turn, asked)
    turn.situation.pace.steps[row.device] = Step(turn.now.s, turn.now.s, _step_offset(turn, row))
    _send(turn, after, asked)
    return after


def _step_offset(turn: Turn, row: Progress) -> int:
    """Up to where it had fetched: asked again, only what lies behind that is a step."""
    known = turn.situation.pace.steps.get(row.device)
    return known.offset if known is not None and row.tries else -1


def _send(turn: Turn, campaign: Campaign, row: Progress) -> None:
    release = campaign.release
    turn.situation.pace.step(row.device, turn.now.s).asked_s = turn.now.s
    order = Order(
        id=row.order,
        do="update",
        valid_s=VALID_S,
        bundle=release.bundle,
        size=release.size,
        version=release.version,
        downgrade=campaign.downgrade,
    )
    turn.effects.errands.append((row.device, order))


def _moved(turn: Turn, row: Progress, state: BoardState, words: str) -> None:
    known = turn.situation.pace.step(row.device, turn.now.s)
    if (row.state, row.words) != (state, words):
        known.moved_s = turn.now.s
        _put_board(turn, replace(row, state=state, at_ms=turn.now.ms, words=words))


def _begun_anew(turn: Turn, row: Progress) -> None:
    """It has started again or let it drop, as it says or as nothing comes: it is asked again. A new board in its place is as well."""
    if row.tries >= TRIES_MAX:
        _failed(turn, row, "late", f"begun {row.tries} times and never finished")
    else:
        _wait(turn, row, "begun anew")


def _wait(turn: Turn, row: Progress, words: str) -> None:
    _put_board(turn, replace(row, state="waiting", wave=0, at_ms=turn.now.ms, words=words))


def _finish(turn: Turn, row: Progress, state: BoardState) -> None:
    campaign = turn.situation.campaign
    assert campaign is not None  # noqa: S101  # of `born`
    _put_board(turn, replace(row, state=state, at_ms=turn.now.ms, words=""))
    turn.situation.pace.steps.pop(row.device, None)
    if state == "kept":
        words = f"{row.from_version or '?'} → {campaign.release.version} ({campaign.release.bundle})"
        turn.effects.note([Entry(turn.now.ms, row.device, "", "board_updated", words)])


def _failed(turn: Turn, row: Progress, state: BoardState, words: str) -> None:
    """The board keeps what it has. The campaign halts, and says so."""
    campaign = turn.situation.campaign
    assert campaign is not None  # noqa: S101  # of those who call
    _put_board(turn, replace(row, state=state, at_ms=turn.now.ms, words=words))
    turn.situation.pace.steps.pop(row.device, None)
    told = f"{campaign.release.version}: {state}: {words}"
    turn.effects.note([Entry(turn.now.ms, row.device, "", "update_failed", told)])
    if row.state not in FAILED:  # else somebody has decided already how it goes on
        why = f"{row.device} {state}: {words}"
        _put(turn, replace(campaign, state="halted", why=why))
        turn.fault(FAULT, why, name=campaign.release.version, names=(row.device,))


def _end(turn: Turn, campaign: Campaign, by: str, why: str) -> Campaign:
    turn.situation.pace = Pace()
    is_done = not by and not count(turn.situation.updates.values(), "waiting", *UNDER_WAY)
    after = _put(turn, replace(campaign, state="done" if is_done else "ended", ended_ms=turn.now.ms, ended_by=by, why=why))
    turn.fault_over(FAULT, why)
    _log(turn, "update_over", f"{_title(campaign)}, {why}")
    return after


def _current(turn: Turn, *states: str) -> Campaign:
    campaign = turn.situation.campaign
    if campaign is None or campaign.state not in states:
        raise Refusal(f"expected a campaign that is {' or '.join(states)}, got {campaign.state if campaign else 'none'}")
    return campaign


def _put(turn: Turn, campaign: Campaign) -> Campaign:
    turn.situation.campaign = turn.effects.campaign = campaign
    return campaign


def _put_board(turn: Turn, row: Progress) -> None:
    turn.situation.updates[row.device] = turn.effects.updates[row.device] = row


def _row(device: Device, release: Release, now_ms: int) -> Progress:
    state: BoardState = "had" if device.app == release.bundle else "waiting"
    return Progress(device.id, state, from_version=device.firmware, from_app=device.app, at_ms=now_ms)


def _over(situation: Situation) -> bool:
    return situation.campaign is None or situation.campaign.is_over


def _under_way(situation: Situation) -> list[Progress]:
    return [row for row in situation.updates.values() if row.state in UNDER_WAY]


def _taken(situation: Situation, campaign: Campaign) -> int:
    """Boards that the wave has: those under way, and those that are through. Who failed leaves its place to another."""
    return sum(row.wave == campaign.wave and row.state in (*UNDER_WAY, "kept") for row in situation.updates.values())


def _group(situation: Situation, device: str) -> str:
    return situation.commune.group_of(device) or f" {device}"  # alone: no group has such a name


def _stand_still(known: Step, now_s: float) -> None:
    known.moved_s = known.asked_s = now_s
    known.gone_s = None


def _is_newer(firmware: str, version: str) -> bool:
    return bool(parse_version(firmware) > parse_version(version))


def _named(boards: Iterable[str]) -> str:
    found = list(boards)
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


def _title(campaign: Campaign) -> str:
    return f"{campaign.number}: {campaign.release.version} ({campaign.release.bundle})"


def _log(turn: Turn, what: What, words: str) -> None:
    turn.effects.note([Entry(turn.now.ms, "", "update", what, words)])
