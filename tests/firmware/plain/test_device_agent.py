# The whole agent over a wire that only remembers, in virtual time.
import asyncio
import json

from agent import loops, points, watch
from agent.files import Files
from agent.outbox import CAPACITY
from virtual_board import ENGINE, Stage, online

from protocol import wire


def out_of_memory_once(owner, name):
    whole = getattr(owner, name)

    def broken(*arguments, **keywords):
        setattr(owner, name, whole)
        raise MemoryError

    setattr(owner, name, broken)


def test_pitfall_15_press_survives_a_lack_of_memory_wherever_it_strikes():
    for part, name in (
        ("who", "next_id"),
        ("alarms", "raised"),
        ("alarms", "take_calls"),
        ("alarms", "causes"),
        ("keeper", "keep"),
        ("bell", "update"),
        ("journal", "put"),
    ):
        stage = online()
        parts = stage.agent._parts
        out_of_memory_once({"who": stage.who, "journal": stage.journal}.get(part) or getattr(parts, part), name)
        stage.levels["button-1"] = True
        stage.live(200)
        assert stage.bell, (part, name)
        stage.live(2_300)
        assert stage.said("group/G1/call/B1"), (part, name)
        assert stage.events("button-1"), (part, name)


def without_limit(test):
    """Run a test in which a finger presses more often than a contact may that is whole."""

    def run():
        free = points.FREE
        points.FREE = 1000
        try:
            test()
        finally:
            points.FREE = free

    return run


@without_limit
def test_pitfall_15_no_alarm_is_lost_when_more_are_pressed_than_the_heap_holds():
    stage = online()
    stage.line.up = False
    pressed = 0
    for turn in range(30):
        stage.levels[f"button-{turn % 2 + 1}"] = True
        stage.live(100)
        stage.levels = {}
        stage.live(100)
        pressed += 1
    press = b'"type":"button","state":"active"'
    assert len(stage.agent._outbox) == CAPACITY
    offline_ms = stage.ms
    stage.line.up = True
    stage.hello()
    heard = {}
    for _ in range(200):
        stage.live(100)
        for payload in stage.said("dev/B1/event"):
            fields = json.loads(payload)
            if press in payload and fields["id"] not in heard:
                heard[fields["id"]] = offline_ms - fields["age"]
            stage.receipt(fields["id"])
        stage.line.said = []
    assert len(heard) == pressed
    assert min(heard.values()) < 1_000  # each with its own age
    assert stage.journal.waiting == 0


@without_limit
def test_events_that_wait_in_flash_are_sent_after_a_restart():
    stage = online()
    stage.line.up = False
    for _ in range(30):
        stage.levels["button-1"] = True
        stage.live(100)
        stage.levels = {}
        stage.live(100)
    again = Stage(folder=stage.folder)
    assert again.journal.waiting == 60
    again.hello()
    presses = set()
    for _ in range(60):
        again.live(100)
        for payload in again.said("dev/B1/event"):
            fields = json.loads(payload)
            assert "age" not in fields or fields["type"] == "bell"
            if fields["type"] == "button" and fields["state"] == "active":
                presses.add(fields["id"])
            again.receipt(fields["id"])
        again.line.said = []
    assert len(presses) == 30


def test_pitfall_15_full_flash_costs_no_press():
    class Full(Files):
        def write(self, name, data):
            raise OSError(28)

    stage = Stage()
    stage.hello()
    stage.live(300)
    stage.files.write = Full("").write
    stage.levels["button-1"] = True
    stage.live(300)
    assert stage.bell
    assert stage.said("group/G1/call/B1")
    assert stage.events("button-1")
    assert b"journal: not writable" in stage.said("dev/B1/state")[-1]


def test_restart_waits_for_an_alarm_that_came_after_its_order():
    stage = online()
    stage.order("o-1", "restart")
    stage.live(1_000)
    stage.levels["button-1"] = True
    stage.live(5_000)
    assert stage.resets == 0
    stage.receipt_all()
    stage.levels = {"silence": True}
    stage.live(5_000)
    assert stage.resets > 0


def test_restart_waits_for_the_receipt_of_an_alarm_that_is_silenced_here_since_the_group_is_still_called():
    stage = online()
    stage.order("o-1", "restart")
    stage.live(1_000)
    stage.line.up = False
    stage.agent.link_down("closed by the broker", False)
    stage.levels["button-1"] = True
    stage.live(300)
    stage.levels = {"silence": True}
    stage.live(5 * 60_000, step_ms=100)
    assert not stage.bell
    assert stage.resets == 0
    stage.line.said = []
    stage._receipted = 0
    stage.line.up = True
    stage.agent.link_up([])
    assert stage.said("group/G1/call/B1"), "the neighbours ring, though no engine is there"
    stage.hello()
    stage.receipt_all()
    stage.live(1_000)
    assert stage.resets > 0


def test_restart_waits_while_the_group_rings_and_this_house_is_silenced():
    """A start forgets the key: the house would sound again by the hello."""
    stage = online()
    stage.order("o-1", "restart")
    stage.live(1_000)
    stage.ring(1, "fire")
    stage.levels["silence"] = True
    stage.live(5_000)
    assert not stage.bell
    assert stage.resets == 0
    stage.ring(2, None)
    stage.live(1_000)
    assert stage.resets > 0


