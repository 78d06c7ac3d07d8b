# A changed configuration on trial: the whole board in virtual time, restarted as often as it asks for it.
import json
import os

from reconfigure import MINUTE_MS, WITHOUT, Broken, answer, candidates, change, digests, is_on_trial, kept, on_trial, online, restarted
from virtual_board import Stage


def test_change_is_tried_at_once_and_kept_and_answered_when_the_engine_greets():
    stage = online()
    before = digests(stage)[-1]
    change(stage, verify_s=30, points={"button-2": None})
    assert answer(stage) is None
    stage = restarted(stage)
    assert is_on_trial(stage)
    assert "button-2" not in [point.name for point in stage.parts.panel]
    assert kept(stage) == dict(WITHOUT, bell_sense=False, points={})
    assert answer(stage) is None
    stage.hello()
    assert answer(stage) == (True, None)
    assert kept(stage) == dict(WITHOUT, bell_sense=False, points={"button-2": None}, verify_s=30)
    assert candidates(stage) == []
    stage.live(10 * MINUTE_MS, step_ms=100)
    assert not stage.resets
    stage = Stage(folder=stage.folder)
    stage.hello()
    stage.live(200)
    assert is_on_trial(stage)
    assert digests(stage)[-1] != before
    change(stage, verify_s=30, points={"button-2": None})
    assert answer(stage) == (True, None)
    stage.live(5_000)
    assert not stage.resets, "an order is carried out once"


def test_restart_into_the_trial_waits_for_an_alarm_that_has_begun():
    stage = online()
    change(stage, verify_s=30)
    stage.set("button-1", True)
    stage.live(MINUTE_MS, step_ms=100)
    assert not stage.resets
    stage.set("button-1", False)
    stage.live(300)
    stage.set("silence", True)
    stage.receipt_all()
    stage = restarted(stage)
    assert is_on_trial(stage)


def test_candidate_that_is_not_greeted_is_rolled_back_where_the_old_one_is():
    stage = on_trial()
    stage.live(179_000, step_ms=100)
    assert not stage.resets
    stage = restarted(stage)
    assert not is_on_trial(stage)
    assert candidates(stage) == ["old.1.o-1"]
    stage.live(20_000)
    stage.hello()
    assert answer(stage) == (False, "rolled back: not online within 180 s, tries: 1")
    assert candidates(stage) == []
    assert "verify_s" not in kept(stage)
    stage.live(10 * MINUTE_MS, step_ms=100)
    assert not stage.resets
    stage = Stage(folder=stage.folder)
    stage.hello()
    change(stage, verify_s=30)
    assert answer(stage) == (False, "rolled back: not online within 180 s, tries: 1")
    stage.live(5_000)
    assert not stage.resets


def test_hello_that_names_another_group_does_not_greet_the_candidate():
    stage = online()
    change(stage, group="G9")
    stage = restarted(stage)
    stage.hello(group="G1")
    stage = restarted(stage, 181_000)
    stage.hello(group="G1")
    assert answer(stage)[0] is False


def test_hello_that_names_another_group_ends_the_turn_of_the_old_one():
    """The board was given to another group meanwhile: it must be free for the order that tells it."""
    stage = restarted(on_trial(), 181_000)
    stage.hello(group="G2")
    stage.live(200)
    assert answer(stage) == (False, "rolled back: not online within 180 s, tries: 1")
    stage.order("o-2", "set", what="config", config={"group": "G2"})
    stage = restarted(stage)
    stage.hello(group="G2")
    stage.live(200)
    assert kept(stage)["group"] == "G2"


def test_candidate_is_tried_again_when_nobody_was_there():
    """The broker dies with the order, and is back after 20 minutes."""
    stage = on_trial()
    stage = restarted(stage, 181_000)
    assert not is_on_trial(stage)
    stage.live(17 * MINUTE_MS, step_ms=100)
    assert not stage.resets, "never a restart because a server is missing"
    stage.hello()
    stage = restarted(stage)
    assert is_on_trial(stage)
    stage.live(10_000)
    stage.hello()
    assert answer(stage) == (True, None)
    assert kept(stage)["verify_s"] == 30


