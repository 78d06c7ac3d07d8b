"""A restart between any two things that happen goes on from where it was: what the journal brings back is what was known, and what it
sends is what still waits. With the real tables and snapshots, and everything that people, desks and channels can say.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis.strategies as st
import pytest
from commune import GROUP, LIFE, World, with_people
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.domain import facts, replies, snapshots, telling
from gateway.domain.incidents import changed, unresolved
from gateway.domain.replies import Reply
from gateway.domain.rows import DeliveryRow
from gateway.domain.situation import Situation, Turn, put
from gateway.store import journal, migrations
from gateway.store.journal import Outgoing
from protocol.incident import DeliveryState
from protocol.site import Site

LONG = "Nguyễn Thị Thử Nghiệm Rất Dài " * 5
PEOPLE = (
    {"id": "truc-ban-1", "name": LONG, "role": "duty", "phone": "+840000000001"},
    {"id": "to-truong", "name": LONG, "role": "leader", "group": GROUP, "phone": "+840000000002", "channels": ["voice", "sms"]},
    {"id": "chu-ho", "name": LONG, "role": "household", "group": GROUP, "home": "H03-08", "phone": "+840000000003"},
    {"id": "khong-kenh", "name": LONG, "role": "chief"},
)
COMMUNE = with_people(*PEOPLE, policy={"neighbours_m": 50})
BOARDS = ("H03-07", "H03-08", "DCC-017", "NGOAI-1")
POINTS = ("button-1", "smoke-1", "heat-1", "sos-1")
boards = st.sampled_from(BOARDS)
points = st.sampled_from(POINTS)
some = st.integers(0, 9)


class Stored(World):
    """A world whose every turn is written, as the intake writes it."""

    def __init__(self, commune: Site = COMMUNE) -> None:
        super().__init__(("webhook:city", "sia:police"), commune)
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        migrations.upgrade(self.db, Path("memory"))

    @contextmanager
    def turn(self) -> Iterator[Turn]:  # type: ignore[override]  # a context manager as the other is
        with super().turn() as turn:
            yield turn
        effects = turn.effects
        shown = {ident: snapshots.payload(one, engine="5be07711-1", group_name="Tổ") for ident, one in effects.incidents.items()}
        outgoing = [Outgoing(row, row.body or "{}") for row in effects.deliveries]
        if effects.has_rows:
            journal.batch(self.situation, effects, shown, outgoing, now_ms=self.now.ms).write(self.db)
        else:
            assert not outgoing

    def restored(self) -> Situation:
        """What a start would find now."""
        found = Situation(self.commune, self.situation.limits, self.situation.channels, self.situation.ways)
        journal.restore(self.db, found, now_s=self.now.s)
        for board in self.commune.boards:
            found.device(board.id).kind = board.kind
        return found

    def waiting(self) -> dict[int, str]:
        """Messages that a start would send: id -> incident."""
        return dict(self.db.execute("SELECT id, incident FROM delivery WHERE state = 'waiting'").fetchall())


class Restarts(RuleBasedStateMachine):
    """A commune in which everything happens, and a disk."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Stored()
        self.seq = 0

    def open_now(self) -> list[str]:
        return [one.id for one in unresolved(self.world.situation.incidents.values())]

    def _id(self) -> str:
        self.seq += 1
        return f"{LIFE}-1-{self.seq}"

    @rule(board=boards, point=points, calling=st.booleans(), age=st.sampled_from([0, 70_000, 2_000_000, None]), over=st.booleans())
    def alarm(self, board: str, point: str, calling: bool, age: int | None, over: bool) -> None:
        self.world.event(board, point, id=self._id(), calling=calling, age=age, now="clear" if over else "active")

    @rule(board=boards, point=points, again=st.booleans())
    def clear(self, board: str, point: str, again: bool) -> None:
        self.world.event(board, point, "clear", id=self._id(), now="active" if again else "clear")

    @rule(board=boards, point=points, state=st.sampled_from(["open", "stuck"]))
    def fault(self, board: str, point: str, state: str) -> None:
        self.world.event(board, point, state, id=self._id())

    @rule(board=boards, key=st.sampled_from(["silence", "safe", "need-help", "coming"]))
    def key(self, board: str, key: str) -> None:
        self.world.event(board, key, type="key", id=self._id())

    @rule(board=boards, point=points, boot=st.integers(1, 3))
    def born(self, board: str, point: str, boot: int) -> None:
        self.world.born(board, boot=boot, active={point: self._id()}, unknown=(point,))

    @precondition(lambda self: self.open_now())
    @rule(
        which=some, board=boards, k=st.booleans(), state=st.sampled_from(["active", "clear"]), by=st.sampled_from(["key", "time", "fault"])
    )
    def bell(self, which: int, board: str, k: bool, state: str, by: str) -> None:
        one = self.world.situation.incidents[self.open_now()[which % len(self.open_now())]]
        answers: dict[str, object] = {"for": one.id, "n": one.n}
        if k and one.activations:
            answers = {"for": one.activations[-1].event, "k": 1}
        self.world.event(board, "bell", state, type="bell", proof="measured", by=by if state == "clear" else None, id=self._id(), **answers)

    @precondition(lambda self: self.open_now())
    @rule(
        which=some,
        do=st.sampled_from(["acknowledge", "on_the_way", "on_scene", "silence", "alarm_again", "called_114", "roll_call", "resolve"]),
        stale=st.booleans(),
    )
    def command(self, which: int, do: str, stale: bool) -> None:
        one = self.world.situation.incidents[self.open_now()[which % len(self.open_now())]]
        more: dict[str, object] = {"home": "H03-08", "says": "safe"} if do == "roll_call" else {}
        more |= {"outcome": "drill" if one.kind == "drill" else "false_alarm", "reason": "khói bếp"} if do == "resolve" else {}
        self.world.command(do, incident=one.id, version=one.version - stale, **more)

    @rule(group=st.sampled_from([GROUP, "DCC-N5"]))
    def drill(self, group: str) -> None:
        self.world.command("drill", incident=None, version=None, group=group)

    @rule(person=st.sampled_from([str(one["id"]) for one in PEOPLE]), says=st.sampled_from(["acknowledge", "safe", "need_help", "coming"]))
    def reply(self, person: str, says: str) -> None:
        with self.world.turn() as turn:
            replies.take(turn, Reply(person, "sms", says))  # type: ignore[arg-type]  # one of its words

    @precondition(lambda self: self.world.waiting())
    @rule(which=some, state=st.sampled_from(["waiting", "handed", "delivered", "failed"]))
    def channel(self, which: int, state: DeliveryState) -> None:
        """A channel, which may have begun before its message was withdrawn."""
        known = self.world.db.execute(f"SELECT {', '.join(journal.DELIVERY_COLUMNS)} FROM delivery ORDER BY id DESC LIMIT 10").fetchall()
        row = journal.read_message(known[which % len(known)]).row
        told = row.delivery.model_copy(update={"state": state, "tries": row.delivery.tries + 1, "at_ms": self.world.now.ms})
        with self.world.turn() as turn:
            facts.delivery(turn, row._replace(delivery=told))

    @rule(seconds=st.sampled_from([0.2, 3, 30, 61, 400, 2000, 50_000]))
    def later(self, seconds: float) -> None:
        self.world.later(seconds)

    @rule()
    def ladder(self) -> None:
        with self.world.turn() as turn:
            telling.roster(turn)
            for act in telling.due(self.world.situation, self.world.now):
                act(turn)

    @rule(seconds=st.sampled_from([-31_536_000, -60, 60, 31_536_000]))
    def set_clock(self, seconds: float) -> None:
        self.world.set_clock(seconds)

    @rule()
    def restart(self) -> None:
        """From here on what happens happens to what the disk has."""
        listed = self.world.situation.listed
        self.world.situation = self.world.restored()
        self.world.situation.listed = listed  # births that the broker retains are told again

    @invariant()
    def a_start_would_know_the_same(self) -> None:
        known, found = self.world.situation, self.world.restored()
        assert found.incidents == known.incidents
        assert found.orders == known.orders
        assert found.points == known.points
        assert found.faults == known.faults
        assert found.next_incident == known.next_incident
        assert found.next_delivery == known.next_delivery
        now_ms = self.world.now.ms
        assert set(found.due(now_ms)) == set(known.due(now_ms))
        assert set(found.due_ladders(now_ms)) == set(known.due_ladders(now_ms))

    @invariant()
    def what_waits_on_the_disk_waits_in_its_incident_and_what_is_over_tells_nobody(self) -> None:
        waiting = self.world.waiting()
        for ident, incident in self.world.situation.incidents.items():
            assert {one.id for one in incident.deliveries if one.state == "waiting"} == {one for one, of in waiting.items() if of == ident}
            assert incident.state != "resolved" or not any(one.person for one in incident.deliveries if one.state == "waiting")
        assert set(waiting.values()) <= self.world.situation.incidents.keys()


