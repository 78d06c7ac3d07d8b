"""Everything that comes in, decided in one place: take what is there, decide, commit once, send. Nobody waits for company.

The callback of the link only queues. While a commit runs, what arrives collects and shares the next one. Reports wait behind
everything else, and are dropped, oldest first and counted, if they pile up.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from gateway.delivery import bodies
from gateway.domain import facts, replies, snapshots
from gateway.domain.incidents import Incident
from gateway.domain.replies import Reply
from gateway.domain.rows import DeliveryRow
from gateway.domain.situation import Act, Effects, Now, Turn, conclude
from gateway.exposition import Histogram
from gateway.parts import Parts
from gateway.reader import Reader
from gateway.store import journal
from gateway.store.damage import is_damage
from gateway.store.journal import Outgoing
from protocol import topics
from protocol.boards import BoardCommand

logger = logging.getLogger(__name__)

# These are no bugs of ours: the engine ends, is started again, and what has no receipt comes again.
ENVIRONMENT = (OSError, MemoryError, sqlite3.OperationalError)
REPORTS_MAX = 20_000  # 2 s of the heaviest load
SET_MS = 1000
MARK_S = 2.0
DECISION_S = (0.002, 0.01, 0.05, 0.2, 1.0, 5.0)
SPOILED_MAX = 1000  # different errors that are logged once with their traceback and then quietly
URGENT_AT_ONCE = 500  # a storm shares a commit; the births of 50 communes, which come all at once, do not fill the memory
REPORTS_AT_ONCE = 64  # an alarm waits for so many at most: about 3 ms
PATIENT_AT_ONCE = 8  # steps of ladders: an alarm waits for so many at most, about 3 ms too
TRIED_S = 0.05  # what channels say collects for so long: an alarm close behind another waits for fewer commits
TRIED_AT_ONCE = 8


@dataclass(slots=True)
class Mail:
    """A message of the broker, as an act."""

    take: Callable[[str, bytes, bool, Turn], None]
    topic: str
    payload: bytes
    retained: bool

    def __call__(self, turn: Turn) -> None:
        """Decide what it says."""
        self.take(self.topic, self.payload, self.retained, turn)


class Intake:
    """`message` is the link's callback; `put` takes any other fact; `run` decides. `on_outgoing` gets what the channels shall send, and
    all that was decided with it; `on_denied` is called when the broker keeps a word that this engine is offline. `taken`: messages by
    kind since the start; `decided`: how long batches took.
    """

    def __init__(
        self,
        parts: Parts,
        site: str,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        on_outgoing: Callable[[list[Outgoing], Effects], None],
        on_denied: Callable[[], None],
        on_bench: Callable[[str, BoardCommand], None] = lambda _user, _command: None,
    ) -> None:
        self.dropped_reports = 0
        self._reader = Reader(parts, site, clock=clock, monotonic=monotonic, on_denied=on_denied, on_bench=on_bench)
        self.taken = self._reader.taken
        self.decided = Histogram(DECISION_S)
        self._parts = parts
        self._clock = clock
        self._monotonic = monotonic
        self._on_outgoing = on_outgoing
        self._site = site
        self._incidents = topics.incident(site, "")
        self._engine = parts.store.engine
        self._urgent: deque[Act] = deque()
        self._patient: deque[Act] = deque()
        self._tried: deque[Act] = deque()
        self._tried_due: asyncio.TimerHandle | None = None
        self._reports: deque[Mail] = deque(maxlen=REPORTS_MAX)
        self._spoiled: set[str] = set()
        self._offset_ms = int(clock() * 1000) - int(monotonic() * 1000)
        self._settling: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()

    def message(self, topic: str, payload: bytes, retained: bool) -> None:
        """A message of the broker."""
        if topic.endswith("/report"):
            self.dropped_reports += len(self._reports) == REPORTS_MAX
            self._reports.append(Mail(self._reader.report, topic, payload, retained))
        elif topic.endswith(("/tick", "/gateway")):
            self._reader.rival(topic, payload, retained)
            return
        elif topic.startswith(self._incidents) and not (retained and payload):
            return  # our own, as everybody hears it
        else:
            self._urgent.append(Mail(self._reader.message, topic, payload, retained))
        self._wake.set()

    @property
    def waiting(self) -> dict[str, int]:
        """What is not decided on yet: how many facts, and how many reports behind them."""
        return {"fact": len(self._urgent) + len(self._tried), "report": len(self._reports)}

    def put(self, act: Act) -> None:
        """Anything else that happened."""
        self._urgent.append(act)
        self._wake.set()

    def put_patiently(self, acts: Callable[[], list[Act]]) -> None:
        """What may wait behind alarms: asked for only when what was put so before is done."""
        if not self._patient:
            self._patient.extend(acts())
            self._wake.set()

    def tried(self, row: DeliveryRow, *more: Act) -> None:
        """A channel says how far a message has come, and `more` follows from it. One that has failed is decided at once: somebody else
        may have to be told. The rest collects for TRIED_S: who is killed meanwhile sends once more what has arrived.
        """
        self._tried += (partial(facts.delivery, fact=row), *more)
        if row.delivery.state == "failed" or len(self._tried) >= TRIED_AT_ONCE:
            self._decide_tried()
        elif self._tried_due is None:
            self._tried_due = asyncio.get_running_loop().call_later(TRIED_S, self._decide_tried)

    async def marked(self, row: DeliveryRow) -> None:
        """As `tried`; returns once it is on the disk. A disk that takes nothing stops no message."""
        self.tried(row)
        with suppress(TimeoutError):
            async with asyncio.timeout(MARK_S):
                await self.settled()

    def replied(self, reply: Reply) -> None:
        """Somebody has answered a message."""
        self.put(partial(replies.take, reply=reply))

    async def settled(self) -> bool:
        """Return when all that was put before is decided; True if it is on the disk, False if the disk takes nothing."""
        self._decide_tried()
        decided = asyncio.get_running_loop().create_future()
        self._settling.append(decided)
        self._wake.set()
        await decided
        return not self._parts.backlog.failing

    async def run(self) -> None:
        """Never returns; cancel it. What boards have said and is not committed then has no receipt and comes again; what channels have told
        does not: it is kept first, or the next start would send it once more.
        """
        try:
            await self._take_all()
        except asyncio.CancelledError:
            self._decide_tried()
            await self._take_urgent()
            raise

    async def _take_all(self) -> NoReturn:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._urgent or self._reports or self._patient or self._settling:
                await self._take_urgent()
                await self._take_reports()
                await self._decide([self._patient.popleft() for _ in range(min(PATIENT_AT_ONCE, len(self._patient)))])

    def _decide_tried(self) -> None:
        if self._tried_due is not None:
            self._tried_due.cancel()
            self._tried_due = None
        for act in self._tried:
            self.put(act)
        self._tried.clear()

    async def _take_urgent(self) -> None:
        acts = [self._urgent.popleft() for _ in range(min(URGENT_AT_ONCE, len(self._urgent)))]
        settling: list[asyncio.Future[None]] = []
        if not self._urgent:
            settling, self._settling = self._settling, []
        if acts:
            started_s = self._monotonic()
            await self._decide(acts)
            self.decided.add(self._monotonic() - started_s)
        for decided in settling:
            if not decided.done():
                decided.set_result(None)

    async def _take_reports(self) -> None:
        if not self._reports:
            return
        await self._decide([self._reports.popleft() for _ in range(min(REPORTS_AT_ONCE, len(self._reports)))])
        await asyncio.sleep(0)

    async def _decide(self, acts: list[Act]) -> None:
        """Decide, commit and send. What raises is a bug: it is set apart, by halves, so that it stops and spoils nothing else."""
        situation = self._parts.situation
        unwritten = situation.unwritten()
        turn = self._turn()
        if set_by_ms := self._clock_set_by(turn.now):
            acts = [partial(facts.clock_set, by_ms=set_by_ms), *acts]  # one of them: it survives what raises beside it
        try:
            for act in acts:
                act(turn)
            committed = await self._commit(turn)
        except ENVIRONMENT:
            raise
        except Exception as exc:
            # No input may end the engine: its board would send it again after each start.
            if self._parts.backlog.is_behind or is_damage(exc):
                raise  # what the disk knows is older than what people were told: only a new start, of another life, may go back to it
            situation.go_back(self._parts.restored(), unwritten)
            if len(acts) == 1:
                await self._set_apart(acts[0], exc)
            else:
                half = len(acts) // 2
                await self._decide(acts[:half])
                await self._decide(acts[half:])
        else:
            self._send(turn, *committed)

    async def _set_apart(self, act: Act, exc: Exception) -> None:
        """One act that cannot be decided: it changes nothing and gets no receipt, and its board shows a fault."""
        words = f"{type(exc).__name__}: {exc}"[:200]
        name, owner, _ = (self._reader.parse(act.topic) if isinstance(act, Mail) else None) or ("", "", "")
        cause = f"{name or act} {owner}: {words}"
        level = logging.DEBUG if cause in self._spoiled else logging.ERROR
        logger.log(level, "engine error, set apart: %s", cause, exc_info=exc)
        if len(self._spoiled) < SPOILED_MAX:
            self._spoiled.add(cause)
        if isinstance(act, Mail):
            self._parts.rubbish.count(owner, "engine_error", why=words, payload=act.payload, now_ms=self._turn().now.ms)
            if name in topics.FROM_BOARD:
                await self._decide([partial(facts.spoiled, ident=owner, words=words)])

    def _clock_set_by(self, now: Now) -> int:
        """By how many ms the clock was set since the last decision; 0 for what it loses or gains by itself."""
        offset_ms = now.ms - int(now.s * 1000)
        by_ms = offset_ms - self._offset_ms
        if abs(by_ms) < SET_MS:
            return 0
        self._offset_ms = offset_ms
        logger.warning("the clock was set by %.1f s", by_ms / 1000)
        return by_ms

    def _turn(self) -> Turn:
        return Turn(self._parts.situation, Effects(), Now(int(self._clock() * 1000), self._monotonic()))

    async def _commit(self, turn: Turn) -> tuple[dict[str, bytes], list[Outgoing]]:
        """What has changed is on the disk then; the snapshots of its incidents, and what the channels shall send."""
        situation, effects, _ = turn
        conclude(turn)
        shown = {ident: self.snapshot(incident) for ident, incident in effects.incidents.items()}
        outgoing = [_outgoing(row, shown.get(row.incident, b""), self._site) for row in effects.deliveries]
        if effects.has_rows:
            batch = journal.batch(situation, effects, shown, outgoing, now_ms=turn.now.ms)
            effects.receipts = await self._parts.backlog.save(batch, effects.receipts, effects.events)
        else:
            effects.receipts = self._parts.backlog.due(effects.receipts)
        return shown, outgoing

    def _send(self, turn: Turn, shown: dict[str, bytes], outgoing: list[Outgoing]) -> None:
        self._on_outgoing(outgoing, turn.effects)
        if self._parts.rivals.keep_still(turn.now.s):
            self._parts.publication.keep(turn.effects)
        else:
            self._parts.publication.send(turn.effects, shown)
            if turn.effects.faults:
                self._parts.publication.gateway(turn.situation)
        for device, report in turn.effects.reports:
            self._parts.reports.add(device, report, turn.now.ms)

    def snapshot(self, incident: Incident) -> bytes:
        """The incident as it is published, stored and sent out."""
        name = self._parts.situation.commune.group_name(incident.group)
        return snapshots.payload(incident, engine=self._engine, group_name=name)


def _outgoing(row: DeliveryRow, snapshot: bytes, site: str) -> Outgoing:
    if row.body:
        return Outgoing(row, row.body)
    return Outgoing(row, bodies.of_incident(row.delivery, snapshot) if row.incident else bodies.of_canary(row, site))
