"""Which events to send now. An event leaves the outbox by its receipt, or for another one when all places are taken.

One that the journal holds is not lost then: it comes back from the flash when there are places again.
"""

from agent.events import ALARM

CAPACITY = 8  # events: of the heap about 1.5 kB on ESP32, 3 kB on a 64-bit port, where 13 kB are free; the others wait in flash
FEW = CAPACITY // 2  # so many or fewer: it is worth a look at what waits in flash only
IN_FLIGHT = 8
FOR_ALARMS = 2  # places in flight that only alarms may take
# An event counts as in flight until its receipt, but no longer: events that the engine never receipts must not block the others.
FLIGHT_MS = 1000
REPEAT_MS = (1000, 2000, 4000, 8000)
REPEAT_LATER_MS = 15000


class Entry:
    """An event without receipt. `tries`: sendings since it was last due at once. `due`, `sent`: clock.now(), sent None if never."""

    def __init__(self, event, due):
        self.event = event
        self.tries = 0
        self.due = due
        self.sent = None


class Outbox:
    """Events without receipt, at most CAPACITY."""

    def __init__(self):
        self._entries = []

    def __len__(self):
        return len(self._entries)

    def add(self, event, now):
        """Take an event in. The event that has left for it, which may be itself, or None."""
        self._entries.append(Entry(event, now))
        if len(self._entries) <= CAPACITY:
            return None
        victim = self._victim()
        self._entries.remove(victim)
        return victim.event

    def receipt(self, ident):
        """The event with this id, now out of the outbox, or None."""
        for entry in self._entries:
            if entry.event.id == ident:
                self._entries.remove(entry)
                return entry.event
        return None

    def holds(self, ident):
        """True while the event with this id is here: it has no receipt."""
        return any(entry.event.id == ident for entry in self._entries)

    def stored(self):
        """The ids of those that the journal holds."""
        return [entry.event.id for entry in self._entries if entry.event.stored]

    def has_alarm(self):
        """True while an alarm has no receipt."""
        return any(entry.event.rank == ALARM for entry in self._entries)

    def wake(self, now):
        """Everything is due at once: a new connection, or a new engine."""
        for entry in self._entries:
            entry.due = now
            entry.tries = 0
            entry.sent = None

    def take(self, now):
        """The events to send now, the gravest and least tried first. Each is counted as sent."""
        flying = [entry for entry in self._entries if entry.sent is not None and now - entry.sent < FLIGHT_MS]
        free = IN_FLIGHT - len(flying)
        others = len([entry for entry in flying if entry.event.rank != ALARM])
        free_for_others = min(free, IN_FLIGHT - FOR_ALARMS - others)
        # MicroPython's sort is not stable: the place says which is older.
        due = [
            (entry.event.rank, entry.tries, place) for place, entry in enumerate(self._entries) if entry.due <= now and entry not in flying
        ]
        due.sort()
        taken = []
        for _, _, place in due:
            entry = self._entries[place]
            if len(taken) < (free if entry.event.rank == ALARM else free_for_others):
                taken.append(entry)
        for entry in taken:
            entry.due = now + (REPEAT_MS[entry.tries] if entry.tries < len(REPEAT_MS) else REPEAT_LATER_MS)
            entry.tries += 1
            entry.sent = now
        return [entry.event for entry in taken]

    def put_back(self, event, now):
        """The link did not take it: it is due at the next look."""
        for entry in self._entries:
            if entry.event is event:
                entry.due = now
                entry.tries -= 1
                entry.sent = None

    def _victim(self):
        """The oldest of the least grave, first of those that the journal holds. Among alarms: of the point with the most, neither
        its first nor its newest."""
        worst = max([entry.event.rank for entry in self._entries])
        least = [entry for entry in self._entries if entry.event.rank == worst]
        candidates = [entry for entry in least if entry.event.stored] or least
        if worst != ALARM:
            return candidates[0]
        by_point = {}
        for entry in candidates:
            by_point.setdefault(entry.event.point, []).append(entry)
        most = max(by_point.values(), key=len)
        return most[1] if len(most) > 2 else most[-1]