def test_candidate_is_tried_again_when_the_broker_came_back_while_the_old_one_tried():
    stage = restarted(on_trial(), 181_000)
    stage.live(5_000)
    stage.agent.link_down("ECONNREFUSED", False)
    stage.live(5_000)
    stage.hello()
    stage = restarted(stage)
    assert is_on_trial(stage)
    stage.hello()
    stage.agent.link_down("closed by the broker", False)
    assert answer(stage) == (True, None)


def test_candidate_is_not_tried_again_before_a_silenced_alarm_has_its_receipt():
    """The candidate may be deaf: the alarm would wait for the end of its turn."""
    stage = restarted(on_trial(), 181_000)
    stage.agent.link_down("ECONNREFUSED", False)
    stage.set("button-1", True)
    stage.live(300)
    stage.set("button-1", False)
    stage.set("silence", True)
    stage.live(5_000)
    stage.hello()
    stage.live(2_000)
    assert not stage.resets
    stage.receipt_all()
    assert is_on_trial(restarted(stage))


def test_candidate_is_tried_again_after_an_hour_alone_and_its_last_try_waits_for_company():
    """The gateway has moved to where only the candidate leads; or nobody comes for days."""
    stage = restarted(on_trial(), 181_000)
    stage.live(59 * MINUTE_MS, step_ms=500)
    assert not stage.resets
    stage = restarted(stage, 2 * MINUTE_MS)
    assert is_on_trial(stage)
    assert candidates(stage) == ["new.2.o-1"]
    stage = restarted(stage, 181_000)
    assert not is_on_trial(stage)
    stage.live(4 * 60 * MINUTE_MS, step_ms=1_000)
    assert not stage.resets
    stage.hello()
    stage = restarted(stage)
    assert is_on_trial(stage)
    assert candidates(stage) == ["new.3.o-1"]
    stage.hello()
    assert answer(stage) == (True, None)


def test_candidate_has_three_tries():
    stage = on_trial()
    for turn in range(3):
        assert candidates(stage) == [f"new.{turn + 1}.o-1"]
        stage = restarted(stage, 181_000)
        assert not is_on_trial(stage)
        if turn < 2:
            stage.live(2 * MINUTE_MS, step_ms=100)
            stage.hello()
            stage = restarted(stage)
    stage.live(2 * MINUTE_MS, step_ms=100)
    stage.hello()
    assert answer(stage) == (False, "rolled back: not online within 180 s, tries: 3")
    stage.live(2 * MINUTE_MS, step_ms=100)
    assert not stage.resets


def test_candidate_that_crashes_or_loses_power_three_times_is_used_no_more():
    stage = on_trial()
    for turn in (2, 3):
        stage = Stage(folder=stage.folder)
        assert is_on_trial(stage)
        assert candidates(stage) == [f"new.{turn}.o-1"]
    stage = Stage(folder=stage.folder)
    assert not is_on_trial(stage)
    stage.hello()
    assert answer(stage) == (False, "rolled back: not online within 180 s, tries: 3")


def test_press_on_trial_rings_is_kept_and_ends_a_trial_that_nobody_hears():
    stage = on_trial()
    stage.live(MINUTE_MS, step_ms=100)
    stage.set("button-1", True)
    stage.live(200)
    assert stage.bell
    assert len(stage.journal.fetch([], 9)) == 1
    stage = restarted(stage, 31_000)
    assert not is_on_trial(stage)
    stage.set("button-1", True)  # held all the while
    stage.hello()
    stage.live(300)
    presses = {json.loads(payload)["id"] for payload in stage.events("button-1") if b'"state":"active"' in payload}
    assert len(presses) == 1, "neither lost nor doubled"


def test_press_on_trial_that_is_silenced_by_key_ends_a_trial_that_nobody_hears_as_soon():
    stage = on_trial()
    stage.line.takes = False
    stage.set("button-1", True)
    stage.live(200)
    stage.set("button-1", False)
    stage.set("silence", True)
    stage.live(200)
    assert not stage.bell
    stage = restarted(stage, 31_000)
    assert not is_on_trial(stage)
    stage.hello()
    stage.live(300)
    assert b'"state":"active"' in stage.events("button-1")[0]


