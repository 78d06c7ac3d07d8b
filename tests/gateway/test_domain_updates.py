"""Campaigns of updates: waves, groups, alarms, what goes wrong, and that each one ends. Decided without any clock or broker."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from commune import GROUP, LIFE, World
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import facts, rollout, updates, waves
from gateway.domain.campaigns import FAILED, UNDER_WAY, Campaign, Release, sizes
from gateway.domain.situation import Turn
from gateway.domain.updates import Refusal, Wish
from gateway.store import journal, migrations
from protocol.messages import Answer, Order, UpdateProgress, Will

BUNDLE = "3f9a6c01d2e4b587"
RELEASE = Release(BUNDLE, 100_000, "2.0.0", "esp32_wroom")
BOARDS = tuple(f"H03-{number:02d}" for number in range(1, 13))  # all of one group
OTHERS = ("DCC-017", "DCC-018", "DCC-019")


class Town(World):
    """A commune with boards that are online and run 1.0.0; `ordered` keeps every order that went out, with its board."""

    def __init__(self, boards: tuple[str, ...] = BOARDS) -> None:
        super().__init__()
        self.boards = boards
        self.ordered: list[tuple[str, Order]] = []
        self.boots = dict.fromkeys(boards, 1)
        for board in boards:
            self.says(board)

    def begin(self, **fields: Any) -> Campaign:
        known = {"types": {}, "sizes": (1, 2), "downgrade": False, "at_once": 4, "soak_s": 60, "within_s": 900}
        wish = Wish(**({"release": RELEASE, "by": "ky-thuat-1", "command": f"b-{self.now.ms}", "boards": self.boards} | known | fields))
        with self.turn() as turn:
            return updates.begin(turn, wish)

    def act(self, act: Any, *args: Any, **fields: Any) -> None:
        with self.turn() as turn:
            act(turn, *args, **fields)

    def says(
        self, board: str, state: str = "", *, app: str | None = None, error: str | None = None, again: bool = False, **more: Any
    ) -> None:
        """A birth; `again`: after a restart."""
        self.boots[board] += again
        update = UpdateProgress(bundle=BUNDLE, state=state, error=error) if state else None  # type: ignore[arg-type]
        known = {"boot": self.boots[board], "group": self.commune.group_of(board), "app": app, "update": update}
        self.born(board, **known | more)
        self._keep_orders()

    def pass_time(self, seconds: float, step_s: float = 2.0) -> None:
        """Boards that are online report meanwhile."""
        passed = 0.0
        while passed < seconds:
            for device in self.situation.devices.values():
                if device.state == "online":
                    device.watched_s = self.now.s
            self.later(step_s)
            self._keep_orders()
            passed += step_s

    def _keep_orders(self) -> None:
        self.ordered += self.effects.errands

    def answers(self, board: str, *, ok: bool = True, error: str | None = None) -> None:
        self.act(facts.answer, board, Answer(id=self.row(board).order, ok=ok, error=error))

    def row(self, board: str) -> Any:
        return self.situation.updates[board]

    def asked(self) -> list[str]:
        """Boards under way."""
        return [row.device for row in self.situation.updates.values() if row.state in UNDER_WAY]

    def comes_through(self, board: str) -> None:
        self.answers(board)
        self.act(updates.fetched, board, whole=True)
        self.says(board, "trial", app=BUNDLE, again=True)
        self.says(board, "kept", app=BUNDLE)

    def lose(self, board: str) -> None:
        self.act(facts.will, board, Will(life=LIFE, boot=self.boots[board]))

    @property
    def campaign(self) -> Campaign:
        assert self.situation.campaign is not None
        return self.situation.campaign


def test_first_one_board_then_a_wave_then_the_rest_one_of_a_group_at_a_time() -> None:
    town = Town((*BOARDS[:4], *OTHERS))
    town.begin()
    town.pass_time(4)
    (canary,) = town.asked()
    assert [order.version for _, order in town.ordered] == ["2.0.0"]
    town.comes_through(canary)
    town.pass_time(50)
    assert town.asked() == [], "the canary's minute is not over"
    town.pass_time(16)
    assert 1 <= len(town.asked()) <= 2, "two groups, two boards of this wave"
    while town.campaign.state == "open":
        groups = [town.commune.group_of(board) for board in town.asked()]
        assert len(groups) == len(set(groups))
        for board in town.asked():
            town.comes_through(board)
        town.pass_time(2)
    assert {row.state for row in town.situation.updates.values()} == {"kept"}
    assert (town.campaign.state, town.campaign.wave) == ("done", 3)


def test_no_board_is_asked_during_an_alarm_or_a_drill_and_the_time_of_those_under_way_stands_still() -> None:
    for start in ("press", "drill"):
        town = Town()
        town.begin(sizes=())
        town.pass_time(2)
        (board,) = town.asked()
        town.answers(board)
        if start == "press":
            town.press("H03-05")
        else:
            town.command("drill", incident=None, group=GROUP, version=None)
        before = len(town.ordered)
        town.pass_time(2 * 900, step_s=20)
        assert (len(town.ordered), town.row(board).state, town.campaign.state) == (before, "fetching", "open")
        town.command("resolve", **({} if start == "press" else {"outcome": "drill"}))
        town.comes_through(board)
        town.pass_time(4)
        assert len(town.asked()) == 1


@pytest.mark.parametrize("how", ["rolled_back", "refused", "answer", "late", "lost", "silent"])
def test_a_board_that_does_not_come_through_halts_the_campaign_and_says_so(how: str) -> None:
    town = Town()
    town.begin(sizes=())
    town.pass_time(2)
    (board,) = town.asked()
    if how == "answer":
        town.answers(board, ok=False, error="in safe mode")
    elif how != "silent":
        town.answers(board)
    if how in ("rolled_back", "lost"):
        town.act(updates.fetched, board, whole=True)
        town.says(board, "trial", app=BUNDLE, again=True)
    if how == "rolled_back":
        town.says(board, "rolled_back", error="no receipt within 600 s", again=True)
    elif how == "refused":
        town.says(board, "refused", error="signature of no trusted key")
    elif how == "lost":
        town.lose(board)
    told = list(town.effects.entries)
    for _ in range(100):
        if town.campaign.state == "halted":
            break
        town.pass_time(10, step_s=10)
        told = list(town.effects.entries) or told
    assert town.campaign.state == "halted"
    assert town.campaign.why.startswith(f"{board} ")
    assert town.situation.faults["update"] == town.campaign.why
    assert town.situation.lasting["update"].names == (board,)
    assert "update_failed" in [entry.what for entry in told]
    before = len(town.ordered)
    town.pass_time(600, step_s=20)
    assert len(town.ordered) == before, "nobody is asked until somebody resumes it"


def test_a_board_that_was_lost_and_comes_back_is_told_and_halts_nothing_again() -> None:
    town = Town()
    town.begin(sizes=())
    town.pass_time(2)
    (board,) = town.asked()
    town.answers(board)
    town.act(updates.fetched, board, whole=True)
    town.lose(board)
    town.pass_time(400, step_s=10)
    assert town.row(board).state == "lost"
    town.act(updates.resume, "ky-thuat-1", retry=False)
    town.says(board, "rolled_back", error="no hello", again=True)
    assert (town.row(board).state, town.row(board).words, town.campaign.state) == ("rolled_back", "no hello", "open")
    assert ("update_failed", board) in [(entry.what, entry.device) for entry in town.effects.entries]
    town.says(board, "kept", app=BUNDLE, again=True)
    assert town.row(board).state == "kept"


def test_a_person_resumes_with_or_without_those_that_failed_or_ends_it() -> None:
    town = Town()
    town.begin(sizes=())
    town.pass_time(2)
    (board,) = town.asked()
    town.answers(board, ok=False, error="in safe mode")
    town.act(updates.resume, "ky-thuat-1", retry=False)
    assert town.situation.faults == {}
    town.pass_time(2)
    (other,) = town.asked()
    assert other != board
    town.answers(other, ok=False, error="in safe mode")
    town.act(updates.resume, "ky-thuat-1", retry=True)
    assert town.row(board).state == "waiting"
    town.act(updates.end, "chi-huy-1")
    assert (town.campaign.state, town.campaign.ended_by) == ("ended", "chi-huy-1")
    town.pass_time(60)
    assert town.asked() == []


def test_a_failed_canary_leaves_its_place_to_another_before_the_next_wave() -> None:
    town = Town((*BOARDS[:2], *OTHERS))
    town.begin(sizes=(1,))
    town.pass_time(2)
    (board,) = town.asked()
    town.answers(board, ok=False, error="in safe mode")
    town.act(updates.resume, "ky-thuat-1", retry=False)
    town.pass_time(600, step_s=10)
    assert (len(town.asked()), town.campaign.wave) == (0, 1) or len(town.asked()) == 1
    assert town.campaign.wave == 1


def test_a_busy_board_is_asked_later_and_halts_nothing() -> None:
    town = Town(BOARDS[:1])
    town.begin(sizes=())
    town.pass_time(2)
    town.answers("H03-01", ok=False, error="busy: the bell sounds")
    town.pass_time(300)
    assert (len(town.ordered), town.row("H03-01").words) == (1, "busy: the bell sounds")
    town.pass_time(310)
    assert (len(town.ordered), town.campaign.state) == (2, "open")
    assert town.ordered[0][1].id != town.ordered[1][1].id


def test_boards_that_are_offline_or_not_well_wait_and_are_taken_when_they_are() -> None:
    town = Town(BOARDS[:4])
    town.lose("H03-01")
    town.event("H03-02", "bell", "open", type="bell")
    town.event("H03-03", "mains", "active", type="mains")
    town.begin(sizes=())
    assert [waves.why_not(town.situation, town.row(board)) for board in BOARDS[:4]] == ["offline", "its bell is faulty", "no mains", ""]
    town.pass_time(2)
    assert town.asked() == ["H03-04"]
    town.comes_through("H03-04")
    town.pass_time(60)
    assert town.asked() == []
    town.says("H03-01", again=True)
    town.pass_time(2)
    assert town.asked() == ["H03-01"]


def test_a_board_in_safe_mode_is_asked_after_the_others_and_not_left_with_the_program_that_crashes() -> None:
    town = Town(BOARDS[:3])
    town.says("H03-01", again=True, safe=True)
    town.begin()
    came = []
    for _ in range(150):
        town.pass_time(2)
        came += town.asked()
        for board in town.asked():
            town.comes_through(board)
    assert sorted(came) == list(BOARDS[:3])
    assert came[-1] == "H03-01"
    assert town.campaign.state == "done"


def test_a_board_that_starts_anew_while_it_fetches_is_asked_again_with_another_id_and_not_for_ever() -> None:
    town = Town(BOARDS[:1])
    town.begin(sizes=())
    for round_ in range(1, 6):
        town.pass_time(2)
        assert (town.row("H03-01").state, len(town.ordered)) == ("ordered", round_)
        town.answers("H03-01")
        town.says("H03-01", again=True)
    assert len({order.id for _, order in town.ordered}) == 5
    assert (town.row("H03-01").state, town.campaign.state) == ("late", "halted")


def test_a_board_that_lets_an_update_drop_is_asked_again() -> None:
    town = Town(BOARDS[:1])
    town.begin(sizes=())
    town.pass_time(2)
    town.answers("H03-01")
    town.says("H03-01", "fetching")
    town.says("H03-01", retained=True)
    assert town.row("H03-01").state == "fetching", "what a broker has kept may be older than that"
    town.says("H03-01")
    town.pass_time(2)
    assert len(town.ordered) == 2


def test_a_board_that_always_says_yes_and_never_fetches_is_late() -> None:
    town = Town(BOARDS[:1])
    town.begin(sizes=())
    for _ in range(400):
        if town.campaign.state == "halted":
            break
        town.pass_time(10, step_s=10)
        if town.row("H03-01").state == "ordered":
            town.answers("H03-01")
    assert (town.row("H03-01").state, town.campaign.state) == ("late", "halted")
    assert 2 <= len({order.id for _, order in town.ordered}) <= rollout.TRIES_MAX


def test_an_order_without_an_answer_is_sent_again_the_same() -> None:
    town = Town(BOARDS[:1])
    town.begin(sizes=())
    town.pass_time(40)
    first, again = town.ordered
    assert first == again


def test_the_end_of_an_earlier_try_is_no_verdict_on_this_one() -> None:
    town = Town(BOARDS[:1])
    town.says("H03-01", "rolled_back", error="no receipt within 600 s")
    town.begin(sizes=())
    town.pass_time(2)
    town.says("H03-01", "rolled_back", error="no receipt within 600 s", retained=True)
    assert (town.row("H03-01").state, town.campaign.state) == ("ordered", "open")
    town.answers("H03-01")
    town.says("H03-01", "rolled_back", error="no receipt within 600 s", retained=True)
    assert (town.row("H03-01").state, town.campaign.state) == ("fetching", "open")
    town.comes_through("H03-01")
    town.pass_time(2)
    assert town.campaign.state == "done"


def test_a_power_cut_of_the_whole_area_is_not_the_updates_fault() -> None:
    town = Town()
    town.begin(sizes=())
    town.pass_time(2)
    (board,) = town.asked()
    town.answers(board)
    town.act(updates.fetched, board, whole=True)
    for one in BOARDS:
        town.lose(one)
    assert [key for key in town.situation.faults if key.startswith("area:")]
    town.pass_time(2000, step_s=20)
    assert (town.row(board).state, town.campaign.state) == ("trial", "open")


def test_a_replaced_board_is_asked_like_the_one_before_it() -> None:
    town = Town(BOARDS[:1])
    town.begin(sizes=())
    town.pass_time(2)
    town.answers("H03-01")
    town.says("H03-01", life="0badcafe")
    town.pass_time(2)
    assert [order.bundle for _, order in town.ordered] == [BUNDLE, BUNDLE]
    town.says("H03-01", life="0badcaff", app=BUNDLE)
    assert town.row("H03-01").state == "kept"


def test_a_board_that_left_the_description_is_gone_and_holds_nothing_up() -> None:
    town = Town(BOARDS[:2])
    town.begin(sizes=())
    town.pass_time(2)
    with town.turn() as turn:
        for board in BOARDS[:1]:
            row = turn.situation.updates.pop(board)
            turn.situation.updates["STRAY"] = replace(row, device="STRAY")
        turn.situation.pace.looked = False  # as after a start, which alone brings another description
    town.pass_time(4)
    assert town.row("STRAY").state == "gone"
    assert town.asked() == ["H03-02"]


def test_an_older_version_only_on_purpose() -> None:
    town = Town(BOARDS[:2])
    town.says("H03-02", fw="2.1.0")
    with pytest.raises(Refusal, match=r"expected boards with 2\.0\.0 or older, got H03-02 with a newer one: --downgrade"):
        town.begin()
    town.begin(downgrade=True, sizes=())
    town.pass_time(2)
    assert [order.downgrade for _, order in town.ordered] == [True]


def test_a_board_that_became_newer_meanwhile_is_left_alone() -> None:
    town = Town(BOARDS[:1])
    town.begin(sizes=())
    town.says("H03-01", fw="3.0.0", again=True)
    town.pass_time(60)
    assert town.ordered == []


def test_one_campaign_at_a_time_and_none_without_boards() -> None:
    town = Town(BOARDS[:2])
    town.says("H03-01", app=BUNDLE)
    with pytest.raises(Refusal, match=r"expected a board of the type esp32_wroom without 2\.0\.0"):
        town.begin(boards=BOARDS[:1])
    with pytest.raises(Refusal, match="expected a board of the type esp32_wroom"):
        town.begin(types=dict.fromkeys(BOARDS, "esp32_c3"))
    town.begin()
    assert (town.row("H03-01").state, town.row("H03-02").state) == ("had", "waiting")
    with pytest.raises(Refusal, match="expected no campaign under way, got number 1"):
        town.begin(command="b-2")
    with pytest.raises(Refusal, match="expected a campaign that is halted, got open"):
        town.act(updates.resume, "x", retry=False)
    town.act(updates.end, "x")
    assert town.begin(command="b-2").number == 2


def test_a_start_that_is_said_again_is_the_same_campaign() -> None:
    town = Town(BOARDS[:2])
    first = town.begin(command="b-1")
    assert town.begin(command="b-1") == first
    with pytest.raises(Refusal, match="expected no campaign under way"):
        town.begin(command="b-1", by="chi-huy-1")
    town.act(updates.end, "x")
    assert town.begin(command="b-1").number == 1, "it is over, and not begun anew by an old message"


def test_waves_are_numbers_and_parts() -> None:
    assert sizes(["1", "5", "20%"], 229) == (1, 5, 46)
    assert sizes(["1", "1%"], 3) == (1, 1)


def test_a_disk_that_takes_nothing_stops_new_orders() -> None:
    town = Town(BOARDS[:1])
    town.begin(sizes=())
    town.act(facts.fault, "disk", "full")
    town.pass_time(10)
    assert town.ordered == []
    town.act(facts.fault_over, "disk")
    town.pass_time(2)
    assert len(town.ordered) == 1


Deed = tuple[Literal["birth", "answer", "no", "busy", "whole", "kept", "back", "lose", "press", "resolve", "wait", "resume"], int]
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "birth",
                "birth",
                "answer",
                "answer",
                "answer",
                "no",
                "busy",
                "whole",
                "kept",
                "kept",
                "back",
                "lose",
                "press",
                "resolve",
                "wait",
                "resume",
            ]
        ),
        st.integers(0, 6),
    ),
    max_size=60,
)


class Watched(Town):
    """Fails as soon as what was promised of orders does not hold, or a kill of the engine would lose something of the campaign."""

    def __init__(self, boards: tuple[str, ...]) -> None:
        self.disk = sqlite3.connect(":memory:", isolation_level=None)
        migrations.upgrade(self.disk, Path("memory"))
        super().__init__(boards)

    @contextmanager
    def turn(self) -> Iterator[Turn]:  # type: ignore[override]  # the same to whoever says `with`
        with super().turn() as turn:
            yield turn
        self.written()

    def written(self) -> None:
        """What the last turn decided is on the disk; a start that reads it goes on from the same place."""
        batch = journal.batch(self.situation, self.effects, dict.fromkeys(self.effects.incidents, b"{}"), [], now_ms=self.now.ms)
        batch.tables["incident"] = []  # of them other tests know more
        batch.write(self.disk)
        if not (self.effects.campaign or self.effects.updates):
            return
        again = World().situation
        journal.restore(self.disk, again, now_s=0.0)
        assert (again.campaign, again.updates) == (self.situation.campaign, self.situation.updates)
        assert {known.id: known.app for known in again.devices.values()} == {
            known.id: known.app for known in self.situation.devices.values()
        }

    def _keep_orders(self) -> None:
        for device, order in self.effects.errands:
            if order.do != "update":
                continue
            told = self.disk.execute("SELECT order_id FROM board_update WHERE device = ?", (device,)).fetchone()
            assert told == (order.id,), "what is sent is written before"
            mates = [one for one in self.asked() if one != device and self.commune.group_of(one) == self.commune.group_of(device)]
            assert not mates, "two of one group"
            alarms = [one for one in self.situation.incidents.values() if one.state != "resolved"]
            assert not alarms, "an order during an alarm"
            assert self.situation.device(device).state == "online"
            assert self.campaign.state == "open"
        super()._keep_orders()

    def does(self, deed: Deed) -> None:
        what, number = deed
        board = self.boards[number]
        row = self.situation.updates[board]
        if what == "birth":
            self.says(board, again=True)
        elif what in ("answer", "no", "busy") and row.order:
            error = {"answer": None, "no": "no room", "busy": "busy: the bell sounds"}[what]
            self.answers(board, ok=what == "answer", error=error)
        elif what == "whole":
            self.act(updates.fetched, board, whole=True)
        elif what == "kept" and row.state == "trial":
            self.says(board, "kept", app=BUNDLE, again=True)
        elif what == "back" and row.state == "trial":
            self.says(board, "rolled_back", error="no hello", again=True)
        elif what == "lose":
            self.lose(board)
        elif what == "press":
            self.press(board)
        elif what == "resolve":
            self._calm()
        elif what == "resume" and self.campaign.state == "halted":
            self.act(updates.resume, "x", retry=number > 3)
        self._keep_orders()
        self.pass_time(120 if what == "wait" else 2, step_s=20 if what == "wait" else 2)

    def _calm(self) -> None:
        for incident in [one for one in self.situation.incidents.values() if one.state != "resolved"]:
            self.command("resolve", incident=incident.id, version=incident.version)

    def goes_well(self) -> bool:
        """From now on no alarm, every board is there and does what it is asked, and people resume: the campaign comes to its end."""
        for _ in range(200):
            self._calm()
            for board in self.boards:
                row = self.situation.updates[board]
                if self.situation.device(board).state != "online":
                    self.says(board, again=True)
                elif row.state in UNDER_WAY:
                    self.comes_through(board)
            if self.campaign.state == "halted":
                self.act(updates.resume, "x", retry=False)
            self.pass_time(20, step_s=10)
            if self.campaign.is_over:
                return True
        return False


@given(deeds=DEEDS)
def test_in_any_order_never_two_of_a_group_never_during_an_alarm_and_always_an_end(deeds: list[Deed]) -> None:
    town = Watched((*BOARDS[:4], *OTHERS))
    town.begin(sizes=(1, 2), soak_s=10)
    for deed in deeds:
        if town.campaign.is_over:
            break
        town.does(deed)
    failed = [row.device for row in town.situation.updates.values() if row.state in FAILED]
    assert town.campaign.is_over or town.goes_well()
    for row in town.situation.updates.values():
        assert row.state in ("kept", "had") or row.device in failed, "who has not failed before has it now"


def test_without_anybody_who_answers_it_halts() -> None:
    town = Town()
    town.begin()
    town.pass_time(400)
    assert town.campaign.state == "halted"


def test_what_is_decided_of_an_ended_campaign_is_nothing() -> None:
    town = Town(BOARDS[:1])
    town.begin(sizes=())
    town.pass_time(2)
    order = town.row("H03-01").order
    town.act(updates.end, "x")
    before = town.row("H03-01")
    for act in (
        lambda turn: updates.answered(turn, "H03-01", Answer(id=order, ok=True)),
        lambda turn: updates.fetched(turn, "H03-01", whole=True),
        waves.step,
    ):
        town.act(act)
    assert town.row("H03-01") == before
    assert not updates.is_offered(town.situation, "H03-01", BUNDLE)
