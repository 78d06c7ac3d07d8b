# What a board keeps for its own life - boot counter, kind, record of crashes, floor of the clock - with the power cut at every single
# block operation of a start that follows a bite of the watchdog, keeps its floor, is answered by an engine and crashes. MicroPython only.
import os

import vfs
from agent import blackbox, candidate, dates, identity
from agent.events import Event
from agent.files import Files
from agent.floor import Floor
from agent.journal import Journal
from nor import every_cut

BUILT_S = 1_763_000_000
RAN_S = 7200
CRASH = "agent/points.py sense; KeyError: " + "x" * 200


class Clock:
    def now(self):
        return RAN_S * 1000

    def unix(self, at):
        return (BUILT_S + 365 * 86_400) * 1000  # an engine whose clock is a year ahead


def mount(flash):
    vfs.mount(vfs.VfsLfs2(flash), "/flash")
    files = Files("/flash/journal")
    files.create()
    return files


def live(flash, done):
    def promise(word, value):
        if flash.has_power():
            done.append((word, value))

    files = mount(flash)
    kind = "fire_point" if done else "sos_post"  # it becomes another one in its second life
    who = identity.begin(files, os.urandom, kind)
    promise("boot", who.boot)
    promise("kind", kind)
    start_s, _, _ = dates.begin(files, "/flash/none", BUILT_S)
    record = blackbox.begin(files, "watchdog")
    promise("record", (record.text, record.told, record.runs))
    journal = Journal(files, who)
    journal.load()
    press = Event(who.next_id(), "button-1", "button", "active", at=0)
    journal.put(press)
    promise("kept", press.id)
    floor = Floor(files, start_s, None, Clock(), lambda unix_s: promise("floor", unix_s))
    done.append(("true floor", floor.at(RAN_S * 1000, Clock().unix(0))))
    floor.keep()
    blackbox.change(files, None, True)
    promise("record", (record.text, True, record.runs))
    done.append(("crashing", record.runs))
    blackbox.add(files, CRASH, RAN_S)
    record = blackbox.load(files)
    promise("record", (record.text, record.told, record.runs))


def check(flash, done):
    files = mount(flash)

    def last(word, otherwise=None):
        return ([otherwise] + [value for name, value in done if name == word])[-1]

    kind = candidate.last_kind(files)
    assert kind in (last("kind"), "fire_point"), (kind, done)
    who = identity.begin(files, os.urandom, kind)
    assert who.fault is None, who.fault
    assert who.boot > last("boot"), "no start is counted twice"
    start_s, _, problem = dates.begin(files, "/flash/none", BUILT_S)
    assert problem is None
    assert last("floor", BUILT_S) <= start_s <= last("true floor"), (start_s, done)
    record = blackbox.load(files)
    text, told, runs = last("record", ("", True, []))
    assert record.text in (text, "watchdog: the board stood still", CRASH), record.text
    if (record.text, record.told, record.runs) != (text, told, runs):  # what came after it was written, and not promised yet
        assert record.told != told or record.runs != runs
        assert record.runs[:-1] == runs[-2:] or record.runs == runs, (record.runs, runs)
    journal = Journal(files, who)
    journal.load()
    assert journal.damaged == 0
    ids = [event.id for event in journal.fetch([], 99)]
    kept = [value for name, value in done if name == "kept"]
    assert len(set(ids)) == len(ids)
    assert set(kept) <= set(ids), (kept, ids)
    assert len(ids) <= len(kept) + 1, "none that nobody has pressed"


print("cuts", every_cut(live, check))
