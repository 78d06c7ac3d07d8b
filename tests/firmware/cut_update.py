# An update over the air on LittleFS in virtual time, with the power cut at every so many block operations of it: download, marker, switch,
# counting of starts, verdict. Arguments: what the new version is like (updating.py), and the stride. MicroPython only.
import sys

import updating as u
import vfs
from nor import Flash

NEW, STRIDE = sys.argv[1], int(sys.argv[2])
BLOCKS = 48
LIVES = 16
END = "kept" if NEW == u.GOOD else "rolled_back"


def board():
    flash = Flash(BLOCKS)
    vfs.VfsLfs2.mkfs(flash)
    u.new_flash(flash)
    flash.operations = 0
    return flash


def is_over(world):
    return world.state == END and (world.new == u.GOOD) == (world.starts[-1] == "b")


def go_on(stage, world):
    """To the end of the update: the engine orders it again where the board knows nothing of it."""
    for _ in range(LIVES):
        u.live(stage, world, 400)
        if world.moves and world.moves[-1] and not stage.resets:
            u.press(stage, world, False)
        if world.newest and not stage.resets:
            u.silence(stage, world)  # or no order would be taken up
        if is_over(world):
            return stage
        if not stage.resets and not stage.parts.download and not stage.parts.trial:
            u.order(stage, world)
        for _ in range(600):
            if stage.resets or is_over(world) or not (stage.parts.download or stage.parts.trial):
                break
            u.live(stage, world, 100)
        if is_over(world):
            return stage
        if stage.resets:
            stage = u.restarted(stage, world)
    raise AssertionError((world.starts, world.births[-1:], world.answers))


def play(flash, world):
    stage = u.start(flash, world)
    u.live(stage, world, 300)
    u.order(stage, world)
    u.live(stage, world, 800)
    u.press(stage, world, True)
    go_on(stage, world)


def check(flash, world):
    """Power is back: it runs, it ends as it should, and no press is lost or doubled."""
    stage = go_on(u.start(flash, world), world)
    u.press(stage, world, True)
    assert u.rings(stage)
    u.press(stage, world, False)
    u.live(stage, world, 1_000)
    assert stage.journal.damaged == 0
    assert stage.who.fault is None, stage.who.fault
    u.check_alarms(world)
    vfs.umount("/flash")


def played(cut_at, torn):
    """True if it was over before the cut."""
    flash, world = board(), u.World(NEW)
    flash.cut_at, flash.torn = cut_at, torn
    try:
        play(flash, world)
    except OSError:
        assert not flash.has_power()
    over = flash.has_power()
    try:
        vfs.umount("/flash")
    except OSError:
        assert not over
    flash.cut_at = None
    try:
        check(flash, world)
    except AssertionError:
        print("cut at", cut_at, "torn", torn, world.starts, world.moves, world.told)
        raise
    return over


cut_at = count = 0
over = False
while not over:
    cut_at += STRIDE
    ways = range(5) if STRIDE == 1 else (count % 5,)  # in which the operation is torn
    over = bool([torn for torn in ways if played(cut_at, torn)])
    count += 1
print("cuts", count)
