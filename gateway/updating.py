"""What people order about updates over the air, and what they ask: the engine's half of `keng update` (protocol/campaigns.py)."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from gateway import bundles
from gateway.bundles import NoBundle
from gateway.domain import campaigns, updates, waves
from gateway.domain.campaigns import Campaign, Progress
from gateway.domain.situation import Act, Situation, Turn
from gateway.domain.updates import Refusal, Wish
from gateway.identity.register import Refused
from gateway.settings import Updates
from gateway.store import journal, queries
from protocol.boards import PAGE, BoardAnswer, BoardCommand, Flashed
from protocol.campaigns import BoardUpdate, CampaignReport
from protocol.site import Site

NEWEST = 20  # campaigns of a history
ANSWER_BYTES = 40_000  # of 65,536: a longer message would cost the engine its connection, and the campaigns come on top
WORDS_MAX = 200

T = TypeVar("T")


class Updating:
    """`put` gives an act to the intake; `settled()` returns once it is decided, True if it is on the disk."""

    def __init__(
        self,
        settings: Updates,
        site: Site,
        database: Path,
        situation: Situation,
        *,
        put: Callable[[Act], None],
        settled: Callable[[], Awaitable[bool]],
    ) -> None:
        self._settings = settings
        self._site = site
        self._database = database
        self._situation = situation
        self._put = put
        self._settled = settled

    async def done(self, user: str, command: BoardCommand) -> BoardAnswer:
        """What became of a command. Raises Refused, FileMistakes, OSError, sqlite3.Error."""
        if command.do == "updates":
            return await self._answer(command)
        if command.do == "update_start":
            wish = await asyncio.to_thread(self._wish, user, command)
            campaign = await decided(self._put, self._settled, partial(updates.begin, wish=wish))
        elif command.do == "update_resume":
            campaign = await decided(self._put, self._settled, partial(updates.resume, by=user, retry=command.retry))
        else:
            campaign = await decided(
                self._put, self._settled, partial(updates.halt if command.do == "update_halt" else updates.end, by=user)
            )
        counts = dict(Counter[str](row.state for row in self._situation.updates.values()))
        return BoardAnswer(id=command.id, ok=True, campaigns=[_report(campaign, counts)])

    def _wish(self, user: str, command: BoardCommand) -> Wish:
        """In a thread of its own: files are read and verified."""
        trusted = bundles.keys(self._settings)
        try:
            release, _ = bundles.find(self._database.parent, command.bundle or "", trusted)
        except NoBundle as exc:
            raise Refused(str(exc)) from None
        known = {board.id for board in self._site.boards}
        if strange := [board for board in command.only if board not in known]:
            raise Refused(f"expected boards of the commune's description, got {', '.join(strange[:5])}")
        boards = tuple(board.id for board in self._site.boards if not command.only or board.id in command.only)
        return Wish(
            release=release,
            by=user,
            command=command.id,
            boards=boards,
            types=self._types(),
            sizes=campaigns.sizes(self._settings.waves, len(boards)),
            downgrade=command.downgrade,
            at_once=self._settings.at_once,
            soak_s=self._settings.soak_min * 60,
            within_s=self._settings.within_min * 60,
        )

    def _types(self) -> dict[str, str]:
        with closing(queries.connect(self._database)) as db:
            return {device: Flashed.model_validate_json(told).board for device, told in db.execute("SELECT device, result FROM flashed")}

    async def _answer(self, command: BoardCommand) -> BoardAnswer:
        read = await asyncio.to_thread(_read, self._database, command.campaign, command.after or "")
        current = self._situation.campaign
        if not read.campaigns:
            return BoardAnswer(id=command.id, ok=True, campaigns=[], updates=[])
        chosen = read.chosen
        if chosen is None:
            raise Refused(f"expected one of the campaigns {', '.join(str(one.number) for one in read.campaigns)}, got {command.campaign}")
        is_live = current is not None and current.number == chosen.number and not current.is_over
        page: list[BoardUpdate] = []
        bytes_left = ANSWER_BYTES
        for row in read.rows[:PAGE]:
            page.append(self._row(row, chosen, is_live=is_live))
            bytes_left -= len(page[-1].payload())
            if bytes_left < 0:
                break
        reports = [_report(one, read.counts.get(one.number, {})) for one in read.campaigns]
        more = len(read.rows) > len(page)
        return BoardAnswer(id=command.id, ok=True, campaigns=reports, campaign=chosen.number, updates=page, more=more)

    def _row(self, row: Progress, campaign: Campaign, *, is_live: bool) -> BoardUpdate:
        words, percent = row.words, None
        if is_live and row.state == "waiting":
            words = waves.why_not(self._situation, row) or words
        if is_live and row.state == "fetching":
            known = self._situation.pace.steps.get(row.device)
            percent = min(100, max(0, known.offset if known else 0) * 100 // campaign.release.size)
        return BoardUpdate(
            device=row.device,
            state=row.state,
            wave=row.wave,
            tries=row.tries,
            from_version=row.from_version,
            from_app=row.from_app,
            ordered_ms=row.ordered_ms,
            at_ms=row.at_ms,
            words=words[:WORDS_MAX],
            percent=percent,
        )


async def decided(put: Callable[[Act], None], settled: Callable[[], Awaitable[bool]], decide: Callable[[Turn], T]) -> T:
    """What an act decides, once that is on the disk. Raises Refused: it was decided against."""
    outcome: list[T | Refusal] = []

    def act(turn: Turn) -> None:
        try:
            outcome[:] = [decide(turn)]
        except Refusal as exc:
            outcome[:] = [exc]

    put(act)
    is_kept = await settled()
    if not outcome or isinstance(outcome[0], Refusal):
        raise Refused(str(outcome[0]) if outcome else "engine error: see its log")
    if not is_kept:
        raise Refused("expected a disk that can be written, got one that takes nothing: what was ordered may be gone after a start")
    return outcome[0]


class _Read(NamedTuple):
    """The newest campaigns, newest first, how many boards of each are in which state, and a page of the boards of the `chosen` one."""

    campaigns: list[Campaign]
    counts: dict[int, dict[str, int]]
    chosen: Campaign | None
    rows: list[Progress]


def _read(database: Path, wanted: int | None, after: str) -> _Read:
    """In a thread of its own. Boards are counted by the database: a city has thousands of them."""
    newest = "number IN (SELECT number FROM campaign ORDER BY number DESC LIMIT ?) OR number = ?"
    with closing(queries.connect(database)) as db:
        bodies = db.execute(f"SELECT body FROM campaign WHERE {newest} ORDER BY number DESC", (NEWEST, wanted)).fetchall()  # noqa: S608
        found = [journal.read_campaign(body) for (body,) in bodies]
        counts: dict[int, dict[str, int]] = {}
        for number, state, boards in db.execute("SELECT campaign, state, count(*) FROM board_update GROUP BY campaign, state"):
            counts.setdefault(number, {})[state] = boards
        chosen = next((one for one in found if wanted in (None, one.number)), None)
        rows = journal.read_board_updates(db, chosen.number, after=after, limit=PAGE + 1) if chosen else []
        return _Read(found, counts, chosen, rows)


def _report(campaign: Campaign, counts: dict[str, int]) -> CampaignReport:
    return CampaignReport(
        number=campaign.number,
        bundle=campaign.release.bundle,
        version=campaign.release.version,
        board=campaign.release.board,
        downgrade=campaign.downgrade,
        state=campaign.state,
        wave=campaign.wave,
        waves=len(campaign.sizes) + 1,
        counts=counts,
        by=campaign.by,
        began_ms=campaign.began_ms,
        ended_ms=campaign.ended_ms,
        ended_by=campaign.ended_by,
        why=campaign.why[:WORDS_MAX],
    )
