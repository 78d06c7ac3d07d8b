"""A whole board in virtual time: the firmware from its groundwork up, with its real pin maps, over pins, analog inputs, clock and link in
the hands of a test. Runs on CPython and on MicroPython; nothing here waits for real time.
"""

import asyncio
import json
import os
import sys

GLANCE_US = 250  # what a look at the clock takes, so that waiting for it ends


class Machine:
    """`machine`, as far as the firmware uses it. `stage` is the one whose board is being put together."""

    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
    stage = None
    BUILT_S = 1_763_000_000
    BOARD = "esp32_wroom"

    @staticmethod
    def reset_cause():
        return Machine.stage.cause

    @staticmethod
    def reset():
        Machine.stage.resets += 1

    class WDT:
        def __init__(self, timeout):
            self._stage = Machine.stage

        def feed(self):
            self._stage.meals += 1

    class RTC:
        def datetime(self, fields):
            Machine.stage.date = fields

    class Pin:
        IN, OUT, PULL_UP = 1, 3, 2
        IRQ_RISING, IRQ_FALLING = 1, 2

        def __init__(self, gpio, mode=-1, pull=-1, value=None):
            self.gpio = gpio
            self._stage = Machine.stage
            if value is not None:
                self.value(value)

        def value(self, level=None):
            if level is None:
                return self._stage.level(self.gpio)
            self._stage.drive(self.gpio, level)
            return None

        def irq(self, handler, trigger):
            self._stage.handlers[self.gpio] = (self, handler, 1 if trigger == self.IRQ_RISING else 0)

    class Signal:
        def __init__(self, pin, invert=False):
            self._pin = pin
            self._invert = invert

        def __call__(self, on=None):
            if on is None:
                return self._pin.value() ^ self._invert
            self._pin.value(bool(on) ^ self._invert)
            return None

    class ADC:
        ATTN_11DB = 3

        def __init__(self, pin, atten=0):
            self._stage = Machine.stage
            self._gpio = pin.gpio

        def read_uv(self):
            return self._stage.microvolts(self._gpio)


class Network:
    """`network`: what a board with an Ethernet cable needs of it."""

    STA_IF = 0


sys.modules["machine"] = Machine
sys.modules["network"] = Network
sys.modules["built"] = Machine

from agent import assembly, groundwork, keeper, loops  # noqa: E402
from drivers import lamp  # noqa: E402

keeper.SETTLE_MS = 0  # no call has to leave first
SITE = "s"
ENGINE = "5be07711-3"
# What the analog terminals read at rest; those of different kinds share a GPIO.
REST_MV = {
    "household": {"battery": 2050, "loop-1": 2245, "loop-2": 2245, "loop-3": 2245},
    "fire_point": {"battery": 2050, "loop-1": 2245, "tank": 1250, "pump": 1250},
    "sos_post": {"battery": 2050, "loop-1": 2245, "loop-2": 2245, "loop-3": 2245},
    "street_light": {"lamp-current": 1650, "light": 3000},
}
_folders = [0]
_run = asyncio.run
if hasattr(asyncio, "Runner"):  # CPython: an asyncio.Event belongs to one loop, and a board lives through many calls of live()
    import atexit

    _runner = asyncio.Runner()
    _run = _runner.run
    atexit.register(_runner.close)


async def until(test):
    """Let the tasks of the board run until `test()` is true."""
    for _ in range(400):
        await asyncio.sleep(0)
        if test():
            return
    raise AssertionError("not within 400 turns")


def quietly(run):
    """Run a coroutine function; CPython has no sys.print_exception."""
    printed = getattr(sys, "print_exception", None)
    if printed is None:
        sys.print_exception = lambda exc, file=sys.stdout: file.write(f"{type(exc).__name__}: {exc}")
    try:
        _run(run())
    finally:
        if printed is None:
            del sys.print_exception


class Line:
    """A session of which a test says whether it is up, and whether it takes what is published."""

    def __init__(self, stage):
        self._stage = stage
        self.up = True
        self.hurried = False
        self.takes = True
        self.said = []  # (topic below the site, payload)
        self.times = []  # clock.now() of each of them
        self.twin = False
        self.broken = []  # exceptions to raise, one a publish

    def publish(self, topic, payload, *, qos=1, retain=False, urgent=False, token=None):
        if self.broken:
            raise self.broken.pop()
        if self.up and self.takes:
            self.said.append((topic.split("/", 3)[3], payload))
            self.times.append(self._stage.ms)
        return self.up and self.takes

    def hurry(self):
        self.hurried = True

    def drop(self, why):
        self.up = False

    def has_twin(self, now):
        return self.twin


