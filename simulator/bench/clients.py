"""Boards with a button and a bell as clients of the wire, for measuring what stands behind the broker.

They have no firmware: they repeat an event until its receipt, prove each new ring, report when told to, and nothing else.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

from protocol import topics, wire
from simulator.bench.communes import SITE
from simulator.mqtt import Account, Client, Message
from simulator.watch import Watch

CONNECTING = 50  # at once: more only wait for each other
KEEP_ALIVE_S = 600  # no pings among the figures
BIRTH_S = (5, 10, 20)  # and every 20 s after that
REPEAT_S = (1, 2, 4, 8, 15)  # the wire's rule for an event without a receipt
PROOF_S = 0.02  # what a board needs to see its bell's current: and the proofs do not delay the clocks of other bells here
REPORT = wire.encode_report(up=86400, heap=61200, rssi=-67, mains=True, battery=86, waiting=0, dropped=0, refused=0, values={"tank": 71.5})


@dataclass
class Alarm:
    """One press on its way: when it was sent, when its receipt came, when each bell was first told to ring for it (monotonic s)."""

    id: str
    device: str
    sent: float
    bells: int
    receipt: float | None = None
    rings: dict[str, float] = field(default_factory=dict)
    out: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def all_out_at(self) -> float:
        """When the receipt and the last ring had come; once `out` is set."""
        return max([self.receipt or 0.0, *self.rings.values()])

    def look(self) -> None:
        """Set `out` if all has come."""
        if self.receipt is not None and len(self.rings) >= self.bells:
            self.out.set()


class Fleet:
    """Boards, by device with their groups, that are connected for as long as `async with` lasts. The watch hears of what they hear."""

    def __init__(self, accounts: dict[str, Account], groups: dict[str, str], watch: Watch) -> None:
        self.boards = {device: Board(self, device, group, accounts[device]) for device, group in groups.items()}
        self.alarms: dict[str, Alarm] = {}
        self._watch = watch
        self._ringing: dict[str, list[Alarm]] = {}

    async def __aenter__(self) -> Self:
        gate = asyncio.Semaphore(CONNECTING)

        async def connect(board: "Board") -> None:
            async with gate:
                await board.connect()

        async with asyncio.TaskGroup() as tasks:
            for board in self.boards.values():
                tasks.create_task(connect(board))
        self._repeating = asyncio.get_running_loop().create_task(self._repeat(), name="repeats")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._repeating.cancel()
        for board in self.boards.values():
            board.client.close()

    @property
    def waiting(self) -> int:
        """Events that still have no receipt."""
        return sum(board.waiting for board in self.boards.values())

    def press(self, device: str, *, bells: int) -> Alarm:
        """Press a button; the alarm is out when its receipt and the rings of so many bells of the fleet have come."""
        board = self.boards[device]
        ident = board.next_id()
        alarm = Alarm(ident, device, time.monotonic(), bells)
        self.alarms[ident] = alarm
        self._ringing.setdefault(board.group, []).append(alarm)
        board.tell(ident, "active")
        return alarm

    def clear(self, device: str) -> None:
        """Let the button go: nothing of the fleet waits for it."""
        board = self.boards[device]
        board.tell(board.next_id(), "clear")

    def forget(self, alarms: Iterable[Alarm]) -> None:
        """Listen for these no longer."""
        for alarm in alarms:
            self.alarms.pop(alarm.id, None)
            self._ringing[self.boards[alarm.device].group].remove(alarm)

    def ring_heard(self, board: "Board", payload: bytes, at: float) -> None:
        """A board has heard its group's order."""
        for alarm in self._ringing.get(board.group, ()):
            if alarm.id.encode() in payload:
                alarm.rings.setdefault(board.device, at)
                alarm.look()
                self._watch.changed()

    def receipt_heard(self, ident: str, at: float) -> None:
        """A board has heard a receipt."""
        self._watch.changed()
        if alarm := self.alarms.get(ident):
            alarm.receipt = alarm.receipt or at
            alarm.look()

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(0.25)
            now = time.monotonic()
            for board in self.boards.values():
                board.repeat_due(now)


@dataclass
class _Sent:
    state: str
    first: float
    tries: int
    next: float


