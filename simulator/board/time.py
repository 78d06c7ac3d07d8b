"""`time` as an ESP32 without a clock of its own has it: seconds since power-on, and a counter that the world can make jump ahead.

With set_ticks(30, ...) the ticks wrap as on the ESP32 (after 12.4 days); the interpreter's own period is 2^62, and what is hot stays in C.
"""

import utime
import wires
from utime import gmtime, localtime, mktime, sleep, sleep_ms, sleep_us, ticks_add, ticks_diff  # noqa: F401

_start_us = utime.ticks_us()


def ticks_ms():
    return utime.ticks_ms() + wires.clock_offset_ms


def ticks_us():
    return utime.ticks_us() + wires.clock_offset_ms * 1000


def time():
    return time_ns() // 1000000000


def time_ns():
    return (utime.ticks_us() - _start_us) * 1000 + wires.clock_offset_ms * 1000000


def set_ticks(bits, at_ms):
    """From now on ticks have `bits` bits and stand at `at_ms`: before anything else has taken functions from here."""
    global ticks_ms, ticks_us, ticks_add, ticks_diff
    mask = (1 << bits) - 1
    half = 1 << bits - 1
    ahead_ms = at_ms - utime.ticks_ms()

    def ticks_ms():
        return (utime.ticks_ms() + ahead_ms + wires.clock_offset_ms) & mask

    def ticks_us():
        return (utime.ticks_us() + (ahead_ms + wires.clock_offset_ms) * 1000) & mask

    def ticks_add(ticks, delta):
        return (ticks + delta) & mask

    def ticks_diff(end, start):
        return ((end - start + half) & mask) - half
