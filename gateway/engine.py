"""The engine: puts the loops together round one situation and one database, and starts them in the right order."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from gateway import exposition, memory, notify, serving, wellbeing, workbench
from gateway.certificates import Certificates
from gateway.channels import Channels, Ties
from gateway.domain import canaries, desks, facts, incidents, moves, notices, telling, waves
from gateway.domain.situation import Effects, Now, Situation, Turn
from gateway.expiry import Expiry
from gateway.housekeeping import DISK, DiskIsBack, Housekeeping
from gateway.intake import Intake
from gateway.metrics import Measured
from gateway.mqtt import Account, Link
from gateway.parts import Parts
from gateway.plans import canary_plan, health_limits, limits, ways
from gateway.publication import Publication, last_will
from gateway.reports import Reports
from gateway.ring import Rings
from gateway.rivals import AnotherEngine, Rivals
from gateway.rubbish import Rubbish
from gateway.serving import Serving
from gateway.settings import Settings
from gateway.store import damage, journal
from gateway.store.backlog import Backlog
from gateway.store.damage import Damaged, readable
from gateway.store.store import Store, open_store
from gateway.workbench import Workbench
from protocol import topics
from protocol.boards import BoardCommand
from protocol.site import Site

logger = logging.getLogger(__name__)

VERSION = version("keng")
TICK_S = 10.0
CLOCKWORK_S = 0.2  # a silent bell is named so much later than its deadline at most
ROSTER_S = 60.0
SUBSCRIPTIONS = (
    # `gateway` first: who else is online is known before anything is answered.
    *(("gateway", 1), ("tick", 0), ("dev/+/state", 1), ("dev/+/event", 1)),
    *(("dev/+/report", 0), ("dev/+/answer", 1), ("dev/+/fetch", 1), ("desk/+/command", 1), ("desk/+/alive", 0)),
    *(("bench/+/command", 1), ("incident/+", 0)),
)


async def run(
    settings: Settings,
    site: Site,
    account: Account,
    *,
    database: Path,
    clock: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
) -> None:
    """Run the engine until it is cancelled.

    Raises OSError for what the environment does wrong: AnotherEngine, NewerFile and FileInUse among them.
    """
    lives: set[str] = set()
    in_vain = -1
    while True:
        async with open_store(database) as store:
            in_vain = in_vain + 1 if store.trouble else -1
            lives |= {store.engine.partition("-")[0], store.former} - {""}
            try:
                where = Where(store, database, frozenset(lives), max(0, in_vain))
                engine = _Engine(settings, site, account, where, clock=clock, monotonic=monotonic)
                memory.settle()  # an alarm would wait for a walk over all of it
                await engine.run()
            except BaseExceptionGroup as group:
                _begin_again(group, store)
            except Damaged as exc:
                _begin_again(ExceptionGroup("restore", [exc]), store)
            except sqlite3.DatabaseError as exc:  # while the loops were made; one of a loop comes in a group
                _begin_again(ExceptionGroup("restore", [Damaged(f"a database that cannot be read: {exc}")]), store)


def _begin_again(group: BaseExceptionGroup[BaseException], store: Store) -> None:
    """Return if a new start in this process helps; else raise what has ended the engine."""
    if another := _leaf(group, lambda exc: isinstance(exc, AnotherEngine)):
        raise another from None
    if found := _leaf(group, damage.is_damage):
        logger.error("%s: %s: starting anew", store.path, found)
        damage.suspect(store.path, str(found))
    elif _leaf(group, lambda exc: isinstance(exc, DiskIsBack)):
        logger.warning("the disk takes something again: starting anew")
    else:
        raise group


def _leaf(group: BaseExceptionGroup[BaseException], is_meant: Callable[[BaseException], bool]) -> BaseException | None:
    """The first exception in the group, however deep, that is meant."""
    for one in group.exceptions:
        found = _leaf(one, is_meant) if isinstance(one, BaseExceptionGroup) else one if is_meant(one) else None
        if found is not None:
            return found
    return None


class Where(NamedTuple):
    """The database in use, where it is meant to be, the lives that it has had in this process, and how many starts were in vain."""

    store: Store
    database: Path
    lives: frozenset[str]
    in_vain: int


class _Engine:
    """The loops of one start."""

    def __init__(
        self,
        settings: Settings,
        site: Site,
        account: Account,
        where: Where,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        store = self._store = where.store
        self._site = site.id
        self._clock = clock
        self._monotonic = monotonic
        self._link = Link(
            account,
            [(f"{topics.PREFIX}{site.id}/{topic}", qos) for topic, qos in SUBSCRIPTIONS],
            self._message,
            on_connected=self._connected,
            will=last_will(site.id, store.engine, VERSION),
        )
        self._situation = _situation(settings, site, store, now_s=monotonic())
        self._rings = Rings(self._link, site.id, store.engine, [group.id for group in site.groups], monotonic=monotonic)
        self._rings.keep(self._situation.orders)
        self._begun = False
        self._backlog = Backlog(store, on_fault=self._disk, on_saved=self._saved)
        self._rubbish = Rubbish(store.reading)
        self._rivals = Rivals(store.engine, where.lives)
        self._reports = Reports(store, self._situation, self._rubbish, days=settings.retention.reports_days, clock=clock)
        self._expiry = Expiry(store, settings.retention, self._clock_is_well, clock=clock, monotonic=monotonic)
        self._housekeeping = Housekeeping(store, where.database, self._situation, self._fault, in_vain=where.in_vain)
        self._publication = Publication(self._link, self._rings, site, site.id, (store.engine, VERSION), clock=clock)
        self._intake = Intake(
            Parts(
                *(self._situation, store, self._backlog, self._publication, self._reports, self._rubbish, self._rivals),
                restored=lambda: _situation(settings, site, store, now_s=monotonic()),
            ),
            site.id,
            clock=clock,
            monotonic=monotonic,
            on_outgoing=self._outgoing,
            on_denied=self._changed,
            on_bench=self._for_bench,
        )
        self._workbench = Workbench(
            settings,
            site,
            store.path.parent,
            workbench.Ties(store, self._situation, self._intake.put, self._publication.answer_bench, clock, self._intake.settled),
        )
        ties_of_serving = serving.Ties(
            *(self._situation, self._rubbish, self._intake.put, self._link.publish, self._may_serve, clock, monotonic),
        )
        self._serving = Serving(store.path.parent, site.id, settings.updates.kb_per_s, ties_of_serving)
        self._plan = canary_plan(settings, site)
        self._channels = Channels(settings, site, self._plan, Ties(store, self._intake, self._fault, clock))
        certificates = Certificates(where.database.parent, settings.console.certificate, {board.id for board in site.boards})
        self._reader = partial(wellbeing.read, settings.health, where.database.parent, self._link, certificates)
        self._health = health_limits(settings)
        self._metrics = settings.metrics
        self._unreadable = 0
        self._hears_incidents = False

    async def run(self) -> None:
        """Never returns; cancel it."""
        logger.info("engine %s, version %s, database %s", self._store.engine, VERSION, self._store.path)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(notify.beat(self._decides), name="watchdog")
            tasks.create_task(self._link.run(), name="link")
            await self._link.up.wait()
            await self._rivals.make_sure()
            self._begun = True
            tasks.create_task(self._intake.run(), name="intake")
            self._connected()
            self._intake.put(partial(canaries.begin, plan=self._plan))
            tasks.create_task(self._rings.run(self._may_send), name="rings")
            tasks.create_task(self._ticks(), name="ticks")
            tasks.create_task(self._clockwork(), name="clockwork")
            tasks.create_task(self._roster(), name="roster")
            tasks.create_task(wellbeing.watch(self._reader, self._health, self._intake.put), name="health")
            tasks.create_task(self._reports.run(), name="reports")
            tasks.create_task(self._workbench.run(), name="workbench")
            tasks.create_task(self._serving.run(), name="serving")
            tasks.create_task(self._backlog.run(), name="backlog")
            tasks.create_task(self._store.keep_log_short(), name="checkpoints")
            tasks.create_task(self._housekeeping.run(), name="housekeeping")
            tasks.create_task(self._expiry.run(), name="expiry")
            if self._metrics.port:
                measured = Measured(VERSION, self._situation, self._intake, self._store, self._rubbish, self._link, self._serving)
                tasks.create_task(_show(self._metrics.host, self._metrics.port, measured), name="metrics")
            self._channels.start(tasks)

    def _for_bench(self, user: str, command: BoardCommand) -> None:
        self._workbench.take(user, command)

    async def _decides(self) -> None:
        """Return once what was put into the intake until now is decided. Before it has begun there is nothing to decide."""
        if self._begun:
            await self._intake.settled()

    def _fault(self, key: str, words: str | None) -> None:
        """Something of the gateway itself is not well, or (None) well again."""
        self._intake.put(partial(facts.fault, key=key, words=words) if words else partial(facts.fault_over, key=key))

    def _message(self, topic: str, payload: bytes, retained: bool) -> None:
        if topic.endswith("/fetch"):
            self._fetch(topic, payload)
            return
        self._intake.message(topic, payload, retained)

    def _fetch(self, topic: str, payload: bytes) -> None:
        name, device, _ = topics.parse(self._site, topic) or ("", "", "")
        if name == "fetch" and device in self._situation.devices:
            self._serving.take(device, payload)

    def _may_serve(self) -> bool:
        """Pieces of updates wait while anything else needs the engine, or people need their bells."""
        return self._may_send() and waves.may_go_on(self._situation) and self._intake.waiting["fact"] == 0

    def _connected(self) -> None:
        """The broker may have forgotten everything: say what is retained, and what rings."""
        self._hears_incidents = True
        if self._begun:
            self._intake.put(facts.watch_again)  # however short it was: nothing may have come for long before the link was found dead
            self._intake.put(self._say_everything)

    def _changed(self) -> None:
        """What the topic `gateway` says of us is not so, or not so any more."""
        if self._begun:
            self._intake.put(self._say_online)

    def _clock_is_well(self) -> bool:
        return not any(key.startswith("clock") for key in self._situation.faults)

    def _disk(self, fault: str | None) -> None:
        self._intake.put(partial(facts.fault, key=DISK, words=fault) if fault else partial(facts.fault_over, key=DISK))

    def _saved(self, receipts: list[tuple[str, str]]) -> None:
        if self._may_send():
            self._publication.receipts(receipts)

    def _say_online(self, _turn: Turn) -> None:
        if self._may_send():
            self._publication.gateway(self._situation)

    def _say_everything(self, _turn: Turn) -> None:
        if not self._may_send():
            return
        self._publication.gateway(self._situation)
        self._publication.tick()
        self._rings.send_all()
        for incident in incidents.unresolved(self._situation.incidents.values()):
            self._publication.incident(incident.id, self._intake.snapshot(incident), is_over=False)

    def _may_send(self) -> bool:
        return self._link.up.is_set() and not self._rivals.keep_still(self._monotonic())

    def _outgoing(self, outgoing: list[journal.Outgoing], effects: Effects) -> None:
        self._channels.put(outgoing, effects.withdrawn)
        self._workbench.seen(effects)

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._may_send():
                self._publication.tick()
            if self._hears_incidents:
                # What the broker had retained has come by now; from here on it would be our own alone.
                self._hears_incidents = False
                self._link.unsubscribe(topics.incident(self._site, "+"))

    async def _clockwork(self) -> None:
        was_still = False
        while True:
            await asyncio.sleep(CLOCKWORK_S)
            self._count_unreadable()
            is_deaf = not self._link.up.is_set()
            is_still = self._rivals.keep_still(self._monotonic())
            if is_still:
                was_still = True
                continue
            if was_still:
                was_still = False
                self._intake.put(facts.watch_again)
                self._intake.put(self._say_everything)
            now = Now(int(self._clock() * 1000), self._monotonic())
            desk = () if is_deaf else desks.due(self._situation, now_s=now.s)
            more = (*desk, *canaries.due(self._situation, self._plan, now))
            for act in (*facts.due(self._situation, now, is_deaf=is_deaf), *more):
                self._intake.put(act)
            self._intake.put_patiently(partial(telling.due, self._situation, now))

    async def _roster(self) -> None:
        while True:
            self._intake.put(telling.roster)
            self._intake.put(moves.settle_all)
            if not self._rivals.keep_still(self._monotonic()):
                self._intake.put(notices.tell)
            await asyncio.sleep(ROSTER_S)

    def _count_unreadable(self) -> None:
        new, self._unreadable = self._link.unreadable_topics - self._unreadable, self._link.unreadable_topics
        if new:
            now_ms = int(self._clock() * 1000)
            self._rubbish.count("", "topic", why="a topic in UTF-8", payload=b"", now_ms=now_ms, times=new)


def _situation(settings: Settings, site: Site, store: Store, *, now_s: float) -> Situation:
    situation = Situation(site, limits(settings, site), _programs(settings), ways(settings))
    with readable():
        journal.restore(store.reading, situation, now_s=now_s)
    for board in site.boards:
        situation.device(board.id).kind = board.kind
    return situation


def _programs(settings: Settings) -> tuple[str, ...]:
    """The channels to programs: each is told of every incident. A receiver that is a fallback gets what another does not take."""
    fallbacks = {receiver.fallback for receiver in settings.receivers}
    receivers = [f"sia:{receiver.name}" for receiver in settings.receivers if receiver.name not in fallbacks]
    return (*(f"webhook:{webhook.name}" for webhook in settings.webhooks), *receivers)


async def _show(host: str, port: int, measured: Measured) -> None:
    """Metrics until cancelled. Whether somebody can look is nothing that an alarm waits for."""
    try:
        await exposition.serve(host, port, measured.metrics)
    except OSError as exc:
        logger.error("no metrics at %s:%d: %s", host, port, exc)  # noqa: TRY400  # the reason says it all
