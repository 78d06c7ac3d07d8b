"""The self-test of a board at the bench: a script for its REPL, which tells by lines of JSON how each point and output goes.

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

from firmware.bench.points import Trial

PRESS_S = 30  # how long somebody has for each point
ON_MS = 500
DONE = re.compile(r"^[0-9a-f]{12}$")

Outcome = Literal["pressed", "measured", "heard", "commanded", "skipped"]

# MicroPython. The state before counts: a contact that is active already is asked to be cleared first.
_SCRIPT = """\
import machine, time, sys, json
def say(**words):
    print(json.dumps(words))
def wait(pin, level, ms):
    end = time.ticks_add(time.ticks_ms(), ms)
    while time.ticks_diff(end, time.ticks_ms()) > 0:
        if pin.value() == level:
            return True
        time.sleep_ms(5)
    return False
for name, how, gpio, level, pull, sense, limits in json.loads(TRIALS):
    if how == "contact":
        pin = machine.Pin(gpio, machine.Pin.IN, machine.Pin.PULL_UP) if pull else machine.Pin(gpio, machine.Pin.IN)
        if pin.value() == level and not wait(pin, 1 - level, PRESS_MS):
            say(point=name, error="active without being pressed: a short, or wired the wrong way round")
            continue
        say(ask=name)
        if wait(pin, level, PRESS_MS):
            say(point=name, how="pressed")
        else:
            say(point=name, error="not seen within %d s" % (PRESS_MS // 1000))
    elif how == "voltage":
        value = machine.ADC(machine.Pin(gpio), atten=machine.ADC.ATTN_11DB).read_uv()
        if limits[0] <= value <= limits[1]:
            say(point=name, how="measured")
        else:
            say(point=name, error="%d mV at the pin, expected %d to %d" % (value // 1000, limits[0] // 1000, limits[1] // 1000))
    else:
        pin = machine.Pin(gpio, machine.Pin.OUT, value=1 - level)
        current = machine.Pin(sense[0], machine.Pin.IN) if sense else None
        before = current is not None and current.value() == sense[1]
        pin.value(level)
        seen = current is not None and wait(current, sense[1], ON_MS)
        time.sleep_ms(ON_MS)
        pin.value(1 - level)
        if current is None:
            say(point=name, how="commanded")
        elif before:
            say(point=name, error="current seen before it was switched on")
        elif seen:
            say(point=name, how="measured")
        else:
            say(point=name, error="no current seen: wire, bell or supply")
say(done=True, uid=machine.unique_id().hex(), version=sys.version)
"""


@dataclass
class Result:
    """How it went so far. `errors`: point -> why."""

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
                self.asked = point
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
    rows = [[trial.point, trial.how, trial.gpio, trial.level, trial.pull, trial.sense, trial.limits] for trial in trials]
    return f"TRIALS = {json.dumps(rows)!r}\nPRESS_MS = {press_s * 1000}\nON_MS = {ON_MS}\n{_SCRIPT}"


def deadline_s(trials: Iterable[Trial], *, press_s: int = PRESS_S) -> float:
    """How long the whole may take."""
    return 30.0 + sum(2 * press_s if trial.how == "contact" else 3 for trial in trials)
