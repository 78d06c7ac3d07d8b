"""A supervised loop on an ADC input: normal, active, open and short are four different things.

    3.3 V ── 4.7 kΩ ──┬── terminal ──┬──────────┬── ... ── 10 kΩ end of line ──┐
                     ADC            contact    contact                         │
                      │             4.7 kΩ     4.7 kΩ                          │
    GND ──────────────┴─────────────┴──────────┴───────────────────────────────┘

A closed contact puts its own resistor beside the end of line. U = 3300 mV * R / (R + 4.7 kΩ), resistors of 1 %:

    loop                 R          U
    wire cut             endless    3300 mV (the ADC of an ESP32 ends near 3100 mV)
    normal               10.0 kΩ    2245 mV
    one contact          3.20 kΩ    1336 mV
    two                  1.90 kΩ     951 mV
    eight                 555 Ω      348 mV
    shorted              < 100 Ω    < 70 mV

An ESP32's ADC is exact from 150 to 2450 mV (ESP-IDF Programming Guide 4.4, ADC, attenuation of 11 dB) and its calibration makes 142 mV
of 0 V (esp_adc_cal, adc1_vref_atten_offset); an ESP32-S3 measures 0 to 3100 mV (the same guide for that chip).

An analog input latches no edge. LittleFS erases at most two sectors in one write of ours (measured over 3,000), 60 ms each and 400 ms at
worst (W25Q32JV datasheet, tSE), and meanwhile nobody reads: a button on a loop that does not latch must be held for LEAST_PRESS_MS.
"""

from drivers.hold import Hold

NORMAL_MV = 2245
# Upper ends of the bands, at a normal reading of NORMAL_MV; a loop's own normal reading scales them.
SHORT_MV = 250  # half way from what a short reads to eight contacts
# Half way from one contact to the normal reading is 1790 mV; 1600 mV still leaves 20 % above one contact, and a supply that dips to
# 2.43 V, where the ESP32 resets itself, makes 1653 mV of a normal loop: no dip that the board survives is an alarm.
ACTIVE_MV = 1600
OPEN_MV = 2700  # half way from the normal reading to the end of the ADC
HYSTERESIS_MV = 60  # twice the noise of an ESP32's ADC
ACTIVE_HOLD_MS = 50  # of the 150 ms from a press to the own bell
BLIND_MS = 35  # without a reading for so long, a button's one counts at once: see agent.points
LEAST_PRESS_MS = 900
OTHER_HOLD_MS = 500  # a relay that opens the loop in switching is no fault
# Of the normal reading: water in a cable or a bad joint shows long before it reads as an alarm (29 % below) or a cut (20 % above).
DRIFT_PERCENT = 10
STEADY_PERCENT = 7
SMOOTHING = 256  # readings: 2.6 s at one every 10 ms
BANDS = ("short", "active", "clear", "open")


class Loop:
    """`normal_mv`: what this loop has read, whole and at rest, when it was installed: the calibration. `momentary`: a hand holds its
    contact for a moment only. `stuck_ms`: active for so long, it is stuck until it is something else (None: never).

    It stands where a points.Contact stands; sample() takes µV. The thresholds never follow the drift: what drifts is told.
    """

    def __init__(self, *, normal_mv=NORMAL_MV, hold_ms=ACTIVE_HOLD_MS, momentary=False, stuck_ms=None):
        self._momentary = momentary and hold_ms <= ACTIVE_HOLD_MS
        self._read = None  # when the reading before was taken
        self._normal_mv = normal_mv
        self._ends = [end * normal_mv // NORMAL_MV for end in (SHORT_MV, ACTIVE_MV, OPEN_MV)]
        self._active_hold_ms = hold_ms
        self._hold = Hold("clear", OTHER_HOLD_MS)
        self._judged = "clear"
        self._mean_mv = normal_mv
        self._drifting = False
        self._stuck_ms = stuck_ms
        self._stuck = False
        self._active_since = None

    @property
    def state(self):
        """clear, active, stuck, open or short."""
        return "stuck" if self._stuck else self._hold.state

    @property
    def drift_percent(self):
        """How far the normal reading has gone from its calibration."""
        return int(round((self._mean_mv - self._normal_mv) * 100 / self._normal_mv))

    @property
    def fault(self):
        """In words why the loop wants a technician though it still works, or None."""
        limit = STEADY_PERCENT if self._drifting else DRIFT_PERCENT
        self._drifting = abs(self.drift_percent) >= limit
        return "drifts, %+d %% from its calibration" % self.drift_percent if self._drifting else None

    def restore(self, state):
        """Go on from a state of an earlier start."""
        self._stuck = state == "stuck"
        band = "active" if self._stuck else state
        if band in BANDS:
            self._hold = Hold(band, OTHER_HOLD_MS)
            self._judged = band

    def sample(self, microvolts, now, _edge=False):
        """Take a reading at `now` ms. True if the state has changed with it. An analog input latches no edges."""
        millivolts = microvolts // 1000
        before = self.state
        self._judged = self._band(millivolts)
        hold_ms = OTHER_HOLD_MS
        if self._judged == "active":
            blind = self._read is not None and now - self._read >= BLIND_MS
            hold_ms = 0 if blind and self._momentary else self._active_hold_ms
        self._read = now
        after = self._hold.take_for(self._judged, now, hold_ms)
        if after == self._judged == "clear":
            self._mean_mv += (millivolts - self._mean_mv) / SMOOTHING
        self._sticks(after, now)
        return self.state != before

    def _sticks(self, state, now):
        if state != "active":
            self._active_since = None
            self._stuck = False
        elif self._active_since is None:  # perhaps since before this start
            self._active_since = now
        elif self._stuck_ms is not None and now - self._active_since >= self._stuck_ms:
            self._stuck = True

    def _band(self, millivolts):
        """The band of a reading; the band of the reading before is wider by the hysteresis on both sides."""
        here = BANDS.index(self._judged)
        for place, end in enumerate(self._ends):
            margin = HYSTERESIS_MV if place == here else -HYSTERESIS_MV if place == here - 1 else 0
            if millivolts < end + margin:
                return BANDS[place]
        return "open"
