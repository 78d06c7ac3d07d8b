"""What a board has before its agent: configuration, journal, hardware, points.

Thrown away when it has found them, and what it needs on the way as soon as it is done with it: all of it at once would not fit beside
what stays. So nothing of this module, nor of those that it loads by once(), may end up in what it returns.
"""

import os
import time

import built
import pins

from agent import bell, board, clock, crashes, floor, identity, journal, link, watch, wear
from agent.files import JOURNAL, Files
from agent.once import empty, once
from agent.terminals import Terminals

CONFIG = "/config.json"
CA = "/tls/ca.der"
OPENED = ("jumper", "tamper", "never", "contact")  # a row as in kinds/
ROOT = "/app"


def lay():
    """{name: part}: what assembly.assemble() takes, with whatever of configuration and journal there is."""
    buffers = link.Buffers()  # while there is a free block so long
    hardware, wired = board.Board(), Terminals(pins)
    feed = wired.watchdog(watch.TIMEOUT_MS)
    worn = _wear()
    faults = []
    files = _files(faults)
    settings, trial = _settings(files, faults)
    secrets = once("agent.credentials", "credentials", "agent.credentials", settings.device) if settings.server_name else (None, None)
    kind = __import__("kinds." + settings.kind, None, None, ("POINTS",))  # of the kinds only the one in use is loaded
    who, log, states = _journal(files, faults, settings.kind)
    ticks = clock.Clock(time.ticks_ms)
    rise = _floor(files, faults, ticks, hardware.set_clock)
    version, update, gate = once("agent.release", "begin", "agent.release agent.gate agent.blackbox", ROOT, files, faults)
    trouble = once("agent.blackbox", "begin", "agent.blackbox", files, hardware.reset_reason())
    safe = trouble.is_safe()
    if safe:
        print("safe mode: contacts, bell and network only, for %s" % trouble.text)  # noqa: T201 - the technician's serial console
        settings.points = once("agent.plain", "chosen", "agent.plain", kind, settings.points)
    gong = _bell(wired, kind, settings)
    plan = once("agent.fit", "plan", "agent.fit", settings.kind, kind, settings.points, pins)
    if _is_opened(wired, states):
        plan[3].append(OPENED)
    wiring = __import__("agent.wiring", None, None, ("Wiring",))  # not before the others have gone
    wires = wiring.Wiring(plan, wired, states=states, bell=gong, unix=ticks.unix)
    lights = [] if safe else [(name, wired.switch(name)) for name in wires.outputs if name in ("indicator", "strobe", "light")]
    way = board.Network(settings.wifi, getattr(pins, "LAN", None))
    settings.points = {}  # wired: 1 kB of a 64-bit heap
    faults += wires.problems
    for fault in faults:
        print("fault: %s" % fault)  # noqa: T201 - the technician's serial console: without a network nobody else hears of it
    return {
        "config": settings,
        "buffers": buffers,
        "secrets": secrets,
        "trial": gate or trial,
        "app": version.bundle,
        "version": version.version,
        "update": update,
        "identity": who,
        "journal": log,
        "wear": worn,
        "files": files,
        "board": hardware,
        "network": way,
        "clock": ticks,
        "feed": feed,
        "crashes": crashes.Crashes(files, None if trouble.told else trouble.text, safe, len(trouble.runs) > 0),
        "floor": rise,
        "bell": gong,
        "panel": wires.panel,
        "battery": wires.battery,
        "lamp": wires.lamp,
        "lights": lights,
        "faults": faults,
    }


def _is_opened(wired, states):
    """True if the jumper that opens the console (firmware/bench/filesystem.py) is in, or was at the last start: then its end is told too.

    Only then it is a point: a board that nobody has opened pays nothing for it.
    """
    name = OPENED[0]
    if name not in pins.INPUTS:
        return False
    return wired.contact(name)() or (name in states and states[name].state != "clear")


def _settings(files, faults):
    """(settings.Config, trial.Trial or None), without what has read them."""
    config = __import__("agent.config", None, None, ("read",))
    found = once("agent.candidate", "begin", "agent.candidate agent.canonical agent.config", CONFIG, files, JOURNAL, config.read, faults)
    empty(config)  # the largest of all: 7 kB of a 64-bit heap
    return found


def _wear():
    """The wear.Wear below the file system from now on; None where the port names no flash, or it holds no LittleFS."""
    try:
        import vfs
        from flashbdev import bdev  # of the ESP32 port

        worn = wear.Wear(bdev)
        system = vfs.VfsLfs2(worn)
    except (ImportError, OSError):
        return None
    vfs.umount("/")
    vfs.mount(system, "/")
    os.chdir("/")
    return worn


def _floor(files, faults, ticks, set_clock):
    """The floor.Floor, with the board's clock set to it."""
    start_s, end_s, problem = once("agent.dates", "begin", "agent.dates", files, CA, built.BUILT_S)
    if problem:
        faults.append(problem)
    set_clock(start_s)
    return floor.Floor(files, start_s, end_s, ticks, set_clock)


def _files(faults):
    files = Files(JOURNAL)
    try:
        files.create()
    except OSError as exc:
        faults.append("journal: not there (%s)" % exc)
    return files


def _journal(files, faults, kind):
    """(identity, journal, {point: newest event}); a flash that fails costs the past, not the present."""
    who = identity.begin(files, os.urandom, kind)
    if who.fault:
        faults.append(who.fault)
    log = journal.Journal(files, who)
    try:
        states = log.load()
    except OSError as exc:
        states = {}
        faults.append("journal: not readable (%s)" % exc)
    if log.damaged:
        faults.append("journal: %d damaged files" % log.damaged)
    return who, log, states


def _bell(wired, kind, settings):
    """The bell, or what stands in its place."""
    if kind.BELL not in pins.OUTPUTS:
        from drivers.nobell import NoBell

        return NoBell()
    senses = settings.bell_sense and kind.BELL_SENSE in pins.INPUTS
    sense = wired.contact(kind.BELL_SENSE) if senses else None
    return bell.Bell(wired.switch(kind.BELL), sense)
