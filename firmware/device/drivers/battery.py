"""A lithium-ion cell behind a divider of 1:2 on an ADC: its charge, the hours that are left, whether it is low or too weak for its bell.

The board wants an 18650 of the NMC or NCA kind: an LCO ("LiPo") cell of the same voltage is emptier, 3.7 V is 12 % of it.
"""

from drivers.hold import Hold

DIVIDER = 2
# Open-circuit voltage in mV -> percent; between the rows linear. Measured on a Molicel INR21700-P42A (C/32) and a Samsung INR21700-40T
# (C/20) at room temperature, the mean of two curves that are 1 % apart: Sunil, Pattipati, Balasingam, "Piecewise Linear Approximation of
# Battery Open-Circuit Voltage Characteristics", IEEE Trans. Instrum. Meas. 2025, with its data. 0 % is 3.2 V, where 6 % of the charge is
# left: below it the 5 V converter of bell and board begins to fail.
CURVE = ((3200, 0), (3320, 3), (3420, 9), (3578, 24), (3698, 42), (4065, 83), (4106, 95), (4180, 100))
MISSING_MV = 2000  # no cell is there: the protection circuit of one cuts off at 2,500 mV
LOW_PERCENT = 20
OK_ABOVE_LOW = 10  # percent: hysteresis
HOLD_MS = 2_000  # a reading during a transmission dips: three in a row, a second apart, make a fact
# A sounding bell loads the cell with about 0.5 A: a good 18650 (60 mΩ with its protection) sags by 30 mV, one of 0.6 Ω by 300 mV.
SAG_MV = 300
LOADED_MIN_MV = 3200

# What is left in hours, where nothing was measured: an ESP32 that keeps its Wi-Fi in modem sleep, as MicroPython does, takes 45 to 130 mA
# at 3.3 V (Espressif's example power_save), pull-ups and a lit indicator another 10.
CAPACITY_MAH = 2500
LOAD_MA = 100
ASSUMED_ERROR = 0.65  # 2,000 mAh (old or cold) at 140 mA to 2,900 mAh at 70 mA
# 60 mV of the ADC (ESP32 datasheet, ADC calibration: total error at 150 to 2450 mV) are 120 mV of the cell. What an ADC reads too much or
# too little it does so for days: all readings are wrong by the same.
ERRORS_MV = (0, -60, 60, -120, 120)
CURVE_PERCENT = 3  # a cell's curve is not quite ours, and a percent is rounded
DROP_PERCENT = 12  # so much must be gone, whatever the error, before the time that it took says more than the assumption
HOUR_MS = 3_600_000


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

    def __init__(
        self,
        point,
        read_uv,
        bell,
        *,
        low=LOW_PERCENT,
        hysteresis=OK_ABOVE_LOW,
        hold_s=HOLD_MS // 1000,
        sag_mv=SAG_MV,
        capacity_mah=CAPACITY_MAH,
        load_ma=LOAD_MA,
    ):
        self.point = point
        self.percent = None
        self.sag_mv = None  # at the last load test
        self._read_uv = read_uv
        self._bell = bell
        self._low = low
        self._ok = low + hysteresis
        self._hold_ms = hold_s * 1000
        self._sag_limit_mv = sag_mv
        self._hours_a_percent = capacity_mah / load_ma / 100
        self._rest_mv = None
        self._weak = False
        self._hold = None
        self._since = None  # (mV, ms) when mains went

    @property
    def fault(self):
        """In words what a full but weak cell is, else None."""
        return "weak, sags by %d mV under the bell" % self.sag_mv if self._weak and self.sag_mv is not None else None

    def sample(self, now):
        """Take a reading. The state of the point: active while low or weak, open without a cell, else clear."""
        if self._hold is None:
            self._hold = Hold(self.point.state, self._hold_ms)
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

    def hours_left(self, now, on_battery):
        """(hours, how far they may be wrong) until the charge is used up, None while it is unknown. Ask from time to time: what was used
        since mains went (`on_battery`) tells the real load.
        """
        if self._rest_mv is None:
            return None
        if not on_battery or self._since is None or self._rest_mv > self._since[0]:
            self._since = (self._rest_mv, now) if on_battery else None
        first_mv, began = self._since or (self._rest_mv, now)
        found = []  # (hours if the readings are wrong by so much, hours a percent)
        for error_mv in ERRORS_MV:
            left = percent(self._rest_mv + error_mv)
            used = percent(first_mv + error_mv) - left
            if used < DROP_PERCENT:
                return self._assumed()
            rate = (now - began) / HOUR_MS / used
            found.append((left * rate, rate * CURVE_PERCENT * (1 + left / used)))
        hours = found[0][0]
        return hours, max([abs(other - hours) + error for other, error in found])

    def _assumed(self):
        hours = self.percent * self._hours_a_percent
        most = percent(self._rest_mv + ERRORS_MV[-1]) + CURVE_PERCENT
        return hours, most * self._hours_a_percent * (1 + ASSUMED_ERROR) - hours

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
