"""Light boards: they speak the protocol from CPython, one task each, where the real firmware cannot run or need not.

They press, call, ring on calls and rings, prove it, repeat until the receipt, and test their bell by order. They have no patterns, no
verify times, no keys and no flash to wear out: what is promised about a board is tested on the firmware. Their memory lies in the first
bytes of the flash image, so that it outlives a power cut and dies with a new chip.
"""

import asyncio
import json
import random
import secrets
import time
import traceback
from dataclasses import dataclass, field
from typing import Self

from protocol import topics
from protocol.fields import Pattern, State
from protocol.messages import Answer, Birth, Call, Event, Hello, Order, Receipt, Report, Ring, Tick, Will, decode
from protocol.wire import DecodeError
from simulator.bodies import Cause, Plan, Reports
from simulator.gauges import Volts, fitted
from simulator.mqtt import Account, Client, Message
from simulator.terminals import BELL, BELL_SENSE, WIRINGS

CALL_RINGS_S = 180
RECONNECT_S = (0.1, 3.0)
REPEAT_S = (1, 2, 4, 8, 15)
REPORT_S = 30
SETTLE_S = 0.02  # debouncing
TYPES = {
    "button": "button",
    "smoke": "smoke",
    "sos": "sos",
    "extinguisher": "presence",
    "door": "door",
    "tamper": "tamper",
    "silence": "key",
}
CALLS: dict[str, Pattern] = {"button": "fire", "sos": "sos"}  # what they call the group with


class LightBoards:
    """The light boards of a world: the same controls as Processes."""

    def __init__(self, reports: Reports) -> None:
        self._reports = reports
        self._boards: dict[str, LightBoard] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for device in list(self._boards):
            await self.stop(device)

    async def start(self, plan: Plan, cause: Cause) -> None:
        """Power on."""
        self._boards[plan.device] = LightBoard(plan, cause, self._reports)

    async def stop(self, device: str) -> None:
        """Power off: its connection vanishes without goodbye."""
        if board := self._boards.pop(device, None):
            await board.stop()

    def set_input(self, device: str, terminal: str, active: bool) -> None:
        """Change an input, if the board is on."""
        if board := self._boards.get(device):
            board.sense(terminal, active)

    def set_volts(self, device: str, terminal: str, volts: Volts) -> None:
        """Nothing: a light board measures no voltage."""

    def advance(self, device: str, ms: int) -> None:
        """Raises NotImplementedError: a light board has no clock of its own."""
        raise NotImplementedError("a light board's clock cannot jump: run the real firmware for this")

    def cut_at(self, device: str, operation: int) -> None:
        """Raises NotImplementedError: a light board's flash has no operations."""
        raise NotImplementedError("a light board's flash cannot lose power in an operation: run the real firmware for this")

    def reach(self, device: str, in_reach: bool) -> None:
        """Raises NotImplementedError: a light board has no Wi-Fi."""
        raise NotImplementedError("a light board has no Wi-Fi: freeze or unplug its link, or run the real firmware")

    def probe(self, device: str) -> None:
        """Raises NotImplementedError: a light board has neither heap nor flash."""
        raise NotImplementedError("a light board cannot be measured: run the real firmware for this")


@dataclass
class Memory:
    """What a light board keeps over a power cut."""

    life: str
    boot: int
    seq: int = 0
    waiting: dict[str, dict[str, object]] = field(default_factory=dict)