class Board:
    """One board. `greeted` is set by the engine's hello."""

    def __init__(self, fleet: Fleet, device: str, group: str, account: Account) -> None:
        self.device = device
        self.group = group
        self.life = secrets.token_hex(4)
        self.greeted = asyncio.Event()
        self.client = Client(self._receive, keep_alive_s=KEEP_ALIVE_S)
        self._fleet = fleet
        self._account = account
        self._seq = 0
        self._waiting: dict[str, _Sent] = {}
        self._engine = ""
        self._proved = ("", 0)
        self._event_topic = topics.device(SITE, device, "event")
        self._state_topic = topics.device(SITE, device, "state")
        self._report_topic = topics.device(SITE, device, "report")
        self._ring_topic = topics.ring(SITE, group)

    async def connect(self) -> None:
        """Subscribe, then the birth, as the wire demands."""
        await self.client.connect(self._account, will=Message(self._state_topic, wire.encode_will(life=self.life, boot=1), True))
        own = (topics.device(SITE, self.device, leaf) for leaf in ("hello", "receipt"))
        await self.client.subscribe(*own, self._ring_topic, topics.tick(SITE))
        await self._be_born()

    async def _be_born(self) -> None:
        birth = wire.encode_birth(life=self.life, boot=1, kind="household", fw="1.0.0", group=self.group, reset="power", active={})
        await self.client.publish(self._state_topic, birth, retain=True)

    async def be_greeted(self) -> None:
        """Return when the engine has said hello; the birth is repeated as the wire has it, for brokers forget some of many."""
        pauses_s = itertools.chain(BIRTH_S, itertools.repeat(BIRTH_S[-1]))
        while not await self._greeted_within(next(pauses_s)):
            await self._be_born()

    async def _greeted_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.greeted.wait()
        return self.greeted.is_set()

    @property
    def waiting(self) -> int:
        """Events that still have no receipt; proofs are not counted."""
        return len(self._waiting)

    def next_id(self) -> str:
        """The id of the board's next event."""
        self._seq += 1
        return f"{self.life}-1-{self._seq}"

    def tell(self, ident: str, state: str) -> None:
        """Send a fact about button-1, and again until its receipt."""
        now = time.monotonic()
        self._waiting[ident] = _Sent(state, now, 0, now)
        self._send(ident, now)

    def report(self) -> None:
        """Send a report."""
        self.client.send(self._report_topic, REPORT)

    def repeat_due(self, now: float) -> None:
        """Send again what has waited long enough."""
        for ident, sent in list(self._waiting.items()):
            if now >= sent.next:
                self._send(ident, now)

    def _send(self, ident: str, now: float) -> None:
        sent = self._waiting[ident]
        sent.next = now + REPEAT_S[min(sent.tries, len(REPEAT_S) - 1)]
        sent.tries += 1
        age = round((now - sent.first) * 1000)
        event = wire.encode_event(
            id=ident,
            age=age,
            point="button-1",
            type="button",
            state=sent.state,
            now=sent.state,
            calling=True if sent.state == "active" else None,
        )
        self.client.send(self._event_topic, event, qos=1)

    def _receive(self, message: Message) -> None:
        at = time.monotonic()
        if message.topic == self._ring_topic:
            self._fleet.ring_heard(self, message.payload, at)
            asyncio.get_running_loop().call_later(PROOF_S, self._prove, message.payload)
        elif message.topic.endswith("/receipt"):
            ident = wire.decode_receipt(message.payload).id
            self._waiting.pop(ident, None)
            self._fleet.receipt_heard(ident, at)
        elif message.topic.endswith("/hello"):
            self._meet(wire.decode_hello(message.payload).engine)
            self.greeted.set()
        else:
            self._meet(wire.decode_tick(message.payload).engine)

    def _meet(self, engine: str) -> None:
        """A new engine is told at once what has no receipt."""
        if engine != self._engine:
            self._engine = engine
            for ident in self._waiting:
                self._send(ident, time.monotonic())

    def _prove(self, payload: bytes) -> None:
        ring = wire.decode_ring(payload)
        if ring.pattern is None or ring.incident is None or (ring.incident, ring.n) == self._proved:
            return
        self._proved = (ring.incident, ring.n)
        proof = wire.encode_event(
            id=self.next_id(),
            age=0,
            point="bell",
            type="bell",
            state="active",
            now="active",
            cause=ring.incident,
            n=ring.n,
            proof="measured",
        )
        self.client.send(self._event_topic, proof, qos=1)
