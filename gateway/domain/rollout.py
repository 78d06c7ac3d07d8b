"""What becomes of a campaign of updates and of its boards: each change is written, logged and told. Acts on a turn; pure."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.domain.campaigns import FAILED, UNDER_WAY, BoardState, Campaign, Pace, Progress, count
from gateway.domain.maintenance import Entry, What
from gateway.domain.situation import Situation, Turn
from protocol.updates import parse_version

FAULT = "update"
TRIES_MAX = 5


def moved(turn: Turn, row: Progress, state: BoardState, words: str) -> None:
    """A board has come to `state`."""
    known = turn.situation.pace.step(row.device, turn.now.s)
    if (row.state, row.words) != (state, words):
        known.moved_s = turn.now.s
        put_board(turn, replace(row, state=state, at_ms=turn.now.ms, words=words))


def begun_anew(turn: Turn, row: Progress) -> None:
    """It has started again or let it drop, as it says or as nothing comes: it is asked again. A new board in its place is as well."""
    if row.tries >= TRIES_MAX:
        failed(turn, row, "late", f"begun {row.tries} times and never finished")
    else:
        wait(turn, row, "begun anew")


def wait(turn: Turn, row: Progress, words: str) -> None:
    """It is asked again later."""
    put_board(turn, replace(row, state="waiting", wave=0, at_ms=turn.now.ms, words=words))


def finish(turn: Turn, row: Progress, state: BoardState) -> None:
    """It has the release: `kept` or `had`."""
    campaign = turn.situation.campaign
    assert campaign is not None  # noqa: S101  # of `born`
    put_board(turn, replace(row, state=state, at_ms=turn.now.ms, words=""))
    turn.situation.pace.steps.pop(row.device, None)
    if state == "kept":
        words = f"{row.from_version or '?'} → {campaign.release.version} ({campaign.release.bundle})"
        turn.effects.note([Entry(turn.now.ms, row.device, "", "board_updated", words)])


def failed(turn: Turn, row: Progress, state: BoardState, words: str) -> None:
    """The board keeps what it has. The campaign halts, and says so."""
    campaign = turn.situation.campaign
    assert campaign is not None  # noqa: S101  # of those who call
    put_board(turn, replace(row, state=state, at_ms=turn.now.ms, words=words))
    turn.situation.pace.steps.pop(row.device, None)
    told = f"{campaign.release.version}: {state}: {words}"
    turn.effects.note([Entry(turn.now.ms, row.device, "", "update_failed", told)])
    if row.state not in FAILED:  # else somebody has decided already how it goes on
        why = f"{row.device} {state}: {words}"
        put(turn, replace(campaign, state="halted", why=why))
        turn.fault(FAULT, why, name=campaign.release.version, names=(row.device,))


def end(turn: Turn, campaign: Campaign, by: str, why: str) -> Campaign:
    """The campaign is over, for this reason; `by` nobody: by itself."""
    turn.situation.pace = Pace()
    is_done = not by and not count(turn.situation.updates.values(), "waiting", *UNDER_WAY)
    after = put(turn, replace(campaign, state="done" if is_done else "ended", ended_ms=turn.now.ms, ended_by=by, why=why))
    turn.fault_over(FAULT, why)
    log(turn, "update_over", f"{title(campaign)}, {why}")
    return after


def put(turn: Turn, campaign: Campaign) -> Campaign:
    """The campaign is this from now on."""
    turn.situation.campaign = turn.effects.campaign = campaign
    return campaign


def put_board(turn: Turn, row: Progress) -> None:
    """The board has come so far."""
    turn.situation.updates[row.device] = turn.effects.updates[row.device] = row


def under_way(situation: Situation) -> list[Progress]:
    """Boards that were asked and are not through."""
    return [row for row in situation.updates.values() if row.state in UNDER_WAY]


def is_newer(firmware: str, version: str) -> bool:
    """Whether a program is newer than a version."""
    return bool(parse_version(firmware) > parse_version(version))


def named(boards: Iterable[str]) -> str:
    """The first boards, and how many more."""
    found = list(boards)
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")


def title(campaign: Campaign) -> str:
    """A campaign in few words."""
    return f"{campaign.number}: {campaign.release.version} ({campaign.release.bundle})"


def log(turn: Turn, what: What, words: str) -> None:
    """A line of the maintenance log."""
    turn.effects.note([Entry(turn.now.ms, "", "update", what, words)])