def test_alarm_that_nobody_hears_keeps_no_candidate_from_its_next_try():
    """The gateway may have moved to where only the candidate leads."""
    stage = restarted(on_trial(), 181_000)
    stage.set("button-1", True)
    stage.live(200)
    stage.set("button-1", False)
    stage.set("silence", True)
    stage = restarted(stage, 61 * MINUTE_MS)
    assert is_on_trial(stage)


def test_press_that_comes_after_the_verdict_is_not_cut_off_by_its_restart():
    stage = restarted(on_trial(), 181_000)
    stage.live(2 * MINUTE_MS, step_ms=100)
    stage.hello()
    stage.agent._errands.poll(stage.parts.clock.now())
    assert len(stage.parts.keeper) == 1, "the restart into the next try"
    stage.set("button-1", True)
    stage.live(90)
    assert stage.bell
    stage.live(5 * MINUTE_MS, step_ms=100)
    assert not stage.resets
    stage.set("button-1", False)
    stage.live(300)
    stage.set("silence", True)
    stage.receipt_all()
    assert is_on_trial(restarted(stage, 2 * MINUTE_MS))


def test_press_of_a_greeted_trial_restarts_nothing():
    stage = on_trial()
    stage.hello()
    stage.set("button-1", True)
    stage.live(5 * MINUTE_MS, step_ms=100)
    assert stage.beats("bell")[-1][0] > 4 * MINUTE_MS
    assert not stage.resets
    assert answer(stage) == (True, None)


def test_press_while_the_old_one_is_judged_waits_with_the_next_try():
    stage = restarted(on_trial(), 181_000)
    stage.live(2 * MINUTE_MS, step_ms=100)
    stage.set("button-1", True)
    stage.live(300)
    stage.hello()
    stage.live(MINUTE_MS, step_ms=100)
    assert not stage.resets
    assert stage.events("button-1")
    stage.set("button-1", False)
    stage.live(300)
    stage.set("silence", True)
    stage.receipt_all()
    stage = restarted(stage)
    assert is_on_trial(stage)


def test_damaged_candidate_is_not_used():
    stage = online()
    change(stage, verify_s=30)
    stage.live(3_000)
    with open(stage.folder + "/journal/new.0.o-1", "w") as file:
        file.write('{"v":1,')
    stage = Stage(folder=stage.folder)
    assert stage.parts.config.verify_s == 60
    assert "new.1.o-1: expected JSON in UTF-8" in "".join(stage.parts.faults.texts())
    stage.hello()
    assert answer(stage)[0] is False
    assert candidates(stage) == []


def test_try_that_cannot_be_ended_in_flash_ends_all_the_same():
    stage = on_trial()
    stage.parts.trial._files = Broken(stage.files)
    stage.live(181_000, step_ms=100)
    assert stage.resets == 1


def test_greeting_that_cannot_be_kept_is_kept_a_minute_later():
    stage = on_trial()
    stage.parts.trial._files = Broken(stage.files)
    stage.hello()
    stage.live(1_000)
    assert answer(stage) is None
    assert "journal: not writable" in "".join(stage.parts.faults.texts())
    stage.parts.trial._files = stage.files
    stage.live(MINUTE_MS, step_ms=100)
    assert answer(stage) == (True, None)


def test_board_that_loses_its_file_after_a_change_of_kind_is_of_the_kind_that_came_of_it():
    for greeted, kind in ((True, "fire_point"), (False, "household")):
        stage = online()
        change(stage, kind="fire_point")
        stage = restarted(stage)
        assert stage.parts.config.kind == "fire_point"
        if not greeted:
            stage = restarted(stage, ms=4 * MINUTE_MS)
            stage.live(5_000)
        stage.hello()
        assert answer(stage)[0] is greeted
        assert kept(stage)["kind"] == kind
        os.remove(stage.folder + "/config.json")
        assert Stage(folder=stage.folder).parts.config.kind == kind