class Time:
    """`time` of a stage."""

    def __init__(self, stage):
        self._stage = stage

    def ticks_ms(self):
        return self._stage.ms

    def ticks_us(self):
        self._stage.us += GLANCE_US
        return self._stage.us

    @staticmethod
    def ticks_diff(end, start):
        return end - start


def call(module, function, _, *arguments):
    """once(), but the modules stay: a test starts hundreds of boards, and MicroPython would compile them anew for each."""
    return getattr(__import__(module, None, None, (function,)), function)(*arguments)


class Stage:
    """A board B1 of group G1. `levels` and `analog` are the world: terminal -> active; terminal -> mV, or a function of the time in us.

    `folder`: the flash that another stage has left, for a restart: the configuration is what is there. `cause`: of this start, as
    `machine` has it.
    """

    def __init__(self, kind="household", points=None, *, pins="esp32_wroom", bell_sense=False, folder=None, cause=Machine.PWRON_RESET):
        self.us = 0
        self.trips = 0
        self.resets = 0
        self.cause = cause
        self.meals = 0  # of the watchdog
        self.date = None  # to which the board has set its clock
        self.levels = {}
        self.analog = dict(REST_MV[kind])
        self.handlers = {}
        self.changes = []  # (ms, terminal, on) of every output
        self.bell_wire_whole = True
        self.bell_sense_sticks = False
        self.plan = []  # (ms, deed): see at()
        self._outs = {}
        self._receipted = 0
        self.pins = __import__("firmware.boards." + pins, None, None, ("NAME",))
        self.folder = folder or self._new_folder(kind, points or {}, bell_sense)
        self._build()

    @staticmethod
    def _new_folder(kind, points, bell_sense):
        _folders[0] += 1
        folder = os.getenv("SCRATCH") + f"/stage{_folders[0]}"
        os.mkdir(folder)
        config = {"v": 1, "site": SITE, "device": "B1", "kind": kind, "group": "G1", "brokers": [{"host": "h", "port": 1}]}
        with open(folder + "/config.json", "w") as file:
            file.write(json.dumps(dict(config, bell_sense=bell_sense, points=points)))
        return folder

    def _build(self):
        groundwork.CONFIG = self.folder + "/config.json"
        groundwork.JOURNAL = self.folder + "/journal"
        groundwork.pins = self.pins
        groundwork.once, groundwork.empty = call, lambda _: None
        groundwork.time = lamp.time = Time(self)
        Machine.stage = self
        ground = groundwork.lay()
        self.faults = ground["faults"]
        self.who = ground["identity"]
        self.journal = ground["journal"]
        self.files = ground["files"]
        self.hardware = ground["board"]
        self.hardware.free_memory = lambda: 1
        self.agent = assembly.assemble(ground)
        self.line = self.agent.mail.session = Line(self)
        self.parts = self.agent._parts

    @property
    def ms(self):
        return self.us // 1000

    # The world.

    def level(self, gpio):
        """Of an input. Terminals of different kinds share a GPIO: those of this kind have been set, the others rest."""
        for name, (pin, active) in self.pins.INPUTS.items():
            if pin == gpio and self._is_active(name):
                return active
        for name, (pin, active) in self.pins.INPUTS.items():
            if pin == gpio and (name == "bell-sense" or name in self._fitted()):
                return 1 - active
        return 1

    def _is_active(self, name):
        if name == "bell-sense":
            if self.bell_sense_sticks:
                return True
            return self.bell_wire_whole and self._outs.get("bell", False)
        value = self.levels.get(name, False)
        return value(self.us) if callable(value) else value

    def _fitted(self):
        return [point.name for point in self.agent._parts.panel] if hasattr(self, "agent") else list(self.levels)

    def microvolts(self, gpio):
        for name, pin in self.pins.ANALOG.items():
            if pin == gpio and name in self.analog:
                value = self.analog[name]
                return int((value(self.us) if callable(value) else value) * 1000)
        return 0

    def drive(self, gpio, level):
        for name, (pin, on) in self.pins.OUTPUTS.items():
            if pin == gpio and self._outs.get(name) != (level == on):
                self._outs[name] = level == on
                self.changes.append((self.ms, name, level == on))

    def set(self, terminal, active):
        """Move a contact: an edge that the chip may have been told to latch."""
        gpio, when_active = self.pins.INPUTS[terminal]
        was = self._is_active(terminal)
        self.levels[terminal] = active
        if gpio in self.handlers and was != active:
            pin, handler, level = self.handlers[gpio]
            if level == (when_active if active else 1 - when_active):
                handler(pin)

    def at(self, ms, deed):
        """Do this at `ms`, whether the board runs or stalls then."""
        self.plan.append((ms, deed))
        self.plan.sort(key=lambda entry: entry[0])

    def is_on(self, terminal):
        return self._outs.get(terminal, False)

    @property
    def bell(self):
        return self.is_on("bell")

    def beats(self, terminal, since=0):
        """[(ms, on)] of an output."""
        return [(ms, on) for ms, name, on in self.changes if name == terminal and ms >= since]

    # Time.

    def live(self, ms, step_ms=10):
        """Let the board run for so long, its flash included."""

        async def run():
            self.agent._keeper._work = asyncio.Event()  # CPython's belongs to the loop of the last time
            self.agent._keeper._work.set()
            polls, pulses, gaugings = self.agent.polls(), self.agent.pulses(), self.agent.gaugings()
            writing = asyncio.create_task(loops.for_ever(self.agent._keeper.run, self.parts.watch))
            end = self.ms + ms
            while self.ms < end:
                before = self.ms
                self.wait(step_ms)
                steps = list(polls)
                if self.ms // 100 != before // 100:
                    steps += pulses
                if self.ms // 1000 != before // 1000:
                    steps += gaugings
                now = self.parts.clock.now()
                for step in steps:
                    try:
                        step(now)
                    except MemoryError:
                        self.trips += 1
                if self.ms // 100 != before // 100:
                    await until(lambda: not self.agent._keeper)
            await until(lambda: not self.agent._keeper)
            writing.cancel()

        quietly(run)

    def wait(self, ms):
        """Time passes, and the board does nothing: a flash erase."""
        end = self.us - self.us % 1000 + ms * 1000
        while self.plan and self.plan[0][0] * 1000 <= end:
            at, deed = self.plan.pop(0)
            self.us = max(self.us, at * 1000)
            deed()
        self.us = end

    # The wire.

    def hear(self, leaf, payload, retained=False):
        self.agent.message("keng/1/s/" + leaf, payload, retained)

    def hello(self, t=1763791234610, group="G1"):
        self.agent.link_up([])
        self.hear("dev/B1/hello", json.dumps(dict({"for": self.who.start}, v=1, engine=ENGINE, t=t, group=group, ring=None)).encode())

    def tick(self, t=1763791234610):
        self.hear("tick", json.dumps({"v": 1, "engine": ENGINE, "t": t}).encode())

    def ring(self, rev, pattern, covers=None, **more):
        fields = {"v": 1, "engine": ENGINE, "rev": rev, "incident": "2026-1", "pattern": pattern, "n": 1, "for_s": 60}
        self.hear("group/G1/ring", json.dumps(dict(fields, covers=covers or {}, **more)).encode())

    def order(self, ident, do, **fields):
        self.order_bytes(json.dumps(dict(fields, v=1, id=ident, do=do, valid_s=30)).encode())

    def order_bytes(self, payload):
        self.hear("dev/B1/order", payload)

    def receipt(self, ident):
        self.hear("dev/B1/receipt", b'{"v":1,"engine":"%s","id":"%s"}' % (ENGINE.encode(), ident.encode()))

    def receipt_all(self):
        """The engine receipts what was said since it did so last."""
        for topic, payload in self.line.said[self._receipted :]:
            if topic == "dev/B1/event":
                self.receipt(json.loads(payload)["id"])
        self._receipted = len(self.line.said)

    def said(self, leaf):
        return [payload for topic, payload in self.line.said if topic == leaf]

    def events(self, point):
        return [payload for payload in self.said("dev/B1/event") if b'"point":"%s"' % point.encode() in payload]

    def states(self, point):
        """The states told of a point, in their order, each event once."""
        found = []
        for payload in self.events(point):
            fields = json.loads(payload)
            if (fields["id"], fields["state"]) not in found:
                found.append((fields["id"], fields["state"]))
        return [state for _, state in found]

    def answers(self):
        return [json.loads(payload) for payload in self.said("dev/B1/answer")]

    def birth_faults(self):
        births = [json.loads(payload) for payload in self.said("dev/B1/state")]
        return births[-1].get("faults", []) if births else []


def online(*arguments, **keywords):
    """A stage that has been greeted and has nothing left to say."""
    stage = Stage(*arguments, **keywords)
    stage.hello()
    stage.live(300)
    stage.line.said = []
    stage.line.times = []
    stage._receipted = 0
    stage.changes = []
    return stage
