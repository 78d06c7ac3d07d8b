"""Updates over the air, as time goes on: the next wave, the next boards of it, those that are lost or late. Acts on a turn; pure.

No board is asked during an alarm, none of a group while another of it is under way or tries a change of its configuration, and none that
is not well. Boards under way go on by
themselves meanwhile.
"""

from dataclasses import replace

from gateway.domain import changes, incidents, rollout
from gateway.domain.campaigns import FAILED, UNDER_WAY, Campaign, Progress, Step, count
from gateway.domain.maintenance import FAULTS
from gateway.domain.situation import Situation, Turn
from protocol.messages import Order

DISK = "disk"
VALID_S = 60  # an order that a broker keeps for longer is not meant any more
EVERY_S = 2.0
AGAIN_S = 30.0  # no answer to an order: once more
ANSWER_S = 150.0
RESUME_S = 300.0  # no step: the board may have dropped it, asked again it goes on where it was
AWAY_S = 60.0  # a restart takes less
LOST_S = 300.0  # of a board on trial: it starts anew twice at most, each time with Wi-Fi, broker and clock
OPEN_MS = 30 * 86_400_000


def may_go_on(situation: Situation) -> bool:
    """False during an alarm of any kind, a drill among them, and while the disk takes nothing: what is decided must outlive a start."""
    return DISK not in situation.faults and not incidents.unresolved(situation.incidents.values())


def is_due(situation: Situation, now_s: float) -> bool:
    """Whether `step` is to be done now."""
    return situation.campaign is not None and not situation.campaign.is_over and now_s >= situation.pace.next_s


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
        for row in rollout.under_way(situation):
            _stand_still(pace.step(row.device, turn.now.s), turn.now.s)
        return
    for row in rollout.under_way(situation):
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
    return "battery low" if battery is not None and battery.state == "active" else ""


def _let_go(turn: Turn) -> None:
    """Boards that the commune's description does not have any more."""
    for row in list(turn.situation.updates.values()):
        if row.state in ("waiting", *UNDER_WAY) and turn.situation.commune.place_of(row.device).id is None:
            rollout.put_board(turn, replace(row, state="gone", at_ms=turn.now.ms, words="no longer in the commune's description"))


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
            rollout.failed(turn, row, "lost", f"not heard for {LOST_S:.0f} s in its trial")
        elif row.state != "trial" and now_s - known.gone_s >= AWAY_S:
            rollout.wait(turn, row, "lost while it fetched")
    else:
        known.gone_s = None
        _chase(turn, row, known)


def _chase(turn: Turn, row: Progress, known: Step) -> None:
    campaign, now_s = turn.situation.campaign, turn.now.s
    assert campaign is not None  # noqa: S101  # of `step`
    patience_s = ANSWER_S if row.state == "ordered" else float(campaign.within_s)
    if now_s - known.moved_s >= patience_s:
        rollout.failed(turn, row, "late", f"{'no answer' if row.state == 'ordered' else 'no step'} for {patience_s:.0f} s")
    elif campaign.state == "open" and row.state == "ordered" and now_s - known.asked_s >= AGAIN_S:
        _send(turn, campaign, row)
    elif campaign.state == "open" and row.state == "fetching" and now_s - known.asked_s >= RESUME_S:
        rollout.begun_anew(turn, row)


def _advance(turn: Turn, campaign: Campaign) -> None:
    rows = turn.situation.updates.values()
    if not count(rows, "waiting", *UNDER_WAY):
        failed = count(rows, *FAILED)
        rollout.end(
            turn, campaign, "", f"{count(rows, 'kept', 'had')} of {len(rows)} boards have it{f', {failed} have failed' if failed else ''}"
        )
    elif turn.now.ms - campaign.began_ms >= OPEN_MS:
        rollout.end(
            turn,
            campaign,
            "",
            f"{OPEN_MS // 86_400_000} days are over: {rollout.named([row.device for row in rows if row.state == 'waiting'])}",
        )
    elif campaign.quota is not None and _taken(turn.situation, campaign) >= campaign.quota:
        _soak(turn, campaign)
    else:
        _ask(turn, campaign)


def _soak(turn: Turn, campaign: Campaign) -> None:
    """The wave has its boards: once all of them are through, the next one begins after a while."""
    pace = turn.situation.pace
    if rollout.under_way(turn.situation):
        pace.through_s = None
    elif pace.through_s is None:
        pace.through_s = turn.now.s
    elif turn.now.s - pace.through_s >= campaign.soak_s:
        pace.through_s = None
        rollout.put(turn, replace(campaign, wave=campaign.wave + 1))


def _ask(turn: Turn, campaign: Campaign) -> None:
    """The next boards, as many as may be under way at once."""
    situation = turn.situation
    under_way = rollout.under_way(situation)
    busy = {_group(situation, device) for device in (*(row.device for row in under_way), *changes.undecided(situation, turn.now.ms))}
    free = campaign.at_once - len(under_way)
    if campaign.quota is not None:
        free = min(free, campaign.quota - _taken(situation, campaign))
    if free <= 0:
        return
    waiting = [row for row in situation.updates.values() if row.state == "waiting" and situation.device(row.device).state == "online"]
    # In safe mode a board runs a program that crashes, which only another one may end; or its wires are to blame: so it comes last.
    for row in sorted(waiting, key=lambda row: "safe_mode" in situation.device(row.device).faults):
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
    is_newer = not campaign.downgrade and rollout.is_newer(situation.device(row.device).firmware, campaign.release.version)
    return not is_newer and not why_not(situation, row)


def _order(turn: Turn, campaign: Campaign, row: Progress) -> Campaign:
    """Ask a board, with a new id. The order goes out after the commit."""
    device, orders = turn.situation.device(row.device), campaign.orders + 1
    after = rollout.put(turn, replace(campaign, orders=orders))
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
    rollout.put_board(turn, asked)
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


def _taken(situation: Situation, campaign: Campaign) -> int:
    """Boards that the wave has: those under way, and those that are through. Who failed leaves its place to another."""
    return sum(row.wave == campaign.wave and row.state in (*UNDER_WAY, "kept") for row in situation.updates.values())


def _group(situation: Situation, device: str) -> str:
    return situation.commune.group_of(device) or f" {device}"  # alone: no group has such a name


def _stand_still(known: Step, now_s: float) -> None:
    known.moved_s = known.asked_s = now_s
    known.gone_s = None
