"""The console's ear on the bus: open incidents, whether the engine lives, and the engine's time."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gateway.console.changes import Changes
from gateway.mqtt import Account, Link
from protocol import topics
from protocol.desk import CommandAnswer
from protocol.incident import Incident
from protocol.messages import Fault, Gateway, Tick, decode
from protocol.wire import DecodeError

logger = logging.getLogger(__name__)

TICK_LOST_S = 25.0  # "Nothing for 25 s: nobody listens" (docs/wire.md, tick)
# A broker delivers retained incidents at once, and an engine publishes its own again when it connects; what has not come this long
# after the engine said that it is online was closed while we were away.
SETTLE_S = 2.0

EngineState = Literal["online", "offline", "silent", "unknown"]


@dataclass(frozen=True)
class Liveness:
    """What is known of broker and engine. offline: it said so, or its last will did. silent: online, yet no tick for 25 s.

    unknown: we do not reach the broker, or nobody has said anything there. `since_ms`: Unix time at which this began. `faults`: what
    a running engine says is wrong with the gateway; `lasting`: the same in parts, of an engine that says so; `left_out`: how many more.
    """

    broker: Literal["connected", "lost"]
    engine: EngineState
    since_ms: int
    faults: tuple[str, ...] = ()
    lasting: tuple[Fault, ...] = ()
    left_out: int = 0


@dataclass(frozen=True)
class Clock:
    """`monotonic` in seconds, `now_ms` in Unix milliseconds."""

    monotonic: Callable[[], float]
    now_ms: Callable[[], int]


class Feed:
    """Listens as `account`, to the answers to everybody's commands too. Tells `changes` of every difference."""

    def __init__(self, site: str, account: Account, changes: Changes, clock: Clock) -> None:
        self.liveness = Liveness("lost", "unknown", clock.now_ms())
        self.unreadable = 0
        self.answers: dict[str, asyncio.Future[CommandAnswer]] = {}
        self._site = site
        self._changes = changes
        self._clock = clock
        self._incidents: dict[str, Incident] = {}
        self._unseen: set[str] = set()
        self._gateway: Gateway | None = None
        self._heard: float | None = None  # monotonic time of the engine's last word on this connection
        self._settled: float | None = None  # monotonic time at which what is unseen is dropped
        self._tick: tuple[int, float] | None = None  # engine's time, and our monotonic time then
        self._link = Link(
            account,
            [
                (topics.gateway(site), 1),
                (topics.tick(site), 0),
                (topics.PREFIX + site + "/incident/+", 1),
                (topics.desk(site, "+", "answer"), 1),
            ],
            self._message,
            on_connected=self._judge,
            on_lost=self._lost,
        )

    @property
    def incidents(self) -> list[Incident]:
        """The open incidents, as the engine published them last."""
        return list(self._incidents.values())

    def engine_ms(self) -> int:
        """The engine's time now. Before its first tick ours, which on one machine is the same clock."""
        if self._tick is None:
            return self._clock.now_ms()
        at, heard = self._tick
        return at + round((self._clock.monotonic() - heard) * 1000)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1) -> bool:
        """False while there is no broker."""
        return self._link.publish(topic, payload, qos=qos)

    async def run(self) -> None:
        """Never returns."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run(), name="console link")
            tasks.create_task(self._watch(), name="console watch")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            if self._settled is not None and self._clock.monotonic() >= self._settled:
                self._settled = None
                self._drop_unseen()
            self._judge()

    def _message(self, topic: str, payload: bytes, retained: bool) -> None:
        name, owner, _sender = topics.parse(self._site, topic) or ("", "", "")
        try:
            if name == "incident":
                self._incident(owner, payload)
            elif name == "gateway":
                self._gateway_says(decode(Gateway, payload))
            elif name == "tick" and not retained:  # no clock is set from what a broker has kept
                self._ticked(decode(Tick, payload))
            elif name == "desk_answer":
                self._answered(decode(CommandAnswer, payload))
        except DecodeError as exc:
            self.unreadable += 1
            level = logging.WARNING if self.unreadable == 1 else logging.DEBUG
            logger.log(level, "unreadable message on %s: %s", topic, exc)

    def _incident(self, ident: str, payload: bytes) -> None:
        incident = decode(Incident, payload) if payload else None
        self._unseen.discard(ident)
        if incident is None or incident.state == "resolved":
            self._incidents.pop(ident, None)
        else:
            self._incidents[ident] = incident
        self._changes.tell()

    def _gateway_says(self, message: Gateway) -> None:
        self._gateway = message
        self._heard = self._clock.monotonic()
        if message.online:
            self._settled = self._heard + SETTLE_S
        self._judge()

    def _ticked(self, tick: Tick) -> None:
        self._heard = self._clock.monotonic()
        self._tick = (tick.t, self._heard)
        self._judge()

    def _answered(self, answer: CommandAnswer) -> None:
        waiting = self.answers.get(answer.id)
        if waiting and not waiting.done():
            waiting.set_result(answer)

    def _lost(self) -> None:
        self._gateway = self._heard = self._settled = None
        self._unseen = set(self._incidents)
        for waiting in self.answers.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the link to the broker was lost"))
        self._judge()

    def _drop_unseen(self) -> None:
        for ident in self._unseen:
            self._incidents.pop(ident, None)
        if self._unseen:
            self._unseen = set()
            self._changes.tell()

    def _judge(self) -> None:
        connected = self._link.up.is_set()
        engine = self._engine() if connected else "unknown"
        broker: Literal["connected", "lost"] = "connected" if connected else "lost"
        said = self._gateway if self._gateway and engine == "online" else None
        what = (tuple(said.faults), tuple(said.lasting), said.left_out) if said else ((), (), 0)
        before = self.liveness
        if (broker, engine, *what) != (before.broker, before.engine, before.faults, before.lasting, before.left_out):
            self.liveness = Liveness(broker, engine, self._clock.now_ms(), *what)
            self._changes.tell()

    def _engine(self) -> EngineState:
        if self._gateway is None or self._heard is None:
            return "unknown"
        if not self._gateway.online:
            return "offline"
        return "online" if self._clock.monotonic() - self._heard < TICK_LOST_S else "silent"
