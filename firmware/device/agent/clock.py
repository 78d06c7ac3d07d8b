"""Time on a board without a clock chip: ms since the start, and Unix time once an engine has told it."""

from protocol.wire import TIME_MAX

# The period of ticks_ms on ESP32 (12.4 days). Other ports have a multiple of it (unix: 2^62), so the same mask serves.
PERIOD = 1 << 30


class Clock:
    """`ticks_ms` is time.ticks_ms. now() must be called more often than once in PERIOD; the points are polled every 10 ms."""

    def __init__(self, ticks_ms):
        self._ticks_ms = ticks_ms
        self._last = ticks_ms()
        self._now = 0
        self._unix_at_start = None

    def now(self):
        """Ms since the start: never wraps, never steps back."""
        ticks = self._ticks_ms()
        self._now += (ticks - self._last) & (PERIOD - 1)
        self._last = ticks
        return self._now

    def set_unix(self, t):
        """`t`: Unix ms at this moment, from a live hello or tick only; never from a retained message."""
        self._unix_at_start = t - self.now()

    def unix(self, at):
        """Unix ms of the moment `at` of now(), None while nobody has told the time. Within what the wire carries, however wrong."""
        return None if self._unix_at_start is None else min(max(0, self._unix_at_start + at), TIME_MAX)
