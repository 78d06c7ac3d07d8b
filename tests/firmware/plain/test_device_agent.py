# The whole agent over a wire that only remembers, stepped by hand.
import asyncio
import json
import os
import sys

from agent import alarms, bell, clock, config, faults, identity, journal, keeper, loops, orders, outbox, presence
from agent.agent import Agent, Parts
from agent.files import Files
from agent.outbox import CAPACITY
from agent.points import AT_ONCE, NEVER, VERIFY, Panel, Point

from protocol import wire

ENGINE = "5be07711-3"
keeper.SETTLE_MS = 0  # no call has to leave first
_folders = [0]


async def until(test):
    for _ in range(400):
        await asyncio.sleep(0)
        if test():
            return
    raise AssertionError("not within 400 turns")


def quietly(run):
    """Run a coroutine function; CPython has no sys.print_exception."""
    printed = getattr(sys, "print_exception", None)
    if printed is None:
        sys.print_exception = lambda exc: None
    try:
        asyncio.run(run())
    finally:
        if printed is None:
            del sys.print_exception


class Line:
    """A session of which a test says whether it is up, and whether it takes what is published."""

    def __init__(self):
        self.up = True
        self.hurried = False
        self.takes = True
        self.said = []
        self.broken = []  # exceptions to raise, one a publish

    def publish(self, topic, payload, *, qos=1, retain=False, urgent=False, token=None):
        if self.broken:
            raise self.broken.pop()
        if self.up and self.takes:
            self.said.append((topic.split("/", 3)[3], payload))
        return self.up and self.takes

    def hurry(self):
        self.hurried = True

    def drop(self, why):
        self.up = False


class Hardware:
    def __init__(self):
        self.resets = 0

    def free_memory(self):
        return 1

    def reset_reason(self):
        return "power"

    def rssi(self):
        return None

    def reset(self):
        self.resets += 1


class Stage:
    """A household B1 with its clock, inputs, bell and flash in the hands of a test."""

    def __init__(self, files=None):
        self.ms = 0
        self.trips = 0
        self.levels = {}
        self.bell = False
        self.line = Line()
        self.hardware = Hardware()
        if files is None:
            _folders[0] += 1
            files = Files(os.getenv("SCRATCH") + f"/agent{_folders[0]}")
            files.create()
        self.files = files
        self.agent = self.assemble()
        self.agent.mail.session = self.line
        self.line.said = []

    def assemble(self):
        settings = config.parse('{"v":1,"site":"s","device":"B1","kind":"household","group":"G1","brokers":[{"host":"h","port":1}]}')
        self.who = identity.begin(self.files, os.urandom)
        self.journal = journal.Journal(self.files, self.who)
        self.journal.load()
        rows = (("button-1", "button", AT_ONCE), ("button-2", "button", AT_ONCE), ("smoke-1", "smoke", VERIFY), ("silence", "key", NEVER))
        points = [Point(name, what, policy, lambda name=name: self.levels.get(name, False)) for name, what, policy in rows]
        return Agent(
            Parts(
                config=settings,
                identity=self.who,
                clock=clock.Clock(lambda: self.ms),
                journal=self.journal,
                alarms=alarms.Alarms("B1", 60_000),
                bell=bell.Bell(self.drive, None),
                panel=Panel(points),
                battery=None,
                outbox=outbox.Outbox(),
                presence=presence.Presence(self.who.start, lambda: 0.5),
                orders=orders.Orders(self.files),
                faults=faults.Faults(),
                board=self.hardware,
                network=self.hardware,
                random=lambda: 0.5,
                version="1",
            )
        )

    def drive(self, on):
        self.bell = on

    def live(self, ms):
        """Let the board run for so long, its flash included."""

        async def run():
            polls, pulses = self.agent.polls(), self.agent.pulses()
            writing = asyncio.create_task(loops.for_ever(self.agent._keeper.run))
            end = self.ms + ms
            while self.ms < end:
                self.ms += 10
                for step in polls + (pulses if self.ms % 100 == 0 else []):
                    try:
                        step(self.ms)
                    except MemoryError:
                        self.trips += 1
                if self.ms % 100 == 0:
                    await until(lambda: not self.agent._keeper)
            await until(lambda: not self.agent._keeper)
            writing.cancel()

        quietly(run)

    def hear(self, leaf, payload, retained=False):
        self.agent.message("keng/1/s/" + leaf, payload, retained)

    def hello(self):
        self.agent.link_up([])
        self.hear(
            "dev/B1/hello",
            b'{"v":1,"engine":"%s","t":1763791234610,"for":"%s","group":"G1","ring":null}' % (ENGINE.encode(), self.who.start.encode()),
        )

    def receipt(self, ident):
        self.hear("dev/B1/receipt", b'{"v":1,"engine":"%s","id":"%s"}' % (ENGINE.encode(), ident.encode()))

    def said(self, leaf):
        return [payload for topic, payload in self.line.said if topic == leaf]

    def events(self, point):
        return [payload for payload in self.said("dev/B1/event") if b'"point":"%s"' % point.encode() in payload]


