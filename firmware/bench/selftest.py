"""The self-test of a board at the bench: a script for its REPL, which tells by lines of JSON how each point and output goes.

{"release": point}                it is active already: somebody is to make it clear first
{"ask": point}                    somebody is to make the point active now
{"point": point, "how": how}      pressed, measured (current or voltage seen), commanded (switched on, nothing can see it)
{"point": point, "error": words}  it failed
{"done": true, "uid": hex, "version": text}
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from firmware.bench.points import ASKED, Trial

PRESS_S = 30  # how long somebody has for each point
ON_MS = 500
DONE = re.compile(r"^[0-9a-f]{12}$")

Outcome = Literal["pressed", "measured", "heard", "commanded", "skipped"]

# MicroPython. A contact that is active already is asked to be cleared first: a lid that is open, a short.
_SCRIPT = """\
import machine, time, sys, json, math
def say(**words):
    print(json.dumps(words))
def adc(gpio):
    return machine.ADC(machine.Pin(gpio), atten=machine.ADC.ATTN_11DB).read_uv
def reader(how, gpio, level, pull, limits, rest):
    if how == "contact":
        pin = machine.Pin(gpio, machine.Pin.IN, machine.Pin.PULL_UP) if pull else machine.Pin(gpio, machine.Pin.IN)
        return lambda: pin.value() == level
    read_uv = adc(gpio)
    def is_active():
        value = read_uv()
        return True if limits[0] <= value < limits[1] else False if rest[0] <= value < rest[1] else None
    return is_active
def wait(read, wanted, ms):
    end = time.ticks_add(time.ticks_ms(), ms)
    while time.ticks_diff(end, time.ticks_ms()) > 0:
        if read() == wanted:
            return True
        time.sleep_ms(5)
    return False
def asked(name, how, read, gpio, rest):
    if read() != False:
        say(release=name)
        if not wait(read, False, PRESS_MS):
            if how == "contact":
                return "active without being pressed: a short, or wired the wrong way round"
            return "%d mV at rest, expected %d to %d" % (adc(gpio)() // 1000, rest[0] // 1000, rest[1] // 1000)
    say(ask=name)
    return "" if wait(read, True, PRESS_MS) else "not seen within %d s" % (PRESS_MS // 1000)
def current_ma(read_uv):
    values = []
    start = time.ticks_us()
    for number in range(40):
        while time.ticks_diff(time.ticks_us(), start) < number * 1000:
            pass
        values.append(read_uv())
    mean = sum(values) / len(values)
    return math.sqrt(sum([(value - mean) ** 2 for value in values]) / len(values)) / 1000 * 5
for name, how, gpio, level, pull, sense, limits, rest in json.loads(TRIALS):
    if how in ("contact", "band"):
        error = asked(name, how, reader(how, gpio, level, pull, limits, rest), gpio, rest)
        if error:
            say(point=name, error=error)
        else:
            say(point=name, how="pressed")
    elif how == "voltage":
        value = adc(gpio)()
        if limits[0] <= value <= limits[1]:
            say(point=name, how="measured")
        else:
            say(point=name, error="%d mV at the pin, expected %d to %d" % (value // 1000, limits[0] // 1000, limits[1] // 1000))
    else:
        pin = machine.Pin(gpio, machine.Pin.OUT, value=1 - level)
        flows = None
        if how == "lamp":
            read_uv = adc(sense[0])
            flows = lambda: current_ma(read_uv) >= sense[1]
            time.sleep_ms(ON_MS)
        elif sense:
            current = machine.Pin(sense[0], machine.Pin.IN)
            flows = lambda: current.value() == sense[1]
        before = flows is not None and flows()
        pin.value(level)
        seen = flows is not None and wait(flows, True, ON_MS)
        time.sleep_ms(ON_MS)
        pin.value(1 - level)
        if flows is None:
            say(point=name, how="commanded")
        elif before:
            say(point=name, error="current seen before it was switched on")
        elif seen:
            say(point=name, how="measured")
        else:
            say(point=name, error="no current seen: wire, %s or supply" % name)
say(done=True, uid=machine.unique_id().hex(), version=sys.version)
"""


@dataclass
class Result:
    """How it went so far. `errors`: point -> why; `asked`: what somebody is to do, such as press smoke-1."""

    tested: dict[str, Outcome] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    asked: str = ""
    uid: str = ""

    def take(self, line: str) -> bool:
        """A line of the board; True if it was one of these."""
        try:
            words: dict[str, Any] = json.loads(line)
        except ValueError:
            return False
        if not isinstance(words, dict):
            return False
        match words:
            case {"ask": str(point)}:
                self.asked = f"press {point}"
            case {"release": str(point)}:
                self.asked = f"release {point}"
            case {"point": str(point), "how": ("pressed" | "measured" | "commanded") as how}:
                self.tested[point], self.asked = how, ""
            case {"point": str(point), "error": str(error)}:
                self.errors[point], self.asked = error, ""
            case {"done": True, "uid": str(uid)} if DONE.match(uid):
                self.uid = uid
            case _:
                return False
        return True


def script(trials: Iterable[Trial], *, press_s: int = PRESS_S) -> str:
    """The program for a board's REPL."""
    rows = [list(trial) for trial in trials]
    return f"TRIALS = {json.dumps(rows)!r}\nPRESS_MS = {press_s * 1000}\nON_MS = {ON_MS}\n{_SCRIPT}"


def deadline_s(trials: Iterable[Trial], *, press_s: int = PRESS_S) -> float:
    """How long the whole may take."""
    return 30.0 + sum(2 * press_s if trial.how in ASKED else 3 for trial in trials)
