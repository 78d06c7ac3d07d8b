"""`machine` as MicroPython has it on an ESP32, as far as the firmware uses it; every pin is the world's."""

import math

import utime
import wires
from umachine import PinBase, Signal  # noqa: F401 - Signal as on a board

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

_cause = PWRON_RESET
_unique_id = b"\x24\x0a\xc4\x00\x00\x00"


def set_start(cause, unique_id):
    """What boot_board.py knows of this start."""
    global _cause, _unique_id
    _cause = cause
    _unique_id = unique_id


def reset_cause():
    return _cause


def unique_id():
    return _unique_id


def reset():
    wires.stop("r")


def _refresh():
    """Take in what the world has changed, then run the handlers.

    An edge while the flash keeps the chip busy waits in the GPIO status register until the interrupts are back (ESP-IDF,
    "Concurrency constraints for flash on SPI1"), and MicroPython runs the handler once the program goes on.
    """
    wires.refresh()
    while wires.interrupts:
        pin, handler = _handlers[wires.interrupts.pop()]
        handler(pin)


_handlers = {}  # gpio -> (pin, handler)


class WDT:
    """Its time runs in the world, which ends the board's process unless it is fed: even one that does nothing any more."""

    def __init__(self, id=0, timeout=5000):
        self._timeout_ms = timeout
        self.feed()

    def feed(self):
        wires.tell("d %d" % self._timeout_ms)


class RTC:
    def datetime(self, fields):
        year, month, day, _, hour, minute, second, _ = fields
        wires.tell("u %d %d %d %d %d %d" % (year, month, day, hour, minute, second))


class Pin(PinBase):
    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None):
        self._gpio = id
        self._level = None
        self._out = False
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None):
        if mode != -1:
            self._out = mode in (Pin.OUT, Pin.OPEN_DRAIN)
        if value is not None:
            self.value(value)

    def value(self, level=None):
        if level is None:
            _refresh()
            return self._level or 0 if self._out else wires.levels.get(self._gpio, 1)
        level = 1 if level else 0
        if self._out and level != self._level:
            self._level = level
            wires.tell("o %d %d" % (self._gpio, level))
        return None

    def __call__(self, level=None):
        return self.value(level)

    def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING):
        _handlers[self._gpio] = (self, handler)
        falling, rising = trigger & Pin.IRQ_FALLING, trigger & Pin.IRQ_RISING
        wires.watched[self._gpio] = ((0,) if handler and falling else ()) + ((1,) if handler and rising else ())

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)


class ADC:
    ATTN_0DB = 0
    ATTN_11DB = 3

    def __init__(self, pin, *, atten=ATTN_0DB):
        self._gpio = pin._gpio if isinstance(pin, Pin) else pin

    def read_uv(self):
        wires.refresh()
        level, peak = wires.microvolts.get(self._gpio, (0, 0))
        return level + int(peak * math.sin(utime.ticks_us() % 20_000 * math.pi / 10_000)) if peak else level
