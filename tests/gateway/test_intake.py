"""The intake with a real database and no broker: what one bad decision may cost."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from commune import GROUP, LIFE, START_MS, site

from gateway import intake
from gateway.domain import facts
from gateway.domain.rows import DeliveryRow, EventRow
from gateway.domain.situation import Limits, Situation, Turn
from gateway.intake import Intake
from gateway.mqtt import Account, Link
from gateway.parts import Parts
from gateway.publication import Publication
from gateway.reports import Reports
from gateway.ring import Rings
from gateway.rivals import Rivals
from gateway.rubbish import Rubbish
from gateway.store import journal, queries
from gateway.store.backlog import Backlog
from gateway.store.store import Store, open_store
from protocol.desk import DeskAlive
from protocol.incident import Delivery, DeliveryState
from protocol.messages import Event, Report, Tick

BASE = f"keng/1/{site().id}/"
BAD = "DCC-017"


class Bug(Exception):
    """Ours."""


class BadCommune:
    """The commune, with a bug in what it knows of one group."""

    def __getattr__(self, name: str) -> Any:
        return getattr(site(), name)

    def bells_of(self, group: str) -> list[str]:
        if group != GROUP:
            raise Bug("no bells")
        return site().bells_of(group)


class Desk:
    """An intake and its parts. `moment`: Unix and monotonic seconds."""

    def __init__(self, store: Store, commune: Any) -> None:
        self.moment = [START_MS / 1000, 1000.0]
        self.store = store
        self.sent: list[str] = []

        def restored() -> Situation:
            found = Situation(commune, Limits(1_800_000, 60_000), ("hook",))
            journal.restore(store.reading, found, now_s=self.moment[1])
            return found

        self.situation = restored()
        self.link = Link(Account("127.0.0.1", 9, "engine", ""), [], lambda *_: None)
        self.rings = Rings(self.link, site().id, store.engine, [GROUP], monotonic=lambda: self.moment[1])
        self.rubbish = Rubbish(store.reading)
        self.faults: list[str | None] = []
        self.reports = Reports(store, self.situation, self.rubbish, days=1, clock=lambda: self.moment[0])
        publication = Publication(self.link, self.rings, commune, site().id, (store.engine, "0.1.0"), clock=lambda: self.moment[0])
        self.rivals = Rivals(store.engine)
        self.backlog = Backlog(store, on_fault=self.faults.append, on_saved=publication.receipts)
        self.intake = Intake(
            Parts(self.situation, store, self.backlog, publication, self.reports, self.rubbish, self.rivals, restored),
            site().id,
            clock=lambda: self.moment[0],
            monotonic=lambda: self.moment[1],
            on_outgoing=lambda outgoing, _effects: self.sent.extend(message.row.delivery.what for message in outgoing),
            on_denied=lambda: None,
        )

    def press(self, device: str, seq: int, **fields: Any) -> str:
        known = {"id": f"{LIFE}-1-{seq}", "age": 0, "point": "button-1", "type": "button", "state": "active", "now": "active"}
        event = Event.model_validate(known | {"calling": True} | fields)
        self.intake.message(f"{BASE}dev/{device}/event", event.payload(), False)
        return event.id

    def stored(self) -> set[str]:
        return {row[0] for row in self.store.reading.execute("SELECT id FROM event")}

    async def done(self) -> None:
        """Everything that was put in before is decided: the second round begins when the first has ended, with all that it sets apart."""
        for _ in range(2):
            passed = asyncio.Event()
            self.intake.put(lambda _, passed=passed: passed.set())
            await passed.wait()


def play(path: Path, scene: Callable[[Desk], Any], commune: Any = None) -> Desk:
    async def run() -> Desk:
        async with open_store(path) as store, asyncio.TaskGroup() as tasks:
            desk = Desk(store, commune or site())
            intake = tasks.create_task(desk.intake.run())
            await scene(desk)
            intake.cancel()
        return desk

    return asyncio.run(run())


def test_a_bug_in_what_one_board_says_costs_no_other_alarm(tmp_path, caplog):
    async def scene(desk: Desk) -> None:
        good = [desk.press(f"H03-{number:02d}", number) for number in (1, 2)]
        desk.press(BAD, 90)
        good += [desk.press(f"H03-{number:02d}", number) for number in (3, 4)]
        await desk.done()
        good.append(desk.press("H03-05", 5))
        desk.press(BAD, 90)
        await desk.done()
        assert desk.stored() == set(good)
        (incident,) = desk.situation.incidents.values()
        assert [activation.event for activation in incident.activations] == good
        assert desk.situation.orders[GROUP].covers == {f"H03-{number:02d}": f"{LIFE}-1-{number}" for number in range(1, 6)}
        assert len(desk.sent) == desk.store.reading.execute("SELECT count(*) FROM delivery").fetchone()[0]
        assert desk.situation.devices[BAD].faults == {"engine_error": "Bug: no bells"}
        await desk.reports.flush()

    play(tmp_path / "keng.db", scene, BadCommune())
    assert [record.levelname for record in caplog.records].count("ERROR") == 1
    assert "Bug: no bells" in caplog.text
    db = queries.connect(tmp_path / "keng.db")
    assert [(row.device, row.kind, row.total) for row in queries.rubbish(db)] == [(BAD, "engine_error", 2)]
    db.close()


def test_a_bug_half_way_leaves_nothing_behind(tmp_path):
    async def scene(desk: Desk) -> None:
        desk.press("H03-07", 1)
        await desk.done()

        def half_way(turn: Turn) -> None:
            incident = turn.situation.incidents.popitem()[1]
            turn.situation.drop(incident)
            turn.situation.points.clear()
            turn.situation.orders.clear()
            raise Bug("half way")

        desk.intake.put(half_way)
        report = Report(up=1, heap=1, waiting=0, dropped=0, refused=0)
        desk.intake.message(f"{BASE}dev/H03-08/report", report.payload(), False)
        desk.press("H03-08", 2)
        await desk.done()
        (incident,) = desk.situation.incidents.values()
        assert (incident.n, list(desk.situation.points)) == (2, [("H03-07", "button-1"), ("H03-08", "button-1")])
        assert desk.situation.orders[GROUP].rev == 2

    play(tmp_path / "keng.db", scene)


def test_a_row_that_the_database_refuses_costs_no_other_alarm(tmp_path):
    async def scene(desk: Desk) -> None:
        desk.press("H03-07", 1)
        desk.intake.put(lambda turn: turn.effects.keep(EventRow("x", "H03-07", "p", "t", "s", None, 0, "age", "")))
        desk.press("H03-08", 2)
        await desk.done()
        assert desk.stored() == {f"{LIFE}-1-1", f"{LIFE}-1-2"}

    play(tmp_path / "keng.db", scene)


def test_a_database_that_is_not_ours_ends_the_engine_without_a_receipt(tmp_path):
    async def scene(desk: Desk) -> None:
        await desk.store.write(lambda db: db.execute("DROP TABLE event"))
        desk.press("H03-07", 1)
        await asyncio.sleep(30)

    with pytest.raises(BaseExceptionGroup) as ended:
        play(tmp_path / "keng.db", scene)
    assert ended.group_contains(sqlite3.OperationalError)


def test_a_clock_that_is_set_during_a_fire_silences_nothing(tmp_path):
    async def scene(desk: Desk) -> None:
        desk.press("H03-07", 1)
        await desk.done()
        for step_s in (86_400 * 365, -86_400 * 730):
            desk.moment[0] += step_s
            desk.intake.put(facts.time)
            await desk.done()
            assert desk.situation.orders[GROUP].pattern == "fire"
        desk.moment = [moment + 1800 for moment in desk.moment]
        desk.intake.put(facts.time)
        await desk.done()
        assert desk.situation.orders[GROUP].pattern is None

    play(tmp_path / "keng.db", scene)


def test_what_a_broker_has_kept_is_as_old_as_its_own_clock_says_and_not_as_young_as_when_it_was_sent(tmp_path):
    """Boards retain no event: somebody's trial is no alarm at 3 a.m. for each new database."""

    async def scene(desk: Desk) -> None:
        known = {"id": f"{LIFE}-1-1", "age": 5, "t": START_MS - 86_400_000, "point": "button-1", "type": "button", "state": "active"}
        event = Event.model_validate(known | {"now": "clear", "calling": False})
        desk.intake.message(f"{BASE}dev/H03-07/event", event.payload(), True)
        await desk.done()
        (incident,) = desk.situation.incidents.values()
        assert (incident.late, incident.sounding) == (True, False)
        known |= {"id": f"{LIFE}-1-2"}
        del known["t"]
        event = Event.model_validate(known | {"now": "active", "calling": True})
        desk.intake.message(f"{BASE}dev/H03-08/event", event.payload(), True)
        await desk.done()
        (incident,) = desk.situation.incidents.values()
        assert incident.sounding, "without a clock it counts as young"

    play(tmp_path / "keng.db", scene)


