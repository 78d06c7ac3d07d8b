"""What the system tests share: a stage with a small commune, and what one test sees of it."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TypeVar

from gateway.store import queries
from protocol.incident import Incident
from protocol.messages import Order
from protocol.site import PROGRAMS
from simulator.desk import DeskFailed
from simulator.mqtt import Client, Message
from simulator.receivers import Post
from simulator.stage import Stage
from simulator.terminals import BELL, WIRINGS
from simulator.watch import Watch

HAMLET = Path(__file__).with_name("hamlet.toml")
HOMES = ["H1", "H2", "H3", "H4"]
CALM_S = 60.0
PATIENCE_S = 30.0  # for what takes less than a second on an idle machine: this one may be busy
POLL_S = 0.05
ASK_AGAIN_S = 1.0

T = TypeVar("T")


class Scene:
    """A stage as one test sees it: incidents and webhooks of tests before do not count."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.world = stage.world
        self.watch: Watch = stage.watch
        self._known = set(stage.observer.incidents)
        self._posts = len(stage.webhook.posts)

    # What is to be seen

    @property
    def incidents(self) -> list[Incident]:
        """The newest snapshots of what was opened in this test, the oldest first."""
        return [incident for ident, incident in sorted(self.stage.observer.incidents.items()) if ident not in self._known]

    @property
    def incident(self) -> Incident | None:
        """The incident of this test, or None. Fails if there are several."""
        found = self.incidents
        assert len(found) <= 1, f"expected one incident, got {[incident.id for incident in found]}"
        return found[0] if found else None

    @property
    def posts(self) -> list[Post]:
        """What the webhook's receiver took in this test."""
        return self.stage.webhook.posts[self._posts :]

    def confirmed(self, *devices: str, n: int = 1) -> Incident | None:
        """The incident once it has n activations and the bells of these boards (all homes, if none is named) are proved to ring."""
        incident = self.incident
        if incident is None or incident.n != n:
            return None
        proved = {bell.device for bell in incident.bells if bell.state in ("measured", "commanded")}
        return incident if proved >= set(devices or HOMES) else None

    def quiet(self, *devices: str) -> bool:
        """Whether none of these boards (none at all, if none is named) sounds its bell."""
        return not any(self.world.is_ringing(device) for device in devices or self.world.devices)

    def rang(self, device: str, since: float) -> float | None:
        """When the bell first sounded after `since` (monotonic s), or None."""
        return self.world.first_on(device, BELL, since)

    def shown(self, since: float, *texts: str) -> bool:
        """Whether the console has sent a piece of its page with all these texts by itself since then."""
        return any(piece.at >= since and all(text in piece.html for text in texts) for piece in self.stage.desk.shown)

    def stored(self, query: str, *values: object) -> list[tuple[object, ...]]:
        """Rows of the engine's database."""
        with closing(queries.connect(self.stage.directory / "data" / "keng.db")) as db:
            return db.execute(query, values).fetchall()

    def proofs(self, device: str, incident: Incident) -> int:
        """How many proofs of the newest activation this bell has given."""
        cause = incident.activations[-1].event
        events = self.stage.observer.events.get(device, [])
        answers = [event for event in events if event.type == "bell" and event.state == "active" and event.proof]
        return sum(event.cause == cause or (event.cause, event.n) == (incident.id, incident.n) for event in answers)

    def newest_event(self) -> int:
        """The number of the newest row of the engine's journal."""
        return int(str(self.stored("SELECT ifnull(max(seq), 0) FROM event")[0][0]))

    def presses(self, incident: Incident) -> list[str]:
        """Each press of a button in the engine's journal that was received since the incident was opened, as "<device>/<point>"."""
        rows = self.stored(
            "SELECT device || '/' || point FROM event WHERE type = 'button' AND state = 'active' AND received_ms >= ? ORDER BY 1",
            incident.opened_ms,
        )
        return [str(row[0]) for row in rows]

    # What can be done

    async def until(self, condition: Callable[[], T | None], what: str, within_s: float = PATIENCE_S) -> T:
        """Wait until the condition gives something, and return it. Fails the test, naming `what`, when the time is over."""
        await self.watch.until(condition, within_s)
        found = condition()
        assert found, f"not within {within_s:g} s: {what}; incidents: {[_told(incident) for incident in self.incidents]}"
        return found

    async def order(self, device: str, do: str) -> None:
        """Give a board an order in the engine's name."""
        await self.stage.order(device, Order.model_validate({"id": f"o-{secrets.token_hex(4)}", "do": do, "valid_s": 30}))

    async def waiting(self, device: str) -> int:
        """How many events without a receipt the board has, as it says in a report that it is asked for."""
        reports = self.stage.observer.reports.setdefault(device, [])
        before, deadline = len(reports), time.monotonic() + PATIENCE_S
        while len(reports) == before:
            assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: a report of {device}"
            await self.order(device, "report")  # again and again: a board that is not connected never hears of it
            await self.watch.until(lambda: len(reports) > before, ASK_AGAIN_S)
        return reports[-1].waiting

    async def receipted(self, *devices: str) -> None:
        """Wait until these boards (all homes, if none is named) have a receipt for every event that they ever had."""
        for device in devices or HOMES:
            deadline = time.monotonic() + PATIENCE_S
            while waiting := await self.waiting(device):
                assert time.monotonic() < deadline, f"{device}: {waiting} events wait for their receipt"
                await asyncio.sleep(POLL_S)

    async def decide(self, do: str, outcome: str = "") -> Incident:
        """Press a button on the incident's card at the console, and return the incident as it is afterwards."""
        before = self.incident
        assert before is not None, f"{do}: expected an incident"
        await self.stage.desk.order(do, before.id, before.version, outcome)  # type: ignore[arg-type]  # one of desk.Do
        await self.until(lambda: self.incident and self.incident.version > before.version, do)
        assert self.incident is not None
        return self.incident

    async def greeted(self, *devices: str) -> None:
        """Wait until the engine has answered the newest birth of these boards."""
        for device in devices:
            await self.until(lambda device=device: self.stage.observer.is_greeted(device), f"a hello for {device}")  # type: ignore[misc]

    @asynccontextmanager
    async def voice(self, user: str, heard: Callable[[Message], None] = lambda _: None) -> AsyncIterator[Client]:
        """A connection of our own as one of the broker's users; beside the user's own one if that is a program."""

        def hear(message: Message) -> None:
            heard(message)
            self.watch.changed()

        client = Client(hear)
        await client.connect(self.stage.accounts[user], client_id=f"{user}-test" if user in PROGRAMS else user)
        async with client:
            yield client