class LightBoard:
    """One board, from power on to `stop`."""

    def __init__(self, plan: Plan, cause: Cause, reports: Reports) -> None:
        self._plan = plan
        self._reports = reports
        self._cause = cause
        self._config = plan.config
        self._points = WIRINGS[plan.config.kind].contacts(fitted(plan.config))
        self._memory = self._remember()
        self._happened: dict[str, float] = {}
        self._sent: dict[str, tuple[int, float]] = {}
        self._engine = ""
        self._answered = False
        self._sounding: dict[str, float] = {}  # event id of a call, own ones too -> until
        self._ring: Ring | None = None
        self._tested_until = 0.0
        self._heard: set[tuple[str, int]] = set()
        self._started = time.monotonic()
        self._client: Client | None = None
        self._wake = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"light {plan.device}")

    async def stop(self) -> None:
        """The power is gone."""
        if self._client:
            self._client.abort()
        self._task.cancel()
        await asyncio.wait([self._task])

    def sense(self, terminal: str, active: bool) -> None:
        """An input has changed."""
        if terminal not in self._points:
            return
        kind = TYPES[terminal.rpartition("-")[0] or terminal]
        calls = kind in CALLS and active
        ident = self._record(point=terminal, type=kind, state="active" if active else "clear", calling=calls)
        if calls:
            self._sounding[ident] = time.monotonic() + CALL_RINGS_S
            self._drive()
            if self._client:
                call = Call(id=ident, k=1, type=kind, pattern=CALLS[kind])
                self._client.send(topics.call(self._config.site, self._config.group, self._config.device), call.payload(), qos=1)
        self._wake.set()

    # Bell

    def _drive(self) -> None:
        now = time.monotonic()
        on = any(until > now for until in self._sounding.values()) or (self._ring is not None and self._ring.pattern is not None)
        self._reports.output(self._config.device, BELL, on or self._tested_until > now)

    def _prove(self, *, cause: str, k: int | None = None, n: int | None = None) -> None:
        if not self._config.bell_sense:
            self._record(point=BELL, type=BELL, state="active", proof="commanded", cause=cause, k=k, n=n)
        elif BELL_SENSE in self._plan.active:
            self._record(point=BELL, type=BELL, state="active", proof="measured", cause=cause, k=k, n=n)
        else:
            self._record(point=BELL, type=BELL, state="open", cause=cause, k=k, n=n)

    def _hear_call(self, call: Call) -> None:
        if (call.id, call.k) in self._heard or call.id.startswith(f"{self._memory.life}-{self._memory.boot}-"):
            return
        self._heard.add((call.id, call.k))
        self._sounding[call.id] = time.monotonic() + CALL_RINGS_S
        self._drive()
        self._prove(cause=call.id, k=call.k)

    def _hear_ring(self, ring: Ring) -> None:
        before, self._ring = self._ring, ring
        if ring.pattern is None:
            for ident in ring.covers.values():
                self._sounding.pop(ident, None)
        self._drive()
        if ring.pattern is not None and ring.incident and (before is None or (before.incident, before.n) != (ring.incident, ring.n)):
            self._prove(cause=ring.incident, n=ring.n)

    def _obey(self, order: Order) -> None:
        if (order.do, order.what) != ("test", BELL):
            answer = Answer(id=order.id, ok=False, error=f"a light board does no {order.do}")
        else:
            self._tested_until = time.monotonic() + order.seconds
            self._drive()
            if self._config.bell_sense and BELL_SENSE not in self._plan.active:
                answer = Answer(id=order.id, ok=False, error="loop open on bell")
            else:
                answer = Answer(id=order.id, ok=True, proof="measured" if self._config.bell_sense else "commanded")
        if self._client:
            self._client.send(topics.device(self._config.site, self._config.device, "answer"), answer.payload(), qos=1)
        self._wake.set()

    # Events

    def _record(self, *, point: str, type: str, state: State, **more: object) -> str:
        self._memory.seq += 1
        ident = f"{self._memory.life}-{self._memory.boot}-{self._memory.seq}"
        event = Event(id=ident, point=point, type=type, state=state, now=state, **more)  # type: ignore[arg-type]
        self._memory.waiting[ident] = event.model_dump(exclude_none=True)
        self._happened[ident] = time.monotonic()
        self._keep()
        self._wake.set()
        return ident

    def _due(self, now: float) -> float:
        """Send what is due; returns the seconds until the next is."""
        next_s = float(REPORT_S)
        for ident, fields in self._memory.waiting.items():
            tries, at = self._sent.get(ident, (0, 0.0))
            wait = REPEAT_S[min(tries, len(REPEAT_S)) - 1] if tries else 0
            if now - at >= wait:
                self._sent[ident] = (tries + 1, now)
                self._publish(ident, fields, now)
                wait, at = REPEAT_S[min(tries, len(REPEAT_S) - 1)], now
            next_s = min(next_s, at + wait - now)
        return max(next_s, 0.01)

    def _publish(self, ident: str, fields: dict[str, object], now: float) -> None:
        # What has happened while this round went on is later than its beginning.
        age = {"age": max(0, round((now - self._happened[ident]) * 1000))} if ident in self._happened else {}
        point = str(fields["point"])
        state = fields["state"] if point not in self._points else "active" if point in self._plan.active else "clear"
        event = Event.model_validate({**fields, **age, "now": state})
        if self._client:
            self._client.send(topics.device(self._config.site, self._config.device, "event"), event.payload(), qos=1)

    # Connection

    async def _run(self) -> None:
        while True:
            try:
                await self._stay()
            except OSError:
                self._client = None
            except Exception:
                self._plan.log.write_text(traceback.format_exc())
                self._reports.ended(self._config.device)
                raise
            await asyncio.sleep(random.uniform(*RECONNECT_S))

    async def _stay(self) -> None:
        client = Client(self._receive)
        try:
            await self._connected(client)
        finally:
            client.abort()  # what has not answered in time may still be open

    async def _connected(self, client: Client) -> None:
        config, address = self._config, self._config.brokers[0]
        state = topics.device(config.site, config.device, "state")
        will = Will(life=self._memory.life, boot=self._memory.boot).payload()
        await client.connect(Account(address.host, address.port, config.device, config.password), will=Message(state, will, True))
        await client.subscribe(
            *(topics.device(config.site, config.device, leaf) for leaf in ("hello", "receipt", "order")),
            topics.call(config.site, config.group, "+"),
            topics.ring(config.site, config.group),
            topics.tick(config.site),
        )
        self._client, self._answered, self._sent = client, False, {}
        active = {str(f["point"]): ident for ident, f in self._memory.waiting.items() if f["point"] in self._plan.active}
        birth = Birth(
            life=self._memory.life,
            boot=self._memory.boot,
            kind=config.kind,
            fw="light",
            group=config.group,
            reset="power" if self._cause == Cause.POWER else "software",
            active=active,
        )
        await client.publish(state, birth.payload(), retain=True)
        report_due, birth_due = 0.0, time.monotonic() + 5
        while not client.lost.is_set():
            now = time.monotonic()
            if now >= report_due:
                report_due = now + REPORT_S * random.uniform(0.8, 1)
                self._report(now)
            if now >= birth_due and not self._answered:
                birth_due = now + 10
                await client.publish(state, birth.payload(), retain=True)
            pause = min(self._due(now), report_due - now)
            if self._tested_until > now:
                pause = min(pause, self._tested_until - now)
            await _first_of(client.lost, self._wake, within_s=pause if self._answered else min(pause, 1))
            self._wake.clear()
            self._drive()
        raise ConnectionResetError(f"{config.device}: the connection is lost")

    def _report(self, now: float) -> None:
        report = Report(up=round(now - self._started), heap=0, waiting=len(self._memory.waiting), dropped=0, refused=0)
        if self._client:
            self._client.send(topics.device(self._config.site, self._config.device, "report"), report.payload())

    def _receive(self, message: Message) -> None:
        found = topics.parse(self._config.site, message.topic)
        if found is None or message.retained:
            return
        try:
            self._hear(found[0], message.payload)
        except DecodeError:
            return

    def _hear(self, name: str, payload: bytes) -> None:
        if name == "receipt":
            self._memory.waiting.pop(decode(Receipt, payload).id, None)
            self._keep()
        elif name == "order":
            self._obey(decode(Order, payload))
        elif name == "call":
            self._hear_call(decode(Call, payload))
        elif name == "ring":
            self._hear_ring(decode(Ring, payload))
        elif name == "hello":
            hello = decode(Hello, payload)
            self._meet(hello.engine)
            self._answered = self._answered or hello.birth == f"{self._memory.life}-{self._memory.boot}"
            if hello.ring:
                self._hear_ring(hello.ring)
        elif name == "tick":
            self._meet(decode(Tick, payload).engine)

    def _meet(self, engine: str) -> None:
        """An engine that we have not met knows nothing of what we sent to another."""
        if engine != self._engine:
            self._engine, self._sent = engine, {}
            self._wake.set()

    # Memory

    def _remember(self) -> Memory:
        raw = self._plan.flash.path.read_bytes().rstrip(b"\xff")
        memory = Memory(**json.loads(raw)) if raw else Memory(secrets.token_hex(4), 0)
        memory.boot += 1
        memory.seq = 0
        self._write(memory)
        return memory

    def _keep(self) -> None:
        self._write(self._memory)

    def _write(self, memory: Memory) -> None:
        self._plan.flash.path.write_bytes(json.dumps(memory.__dict__).encode())


async def _first_of(*events: asyncio.Event, within_s: float) -> None:
    """Return when one of the events is set, or after `within_s`."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
