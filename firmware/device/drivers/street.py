"""A street light: its relay by the clock and the sun's table, by daylight where no clock is known, and what its current betrays.

Three faults of the point `lamp`, told apart: switched on and no current: dead (silent). Switched off and the current has never ended:
the relay sticks (stuck). Burning by day, or after it had gone out, without being told to: a day burner (active), past our relay or
by a wrong clock.
"""

from drivers import sun
from drivers.hold import Hold

NOMINAL_MA = 350  # 80 W of LED at 230 V
LIT_PERCENT = 30  # of the nominal current: a lamp of which one of three modules is left still counts as lit
SETTLE_MS = 3_000  # a driver of LEDs takes up to 2 s to start
HOLD_MS = 10_000
DAY_BURNER_MS = 30 * 60_000  # a storm's darkness passes; dusk and the table agree within this
AFTER_SUNSET_MIN = 10
BEFORE_SUNRISE_MIN = 10


class StreetLight:
    """`switch(on)`: the relay. `current`: lamp.LampCurrent. `unix(now)`: Unix ms, None while unknown.
    `daylight`: a light.Daylight, or None where no sensor is fitted.

    `off_from`, `off_to`: minutes of the day between which the lamp rests though it is night; equal: never.
    """

    fault = None
    name = "lamp"
    is_bell = False
    least_test_s = 6  # until the driver has started, and two looks more

    def __init__(
        self,
        point,
        switch,
        current,
        unix,
        *,
        nominal_ma=NOMINAL_MA,
        hold_s=HOLD_MS // 1000,
        after_sunset_min=AFTER_SUNSET_MIN,
        before_sunrise_min=BEFORE_SUNRISE_MIN,
        off_from=0,
        off_to=0,
    ):
        self.point = point
        self.value = None
        self._switch = switch
        self._current = current
        self.daylight = None
        self._unix = unix
        self._lit_ma = nominal_ma * LIT_PERCENT // 100
        self._after_sunset_min = after_sunset_min
        self._before_sunrise_min = before_sunrise_min
        self._off_from = off_from
        self._off_to = off_to
        self._hold_ms = hold_s * 1000
        self._hold = None
        self._on = False
        self._switched = 0
        self._went_out = False  # since the relay was switched off
        self._all_on_until = 0
        self._lit_at = None  # when current was last seen with the relay on
        switch(False)

    def all_on(self, now, seconds):
        """Burn for so long, whatever the hour: an emergency. 0 ends it."""
        self._all_on_until = now + seconds * 1000

    def try_until(self, until):
        """A test: burn until then at least."""
        self._all_on_until = max(self._all_on_until, until)

    def proof(self, since):
        """Of a test that began at `since`: measured, or None."""
        return "measured" if self._lit_at is not None and self._lit_at >= since else None

    def is_night(self, now):
        """By the sun's table; None while no clock is known."""
        unix_ms = self._unix(now)
        if unix_ms is None:
            return None
        return sun.is_night(unix_ms, after_sunset_min=self._after_sunset_min, before_sunrise_min=self._before_sunrise_min)

    def sample(self, now):
        """Switch as the hour demands and look at the current; once a second. The state of the point."""
        is_dark = self.daylight.sample(now) if self.daylight else None
        self._turn(self._is_wanted(is_dark, now), now)
        current_ma = self._current.read_ma()
        self.value = current_ma / 1000
        if self._hold is None:
            self._hold = Hold(self.point.state, self._hold_ms)
        lit = current_ma >= self._lit_ma
        if lit and self._on:
            self._lit_at = now
        if now - self._switched < SETTLE_MS:
            return self._hold.state
        judged = self._judge(lit, is_dark, now)
        by_day = judged == "active" and self._on
        return self._hold.take_for(judged, now, DAY_BURNER_MS if by_day else self._hold_ms)

    def _is_wanted(self, is_dark, now):
        if now < self._all_on_until:
            return True
        is_night = self.is_night(now)
        if is_night is None:
            return bool(is_dark)
        return is_night and not sun.is_between(self._unix(now), self._off_from, self._off_to)

    def _turn(self, on, now):
        if on != self._on:
            self._on = on
            self._switched = now
            self._went_out = False
            self._switch(on)

    def _judge(self, lit, is_dark, now):
        if self._on:
            if not lit:
                return "silent"
            by_day = is_dark is False and now >= self._all_on_until
            return "active" if by_day else "clear"
        if not lit:
            self._went_out = True
            return "clear"
        return "active" if self._went_out else "stuck"


class LightSensor:
    """The point of the daylight sensor: stuck when it contradicts `is_night(now)` for hours (paint, a nest, a torn cable)."""

    CONTRADICTION_MS = 3 * 3_600_000
    fault = None

    def __init__(self, point, daylight, is_night):
        self.point = point
        self._daylight = daylight
        self._is_night = is_night
        self._hold = None

    @property
    def value(self):
        """In lx."""
        return self._daylight.lux

    def sample(self, now):
        """The state of the point; the street light takes the readings."""
        if self._hold is None:
            self._hold = Hold(self.point.state, self.CONTRADICTION_MS)
        is_night = self._is_night(now)
        if is_night is None or self._daylight.is_dark is None:
            return self._hold.take_for(self._hold.state, now, 0)
        agrees = is_night == self._daylight.is_dark
        return self._hold.take_for("clear" if agrees else "stuck", now, HOLD_MS if agrees else self.CONTRADICTION_MS)
