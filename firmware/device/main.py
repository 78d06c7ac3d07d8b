"""Finds out what this board is, puts its agent together and runs it. MicroPython runs this module at the start."""

import asyncio
import os
import random
import sys
import time

import machine
import pins
from agent import alarms, bell, board, clock, config, identity, inbox, journal, link, orders, outbox, presence, session
from agent.agent import Agent, Parts
from agent.faults import Faults
from agent.files import Files
from agent.points import MOMENTARY, NEVER, Panel, Point
from drivers.battery import Battery

from protocol import topics, wire

VERSION = "0.1.0"
CONFIG = "/config.json"
JOURNAL = "/journal"


def assemble():
    """The agent of this board, with whatever of configuration, journal and network it has."""
    random.seed(int.from_bytes(os.urandom(4), "big"))
    settings, problem = config.read(CONFIG)
    faults = [problem] if problem else []
    kind = getattr(__import__("kinds." + settings.kind), settings.kind)  # only this one takes heap
    files = Files(JOURNAL)
    who, log, states = _journal(files, faults)
    hardware = board.Board(pins)
    ticks = clock.Clock(time.ticks_ms)
    panel, battery = _panel(hardware, kind, states)
    sense = hardware.contact(kind.BELL_SENSE) if settings.bell_sense else None
    agent = Agent(
        Parts(
            config=settings,
            identity=who,
            clock=ticks,
            journal=log,
            alarms=alarms.Alarms(settings.device, settings.verify_s * 1000),
            bell=bell.Bell(hardware.switch(kind.BELL), sense),
            panel=panel,
            battery=battery,
            outbox=outbox.Outbox(),
            presence=presence.Presence(who.start, random.random),
            orders=orders.Orders(files),
            faults=Faults(faults),
            board=hardware,
            network=board.Network(settings.wifi),
            random=random.random,
            version=VERSION,
        )
    )
    if settings.networked:
        agent.mail.session = _session(agent, settings, who, ticks)
    return agent


def _journal(files, faults):
    """(identity, journal, {point: newest event}); a flash that fails costs the past, not the present."""
    try:
        files.create()
    except OSError as exc:
        faults.append("journal: not there (%s)" % exc)
    who = identity.begin(files, os.urandom)
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


def _panel(hardware, kind, states):
    """(the points as the journal has left them, the battery or None)."""
    contacts = [
        Point(name, what, policy, hardware.contact(name), hardware.latch(name) if what in MOMENTARY else None)
        for name, what, policy in kind.POINTS
    ]
    battery = None
    if kind.BATTERY:
        battery = Battery(Point(kind.BATTERY, "battery", NEVER, None), hardware.voltage(kind.BATTERY))
    panel = Panel(contacts, [battery.point] if battery else [])
    for point in panel:
        if point.name in states:
            point.restore(states[point.name].state, states[point.name].id)
    return panel, battery


def _session(agent, settings, who, ticks):
    site, device = settings.site, settings.device
    will = wire.encode_will(life=who.life, boot=who.boot)
    account = link.Account(device, settings.password, topics.device(site, device, "state"), will)
    wanted = inbox.subscriptions(site, device, settings.group)
    return session.Session(account, settings.brokers, wanted, agent, clock=ticks, random=random.random, ready=agent.ready)


try:
    asyncio.run(assemble().run())
except Exception as exc:
    # Nothing is left that could ring: the only cure is a new start. Ctrl-C of a technician is no Exception.
    sys.print_exception(exc)
    time.sleep(1)
    machine.reset()