@pytest.mark.parametrize("retained", [True, False])
def test_a_desk_page_that_a_broker_has_kept_is_nobody(tmp_path, retained):
    async def scene(desk: Desk) -> None:
        desk.intake.message(f"{BASE}desk/truc-ban-1/alive", DeskAlive(pages=1, audible=1).payload(), retained)
        await desk.done()
        assert (desk.situation.desk.heard_s is None) == retained

    play(tmp_path / "keng.db", scene)


def test_a_tick_that_a_broker_has_kept_is_no_other_engine(tmp_path):
    async def scene(desk: Desk) -> None:
        tick = Tick(engine="00000000-1", t=START_MS).payload()
        desk.intake.message(f"{BASE}tick", tick, True)
        assert not desk.rivals.keep_still(desk.moment[1])
        desk.intake.message(f"{BASE}tick", tick, False)
        assert desk.rivals.keep_still(desk.moment[1])

    play(tmp_path / "keng.db", scene)


@pytest.mark.parametrize("bad_first", [True, False])
def test_a_clock_that_is_set_beside_a_bug_is_not_forgotten(tmp_path, bad_first):
    def bad(_turn: Turn) -> None:
        raise Bug("beside the step")

    async def scene(desk: Desk) -> None:
        desk.press("H03-07", 1)
        await desk.done()
        desk.moment[0] += 86_400 * 365
        acts = [bad, facts.time]
        for act in acts if bad_first else reversed(acts):
            desk.intake.put(act)
        await desk.done()
        desk.intake.put(facts.time)
        await desk.done()
        (incident,) = desk.situation.incidents.values()
        assert incident.sounding_ms == desk.moment[0] * 1000, "moved by the year, once"
        assert desk.situation.orders[GROUP].pattern == "fire"

    play(tmp_path / "keng.db", scene)


