"""A lithium-ion cell behind a divider of 1:2 on an ADC: its charge, and whether it is low."""

DIVIDER = 2
# Open-circuit voltage of a single lithium-ion cell (NMC, 25 °C) in mV -> percent; between the rows linear.
CURVE = ((3300, 0), (3500, 5), (3600, 12), (3700, 35), (3800, 55), (3900, 70), (4000, 83), (4150, 100))
MISSING_MV = 2000  # no cell is there: the protection circuit of one cuts off at 2,500 mV
LOW_PERCENT = 20
OK_PERCENT = 30
SAMPLES = 3  # a reading during a transmission dips: so many in a row make a fact


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
    """`point`: the points.Point that it decides on. `read_uv()`: µV at the ADC."""

    def __init__(self, point, read_uv):
        self.point = point
        self.percent = None
        self._read_uv = read_uv
        self._candidate = None
        self._count = 0

    def sample(self):
        """Take a reading. The state of the point: active while low, open without a cell, else clear."""
        millivolts = self._read_uv() * DIVIDER // 1000
        self.percent = None if millivolts < MISSING_MV else percent(millivolts)
        state = self._judge()
        if state == self.point.state:
            self._count = 0
        elif state == self._candidate:
            self._count += 1
        else:
            self._candidate = state
            self._count = 1
        if self._count < SAMPLES:
            return self.point.state
        self._count = 0
        return state

    def _judge(self):
        if self.percent is None:
            return "open"
        if self.percent <= LOW_PERCENT:
            return "active"
        return "clear" if self.percent >= OK_PERCENT or self.point.state == "open" else self.point.state
