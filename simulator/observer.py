"""Somebody who reads everything that passes through the broker, as the user `observer` may."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, Self

from protocol import topics
from protocol.incident import Incident
from protocol.messages import Answer, Birth, Event, Gateway, Hello, OddEvent, Receipt, Report, decode, decode_event, decode_state
from protocol.wire import DecodeError
from simulator.mqtt import Account, Client, Message
from simulator.watch import Watch

RETRY_S = 0.1


class Seen(NamedTuple):
    """An incident's snapshot, and when it came (monotonic s)."""

    at: float
    incident: Incident


class Observer:
    """Connected for as long as `async with` lasts, again and again if the broker goes."""

    def __init__(self, site: str, account: Account, watch: Watch) -> None:
        self.snapshots: list[Seen] = []
        self.incidents: dict[str, Incident] = {}
        self.closed: set[str] = set()
        self.gateway: Gateway | None = None
        self.online: dict[str, bool] = {}
        self.births: dict[str, Birth] = {}
        self.greeted: set[str] = set()
        self.events: dict[str, list[Event]] = {}
        self.receipts: set[str] = set()
        self.answers: dict[str, Answer] = {}
        self.reports: dict[str, list[Report]] = {}
        self.unreadable = 0
        self.listening = asyncio.Event()  # a hello that passes before is never seen
        self._site = site
        self._account = account
        self._watch = watch

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="observer")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def is_greeted(self, device: str) -> bool:
        """Whether the engine has answered the newest birth of a board that is online."""
        birth = self.births.get(device)
        return birth is not None and self.online.get(device, False) and f"{device} {birth.start}" in self.greeted

    def newest(self) -> Incident | None:
        """The incident that was opened last, closed ones included."""
        return max(self.incidents.values(), key=lambda incident: (incident.opened_ms, incident.id), default=None)

    def lost_events(self) -> list[str]:
        """Events that passed and were never receipted, as "<device> <id>"."""
        return [f"{device} {event.id}" for device, events in self.events.items() for event in events if event.id not in self.receipts]

    def first(self, since: float, incident: str, test: Callable[[Incident], object]) -> float | None:
        """When a snapshot of the incident first passed the test, at or after `since`."""
        return next((seen.at for seen in self.snapshots if seen.at >= since and seen.incident.id == incident and test(seen.incident)), None)

    async def _run(self) -> None:
        while True:
            client = Client(self._receive)
            try:
                await client.connect(self._account)
                await client.subscribe(f"{topics.PREFIX}{self._site}/#")
                self.listening.set()
                await client.lost.wait()
            except OSError:
                await asyncio.sleep(RETRY_S)
            finally:
                self.listening.clear()
                client.close()

    def _receive(self, message: Message) -> None:
        found = topics.parse(self._site, message.topic)
        if found is None:
            return
        name, owner, _ = found
        try:
            self._take(name, owner, message)
        except DecodeError:
            self.unreadable += 1
        self._watch.changed()

    def _take(self, name: str, owner: str, message: Message) -> None:
        if name == "incident":
            self._take_incident(owner, message.payload)
        elif name == "gateway":
            self.gateway = decode(Gateway, message.payload)
        elif name == "state":
            self._take_state(owner, message.payload)
        elif name == "hello":
            self.greeted.add(f"{owner} {decode(Hello, message.payload).birth}")
        elif name == "event":
            event = decode_event(message.payload)
            if not isinstance(event, OddEvent):
                self.events.setdefault(owner, []).append(event)
        elif name == "report":
            self.reports.setdefault(owner, []).append(decode(Report, message.payload))
        elif name == "answer":
            answer = decode(Answer, message.payload)
            self.answers[answer.id] = answer
        elif name == "receipt":
            self.receipts.add(decode(Receipt, message.payload).id)

    def _take_state(self, device: str, payload: bytes) -> None:
        state = decode_state(payload)
        self.online[device] = state.online
        if isinstance(state, Birth):
            self.births[device] = state

    def _take_incident(self, ident: str, payload: bytes) -> None:
        if not payload:
            self.closed.add(ident)
            return
        incident = decode(Incident, payload)
        self.incidents[ident] = incident
        self.snapshots.append(Seen(time.monotonic(), incident))