async def calm(stage: Stage) -> None:
    """Mend what a test before has broken, end its incidents, and return when everything is well and quiet."""
    for part in stage.parts.values():
        await part.start()
    stage.webhook.status, stage.webhook.delay_s = 204, 0.0
    for board in stage.site.boards:
        link = stage.world.link(board.id)
        link.plug()
        link.thaw()
        link.swallow(False)
        link.delay_s = 0.0
        stage.world.mend_wire(board.id)
        stage.world.access_point(board.id, True)
        for point in WIRINGS[board.kind].contacts():
            stage.world.release(board.id, point)
    await stage.ready(CALM_S)
    scene = Scene(stage)
    await scene.receipted(*stage.world.devices)
    deadline = time.monotonic() + CALM_S
    while open_ones := scene.stored("SELECT id, snapshot FROM incident WHERE state <> 'resolved'"):
        assert time.monotonic() < deadline, f"incidents that cannot be resolved: {open_ones}"
        for ident, snapshot in open_ones:
            with suppress(DeskFailed):  # the console may not have heard of it yet
                await stage.desk.order("resolve", str(ident), json.loads(str(snapshot))["version"], "test")
        await asyncio.sleep(POLL_S)
    await scene.until(lambda: not scene.stored("SELECT id FROM delivery WHERE state = 'waiting'"), "every webhook is told")
    await scene.until(scene.quiet, "every bell is quiet")
    await scene.receipted(*stage.world.devices)


def _told(incident: Incident) -> str:
    bells = {bell.device: bell.state for bell in incident.bells}
    return f"{incident.id} {incident.state} n={incident.n} {bells}"
