"""Changes of boards' configurations: when one goes out, what becomes of it, and that no secret stays. Without any clock or broker."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from commune import GROUP, LIFE, World

from gateway.domain import changes, facts, updates
from gateway.domain.campaigns import Release
from gateway.domain.changes import PATIENCE_MS, UNKNOWN, Wish
from gateway.domain.rows import Change
from gateway.domain.updates import Refusal
from gateway.domain.updates import Wish as Update
from gateway.store import journal
from protocol import config
from protocol.config import BoardConfig
from protocol.messages import Answer, Order, Will

BOARD, OTHER, ELSEWHERE = "H03-01", "H03-02", "DCC-017"
BY = "ky-thuat-1"
WIFI = [{"ssid": "lane", "key": "hush-hush"}]
WHOLE = BoardConfig.model_validate(
    {"site": "xa-mau", "device": BOARD, "kind": "household", "group": GROUP, "brokers": [{"host": "h", "port": 1}], "wifi": WIFI}
)


class Town(World):
    """Three boards that are online, two of one group; `sent` keeps every order that went out, with its board."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, Order]] = []
        for board in (BOARD, OTHER, ELSEWHERE):
            self.says(board)

    def says(self, board: str, **fields: Any) -> None:
        self.born(board, **({"group": self.commune.group_of(board)} | fields))
        self.sent += self.effects.errands

    def change(self, ident: str = "b-1", board: str = BOARD, **fields: Any) -> Change:
        wish = Wish(board, BY, config.change(ident, fields or {"verify_s": 30}))
        with self.turn() as turn:
            try:
                return changes.order(turn, wish)
            finally:
                self.sent += self.effects.errands

    def answers(self, ident: str = "b-1", board: str = BOARD, *, error: str | None = None) -> Change:
        with self.turn() as turn:
            facts.answer(turn, board, Answer(id=ident, ok=error is None, error=error))
        return self.situation.changes[board]

    def entries(self) -> list[tuple[str, str]]:
        return [(entry.what, entry.detail) for entry in self.effects.entries]


def test_a_change_goes_out_once_and_is_logged_with_who_ordered_it() -> None:
    town = Town()
    first = town.change(verify_s=30, points={"button-2": None})
    assert town.entries() == [("config_ordered", f"verify_s, points, by {BY}")]
    assert town.change(verify_s=30, points={"button-2": None}) == first
    ((board, order),) = town.sent
    assert (board, order.id, order.do, order.what) == (BOARD, "b-1", "set", "config")
    assert order.config == {"verify_s": 30, "points": {"button-2": None}}


@pytest.mark.parametrize(
    ("error", "state", "what", "words"),
    [
        (None, "applied", "config_changed", f"verify_s, by {BY}"),
        ("verify_s: expected 0..90, got 91", "refused", "config_failed", f"verify_s, by {BY}: verify_s: expected 0..90, got 91"),
        ("rolled back: not online within 180 s, tries: 1", "rolled_back", "config_failed", f"verify_s, by {BY}: rolled back: not online"),
        (UNKNOWN, "missed", "config_failed", f"verify_s, by {BY}: the order did not reach the board"),
    ],
)
def test_what_the_board_answers_is_what_became_of_it(error: str | None, state: str, what: str, words: str) -> None:
    town = Town()
    town.change()
    after = town.answers(error=error)
    assert (after.state, after.words, after.ended_ms) == (state, error or "", town.now.ms)
    ((told, detail),) = town.entries()
    assert told == what
    assert detail.startswith(words)
    assert town.effects.changes[BOARD] == after
    assert ("config_failed" in town.situation.device(BOARD).faults) == (state == "rolled_back")
    town.answers(error="something else")
    assert town.situation.changes[BOARD] == after, "it is decided once"


def test_a_rolled_back_change_is_a_fault_of_the_board_until_its_next_start() -> None:
    town = Town()
    town.change()
    town.answers(error="rolled back: not online within 180 s, tries: 1")
    assert town.situation.device(BOARD).faults == {"config_failed": "rolled back: not online within 180 s, tries: 1"}
    assert BOARD in town.effects.devices, "so it is stored"
    town.says(BOARD, boot=2)
    assert town.situation.device(BOARD).faults == {}


def test_another_boards_answer_or_another_orders_decides_nothing() -> None:
    town = Town()
    town.change()
    town.answers("b-9")
    town.change("b-2", ELSEWHERE)
    with town.turn() as turn:
        facts.answer(turn, ELSEWHERE, Answer(id="b-1", ok=True))
    assert [one.state for one in town.situation.changes.values()] == ["ordered", "ordered"]


def _alarm(town: Town) -> None:
    town.press("H03-05")


def _drill(town: Town) -> None:
    town.command("drill", incident=None, group=GROUP, version=None)


def _lost(town: Town) -> None:
    with town.turn() as turn:
        facts.will(turn, BOARD, Will(life=LIFE, boot=1))


def _full(town: Town) -> None:
    with town.turn() as turn:
        turn.fault("disk", "full")


def _neighbour(town: Town) -> None:
    town.change("b-0", OTHER)


def _bell(town: Town) -> None:
    assert town.command("test_bell", incident=None, group=GROUP, home=OTHER, version=None) == ""


