"""The floor of the wall clock, for the dates in certificates: no start of this board lies before it. Kept in flash, seldom.

A board has no clock chip. It starts at its floor; the floor then rises with the running time, and towards the time that an engine tells
by at most one day a start: an engine whose clock is a year ahead must not carry it past the end of a certificate. An engine whose clock
is behind changes nothing: a floor never falls. Beyond the end of the CA it never rises, so that no board ever takes its own CA for
expired. Reading and bounds at the start: agent.dates.
"""

NAME = "floor"
DAY_S = 86_400
# A start writes once after an hour and then once a day: 24 times a day at the very most, and 2.4 erases of a block by the measure
# of agent.files. An hour, so that a board whose power flickers does not climb a day each time.
FIRST_MS = 3_600_000
EVERY_MS = 86_400_000


class Floor:
    """`start_s`: Unix s to which the board's clock was set at this start. `end_s`: which it shall not pass (the CA's end), or None.

    `clock`: clock.Clock. `set_clock(unix_s)` sets the board's own.
    """

    def __init__(self, files, start_s, end_s, clock, set_clock):
        self._files = files
        self._start_s = start_s
        self._end_s = end_s
        self._clock = clock
        self._set_clock = set_clock
        self._due = FIRST_MS

    def take_due(self, now):
        """True if it is time to keep it; then not again before the next time."""
        if now < self._due:
            return False
        self._due = now + EVERY_MS
        return True

    def keep(self):
        """Write it, and set the board's clock to it. Raises OSError."""
        now = self._clock.now()
        floor_s = self.at(now, self._clock.unix(now))
        self._files.write(NAME, line(floor_s))
        self._set_clock(floor_s)

    def at(self, now, told_ms):
        """Unix s of the floor at `now` of the monotonic clock, while the engine says `told_ms` (Unix ms, or None)."""
        ran_s = self._start_s + now // 1000
        floor_s = ran_s if told_ms is None else min(max(ran_s, told_ms // 1000), ran_s + DAY_S)
        return floor_s if self._end_s is None else min(floor_s, self._end_s)


def line(floor_s):
    """What stands in the file: twice the same, since nothing may make of a broken number a later date."""
    return b"%d %d" % (floor_s, floor_s)
