# A board that updates itself over the air, on LittleFS in virtual time: the agent of a stage, the launcher as the bench writes it, an
# engine that serves pieces. MicroPython only. The environment: BUNDLE, LAUNCHER and KEYS are files.
import json
import os
import sys
from binascii import b2a_base64

import vfs
from agent import changes, download, gate, release, takeup
from virtual_board import Stage, groundwork  # before the agent: it is its hardware

ROOT = "/flash/app"
POINT = "button-1"
changes.UPDATING = download.LOADED = ""  # nothing is thrown away: a test starts hundreds of boards
release.ROOT = groundwork.ROOT = ROOT
takeup.TRUSTED = "/flash/trusted"
takeup.SPARE_BLOCKS = 8
takeup.NEEDED = 1  # a stage has no heap of its own
gate.GATE_MS = gate.ALONE_MS = 2_000
gate.TEST_AGAIN_MS = 1_000
gate.ALARM_MS = 1_000
FIRST = {
    "v": 1,
    "site": "s",
    "device": "B1",
    "kind": "household",
    "group": "G1",
    "brokers": [{"host": "h", "port": 1}],
    "bell_sense": False,
    "points": {},
}


def bytes_of(name):
    with open(os.getenv(name), "rb") as file:
        return file.read()


BUNDLE = bytes_of("BUNDLE")
LAUNCHER = str(bytes_of("LAUNCHER"), "utf-8").replace('"/app', '"' + ROOT)
END = b"\nend\n"
VERSION = str(BUNDLE.split(b"\n")[1], "utf-8").split(" ")[1]
OLD = "00000000000000aa"  # the bundle that runs
GOOD, CRASHES, HANGS, MUTE, DEAF = "good", "crashes", "hangs", "mute", "deaf"


def bundle_name(bundle=BUNDLE):
    return json.loads(os.getenv("NAMES"))[0] if bundle is BUNDLE else json.loads(os.getenv("NAMES"))[1]


class World:
    """What does not go with the power: the engine, the contact, what the board has said in all its lives.

    `new`: what the new version is like. `away`: nobody is there to hear the board.
    """

    def __init__(self, new=GOOD, bundle=BUNDLE, wanted=None, version="0.2.0", size=None, downgrade=False):
        self.new = new
        self.bundle = bundle
        self.wanted = wanted or bundle_name()
        self.version = version
        self.size = len(bundle) if size is None else size
        self.downgrade = downgrade
        self.orders = self.rev = 0
        self.away = False
        self.is_full = False  # the flash: the launcher can write nothing
        self.group = "G1"  # of the board, as the engine knows it
        self.lossy = 0  # every so many chunks the link is lost instead
        self.fetched = []
        self.starts = []  # which folder each start has run
        self.told = {}  # id of each event of POINT -> state
        self.newest = None  # of these events
        self.moves = []
        self.answers = []
        self.births = []

    @property
    def state(self):
        """What the newest birth tells of the update."""
        return self.births[-1].get("update", {}).get("state") if self.births else None


class Full:
    """`os` on a flash that takes no more."""

    stat = os.stat

    @staticmethod
    def rename(*_):
        raise OSError(28)


