"""The channels of one start, as the settings have them: each gets what waits for it, and what each says of its messages is taken in."""

from asyncio import TaskGroup
from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple, Protocol

from gateway.delivery import targets
from gateway.delivery.queue import Queue
from gateway.delivery.targets import Courier
from gateway.delivery.webhooks import WebhookLoop
from gateway.domain import canaries, notices
from gateway.domain.canaries import Plan
from gateway.domain.rows import DeliveryRow
from gateway.domain.situation import Act
from gateway.intake import Intake
from gateway.settings import Settings
from gateway.store import journal
from gateway.store.damage import readable
from gateway.store.store import Store
from protocol.site import Site


class Channel(Protocol):
    """The loop of one channel. What it has waiting is put into its queue before `run`, and what is decided later as it comes."""

    queue: Queue

    async def run(self) -> None:
        """Never returns; cancel it."""


class Ties(NamedTuple):
    """What channels have to do with: the database, where decisions are made, and who hears that something is not well (None: again)."""

    store: Store
    intake: Intake
    fault: Callable[[str, str | None], None]
    clock: Callable[[], float]


class Channels:
    """Raises Damaged if what is kept for a channel cannot be read."""

    def __init__(self, settings: Settings, site: Site, plan: Plan, ties: Ties) -> None:
        self._plan = plan
        self._store = ties.store
        self._intake = intake = ties.intake
        clock, fault, life = ties.clock, ties.fault, ties.store.engine.partition("-")[0]
        self._channels: list[Channel] = [WebhookLoop(webhook, life, self._tried, clock=clock) for webhook in settings.webhooks]
        if settings.receivers:
            from gateway.delivery.sia import channel as sia  # noqa: PLC0415  # cryptography, 6 MiB, for those who have a receiver

            self._channels += sia.loops(settings.receivers, self._tried, fault, on_proof=self._proved, clock=clock)
        if settings.sms.port:
            from gateway.delivery.sms import channel as sms  # noqa: PLC0415  # pyserial, for those who have a modem

            of_sms = sms.Ties(self._tried, intake.replied, fault, intake.settled, self._proved)
            with readable():
                handed = journal.handed(self._store.reading, "sms")
            self._channels += sms.loops(settings.sms, site, of_sms, handed, clock=clock)
        self._courier = Courier() if settings.apprise else None
        if self._courier:
            self._channels += targets.loops(settings.apprise, self._courier, self._tried, fault, intake.marked, clock=clock)

    def start(self, tasks: TaskGroup) -> None:
        """Begin with what waits since former starts."""
        if self._courier:
            tasks.create_task(self._courier.run(), name="courier")
        for channel in self._channels:
            with readable():
                channel.queue.put(journal.waiting(self._store.reading, channel.queue.channel))
            tasks.create_task(channel.run(), name=channel.queue.channel)
        self._give_up_orphans()

    def put(self, outgoing: list[journal.Outgoing], withdrawn: Collection[int]) -> None:
        """What was decided to go out, and what is not to go out any more."""
        for channel in self._channels:
            channel.queue.put(outgoing)
            channel.queue.withdraw(withdrawn)

    def _give_up_orphans(self) -> None:
        """Nobody sends what waits for a channel that the settings no longer have: its person's next channel is tried, and its incident
        can come to its end.
        """
        with readable():
            orphans = journal.orphans(self._store.reading, {channel.queue.channel for channel in self._channels})
        for row, _ in orphans:
            gone = row.delivery.model_copy(update={"state": "failed", "error": "this channel is no longer set up"})
            self._tried(row._replace(delivery=gone))

    def _tried(self, row: DeliveryRow) -> None:
        """A channel says how far a message is; what has arrived proves the channel."""
        more: list[Act] = []
        if row.delivery.state != "waiting":
            more.append(partial(canaries.told, row=row, plan=self._plan))
        if (row.delivery.what, row.delivery.state) == (notices.FAULT, "failed"):
            more.append(partial(notices.again, row=row))
        self._intake.tried(row, *more)

    def _proved(self, channel: str) -> None:
        """What watches over a channel has found that it works."""
        self._intake.put(partial(canaries.supervised, channel=channel, plan=self._plan))
