"""A lithium-ion cell behind a divider of 1:2 on an ADC: its charge, and whether it is low or too weak for its bell."""

from drivers.hold import Hold

DIVIDER = 2
# Open-circuit voltage of a single lithium-ion cell (NMC, 25 °C) in mV -> percent; between the rows linear.
CURVE = ((3300, 0), (3500, 5), (3600, 12), (3700, 35), (3800, 55), (3900, 70), (4000, 83), (4150, 100))
MISSING_MV = 2000  # no cell is there: the protection circuit of one cuts off at 2,500 mV
LOW_PERCENT = 20
OK_ABOVE_LOW = 10  # percent: hysteresis
HOLD_MS = 2_000  # a reading during a transmission dips: three in a row, a second apart, make a fact
# A sounding bell loads the cell with about 0.5 A: a good 18650 (60 mΩ with its protection) sags by 30 mV, one of 0.6 Ω by 300 mV.
SAG_MV = 300
LOADED_MIN_MV = 3200  # below it the 5 V converter of the bell and the board begin to fail


def percent(millivolts):
    """The charge at a cell voltage, 0..100."""
    low, low_percent = CURVE[0]
    if millivolts <= low:
        return 0
    for high, high_percent in CURVE[1:]:
        if millivolts <= high:
            return low_percent + (millivolts - low) * (high_percent - low_percent) // (high - low)
        low, low_percent = high, high_percent
    return 100


class Battery:
    """`point`: the points.Point that it decides on. `read_uv()`: µV at the ADC. `bell.is_driven`: True while the bell draws current.

    Every sounding of the bell is a load test, a test order's too: the charge is read at rest only, the sag under load.
    """

    value = None  # the report has a place of its own for the charge

    def __init__(self, point, read_uv, bell, *, low=LOW_PERCENT, sag_mv=SAG_MV):
        self.point = point
        self.percent = None
        self.sag_mv = None  # at the last load test
        self._read_uv = read_uv
        self._bell = bell
        self._low = low
        self._ok = low + OK_ABOVE_LOW
        self._sag_limit_mv = sag_mv
        self._rest_mv = None
        self._weak = False
        self._hold = None

    @property
    def fault(self):
        """In words what a full but weak cell is, else None."""
        return "weak, sags by %d mV under the bell" % self.sag_mv if self._weak and self.sag_mv is not None else None

    def sample(self, now):
        """Take a reading. The state of the point: active while low or weak, open without a cell, else clear."""
        if self._hold is None:
            self._hold = Hold(self.point.state, HOLD_MS)
        millivolts = self._read_uv() * DIVIDER // 1000
        if millivolts < MISSING_MV:
            self.percent = self._rest_mv = None
            self._weak = False
        elif self._bell.is_driven:
            self._test(millivolts)
        else:
            self._rest_mv = millivolts
            self.percent = percent(millivolts)
        return self._hold.take(self._judge(millivolts), now)

    def _test(self, millivolts):
        if self._rest_mv is None:
            return  # it was sounding from the start on: nothing to compare with
        self.sag_mv = max(0, self._rest_mv - millivolts)
        self._weak = self.sag_mv >= self._sag_limit_mv or millivolts < LOADED_MIN_MV

    def _judge(self, millivolts):
        if millivolts < MISSING_MV:
            return "open"
        if self._weak or (self.percent is not None and self.percent <= self._low):
            return "active"
        if self.percent is None:
            return self._hold.state
        return "clear" if self.percent >= self._ok or self._hold.state == "open" else self._hold.state
