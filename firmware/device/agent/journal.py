"""The events in flash: one small file each, named <rank>.<id> until the engine has receipted it.

The newest event of a point stays after its receipt, renamed to k.<id>: it is the point's last state and event id, so state and
event cannot disagree after a cut, and a press costs one write. There may be more events than the heap holds: fetch() reads them
as places become free.
"""

from agent import events
from agent.events import ALARM

KEPT = "k."
# How many events may wait; places above the first number are for alarms only. Measured on LittleFS: 200 files take 28 blocks,
# a fetch from among them 14,000 reads of 32 bytes.
FULL = 100
FULL_OF_ALARMS = 200


class Journal:
    """`who`: the identity.Identity of this start. load() first; each later method may raise OSError and leaves the journal readable."""

    def __init__(self, files, who):
        self._files = files
        self._who = who
        self._newest = {}  # point -> (id, file name)
        self.damaged = 0
        self.waiting = 0  # events without receipt

    def load(self):
        """{point: its newest event}. Files that hold no event are removed and counted, those that cannot be read are left alone."""
        states = {}
        for name in self._files.names():
            if not _is_event(name):
                continue
            event = self._read(name)
            if event:
                self.waiting += name[:2] != KEPT
                if self._supersede(event, name):
                    states[event.point] = event
        return states

    def fetch(self, held, count):
        """At most `count` waiting events whose ids are not in `held`, the gravest and oldest first."""
        self.waiting = 0
        found = []
        for name in self._files.each():
            if _is_event(name) and name[:2] != KEPT:
                self.waiting += 1
                if name[2:] not in held:
                    found.append((name[0], events.order(name[2:], self._who.life), name))
                    found.sort()
                    del found[count:]
        return [event for event in [self._read(name) for _, _, name in found] if event]

    def has_room(self, rank):
        """True if there is room for what waits, the event of this rank that is there last included."""
        return self.waiting <= (FULL_OF_ALARMS if rank == ALARM else FULL)

    def put(self, event):
        """Keep a new event."""
        name = _waiting(event)
        self._files.write(name, events.to_bytes(event))
        event.stored = True
        self.waiting += 1
        self._supersede(event, name)

    def settle(self, event):
        """The engine has it, or it was given up for a graver one: keep it only as the last state of its point."""
        if not event.stored:
            return
        event.stored = False
        self.waiting -= 1
        newest = self._newest.get(event.point)
        if newest and newest[0] == event.id:
            self._files.rename(_waiting(event), KEPT + event.id)
            self._newest[event.point] = (event.id, KEPT + event.id)
        else:
            self._files.remove(_waiting(event))

    def _supersede(self, event, name):
        """True if this is the newest event of its point, so far."""
        older = self._newest.get(event.point)
        if older and events.order(older[0], self._who.life) > events.order(event.id, self._who.life):
            if name[:2] == KEPT:
                self._files.remove(name)
            return False
        self._newest[event.point] = (event.id, name)
        if older and older[1][:2] == KEPT:
            self._files.remove(older[1])
        return True

    def _read(self, name):
        try:
            event = events.from_bytes(name[2:], self._files.read(name))
        except OSError:
            self.damaged += 1
            return None
        except ValueError:
            self.damaged += 1
            self._files.remove(name)
            return None
        if not self._who.is_own(event.id):
            event.at = None
        return event


def _waiting(event):
    return "%d.%s" % (event.rank, event.id)


def _is_event(name):
    return name[1:2] == "." and name[0] in "012k"
