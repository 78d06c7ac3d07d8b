"""`machine` for one board under test: inputs come in datagrams "<gpio> <level>", outputs go out as "<gpio> <level> <us>".

The us are those of CLOCK_MONOTONIC, as the test's own time.monotonic(): when the pin changed, however late the test reads it.
"""

import json
import os
import socket

import utime  # whatever a test does to `time`
from umachine import PinBase, Signal  # noqa: F401 - Signal as on a board

PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5

_levels = json.loads(os.getenv("LEVELS"))  # gpio -> level, and "uv" -> {gpio: microvolts}
_follows = json.loads(os.getenv("FOLLOWS"))  # input -> the output that it follows
_wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
_wire.setblocking(False)
_wire.bind(socket.getaddrinfo("127.0.0.1", 0)[0][-1])
_wire.connect(socket.getaddrinfo("127.0.0.1", int(os.getenv("WIRE")))[0][-1])
_wire.send(b"here")
_handlers = {}  # gpio -> (pin, handler, level whose coming interrupts)


_side = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # to the watchdog and the clock
_side.connect(socket.getaddrinfo("127.0.0.1", int(os.getenv("SIDE")))[0][-1])


def reset_cause():
    return int(os.getenv("CAUSE"))


def reset():
    raise SystemExit(64)


def _refresh():
    while True:
        try:
            words = str(_wire.recv(64), "utf-8").split()
        except OSError:
            return
        if len(words) != 2:
            return
        before = _levels.get(words[0], 1)
        _levels[words[0]] = int(words[1])
        if words[0] in _handlers and before != int(words[1]):
            pin, handler, level = _handlers[words[0]]
            if int(words[1]) == level:
                handler(pin)


class WDT:
    def __init__(self, id=0, timeout=5000):
        self.timeout = timeout
        self.feed()

    def feed(self):
        _side.send(b"wdt %d" % self.timeout)


class RTC:
    def datetime(self, fields):
        year, month, day, _, hour, minute, second, _ = fields
        _side.send(b"rtc %d %d %d %d %d %d" % (year, month, day, hour, minute, second))


class Pin(PinBase):
    IN, OUT, PULL_UP = 1, 3, 2
    IRQ_RISING, IRQ_FALLING = 1, 2

    def __init__(self, gpio, mode=-1, pull=-1, value=None):
        self.gpio = str(gpio)
        self._out = mode == Pin.OUT
        if value is not None:
            self.value(value)

    def value(self, level=None):
        if level is None:
            _refresh()
            return _levels.get(_follows.get(self.gpio, self.gpio), 1)
        if level != _levels.get(self.gpio):
            _levels[self.gpio] = level
            _wire.send(b"%s %d %d" % (self.gpio.encode(), level, utime.ticks_us()))
        return None

    def irq(self, handler, trigger):
        _handlers[self.gpio] = (self, handler, 1 if trigger == Pin.IRQ_RISING else 0)


class ADC:
    ATTN_11DB = 3

    def __init__(self, pin, atten=0):
        self.gpio = pin.gpio

    def read_uv(self):
        return _levels.get("uv" + self.gpio, 1_950_000)
