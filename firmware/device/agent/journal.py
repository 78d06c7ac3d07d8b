"""The events in flash: one small file each, named e.<id> until the engine has receipted it.

The newest event of a point stays after its receipt, renamed to k.<id>: it is the point's last state and event id, so state and
event cannot disagree after a cut, and a press costs one write.
"""

from agent import events

WAITING = "e."
KEPT = "k."


class Journal:
    """`life` is the present one. load() first; each later method may raise OSError and leaves the journal readable."""

    def __init__(self, files, life):
        self._files = files
        self._life = life
        self._newest = {}  # point -> (id, file name)
        self.damaged = 0

    def load(self):
        """(events without receipt, oldest first; {point: its newest event}). Files that cannot be read are removed and counted."""
        found = []
        for name in self._files.names():
            if name[:2] in (WAITING, KEPT):
                event = self._read(name)
                if event:
                    found.append((events.order(event.id, self._life), name, event))
        found.sort(key=lambda entry: entry[0])
        states = {}
        for _, name, event in found:
            self._supersede(event, name)
            states[event.point] = event
        return [event for _, name, event in found if name[:2] == WAITING], states

    def put(self, event):
        """Keep a new event."""
        name = WAITING + event.id
        self._files.write(name, events.to_bytes(event))
        event.stored = True
        self._supersede(event, name)

    def settle(self, event):
        """The engine has it, or it was given up for a graver one: keep it only as the last state of its point."""
        if not event.stored:
            return
        event.stored = False
        newest = self._newest.get(event.point)
        if newest and newest[0] == event.id:
            self._files.rename(WAITING + event.id, KEPT + event.id)
            self._newest[event.point] = (event.id, KEPT + event.id)
        else:
            self._files.remove(WAITING + event.id)

    def _supersede(self, event, name):
        older = self._newest.get(event.point)
        if older and events.order(older[0], self._life) > events.order(event.id, self._life):
            return
        self._newest[event.point] = (event.id, name)
        if older and older[1][:2] == KEPT:
            self._files.remove(older[1])

    def _read(self, name):
        try:
            return events.from_bytes(name[2:], self._files.read(name))
        except ValueError:
            self.damaged += 1
            self._files.remove(name)
            return None
