"""Puts this board's agent together and runs it. MicroPython runs this module at the start."""

import sys
import time
from asyncio import core

import machine
from agent.once import once

# What only a start needs, in its two steps: 28 kB of code on a 64-bit port, half of it on an ESP32.
GROUNDWORK = (
    "agent.groundwork agent.candidate agent.canonical agent.config agent.trial agent.credentials agent.wiring agent.fit agent.dates "
    "agent.release agent.gate agent.blackbox agent.plain agent.terminals pins built kinds."
)
ASSEMBLY = "agent.assembly"
TECHNICIAN_MS = 3_600_000


def slim():
    """Leave of asyncio its core, which is all that the agent needs: the package takes 2 kB more of a 64-bit heap."""
    from asyncio import Event

    core.Event, core.core = Event, core  # what the agent asks the package for
    del sys.modules["asyncio.event"].ThreadSafeFlag
    sys.modules["resident"].asyncio = core
    del sys.modules["asyncio"]


def start():
    """The agent of this board."""
    return once("agent.assembly", "assemble", ASSEMBLY, once("agent.groundwork", "lay", GROUNDWORK))


async def live():
    """Start and run. In the loop, whose steps soon overwrite what the start has left on the C stack; below the loop it would stay for
    good, and the collector takes it for references: 7 kB of a 64-bit heap."""
    await start().run()


began = time.ticks_ms()
slim()
try:
    core.run(live())
except KeyboardInterrupt:
    # A technician at the console, whose time the watchdog must not cut short; a board that is forgotten here goes on by itself.
    machine.WDT(timeout=TECHNICIAN_MS)
except Exception as exc:
    # Nothing is left that could ring: the only cure is a new start.
    sys.print_exception(exc)
    core.new_event_loop()  # the old one holds the whole agent
    for _ in range(2):  # words need memory: once() leaves behind it more than it has found
        try:
            once("agent.blackbox", "fell", "agent.blackbox", exc, time.ticks_diff(time.ticks_ms(), began) // 1000)
            break
        except Exception as why:
            sys.print_exception(why)
    time.sleep(1)
    machine.reset()
