# The whole agent on LittleFS in virtual time, with the power cut at every single block operation of a change of the configuration that is
# applied, or rolled back (argument: applied or rolled_back), and of the events before and after it. MicroPython only.
import json
import os
import sys

import vfs
from agent import changes, trial
from nor import every_cut
from virtual_board import Stage

BAD = sys.argv[1] == "rolled_back"  # nobody greets the candidate
BLOCKS = 32
POINT = "extinguisher-1"
FIRST = {
    "v": 1,
    "site": "s",
    "device": "B1",
    "kind": "fire_point",  # and it ends as one, which is not what a board without its file takes itself for
    "group": "G1",
    "brokers": [{"host": "h", "port": 1}],
    "bell_sense": False,
}
changes.LOADED = ""  # nothing is thrown away, so that these hold:
trial.TRIAL_MS = 1_000
trial.SOON_MS = 60_000


class World:
    """What does not go with the power: the contact, the engine's order, and what was seen of the board."""

    def has_new_flash(self):
        self.moves = []  # of the contact, in all lives
        self.lives = 0

    def begin(self, config):
        self.lives += 1
        self.old = config
        kind = "fire_point" if config["kind"] == "household" else "household"
        self.new = dict(config, verify_s=30 if config.get("verify_s") != 30 else 20, kind=kind)
        self.order = f"o-{self.lives}"


world = World()


def start(flash):
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    if "config.json" not in os.listdir("/flash"):
        world.has_new_flash()
        with open("/flash/config.json", "w") as file:
            file.write(json.dumps(FIRST))
    stage = Stage(folder="/flash")
    stage.flash = flash
    stage.levels[POINT] = bool(world.moves) and world.moves[-1]
    return stage


def live_on(stage, ms):
    for _ in range(ms // 100):
        stage.live(100, step_ms=50)
        if not stage.flash.has_power():
            raise OSError(5)


def restarted(stage):
    for _ in range(40):
        if stage.resets:
            vfs.umount("/flash")
            return start(stage.flash)
        live_on(stage, 100)
    raise AssertionError("no restart")


def greet(stage):
    if not (BAD and stage.parts.trial and stage.parts.trial.turn == trial.NEW):
        stage.hello()


def move(stage, done, active):
    world.moves.append(active)
    stage.levels[POINT] = active
    live_on(stage, 200)
    done.append(("kept", stage.parts.panel.uncleared().get(POINT) if active else None))


def ask(stage):
    stage.order(world.order, "set", what="config", config={key: world.new[key] for key in ("verify_s", "kind")})


def answer(stage):
    """(ok, error) of the engine's order, or None."""
    told = [json.loads(payload) for payload in stage.said("dev/B1/answer")]
    told = [(one["ok"], one.get("error")) for one in told if one["id"] == world.order]
    return told[-1] if told else None


def kept():
    with open("/flash/config.json") as file:
        return json.loads(file.read())


def live(flash, done):
    """An extinguisher is taken, the configuration changed and tried, the extinguisher put back."""
    stage = start(flash)
    world.begin(kept())
    greet(stage)
    live_on(stage, 200)
    move(stage, done, True)
    ask(stage)
    stage = restarted(stage)
    greet(stage)
    if BAD:
        stage = restarted(stage)
        greet(stage)
    live_on(stage, 300)
    done.append(("answered", answer(stage)))
    assert done[-1][1][0] == (not BAD), done
    assert kept() == (world.old if BAD else world.new)
    move(stage, done, False)


def check(flash, done):
    """Power is back. The engine asks again as long as it has no answer."""
    told, last = {}, None
    for _ in range(12):
        stage = start(flash)
        assert stage.who.fault is None, stage.who.fault
        assert stage.journal.damaged == 0
        assert kept() in (world.old, world.new)
        assert stage.parts.config.verify_s in (world.old.get("verify_s", 60), world.new["verify_s"])
        greet(stage)
        live_on(stage, 400)
        ask(stage)
        for _ in range(40):
            live_on(stage, 100)
            last = answer(stage)
            if last or stage.resets:
                break
        for payload in stage.events(POINT):
            event = json.loads(payload)
            told[event["id"]] = event["state"]
        if last:
            break
        vfs.umount("/flash")
    assert last is not None, "never online with the order answered"
    assert last[0] == (not BAD), last
    assert kept() == (world.old if BAD else world.new)
    assert [name for name in stage.files.names() if name[:4] in ("new.", "old.", "tmp")] == []
    for word, ident in done:
        assert word != "kept" or ident is None or ident in told, (ident, told)
    assert sorted(told.values()) == sorted("active" if active else "clear" for active in world.moves), (told, world.moves)
    os.remove("/flash/config.json")
    vfs.umount("/flash")
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    assert Stage(folder="/flash").parts.config.kind == (world.old if BAD else world.new)["kind"]


print("cuts", every_cut(live, check, BLOCKS))
