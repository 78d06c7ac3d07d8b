# The journal on LittleFS, with the power cut at every single block operation of a press, its receipt and a start. MicroPython only.
import os

import vfs
from agent import identity
from agent.events import Event
from agent.files import Files
from agent.journal import Journal

BLOCK = 4096


class Flash:
    """NOR flash in RAM. At the operation number `cut_at` the power fails: of a program only the first `torn` of 4 quarters happens,
    and nothing after it reaches the flash."""

    def __init__(self, blocks):
        self.data = bytearray(b"\xff" * BLOCK * blocks)
        self.operations = 0
        self.cut_at = None
        self.torn = 0

    def readblocks(self, block, buffer, offset=0):
        start = block * BLOCK + offset
        buffer[:] = self.data[start : start + len(buffer)]

    def writeblocks(self, block, buffer, offset=0):
        start = block * BLOCK + offset
        length = self._length(len(buffer))
        self.data[start : start + length] = buffer[:length]
        return self._fail()

    def ioctl(self, op, argument):
        if op == 4:
            return len(self.data) // BLOCK
        if op == 5:
            return BLOCK
        if op == 6:
            length = self._length(BLOCK)
            self.data[argument * BLOCK : argument * BLOCK + length] = b"\xff" * length
            return self._fail()
        return 0

    def _length(self, whole):
        self.operations += 1
        if self.cut_at is None or self.operations < self.cut_at:
            return whole
        return whole * self.torn // 4 if self.operations == self.cut_at else 0

    def _fail(self):
        return -5 if self.operations == self.cut_at else 0  # EIO: the board notices nothing more, for it is gone

    def has_power(self):
        return self.cut_at is None or self.operations < self.cut_at


def start(flash):
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    files = Files("/flash/journal")
    files.create()
    who = identity.begin(files, os.urandom)
    journal = Journal(files, who)
    states = journal.load()
    return who, journal, journal.fetch([], 99), states


def live(flash, done):
    """One start: a press, its receipt, the release. `done` collects what was promised to last while there was power."""

    def promise(word, ident):
        if flash.has_power():
            done.append((word, ident))

    who, journal, _, _ = start(flash)
    promise("start", who.start)
    press = Event(who.next_id(), "button-1", "button", "active", at=0)
    journal.put(press)
    promise("kept", press.id)
    release = Event(who.next_id(), "button-1", "button", "clear", at=0)
    journal.put(release)
    promise("kept", release.id)
    promise("settling", press.id)
    journal.settle(press)
    promise("settled", press.id)


def check(flash, done):
    flash.cut_at = None
    who, journal, waiting, states = start(flash)
    ids = [event.id for event in waiting]
    assert journal.damaged == 0
    assert who.fault is None, who.fault
    for ident, word in {ident: word for word, ident in done}.items():
        if word == "kept":
            assert ident in ids, (ident, ids)
        elif word == "settled":
            assert ident not in ids
        elif word == "start":
            assert ident.split("-")[0] == who.life
            assert int(ident.split("-")[1]) < who.boot
    kept = [ident for word, ident in done if word == "kept"]
    assert states["button-1"].id >= kept[-1]
    vfs.umount("/flash")


def play(cut_at, torn):
    """True if the second start was over before the cut."""
    flash = Flash(16)
    vfs.VfsLfs2.mkfs(flash)
    done = []
    live(flash, done)  # a board that has lived before
    vfs.umount("/flash")
    flash.operations = 0
    flash.cut_at = cut_at
    flash.torn = torn
    try:
        live(flash, done)
    except OSError:
        assert not flash.has_power()
    over = flash.has_power()
    try:
        vfs.umount("/flash")
    except OSError:
        assert not over  # it was cut before it was mounted
    check(flash, done)
    return over


cuts = 1
while not [True for torn in range(5) if play(cuts, torn)]:
    cuts += 1
print("cuts", cuts - 1)
