"""Who listens to the gateway during a chaos, and the desk: connected again and again, whatever dies."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from protocol import topics
from protocol.desk import Command
from protocol.incident import Incident
from protocol.messages import Tick, decode
from protocol.wire import decode_receipt
from simulator.mqtt import Account, Client, Message
from simulator.receivers import WebhookReceiver
from simulator.watch import Watch

RETRY_S = 0.1
EVENT_ID = re.compile(rb"[0-9a-f]{8}-[0-9]+-[0-9]+")


class Line:
    """A connection that is made again whenever it is lost, while `async with` lasts."""

    def __init__(self, account: Account, filters: tuple[str, ...], hear: Callable[[Message], None]) -> None:
        self._account = account
        self._filters = filters
        self._hear = hear
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"line of {self._account.user}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    @property
    def up(self) -> bool:
        """Whether it is connected and subscribed."""
        return self._client is not None

    def send(self, topic: str, payload: bytes) -> None:
        """Publish, and wait for nothing. Lost if the line is down."""
        if self._client:
            self._client.send(topic, payload, qos=1)

    async def _run(self) -> None:
        while True:
            client = Client(self._hear)
            try:
                await client.connect(self._account)
                await client.subscribe(*self._filters)
                self._client = client
                await client.lost.wait()
            except OSError:
                await asyncio.sleep(RETRY_S)
            finally:
                self._client = None
                client.close()


class Ear:
    """Every receipt that the engine gives."""

    def __init__(self, site: str, account: Account, watch: Watch) -> None:
        self.receipts: set[str] = set()
        self.line = Line(account, (topics.device(site, "+", "receipt"),), self._receive)
        self._watch = watch

    def _receive(self, message: Message) -> None:
        self.receipts.add(decode_receipt(message.payload).id)
        self._watch.changed()


class Desk:
    """Somebody at the desk who takes incidents on and resolves them. `ended`: those that he ever wanted resolved."""

    def __init__(self, site: str, person: str, account: Account, watch: Watch) -> None:
        self.open: dict[str, Incident] = {}
        self.ended: set[str] = set()
        self.line = Line(account, (topics.incident(site, "+"), topics.tick(site), topics.gateway(site)), self._receive)
        self._site = site
        self._person = person
        self._watch = watch
        self._tick: tuple[int, float] | None = None
        self._commands = 0

    def order(self, do: str, incident: Incident) -> None:
        """Give an order about an incident, once a tick was heard. Lost if the engine does not live."""
        if self._tick is None:
            return
        if do == "resolve":
            self.ended.add(incident.id)
        t, at = self._tick
        self._commands += 1
        order = Command.model_validate(
            {
                "id": f"c-{self._commands}",
                "t": t + round((time.monotonic() - at) * 1000),
                "do": do,
                "incident": incident.id,
                "version": incident.version,
                "outcome": "drill" if do == "resolve" else None,
            }
        )
        self.line.send(topics.desk(self._site, self._person, "command"), order.payload())

    def _receive(self, message: Message) -> None:
        found = topics.parse(self._site, message.topic)
        name, owner, _ = found or ("", "", "")
        if name == "tick":
            self._tick = decode(Tick, message.payload).t, time.monotonic()
        elif name == "incident" and message.payload:
            self.open[owner] = decode(Incident, message.payload)
        elif name == "incident":
            self.open.pop(owner, None)
        self._watch.changed()


class Told:
    """The events that came with a webhook. Bodies are read and thrown away: those of an hour do not fit the memory."""

    def __init__(self, webhook: WebhookReceiver) -> None:
        self.counts: dict[str, int] = {}  # incident that could not name all of its presses -> how many it had
        self._webhook = webhook
        self._events: set[str] = set()

    def events(self) -> set[str]:
        """All of them so far."""
        posts, self._webhook.posts[:] = self._webhook.posts[:], []
        for post in posts:
            self._events.update(word.decode() for word in EVENT_ID.findall(post.body))
            incident = json.loads(post.body).get("incident")  # a canary has none
            if incident and incident["n"] > len(incident["activations"]):
                self.counts[incident["id"]] = max(incident["n"], self.counts.get(incident["id"], 0))
        return self._events
