"""The bell: sounds while any cause holds, the gravest one, and proves to whoever asked that it does."""

from collections import namedtuple

from agent import patterns
from agent.outputs import Output
from protocol import wire

# Why the bell sounds. `id`: of the event that calls or of the incident that rings, None where nobody asked for a proof; `count`: the k of
# the call, the n of the ring.
Cause = namedtuple("Cause", ("sound", "id", "count"))
# What became of it: state active, clear or silent; `id` and `count` of the cause.
Fact = namedtuple("Fact", ("state", "id", "count", "proof", "by"))
FACTS = 4  # at most at once: the others 10 ms later, since a whole group that calls would fill the heap

# On-time without current after which a bell counts as silent: longer than one beat of the fire sound, far below the 3 s in which a
# silent bell must be named.
SILENT_MS = 600
SAMPLE_MS = 20  # a reading vouches for no more time than this; a flash erase may stop the board for 400 ms
REST_MS = 1000  # after a sound: until the relay of a bell has let go
# Current seen at rest at two looks in a row: the sense is broken, or the bell's driver, and proves nothing, until so many looks saw none,
# since an input to which nothing is wired comes and goes.
STRAY = 60
PROOF_MS = 4000  # one cycle of the fire sound: current seen within it proves a bell that is between two beats


class Bell:
    """`drive(on)` switches the bell; `sense()` is True while current flows, or `sense` is None where nothing can measure it."""

    name = "bell"
    is_bell = True
    least_test_s = 0

    def __init__(self, drive, sense):
        self._output = Output(drive)
        self._sense = sense
        self._causes = []  # those that hold
        self._untold = []  # those of them whose answer is due
        self._last = None  # what the clear will name
        self._seen = None  # clock.now() when current was last seen in this sounding
        self._missing_ms = 0
        self._polled = 0
        self._stray = 0  # 1 after a look that saw current at rest, more after a second
        self.state = "clear"

    @property
    def sound(self):
        """The sound being played, or None."""
        return self._output.sound

    @property
    def is_driven(self):
        """True in this instant of the sound in which current should flow."""
        return self._output.on

    def is_alarming(self):
        """True while an alarm or a drill is heard: no moment to test or restart."""
        return self.sound in wire.PATTERNS

    def try_until(self, _until):
        """A test of the bell is a cause as others are: the agent asks for it."""

    def proof(self, since):
        """measured if current was seen since `since`, commanded if nothing can measure it and the bell sounds, else None."""
        if self._is_blind():
            return "commanded" if self.sound else None
        return "measured" if self._seen is not None and self._seen >= since else None

    def update(self, causes, by, now):
        """Sound for `causes` from now on. `by`: what has ended the former ones (ring, key, time), if none is left. Returns facts."""
        sound = patterns.gravest(causes)
        if sound is None:
            return self._stop(by, now) if self._output.sound else []
        if self._output.sound is None:
            self._seen = None
            self._missing_ms = 0
            self._polled = now
            self.state = "active"
        self._untold = [cause for cause in causes if cause.id and (cause in self._untold or cause not in self._causes)]
        self._causes = causes
        self._output.play(sound, now)
        return self.poll(now)

    def poll(self, now):
        """Step the sound and watch the current. Returns facts; call every 10 ms."""
        if self._output.sound is None:
            return []
        self._output.poll(now)
        if self._is_blind():
            return self._answer("active", "commanded")
        return self._measure(now)

    def strays(self, now):
        """True if current is seen while the bell is off; ask once a second."""
        if self._sense and not self._output.sound and now - self._polled >= REST_MS:
            if self._sense():
                self._stray = STRAY if self._stray else 1
            elif self._stray:
                self._stray -= 1
        return self._stray > 1

    def _is_blind(self):
        return self._sense is None or self._stray > 1

    def _measure(self, now):
        lasted = min(now - self._polled, SAMPLE_MS)
        self._polled = now
        if self._output.on:
            if self._sense():
                self._seen = now
                self._missing_ms = 0
            else:
                self._missing_ms += lasted
        if self._missing_ms >= SILENT_MS:
            self._turn("silent")
            return self._answer("silent", None)
        if self._seen is None or now - self._seen > PROOF_MS:
            return []
        self._turn("active")
        return self._answer("active", "measured")

    def _turn(self, state):
        """What was answered with the other state must be answered again."""
        if state != self.state:
            self.state = state
            self._untold = [cause for cause in self._causes if cause.id]

    def _answer(self, state, proof):
        facts = [Fact(state, cause.id, cause.count, proof, None) for cause in self._untold[:FACTS]]
        if facts:
            self._last = facts[-1]
            self._untold = self._untold[FACTS:]
        return facts

    def _stop(self, by, now):
        self._output.play(None, now)
        self.state = "clear"
        self._causes = []
        self._untold = []
        last = self._last
        self._last = None
        return [Fact("clear", last.id, last.count, None, by)] if last else []
