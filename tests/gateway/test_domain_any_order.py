"""Whatever happens in whatever order: never two open incidents for one fire, never a lost press, acknowledged never means closed, a drill
never hides a press, and a restart goes on from where it was.
"""

import hypothesis.strategies as st
from commune import GROUP, World, with_people
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import TypeAdapter

from gateway.domain import snapshots
from gateway.domain.incidents import TAKEN_ON, unresolved
from gateway.domain.policy import FAMILY
from gateway.domain.snapshots import Core
from protocol import incident as wire

PEOPLE = (
    {"id": "truc-ban-1", "name": "Trực ban", "role": "duty", "phone": "+840000000001"},
    {"id": "to-truong", "name": "Tổ trưởng", "role": "leader", "group": GROUP, "phone": "+840000000002"},
)
NEAR = with_people(*PEOPLE, policy={"neighbours_m": 50})
APART = with_people(*PEOPLE)
BOARDS = ("H03-07", "H03-08", "H03-09", "DCC-017", "DCC-018")
CORE = TypeAdapter(Core)
boards = st.sampled_from(BOARDS)
some = st.integers(0, 5)


class AnyOrder(RuleBasedStateMachine):
    """A commune in which everything happens."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(commune=self.commune)
        self.resolved: set[str] = set()

    commune = APART

    def open_now(self) -> list[object]:
        return unresolved(self.world.situation.incidents.values())

    @rule(board=boards)
    def press(self, board: str) -> None:
        event = self.world.press(board)
        group = self.world.commune.group_of(board)
        (fire,) = [one for one in self.open_now() if FAMILY[one.kind] == "fire" and group in one.groups]
        assert (fire.kind, fire.state, fire.sounding) == ("fire", "open", True)
        assert fire.events[board] == event == fire.activations[-1].event
        assert self.world.situation.orders[group].pattern == "fire"
        assert self.world.situation.orders[group].covers[board] == event or fire.verify

    @rule(board=boards, point=st.sampled_from(["button-1", "smoke-1", "sos-1"]))
    def clear(self, board: str, point: str) -> None:
        before = len(self.open_now())
        self.world.event(board, point, "clear")
        assert len(self.open_now()) == before

    @rule(board=boards)
    def smoke(self, board: str) -> None:
        self.world.event(board, "smoke-1")

    @rule(board=boards, loud=st.booleans())
    def sos(self, board: str, loud: bool) -> None:
        self.world.event(board, "sos-1", calling=loud)
        group = self.world.commune.group_of(board)
        assert [one.kind for one in self.open_now() if one.group == group].count("sos") == 1

    @rule(board=boards, key=st.sampled_from(["silence", "safe", "need-help"]))
    def key(self, board: str, key: str) -> None:
        self.world.event(board, key, type="key")

    @rule(group=st.sampled_from([GROUP, "DCC-N5"]))
    def drill(self, group: str) -> None:
        before = [one.id for one in self.open_now() if group in one.groups]
        refused = self.world.command("drill", incident=None, version=None, group=group)
        assert bool(refused) is bool(before)

    @precondition(lambda self: self.open_now())
    @rule(which=some, do=st.sampled_from(["acknowledge", "on_the_way", "on_scene", "silence"]))
    def decide(self, which: int, do: str) -> None:
        chosen = self.open_now()[which % len(self.open_now())]
        error = self.world.command(do, incident=chosen.id, version=chosen.version)
        after = self.world.situation.incidents[chosen.id]
        assert after.state != "resolved"
        if do != "silence" and not error:
            assert after.state in TAKEN_ON
            assert not after.climbs

    @precondition(lambda self: self.open_now())
    @rule(which=some)
    def alarm_again(self, which: int) -> None:
        chosen = self.open_now()[which % len(self.open_now())]
        assert self.world.command("alarm_again", incident=chosen.id, version=chosen.version) == ""
        after = self.world.situation.incidents[chosen.id]
        assert (after.state, after.n, after.sounding) == ("open", chosen.n + 1, chosen.kind != "sos" or chosen.rung)

    @precondition(lambda self: self.open_now())
    @rule(which=some)
    def resolve(self, which: int) -> None:
        chosen = self.open_now()[which % len(self.open_now())]
        outcome = "drill" if chosen.kind == "drill" else "fire"
        assert self.world.command("resolve", incident=chosen.id, version=chosen.version, outcome=outcome) == ""
        self.resolved.add(chosen.id)

    @rule(seconds=st.sampled_from([0.2, 3, 30, 61, 400, 2000, 50_000]))
    def later(self, seconds: float) -> None:
        self.world.later(seconds)

    @rule(seconds=st.sampled_from([-31_536_000, -60, 60, 31_536_000]))
    def set_clock(self, seconds: float) -> None:
        before = {one.id for one in self.open_now()}
        self.world.set_clock(seconds)
        assert {one.id for one in self.open_now()} == before

    @rule()
    def restart(self) -> None:
        for incident in self.world.situation.incidents.values():
            shown = snapshots.snapshot(incident, engine="5be07711-1", group_name="Tổ").payload()
            hidden = CORE.dump_json(snapshots.core(incident))
            assert snapshots.restored(wire.Incident.model_validate_json(shown), CORE.validate_json(hidden)) == incident

    @invariant()
    def never_two_open_incidents_for_one_fire(self) -> None:
        found = [(FAMILY[one.kind], group) for one in self.open_now() for group in one.groups]
        assert len(found) == len(set(found))

    @invariant()
    def only_resolve_closes(self) -> None:
        opened = {f"{number:06d}" for number in range(1, self.world.situation.next_incident)}
        assert {one.id[5:] for one in self.open_now()} == opened - {ident[5:] for ident in self.resolved}

    @invariant()
    def somebody_is_told_until_somebody_has_it(self) -> None:
        for one in self.open_now():
            assert one.climb is not None
            assert one.climbs is (one.state == "open" and not one.climb.over)
            assert not (one.climb.over and one.climb.cause in ("fire", "smoke", "sos", "silent_sos"))


class Neighbours(AnyOrder):
    """The same where the groups are neighbours."""

    commune = NEAR


AnyOrder.TestCase.settings = Neighbours.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnyOrder = AnyOrder.TestCase
TestNeighbours = Neighbours.TestCase


def test_d31_an_alarm_already_active_when_its_board_is_first_heard_opens_an_incident():
    world = World(commune=NEAR)
    world.born("H03-07", active={"button-1": "9c41f2aa-1-7"}, unknown=("button-1",))
    world.later(2)
    assert (world.only.kind, world.only.events) == ("fire", {"H03-07": "9c41f2aa-1-7"})
    assert world.order.pattern == "fire"
    assert {row.delivery.person for row in world.effects.deliveries} == {"truc-ban-1", "to-truong"}
