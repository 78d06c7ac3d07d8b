# Days of a board, each in some seconds: the whole firmware from its image, on the simulator's stand-ins and on LittleFS over the flash that
# counts. Its clock is moved on; its link is an engine that hears everything and receipts it at once.
#
# DAY: {"image", "blocks", "files" (path -> hex), "levels" (gpio -> level), "microvolts" (gpio -> [level, peak]), "seconds", "device",
# "group", "site", "start" (Unix ms), "plan": [[s, gpio, level]], "dark": [[s, gpio, uv]]}. Prints what it has counted as JSON.
# Written with the names of the sources; a bundle has others, so it is translated before it runs (firmware/bench/translation.py).
import asyncio
import io
import json
import os
import sys

import uctypes
import utime
import vfs

ENGINE = "5be07711-1"
COARSE_MS = 20_000  # between two ticks: after 25 s without one nobody listens
RING_MS = 60_000
FINE_MS = 30
FINE_S = 5  # after a contact has moved: an SOS is held for 1 s, mains must be away for 3
SCRATCH_BLOCKS = 64

settings = json.loads(os.getenv("DAY"))
image = open(settings["image"], "r+b")
places = [int(word) for word in os.getenv("ROMFS").split()]
vfs.umount("/")
for place, point in ((0, "/rom"), (2, "/sim")):
    vfs.mount(vfs.VfsRom(uctypes.bytearray_at(places[place], places[place + 1])), point)
sys.path[:] = ["/sim", "/rom", ".frozen"]

import wires  # noqa: E402

wires.tell = lambda line: None
wires.refresh = lambda: None
wires.levels.update({int(gpio): level for gpio, level in settings["levels"].items()})
wires.microvolts.update({int(gpio): tuple(level) for gpio, level in settings["microvolts"].items()})

import flashbdev  # noqa: E402
import machine  # noqa: E402
import start  # noqa: E402

flash = flashbdev.bdev = flashbdev.Flash(image, settings["blocks"], 0)
start._mount(flash)
start._configure(settings["files"])
os.chdir("/")
made = (flash.erases, flash.programs)

ground = __import__("agent.groundwork", None, None, ("lay",)).lay()
agent = __import__("agent.assembly", None, None, ("assemble",)).assemble(ground)
clock = ground["clock"]


class Quick:
    """The time that a burst of readings takes, without waiting for it."""

    us = 0

    @staticmethod
    def ticks_us():
        Quick.us += 250
        return Quick.us

    ticks_diff = utime.ticks_diff


if "drivers.lamp" in sys.modules:
    sys.modules["drivers.lamp"].time = machine.utime = Quick


class Line:
    """A session that is always up."""

    up = True

    def __init__(self):
        self.events = []  # not yet receipted
        self.seen = set()
        self.kept = 0  # of those, how many the flash had to keep: what a bell proves is not
        self.erases = None  # as the board's own reports tell

    def publish(self, topic, payload, *, qos=1, retain=False, urgent=False, token=None):
        leaf = topic.split("/")[-1]
        if leaf == "event":
            self.events.append(json.loads(payload))
        elif leaf == "report":
            self.erases = json.loads(payload).get("erases")
        return True

    def hurry(self):
        pass

    def drop(self, why):
        raise AssertionError(why)

    def has_twin(self, now):
        return False


line = agent.mail.session = Line()
rev = 0
covered = {}


def hear(leaf, **fields):
    fields.update(v=1, engine=ENGINE)
    agent.message("keng/1/" + settings["site"] + "/" + leaf, json.dumps(fields).encode(), False)


def ring():
    """The group's state: quiet."""
    global rev
    rev += 1
    hear("group/" + settings["group"] + "/ring", rev=rev, incident="2026-1", pattern=None, n=rev, for_s=120, covers=covered, mute=[])


def answer():
    """What the engine says to what has come: a receipt for each event, and quiet for a call."""
    device = "dev/" + settings["device"]
    events, line.events = line.events, []
    for event in events:
        hear(device + "/receipt", id=event["id"])
        if event["id"] not in line.seen and event.get("calling"):
            covered[settings["device"]] = event["id"]
            ring()
        if event["id"] not in line.seen:
            line.seen.add(event["id"])
            line.kept += event["type"] != "bell"


async def idle():
    """Until the keeper has written what there is to write."""
    for _ in range(400):
        await asyncio.sleep_ms(0)
        if not agent._keeper:
            return
        await asyncio.sleep_ms(5)
    raise AssertionError("the keeper has work for ever")


async def live():
    keeping = asyncio.create_task(agent._keeper.run())
    steps = agent.polls() + agent.pulses() + agent.gaugings()
    plan = sorted(settings["plan"] + [[at, gpio, [uv, 0]] for at, gpio, uv in settings["dark"]])
    end = settings["seconds"] * 1000
    fine_until = 3_000
    now = ticked = rung = 0
    agent.link_up([])
    hear(
        "dev/" + settings["device"] + "/hello",
        **{"for": ground["identity"].start, "t": settings["start"], "group": settings["group"], "ring": None},
    )
    while now < end:
        # The real clock goes on too, a little: what counts is how far the board's own has come.
        wires.clock_offset_ms += FINE_MS if now < fine_until else COARSE_MS
        now = clock.now()
        while plan and plan[0][0] * 1000 <= now:
            _, gpio, level = plan.pop(0)
            if isinstance(level, list):
                wires.microvolts[gpio] = tuple(level)
            else:
                wires.levels[gpio] = level
                fine_until = now + FINE_S * 1000
        if now - ticked >= COARSE_MS:
            ticked = now
            hear("tick", t=settings["start"] + now)
        if now - rung >= RING_MS:
            rung = now
            ring()
        for step in steps:
            step(now)
        await idle()
        answer()
        await idle()
    keeping.cancel()


def floor(records):
    """Erases of the least that keeps as many records over a loss of power: a file each, renamed into place, and removed."""
    scratch = io.BytesIO(b"\xff" * (flashbdev.BLOCK * SCRATCH_BLOCKS))
    bare = flashbdev.Flash(scratch, SCRATCH_BLOCKS, 0)
    vfs.VfsLfs2.mkfs(bare)
    vfs.mount(vfs.VfsLfs2(bare), "/bare")
    before = bare.erases
    for number in range(records):
        with open("/bare/tmp", "wb") as file:
            file.write(bytes(100))
        os.rename("/bare/tmp", "/bare/%d" % number)
        os.remove("/bare/%d" % number)
    return bare.erases - before


asyncio.run(live())
counted = {"erases": flash.erases - made[0], "programs": flash.programs - made[1], "told": line.erases, "events": line.kept}
counted["floor"] = floor(line.kept)
print(json.dumps(counted))
