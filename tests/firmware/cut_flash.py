# The journal on LittleFS, with the power cut at every single block operation of a press, its receipt and a start. MicroPython only.
import os

import vfs
from agent import identity
from agent.events import Event
from agent.files import Files
from agent.journal import Journal
from nor import every_cut


def start(flash):
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    files = Files("/flash/journal")
    files.create()
    who = identity.begin(files, os.urandom, "household")
    journal = Journal(files, who)
    states = journal.load()
    return who, journal, journal.fetch([], 99), states


def live(flash, done):
    """One start: a press, the release, the receipts of both. `done` collects what was promised to last while there was power."""

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
    promise("settling", release.id)
    journal.settle(release)
    promise("settled", release.id)


def check(flash, done):
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


print("cuts", every_cut(live, check))
