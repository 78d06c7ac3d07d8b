"""Updates over the air: what people order and what boards say of it; what time makes of it is in waves.py. Acts on a turn; pure.

One campaign at a time. What goes wrong halts it, and a person decides how it goes on.
"""

from dataclasses import replace
from typing import NamedTuple

from gateway.domain import rollout
from gateway.domain.campaigns import FAILED, UNDER_WAY, BoardState, Campaign, Pace, Progress, Release, count
from gateway.domain.situation import Situation, Turn
from gateway.domain.supervision import Device
from protocol.messages import Answer, Birth

BUSY_S = 600.0
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
    newer = [
        board for board in of_type if rows[board].state == "waiting" and rollout.is_newer(situation.device(board).firmware, release.version)
    ]
    if newer and not wish.downgrade:
        raise Refusal(
            f"expected boards with {release.version} or older, got {rollout.named(newer)} with a newer one: --downgrade if that is meant"
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
        rollout.put_board(turn, row)
    rollout.put(turn, campaign)
    rollout.log(turn, "update_begun", f"{rollout.title(campaign)}, {count(rows.values(), 'waiting')} boards, by {wish.by}")
    return campaign


def halt(turn: Turn, by: str) -> Campaign:
    """Ask no further boards until somebody resumes it. Raises Refusal."""
    campaign = _current(turn, "open")
    after = rollout.put(turn, replace(campaign, state="halted", why=f"by {by}"))
    rollout.log(turn, "update_halted", f"{rollout.title(campaign)}, by {by}")
    return after


def resume(turn: Turn, by: str, *, retry: bool) -> Campaign:
    """Go on. `retry`: ask those again that have failed. Raises Refusal."""
    campaign = _current(turn, "halted")
    for row in list(turn.situation.updates.values()) if retry else ():
        if row.state in FAILED:
            rollout.put_board(turn, replace(row, state="waiting", tries=0, wave=0, at_ms=turn.now.ms))
    after = rollout.put(turn, replace(campaign, state="open", why=""))
    turn.situation.pace.through_s = None
    turn.fault_over(rollout.FAULT, f"by {by}")
    rollout.log(turn, "update_resumed", f"{rollout.title(campaign)}, by {by}")
    return after


def end(turn: Turn, by: str) -> Campaign:
    """End it: no board is asked any more, and nothing more is sent to those under way. Raises Refusal."""
    return rollout.end(turn, _current(turn, "open", "halted"), by, f"by {by}")


def born(turn: Turn, device: Device, birth: Birth, *, retained: bool) -> None:
    """A board has said what it runs and how far it is."""
    row, campaign = turn.situation.updates.get(device.id), turn.situation.campaign
    if row is None or campaign is None or campaign.is_over:
        return
    has_it = birth.app == campaign.release.bundle
    said = birth.update if birth.update is not None and birth.update.bundle == campaign.release.bundle else None
    if (has_it and said is None) or (has_it and said is not None and said.state == "kept"):
        if row.state not in ("kept", "had"):
            rollout.finish(turn, row, "had" if row.state == "waiting" else "kept")
    elif row.state in UNDER_WAY and said is not None and said.state in ("fetching", "verified", "trial"):
        # Of a bundle that was begun before: it goes on when it is asked, not by itself.
        rollout.moved(turn, row, "fetching" if said.state == "fetching" else "trial", said.state)
    elif (
        said is not None and said.state == "rolled_back" and birth.start != row.start and row.state in ("fetching", "trial", "lost", "late")
    ):
        rollout.failed(turn, row, "rolled_back", said.error or "no reason given")
    elif said is not None and said.state == "refused" and row.state in ("fetching", "trial") and not retained:
        rollout.failed(turn, row, "refused", said.error or "no reason given")
    elif row.state in UNDER_WAY and (birth.start != row.start or (row.state != "ordered" and not retained)):
        # Nothing of this order, or only the end of an earlier try of the same bundle.
        rollout.begun_anew(turn, row)


def answered(turn: Turn, ident: str, answer: Answer) -> None:
    """A board has answered an order."""
    row = turn.situation.updates.get(ident)
    if row is None or row.order != answer.id or row.state not in UNDER_WAY or _over(turn.situation):
        return
    words = answer.error or "no reason given"
    if answer.ok:
        if row.state == "ordered":
            rollout.moved(turn, row, "fetching", "")
    elif words.startswith(BUSY):
        turn.situation.pace.not_before_s[ident] = turn.now.s + BUSY_S
        rollout.wait(turn, row, words)
    elif row.state == "ordered":
        rollout.failed(turn, row, "refused", words)
    else:
        rollout.failed(turn, row, "rolled_back" if row.state == "trial" else "refused", words)


def fetched(turn: Turn, ident: str, *, whole: bool) -> None:
    """A board has begun to fetch, or (`whole`) was sent the last piece."""
    row = turn.situation.updates.get(ident)
    if row is None or row.state not in ("ordered", "fetching") or _over(turn.situation):
        return
    if whole or row.state == "ordered":
        rollout.moved(turn, row, "trial" if whole else "fetching", "")


def is_offered(situation: Situation, ident: str, bundle: str) -> bool:
    """Whether pieces of this bundle may be sent to this board."""
    row, campaign = situation.updates.get(ident), situation.campaign
    is_its = campaign is not None and not campaign.is_over and campaign.release.bundle == bundle
    return is_its and row is not None and row.state in UNDER_WAY


def _current(turn: Turn, *states: str) -> Campaign:
    campaign = turn.situation.campaign
    if campaign is None or campaign.state not in states:
        raise Refusal(f"expected a campaign that is {' or '.join(states)}, got {campaign.state if campaign else 'none'}")
    return campaign


def _row(device: Device, release: Release, now_ms: int) -> Progress:
    state: BoardState = "had" if device.app == release.bundle else "waiting"
    return Progress(device.id, state, from_version=device.firmware, from_app=device.app, at_ms=now_ms)


def _over(situation: Situation) -> bool:
    return situation.campaign is None or situation.campaign.is_over
