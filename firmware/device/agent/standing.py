"""What those in the house want to know, on one lamp: who listens, and how far the newest alarm of this board has come."""

from agent.events import ALARM_TYPES
from agent.sights import Light

SHOWN_MS = 30 * 60_000  # after the press; longer while the group's bells sound for it

# One lamp, told apart by rhythm and not by colour.
INDICATOR = {
    "idle": (50, 4950),  # a blink now and then: alive, and heard
    "nobody": (2000, 2000),  # slow: nobody listens
    "calling": (100, 100),  # hurried: the alarm is on its way
    "stored": (500, 500),  # calm: the gateway has it
    "ringing": (150, 150, 150, 1050),  # double blinks: the engine makes the group's bells ring for it
    "heard": (150, 150, 150, 150, 150, 750),  # triple blinks: a bell of another house has proved it
    "test": (250, 250),
    "acknowledged": (1000,),  # steady: a person at the desk has it
}


class Standing:
    """`word(now)` is a key of INDICATOR. `alarms`, `outbox`, `presence`, `panel`: the agent's."""

    def __init__(self, alarms, outbox, presence, panel):
        self._alarms = alarms
        self._outbox = outbox
        self._presence = presence
        self._panel = panel
        self._known = {point.name: point.event_id for point in panel}
        self._id = None
        self._since = 0
        self._was_held = False

    def word(self, now):
        """How it stands at `now` ms; call every 10 ms."""
        self._find_newest(now)
        listens = self._presence.is_ticking(now)
        answer = self._alarms.answer_to(self._id) if self._id else None
        if self._id is None or (now - self._since >= SHOWN_MS and answer not in ("ringing", "heard")):
            return "idle" if listens else "nobody"
        if answer:
            return answer
        if self._outbox.holds(self._id):
            self._was_held = True
            return "calling" if listens else "nobody"
        # In the first milliseconds the event is on its way into the journal, and not yet in the outbox.
        return "stored" if self._was_held else "calling"

    def _find_newest(self, now):
        for point in self._panel.contacts:
            if point.type in ALARM_TYPES and point.event_id != self._known.get(point.name):
                self._known[point.name] = point.event_id
                if point.state == "active":
                    self._id = point.event_id
                    self._since = now
                    self._was_held = False


class Indicator(Light):
    """`standing`: Standing."""

    def __init__(self, name, drive, standing):
        super().__init__(name, drive, INDICATOR)
        self.word = standing.word