def online():
    stage = Stage()
    stage.hello()
    stage.live(300)
    stage.line.said = []
    return stage


def out_of_memory_once(owner, name):
    whole = getattr(owner, name)

    def broken(*arguments, **keywords):
        setattr(owner, name, whole)
        raise MemoryError

    setattr(owner, name, broken)


def test_press_survives_a_lack_of_memory_wherever_it_strikes():
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


def test_no_alarm_is_lost_when_more_are_pressed_than_the_heap_holds():
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


def test_events_that_wait_in_flash_are_sent_after_a_restart():
    stage = online()
    stage.line.up = False
    for _ in range(30):
        stage.levels["button-1"] = True
        stage.live(100)
        stage.levels = {}
        stage.live(100)
    again = Stage(stage.files)
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


def test_full_flash_costs_no_press():
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


def order(stage, ident, do, **fields):
    stage.hear("dev/B1/order", json.dumps(dict(fields, v=1, id=ident, do=do, valid_s=30)).encode())


def test_restart_waits_for_an_alarm_that_came_after_its_order():
    stage = online()
    order(stage, "o-1", "restart")
    stage.live(1_000)
    stage.levels["button-1"] = True
    stage.live(5_000)
    assert stage.hardware.resets == 0
    stage.levels = {"silence": True}
    stage.live(5_000)
    assert stage.hardware.resets > 0


def test_order_that_comes_again_while_it_is_carried_out_is_answered_once():
    stage = online()
    order(stage, "o-1", "test", what="bell", seconds=1)
    stage.live(500)
    order(stage, "o-1", "test", what="bell", seconds=1)
    stage.live(1_000)
    assert [json.loads(answer) for answer in stage.said("dev/B1/answer")] == [{"v": 1, "id": "o-1", "ok": True}]


def test_answer_birth_and_report_that_the_link_did_not_take_are_made_good():
    stage = online()
    stage.line.takes = False
    order(stage, "o-1", "nonsense")
    order(stage, "o-2", "report")
    stage.agent.link_up(["keng/1/s/tick"])
    stage.live(300)
    stage.line.takes = True
    stage.live(300)
    assert len(stage.said("dev/B1/answer")) == 2
    assert b"subscription refused: keng/1/s/tick" in stage.said("dev/B1/state")[0]
    order(stage, "o-3", "report")
    stage.live(100)
    assert json.loads(stage.said("dev/B1/report")[-1])["dropped"] == 1


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


def test_retained_messages_and_those_of_others_change_nothing():
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

    def trip(now):
        raise KeyError(now)

    class Zero:
        def now(self):
            return 0

    async def run():
        task = asyncio.create_task(loops.every(1, [trip, turns.append], Zero()))
        await asyncio.sleep(0.05)
        assert len(turns) > 2
        task.cancel()

    quietly(run)