def test_a_bug_in_a_step_of_the_clock_stops_no_alarm(tmp_path, monkeypatch):
    def bad(_turn: Turn, *, by_ms: int) -> None:
        raise Bug(f"a step of {by_ms} ms")

    async def scene(desk: Desk) -> None:
        monkeypatch.setattr(facts, "clock_set", bad)
        desk.moment[0] += 86_400
        desk.press("H03-07", 1)
        await desk.done()
        assert desk.situation.orders[GROUP].pattern == "fire"

    play(tmp_path / "keng.db", scene)


def test_what_comes_all_at_once_is_decided_in_its_order_a_piece_at_a_time_and_settles_at_its_end(tmp_path):
    turns: list[Turn] = []
    order: list[int] = []

    def act(number: int) -> Callable[[Turn], None]:
        def take(turn: Turn) -> None:
            order.append(number)
            if all(turn is not before for before in turns):
                turns.append(turn)

        return take

    async def scene(desk: Desk) -> None:
        for number in range(3500):
            desk.intake.put(act(number))
        assert await desk.intake.settled()
        assert order == list(range(3500))
        assert desk.intake.waiting["fact"] == 0

    play(tmp_path / "keng.db", scene)
    assert len(turns) == 7


def test_what_channels_say_waits_together_and_a_failure_waits_for_nothing(tmp_path, monkeypatch):
    def told(desk: Desk, ident: int, state: DeliveryState) -> None:
        one = Delivery(id=ident, channel="hook", what="opened", state=state, tries=1, at_ms=START_MS, decided_ms=START_MS)
        desk.intake.tried(DeliveryRow("", one))

    async def scene(desk: Desk) -> None:
        def states() -> list[str]:
            return [row[0] for row in desk.store.reading.execute("SELECT state FROM delivery ORDER BY id")]

        def add(db: sqlite3.Connection) -> None:
            columns = "(id, incident, channel, what, state, tries, at_ms, error, body)"
            values = "(?, '', 'hook', 'opened', 'waiting', 0, 0, '', '{}')"
            db.executemany(f"INSERT INTO delivery {columns} VALUES {values}", [(ident,) for ident in range(1, 4)])

        await desk.store.write(add)
        monkeypatch.setattr(intake, "TRIED_S", 3600.0)
        told(desk, 1, "delivered")
        await desk.done()
        assert states() == ["waiting"] * 3, "an alarm close behind waits for no commit of it"
        assert await desk.intake.settled()
        assert states() == ["delivered", "waiting", "waiting"], "whoever waits for it has it on the disk"
        told(desk, 2, "delivered")
        told(desk, 3, "failed")
        await desk.done()
        assert states() == ["delivered", "delivered", "failed"], "somebody else may have to be told, and the order stays"
        monkeypatch.setattr(intake, "TRIED_S", 0.01)
        decided = asyncio.Event()
        desk.intake.tried(
            DeliveryRow("", Delivery(id=1, channel="hook", what="opened", state="acknowledged", tries=1, at_ms=START_MS)),
            lambda _: decided.set(),
        )
        await asyncio.wait_for(decided.wait(), 10)
        assert await desk.intake.settled()
        assert states()[0] == "acknowledged", "by itself"

    play(tmp_path / "keng.db", scene)


def test_what_a_channel_has_told_just_before_a_stop_is_not_sent_again_by_the_next_start(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "TRIED_S", 3600.0)

    async def scene(desk: Desk) -> None:
        desk.press("H03-07", 1)
        await desk.done()
        ((row, *_),) = journal.waiting(desk.store.reading, "hook")
        desk.intake.tried(row._replace(delivery=row.delivery.model_copy(update={"state": "delivered"})))

    play(tmp_path / "keng.db", scene)
    with closing(queries.connect(tmp_path / "keng.db")) as db:
        assert journal.waiting(db, "hook") == []


def test_many_words_of_channels_do_not_wait_for_the_clock(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "TRIED_S", 3600.0)

    async def scene(desk: Desk) -> None:
        one = Delivery(id=1, channel="hook", what="opened", state="delivered", tries=1, at_ms=START_MS, decided_ms=START_MS)
        for _ in range(intake.TRIED_AT_ONCE):
            desk.intake.tried(DeliveryRow("", one))
        await desk.done()
        assert desk.intake.waiting["fact"] == 0

    play(tmp_path / "keng.db", scene)
