"""Level and pressure: transmitters of 0.5 to 4.5 V on a supply of 5 V, of which the output is a part (ratiometric).

Pressure: water-pressure transmitters such as DFRobot SEN0257 (its specification: supply 5 V, output 0.5 to 4.5 V linear, 0 to 1.6 MPa);
level: hydrostatic probes of the same output. A divider of 10 kΩ and 10 kΩ halves the output for the ADC, so a cut wire reads 0 V, and
4.5 V is 2250 mV, inside the 150 to 2450 mV in which an ESP32's ADC is exact (ESP-IDF Programming Guide 4.4, ADC, attenuation of 11 dB).
"""

from drivers.hold import Hold

DIVIDER = 2
SUPPLY_MV = 5000
# Of the supply, in thousandths: the ends of the scale, and what no whole transmitter gives.
EMPTY, FULL = 100, 900
OPEN, SHORT = 60, 940
FAULT_HOLD_MS = 2_000


class Ratiometric:
    """`full`: the value at 4.5 V, in the unit of all values. Active below `low`, clear again at `low` + `hysteresis`; `hold_s` for both.

    `supply_mv`: the transmitter's supply as measured. `read_uv()`: µV at the ADC.
    """

    fault = None

    def __init__(self, point, read_uv, *, full, low, hysteresis, hold_s, supply_mv):
        self.point = point
        self.value = None
        self._read_uv = read_uv
        self._full = full
        self._low = low
        self._clear = low + hysteresis
        self._hold_ms = hold_s * 1000
        self._supply_mv = supply_mv
        self._hold = None

    def sample(self, now):
        """Take a reading. The state of the point: active while low, open or short for a fault of the wiring, else clear."""
        part = self._read_uv() * DIVIDER // self._supply_mv
        if self._hold is None:
            self._hold = Hold(self.point.state, self._hold_ms)
        judged = self._judge(part)
        return self._hold.take_for(judged, now, FAULT_HOLD_MS if judged in ("open", "short") else self._hold_ms)

    def _judge(self, part):
        if not OPEN <= part <= SHORT:
            self.value = None
            return "open" if part < OPEN else "short"
        self.value = min(max(part - EMPTY, 0), FULL - EMPTY) * self._full / (FULL - EMPTY)
        if self.value < self._low:
            return "active"
        return "clear" if self.value >= self._clear or self._hold.state in ("open", "short") else self._hold.state


# Functions and not classes: each of those takes 400 bytes of a 64-bit heap.


def level(point, read_uv, *, full=100, low=30, hysteresis=5, hold_s=10, supply_mv=SUPPLY_MV):
    """A tank's level in percent of `full`. Waves of a tank that is being filled last a few seconds."""
    return Ratiometric(point, read_uv, full=full, low=low, hysteresis=hysteresis, hold_s=hold_s, supply_mv=supply_mv)


def pressure(point, read_uv, *, full=1600, low=400, hysteresis=50, hold_s=5, supply_mv=SUPPLY_MV):
    """A pressure in kPa."""
    return Ratiometric(point, read_uv, full=full, low=low, hysteresis=hysteresis, hold_s=hold_s, supply_mv=supply_mv)
