"""Daylight: a phototransistor Vishay TEMT6000X01 with 100 kΩ from its emitter to ground.

Its datasheet (document 81579, basic characteristics): typically 50 µA at 100 lx; at 20 lx 10 µA, of single parts 3.5 to 16. 0.5 µA/lx on
100 kΩ is 50 mV/lx: dusk lies in the exact range of an ESP32's ADC, and daylight is simply beyond its end. What is read as 15 lx may be
9 to 43 lx: enough to tell night from day, and `dark_lx` can be set for the part that is there.
"""

MILLIVOLT_PER_LUX = 50
DARK_LX = 15  # street lighting is switched on at 10 to 20 lx
BRIGHT_LX = 40  # so far above that the lamp's own light makes no day
HOLD_MS = 60_000  # headlights, lightning, a bird


class Daylight:
    """`is_dark` is None until a reading has lasted: nothing is known."""

    def __init__(self, read_uv, *, dark_lx=DARK_LX, bright_lx=BRIGHT_LX, hold_s=HOLD_MS // 1000):
        self.lux = None
        self.is_dark = None
        self._read_uv = read_uv
        self._dark_lx = dark_lx
        self._bright_lx = bright_lx
        self._hold_ms = hold_s * 1000
        self._candidate = None
        self._since = 0

    def sample(self, now):
        """Take a reading at `now` ms. is_dark."""
        self.lux = self._read_uv() // 1000 // MILLIVOLT_PER_LUX
        judged = self.is_dark
        if self.lux < self._dark_lx:
            judged = True
        elif self.lux >= self._bright_lx:
            judged = False
        if judged != self._candidate:
            self._candidate = judged
            self._since = now
        if now - self._since >= self._hold_ms:
            self.is_dark = judged
        return self.is_dark
