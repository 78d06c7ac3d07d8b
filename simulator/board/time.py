"""`time` as an ESP32 without a clock of its own has it: seconds since power-on, and a counter that the world can make jump ahead.

With ticks_bits 30 the ticks wrap as on the ESP32 (after 12.4 days); the interpreter's own period is 2^62.
"""

import utime
import wires
from utime import gmtime, localtime, mktime, sleep, sleep_ms, sleep_us  # noqa: F401

_period = 1 << 62
_zero_ms = 0  # the interpreter's ticks that the board's ticks count from
_start_us = utime.ticks_us()


def set_ticks(bits, at_ms):
    """From now on ticks have `bits` bits and stand at `at_ms`."""
    global _period, _zero_ms
    _period = 1 << bits
    _zero_ms = utime.ticks_ms() - at_ms


def ticks_ms():
    return (utime.ticks_ms() - _zero_ms + wires.clock_offset_ms) & (_period - 1)


def ticks_us():
    return (utime.ticks_us() - _zero_ms * 1000 + wires.clock_offset_ms * 1000) & (_period - 1)


ticks_cpu = ticks_us


def ticks_add(ticks, delta):
    return (ticks + delta) & (_period - 1)


def ticks_diff(end, start):
    half = _period >> 1
    return ((end - start + half) & (_period - 1)) - half


def time():
    return time_ns() // 1000000000


def time_ns():
    return (utime.ticks_us() - _start_us) * 1000 + wires.clock_offset_ms * 1000000