def new_flash(flash):
    """As the bench leaves it."""
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    for folder in (ROOT, ROOT + "/a", "/flash/trusted"):
        os.mkdir(folder)
    put("/flash/config.json", json.dumps(FIRST).encode())
    put(ROOT + "/use", b"a kept")
    put(ROOT + "/a/verified", OLD.encode() + b" 0.1.0")
    put(ROOT + "/a/main.mpy", b"the old one")
    keys = bytes_of("KEYS")
    for number in range(len(keys) // 384):
        put("/flash/trusted/%d" % number, keys[number * 384 : number * 384 + 384])
    vfs.umount("/flash")


def rings(stage, since=0):
    """It has begun to sound since then."""
    return any([on for _, on in stage.beats("bell", since)])


def put(path, data):
    with open(path, "wb") as file:
        file.write(data)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def start(flash, world):
    """Power on: the launcher, and the version that it has chosen, up to one that does not end at once. Mounts /flash."""
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    for _ in range(12):
        space = {}
        exec(LAUNCHER, space)
        if world.is_full:
            space["os"] = Full
        folder = space["folder"]()
        world.starts.append(folder)
        is_new = content("%s/%s/main.mpy" % (ROOT, folder)) != b"the old one"
        if is_new:
            check_whole("%s/%s" % (ROOT, folder), world)
        if not is_new or world.new not in (CRASHES, HANGS):
            break
    else:
        raise AssertionError("no version that runs")
    sys.path[:] = [each for each in sys.path if not each.startswith(ROOT)] + ["%s/%s" % (ROOT, folder)]
    stage = Stage(folder="/flash")
    stage.flash = flash
    stage.is_new = is_new
    stage.levels[POINT] = bool(world.moves) and world.moves[-1]
    stage.heard = 0
    stage.greeted = False
    stage.world = world
    is_deaf = is_new and world.new == DEAF
    stage.line.up = not is_deaf and not world.away
    return stage


def check_whole(folder, world):
    """No version runs of which not every byte is there."""
    place = world.bundle.find(END) + len(END) + 384
    for line in world.bundle[: place - 384].split(b"\n"):
        words = line.split(b" ")
        if words[0] == b"file":
            size = int(words[2])
            assert content("%s/%s" % (folder, str(words[3], "utf-8"))) == world.bundle[place : place + size], words
            place += size
    assert content(folder + "/verified") == ("%s %s" % (world.wanted, VERSION)).encode()


def live(stage, world, ms):
    """Let it run, with the engine at the other end. Ends early when it has reset. Raises OSError once the power is cut."""
    for _ in range(ms // 100):
        if stage.line.up and not stage.greeted and not world.away:
            stage.greeted = True
            stage.hello(group=world.group)
        if stage.line.up and not world.away and stage.ms % 2000 < 100:
            stage.tick()
        stage.live(100, step_ms=50)
        if not stage.flash.has_power():
            raise OSError(5)
        hear(stage, world)
        if stage.resets:
            return


def hear(stage, world):
    """The engine's half: receipts, chunks."""
    said = stage.line.said[stage.heard :]
    stage.heard = len(stage.line.said)
    is_mute = stage.is_new and world.new == MUTE
    for topic, payload in said:
        fields = json.loads(payload)
        if is_mute and topic != "dev/B1/state":
            continue
        if topic == "dev/B1/event":
            if fields["point"] == POINT:
                world.told[fields["id"]] = fields["state"]
                world.newest = fields["id"]
            stage.receipt(fields["id"])
        elif topic == "dev/B1/state":
            world.births.append(fields)
        elif topic == "dev/B1/answer":
            world.answers.append((fields["id"], fields["ok"], fields.get("error")))
        elif topic == "dev/B1/fetch":
            serve(stage, world, fields)


def serve(stage, world, fields):
    world.fetched.append(fields["offset"])
    if world.lossy and len(world.fetched) % world.lossy == 0:
        stage.line.up = False  # lost, and back a moment later
        stage.at(stage.ms + 300, lambda: back(stage))
        return
    offset, size = fields["offset"], fields["size"]
    chunk = {"v": 1, "id": fields["id"], "bundle": fields["bundle"]}
    data = world.bundle[offset : offset + size]
    if not data:
        stage.hear("dev/B1/chunk", json.dumps(dict(chunk, error="no such piece")).encode())
        return
    head = json.dumps(dict(chunk, offset=offset))[:-1].replace(": ", ":").replace(", ", ",")
    text = str(b2a_base64(data), "utf-8").strip()
    stage.hear("dev/B1/chunk", ('%s,"data":"%s"}' % (head, text)).encode())


def back(stage):
    stage.line.up = True
    stage.agent.link_up([])


def order(stage, world):
    world.orders += 1
    fields = {"bundle": world.wanted, "size": world.size, "version": world.version, "downgrade": world.downgrade}
    stage.order("o-%d" % world.orders, "update", **fields)


def restarted(stage, world, ms=60_000):
    """The stage after its next restart, within `ms`."""
    flash = stage.flash
    for _ in range(ms // 100):
        if stage.resets:
            vfs.umount("/flash")
            return start(flash, world)
        live(stage, world, 100)
    raise AssertionError("no restart: %s %s" % (world.births[-1:], world.answers))


def press(stage, world, active):
    world.moves.append(active)
    stage.levels[POINT] = active
    live(stage, world, 200)


def silence(stage, world):
    """The engine's quiet ring of no incident, which covers all that it has heard."""
    world.rev += 1
    stage.ring(world.rev, None, covers={"B1": world.newest}, incident=None)
    live(stage, world, 300)


def check_alarms(world):
    """Each move of the contact was told once, none is missing."""
    assert sorted(world.told.values()) == sorted("active" if active else "clear" for active in world.moves), (world.told, world.moves)