def _update(town: Town) -> None:
    release = Release("0" * 16, 1, "2.0.0", "esp32_wroom")
    wish = Update(release, BY, "b-0", (OTHER,), {}, (1,), downgrade=False, at_once=4, soak_s=0, within_s=900)
    with town.turn() as turn:
        updates.begin(turn, wish)
    town.later(4)
    assert town.situation.updates[OTHER].state == "ordered"


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (_alarm, f"expected no alarm and no drill in the group of {BOARD}, got 2026-"),
        (_drill, f"expected no alarm and no drill in the group of {BOARD}, got 2026-"),
        (_lost, f"expected {BOARD} to be online, got lost"),
        (_full, "expected a disk that can be written"),
        (_neighbour, f"expected one board of a group at a time, got {OTHER}"),
        (_bell, f"expected one board of a group at a time, got {OTHER}"),
        (_update, f"expected no update over the air in the group of {BOARD}, got {OTHER}"),
    ],
)
def test_nothing_is_sent_while_something_else_happens_in_the_group(happens: Callable[[Town], None], words: str) -> None:
    town = Town()
    happens(town)
    before = len(town.sent)
    with pytest.raises(Refusal, match=words):
        town.change()
    assert (len(town.sent), BOARD in town.situation.changes) == (before, False)


def test_an_alarm_in_the_group_that_a_board_comes_from_holds_its_change_up_too() -> None:
    town = Town()
    town.situation.device(ELSEWHERE).settled = GROUP
    town.press("H03-05")
    with pytest.raises(Refusal, match="no alarm"):
        town.change(board=ELSEWHERE)
    town.command("resolve")
    assert town.change(board=ELSEWHERE).state == "ordered"


def test_a_neighbour_that_never_answers_holds_nobody_up_for_ever() -> None:
    town = Town()
    town.change("b-0", OTHER)
    town.later(PATIENCE_MS / 1000 - 1)
    town.says(BOARD)
    with pytest.raises(Refusal, match="one board of a group at a time"):
        town.change()
    town.later(2)
    town.says(BOARD)
    assert town.change().state == "ordered"


def test_a_change_that_is_not_decided_is_asked_for_and_no_second_one_begun_however_long_it_takes() -> None:
    town = Town()
    town.change()
    town.later(2 * PATIENCE_MS / 1000)
    town.says(BOARD, boot=2)
    del town.sent[:]
    with pytest.raises(Refusal, match=f"expected no change of {BOARD} under way, got one of verify_s, by {BY}; the board is asked"):
        town.change("b-2")
    ((board, order),) = town.sent
    assert (board, order.id, order.do, order.what, order.config) == (BOARD, "b-1", "set", None, None)


def test_each_birth_of_a_board_asks_for_the_answer_that_was_lost_and_for_none_that_came() -> None:
    town = Town()
    town.change()
    del town.sent[:]
    town.says(BOARD, boot=2, retained=True)
    town.says(OTHER, boot=2)
    assert [(board, order.id, order.config) for board, order in town.sent] == [(BOARD, "b-1", None)]
    town.answers()
    del town.sent[:]
    town.says(BOARD, boot=3)
    assert town.sent == []


def test_what_is_known_of_a_configuration_follows_what_the_board_says_and_holds_no_secret() -> None:
    town = Town()
    with town.turn() as turn:
        changes.flashed(turn, BOARD, BY, WHOLE.told())
    for ident, error, fields in (
        ("b-1", None, {"verify_s": 30, "wifi": [{"ssid": "market", "key": "hush-hush"}]}),
        ("b-2", "rolled back: not online within 180 s, tries: 1", {"brokers": [{"host": "nowhere", "port": 1}]}),
        ("b-3", "refused", {"points": {"heat-1": {}}}),
    ):
        town.change(ident, **fields)
        assert "hush" not in repr(town.situation.changes)
        town.answers(ident, error=error)
    after = WHOLE.model_copy(update={"verify_s": 30, "wifi": [config.Network(ssid="market", key="")]})
    assert json.loads(town.situation.changes[BOARD].told) == after.told()


def test_a_board_that_is_flashed_anew_has_nothing_under_way_any_more() -> None:
    town = Town()
    town.change()
    with town.turn() as turn:
        changes.flashed(turn, BOARD, BY, WHOLE.told())
    town.answers(error="rolled back: not online within 180 s, tries: 1")
    assert (town.situation.changes[BOARD].state, town.situation.device(BOARD).faults) == ("applied", {})
    assert town.change("b-2").state == "ordered"


def test_an_update_waits_for_a_neighbours_change() -> None:
    town = Town()
    town.change()
    release = Release("0" * 16, 1, "2.0.0", "esp32_wroom")
    with town.turn() as turn:
        updates.begin(turn, Update(release, BY, "b-0", (OTHER,), {}, (1,), downgrade=False, at_once=4, soak_s=0, within_s=900))
    town.later(4)
    assert town.situation.updates[OTHER].state == "waiting"
    town.answers()
    town.later(4)
    assert town.situation.updates[OTHER].state == "ordered"


def test_a_row_that_is_damaged_is_none() -> None:
    good = (BOARD, "b-1", BY, '["verify_s"]', 1, "ordered", "{}", '{"verify_s":30}', None, "")
    assert journal.read_change(good).keys == ("verify_s",)
    for place in (3, 6, 7):
        with pytest.raises(ValueError, match="JSON"):
            journal.read_change((*good[:place], "{", *good[place + 1 :]))
