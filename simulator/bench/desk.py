"""The desk of the bench: hears what the engine tells the consoles, and resolves incidents. Connects as the user `console`."""

import time
from typing import Self

from protocol import topics
from protocol.desk import Command, CommandAnswer
from protocol.incident import Incident
from protocol.messages import Tick, decode
from simulator.bench.communes import DUTY, FLOOR, SITE
from simulator.bench.figures import NotMeasured
from simulator.mqtt import Account, Client, Message
from simulator.watch import Watch

PATIENCE_S = 15.0  # a tick comes every 10 s
KEEP_ALIVE_S = 600


class Desk:
    """Connected for as long as `async with` lasts. Snapshots are kept as they came and decoded when they are asked for."""

    def __init__(self, account: Account, watch: Watch) -> None:
        self.online = False
        self.handled = 0  # reports that a floor says it has handled
        self._account = account
        self._watch = watch
        self._client = Client(self._receive, keep_alive_s=KEEP_ALIVE_S)
        self._snapshots: dict[str, bytes] = {}
        self._answers: dict[str, CommandAnswer] = {}
        self._tick: tuple[int, float] | None = None
        self._commands = 0

    async def __aenter__(self) -> Self:
        await self._client.connect(self._account)
        leaves = (topics.incident(SITE, "+"), topics.gateway(SITE), topics.tick(SITE), topics.desk(SITE, "+", "answer"))
        await self._client.subscribe(*leaves)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.close()

    async def offline(self) -> None:
        """Return when it has taken its word back, or the broker has in its name. Raises NotMeasured."""
        if not await self._watch.until(lambda: not self.online, PATIENCE_S):
            raise NotMeasured(f"expected the gateway offline within {PATIENCE_S:.0f} s, got none of it")

    async def proved(self, event: str, bells: int) -> Incident:
        """The incident of an event once so many bells are proved. Raises NotMeasured."""
        if not await self._watch.until(lambda: (found := self.incident_of(event)) and found.count("measured") >= bells, PATIENCE_S):
            found = self.incident_of(event)
            got = f"{found.count('measured')}" if found else "no incident"
            raise NotMeasured(f"expected {bells} bells proved for {event} within {PATIENCE_S:.0f} s, got {got}")
        incident = self.incident_of(event)
        assert incident is not None  # noqa: S101  the condition above holds
        return incident

    async def resolve(self, incident: Incident) -> None:
        """End an incident, by the person on duty. Raises NotMeasured if the engine does not do it."""
        if not await self._watch.until(lambda: self._tick is not None, PATIENCE_S):
            raise NotMeasured(f"expected a tick within {PATIENCE_S:.0f} s, got none")
        assert self._tick is not None  # noqa: S101  the condition above holds
        t, at = self._tick
        self._commands += 1
        ident = f"c-{self._commands}"
        order = Command(
            id=ident,
            t=t + round((time.monotonic() - at) * 1000),
            do="resolve",
            incident=incident.id,
            version=incident.version,
            outcome="test",
        )
        self._client.send(topics.desk(SITE, DUTY, "command"), order.payload(), qos=1)
        if not await self._watch.until(lambda: ident in self._answers, PATIENCE_S):
            raise NotMeasured(f"resolve {incident.id}: expected an answer within {PATIENCE_S:.0f} s, got none")
        answer = self._answers.pop(ident)
        if not answer.ok:
            raise NotMeasured(f"resolve {incident.id}: expected it done, got: {answer.error}")

    def incident_of(self, event: str) -> Incident | None:
        """The newest snapshot of the open incident that this event opened or raised again."""
        word = event.encode()
        found = next((payload for payload in self._snapshots.values() if word in payload), None)
        return decode(Incident, found) if found else None

    def _receive(self, message: Message) -> None:
        at = time.monotonic()
        found = topics.parse(SITE, message.topic)
        assert found is not None  # noqa: S101  the subscriptions bring nothing else
        name, owner, _ = found
        if name == "incident":
            if message.payload:
                self._snapshots[owner] = message.payload
            else:
                self._snapshots.pop(owner, None)
        elif name == "tick":
            self._tick = (decode(Tick, message.payload).t, at)
        elif name == "gateway":
            self.online = b'"online":true' in message.payload
        elif owner == FLOOR:
            self.handled = int(message.payload)
        else:
            answer = decode(CommandAnswer, message.payload)
            self._answers[answer.id] = answer
        self._watch.changed()
