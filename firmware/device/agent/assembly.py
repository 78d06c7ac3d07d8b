"""Puts a board's agent together. Thrown away when it has: nothing of this module may end up in the agent."""

import os
import random

from agent import alarms, link, orders, outbox, presence, session, watch
from agent.agent import Agent, Parts
from agent.faults import Faults
from agent.tls import Tls
from protocol import topics, wire

VERSION = "0.1.0"


def assemble(ground):
    """The agent of this board. `ground`: of groundwork.lay()."""
    random.seed(int.from_bytes(os.urandom(4), "big"))
    settings, who, ticks = ground["config"], ground["identity"], ground["clock"]
    own_alarms = alarms.Alarms(settings.device, settings.verify_s * 1000)
    listeners = presence.Presence(who.start, random.random)
    box = outbox.Outbox()
    agent = Agent(
        Parts(
            config=settings,
            identity=who,
            clock=ticks,
            journal=ground["journal"],
            wear=ground["wear"],
            files=ground["files"],
            trial=ground["trial"],
            alarms=own_alarms,
            bell=ground["bell"],
            panel=ground["panel"],
            battery=ground["battery"],
            signals=_signals(ground["lights"], ground["bell"], (own_alarms, box, listeners, ground["panel"])),
            lamp=ground["lamp"],
            outbox=box,
            presence=listeners,
            orders=orders.Orders(ground["files"]),
            faults=Faults(ground["faults"]),
            board=ground["board"],
            watch=watch.Watch(ground["feed"], ground["crashes"].caught),
            crashes=ground["crashes"],
            floor=ground["floor"],
            network=ground["network"],
            random=random.random,
            version=ground["version"] or VERSION,
            app=ground["app"],
            update=ground["update"],
        )
    )
    if ground["trial"]:
        ground["trial"].join(agent._parts, agent)
    if settings.networked:
        agent.mail.session = _session(agent, settings, who, ticks, ground)
    return agent


def _signals(lights, gong, known):
    """What plays on the lights (terminal, drive) that are wired. `known`: what standing.Standing asks."""
    signals = []
    for terminal, drive in lights:
        if terminal == "indicator":
            from agent.standing import Indicator, Standing

            signals.append(Indicator(terminal, drive, Standing(*known)))
        else:
            from agent.sights import Flash

            signals.append(Flash(terminal, drive, gong))
    return signals


def _session(agent, settings, who, ticks, ground):
    site, device = settings.site, settings.device
    will = wire.encode_will(life=who.life, boot=who.boot)
    account = link.Account(device, settings.password, topics.device(site, device, "state"), will)
    tls, buffers = _tls(settings, ground["secrets"]), ground["buffers"]
    return session.Session(
        account,
        settings.brokers,
        settings.topics,
        agent,
        clock=ticks,
        random=random.random,
        ready=agent.ready,
        tls=tls,
        buffers=buffers,
        name_server=ground["network"].name_server,
    )


def _tls(settings, secrets):
    """None only where the configuration names no broker."""
    if not settings.server_name:
        return None
    return Tls(settings.server_name, *secrets)