Restarts.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestRestarts = Restarts.TestCase


def crowd(size: int) -> Site:
    """A group with so many people, each with an SMS and a call for every message, and a name that fills a line."""
    people = [
        {"id": f"nguoi-{number:03d}-cua-mot-ho-rat-dong", "name": LONG, "role": "household", "group": GROUP, "home": "H03-08"}
        | {"phone": f"+84000000{number:04d}"[:13], "channels": ["sms", "voice"]}
        for number in range(size)
    ]
    ladder = {"cause": "fire", "steps": [{"to": ["group"], "wait_s": 30, "by": "all"}], "repeat_s": 60}
    return with_people(*people, PEOPLE[0], policy={"neighbours_m": 0, "ladders": [ladder]})


@pytest.mark.parametrize("restarts", [False, True])
def test_what_many_people_were_not_told_by_a_dead_modem_is_withdrawn_to_the_last_message(restarts: bool) -> None:
    world = Stored(crowd(120))
    world.press("H03-07")
    for _ in range(5):
        world.later(120)
    assert len(world.waiting()) > 240
    if restarts:
        world.situation = world.restored()
    world.command("resolve")
    told = world.db.execute("SELECT count(*) FROM delivery WHERE state = 'waiting' AND person <> ''").fetchone()
    assert told == (0,)


def test_a_channel_that_had_begun_with_a_message_does_not_bring_it_back_when_it_is_shown_no_more() -> None:
    world = Stored(crowd(120))
    world.press("H03-07")
    world.later(0)
    first = world.only.deliveries[2]
    assert first.person
    world.command("resolve")
    shown = world.only
    with world.turn() as turn:
        put(turn, changed(shown, deliveries=tuple(one for one in shown.deliveries if one.id != first.id)))
    with world.turn() as turn:
        facts.delivery(turn, DeliveryRow(shown.id, first, reference="?"))
    assert first.id not in world.waiting()