def test_order_that_comes_again_while_it_is_carried_out_is_answered_once():
    stage = online()
    stage.order("o-1", "test", what="bell", seconds=1)
    stage.live(500)
    stage.order("o-1", "test", what="bell", seconds=1)
    stage.live(1_000)
    assert [json.loads(answer) for answer in stage.said("dev/B1/answer")] == [{"v": 1, "id": "o-1", "ok": True, "proof": "commanded"}]


def test_answer_birth_and_report_that_the_link_did_not_take_are_made_good():
    stage = online()
    stage.line.takes = False
    stage.order("o-1", "nonsense")
    stage.order("o-2", "report")
    stage.agent.link_up(["keng/1/s/tick"])
    stage.live(300)
    stage.line.takes = True
    stage.live(300)
    assert len(stage.said("dev/B1/answer")) == 2
    assert b"subscription refused: keng/1/s/tick" in stage.said("dev/B1/state")[0]
    stage.live(5_000)
    assert [json.loads(report)["dropped"] for report in stage.said("dev/B1/report")] == [0]


def test_event_that_a_full_link_did_not_take_follows_as_soon_as_it_does():
    stage = online()
    stage.line.takes = False
    stage.levels["silence"] = True
    stage.live(6_000)
    stage.line.takes = True
    stage.live(200)
    assert len(stage.events("silence")) == 1


def test_call_that_could_not_be_encoded_is_sent_2_s_later():
    stage = online()
    stage.line.broken = [MemoryError()]
    stage.levels["button-1"] = True
    stage.live(200)
    assert stage.bell
    assert stage.said("group/G1/call/B1") == []
    stage.live(2_000)
    assert len(stage.said("group/G1/call/B1")) == 1


def test_two_buttons_at_once_are_two_calls_and_two_events():
    stage = online()
    stage.levels["button-1"] = stage.levels["button-2"] = True
    stage.live(500)
    assert len({wire.decode_call(call).id for call in stage.said("group/G1/call/B1")}) == 2
    assert stage.events("button-1")
    assert stage.events("button-2")


def test_pitfall_19_retained_messages_and_those_of_others_change_nothing():
    stage = online()
    ring = b'{"v":1,"engine":"%s","rev":1,"incident":"i","pattern":"fire","n":1,"for_s":60}' % ENGINE.encode()
    stage.hear("group/G1/ring", ring, retained=True)
    stage.hear("group/G1/call/B2", b'{"v":1,"id":"0badcafe-1-1","k":1,"type":"button","pattern":"fire"}', retained=True)
    stage.hear("dev/B1/hello", b'{"v":1,"engine":"%s","t":5,"for":"%s","group":"G1","ring":%s}' % (ENGINE.encode(), b"0badcafe-1", ring))
    stage.live(100)
    assert not stage.bell
    stage.hear("group/G1/ring", ring)
    stage.live(100)
    assert stage.bell


def test_steps_that_raise_cost_nobody_else_a_turn():
    turns = []
    caught = []

    def trip(now):
        raise KeyError(now)

    class Zero:
        def now(self):
            return 0

    async def run():
        task = asyncio.create_task(loops.every(1, [trip, turns.append], Zero(), watch.Watch(None, caught.append)))
        await asyncio.sleep(0.05)
        assert len(turns) > 2
        assert len(caught) == 1
        task.cancel()

    asyncio.run(run())


def test_step_that_lacks_memory_at_each_turn_is_said_once_and_ends_in_a_new_start():
    told = []
    dog = watch.Watch(lambda: None, told.append)

    def trip(now):
        raise MemoryError

    class Zero:
        def now(self):
            return 0

    async def seconds(count):
        """What ends the board within so many turns of the watch, with turns of the loop between them."""
        for _ in range(count):
            for _ in range(4):
                await asyncio.sleep(0)
            try:
                dog.turn()
            except watch.Hung as exc:
                return str(exc)
        return None

    async def run():
        task = asyncio.create_task(loops.every(0, [trip], Zero(), dog))
        assert await seconds(watch.LACKS) is None
        assert await seconds(1) == "memory"
        assert len(told) == 1
        task.cancel()

    asyncio.run(run())


def test_event_for_whose_writing_memory_lacked_is_sent_at_once_and_found_after_a_restart():
    stage = online()
    stage.line.takes = False
    put = stage.journal.put
    lacked = []

    def no_room(event):
        lacked.append(event.id)
        if len(lacked) < 4:
            raise MemoryError
        put(event)

    stage.journal.put = no_room
    stage.set("button-1", True)
    stage.live(500)
    assert stage.parts.outbox.has_alarm()
    stage.set("button-1", False)
    stage.live(6_000)
    after = Stage(folder=stage.folder)
    after.hello()
    after.live(500)
    assert after.states("button-1") == ["active", "clear"]
    assert json.loads(after.events("button-1")[0])["id"] == lacked[0]
