"""A lamp's current: a split-core transformer YHDC SCT-013-005 (5 A gives 1 V; its series' datasheet: non-linearity 3 %), its output on a
bias of half the supply. At 5 A the ADC would see 1650 mV +- 1414 mV; an ESP32's ends at 2450 mV (ESP-IDF Programming Guide 4.4, ADC), so
readings are true up to 2.8 A and too low above, which still is a lamp that burns.
"""

import math
import time

MILLIAMPERE_PER_MILLIVOLT = 5
# Two whole periods of 50 Hz: an average over parts of a period would swing with the phase. 40 ms are also the longest time for which
# a reading may stop the board, which has 150 ms from a press to the bell.
SAMPLES = 40
STEP_US = 1_000
NOISE_MA = 15  # what 3 mV rms of an ADC's noise show of a lamp that is off


def rms_ma(microvolts):
    """The effective current in mA of readings over whole periods: their deviation from their mean, whatever the bias is."""
    mean = sum(microvolts) / len(microvolts)
    square = sum([(reading - mean) ** 2 for reading in microvolts]) / len(microvolts)
    return math.sqrt(square) / 1000 * MILLIAMPERE_PER_MILLIVOLT


def burst(read_uv, samples, step_us):
    """So many readings of an ADC, evenly spaced; the board waits for them."""
    start = time.ticks_us()
    readings = []
    for number in range(samples):
        while time.ticks_diff(time.ticks_us(), start) < number * step_us:
            pass
        readings.append(read_uv())
    return readings


class LampCurrent:
    """`read_uv()`: µV at the ADC. `take(read_uv, samples, step_us)`: that many readings, `step_us` apart."""

    def __init__(self, read_uv, take=burst):
        self._read_uv = read_uv
        self._take = take

    def read_ma(self):
        """The lamp's current now, 0 where nothing but noise is seen."""
        current = rms_ma(self._take(self._read_uv, SAMPLES, STEP_US))
        return 0 if current < NOISE_MA else int(current)
