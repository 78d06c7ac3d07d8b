"""The agent: puts the pure modules together and runs them. What people hear never waits for the flash or the network.

At a press, in this order: the own bell, the call to the group, the event into the journal, the event to the engine.
"""

import asyncio

from agent import inbox, loops, upkeep
from agent.bell import Cause
from agent.changes import Changes
from agent.errands import SELF_TEST, Errands
from agent.events import ALARM_TYPES, NO_BELL, Event
from agent.keeper import Keeper
from agent.mail import Mail
from agent.outbox import CAPACITY, FEW
from agent.points import SILENCE
from protocol import wire

POLL_MS = 10
PULSE_MS = 100
RESUME_MS = 200  # after the start: the contacts have settled
GAUGE_MS = 1_000
BELL = "bell"
CHIRP = Cause("fault", None, None)


class Parts:
    """What an agent is made of, each the object of the module of that name.

    config, identity, clock, journal, wear (or None), files, alarms, bell, panel, outbox, presence, orders, faults, board, network, watch,
    crashes, floor; random() and version; and where there are such: battery, signals, lamp, trial, download. `app`: the bundle that runs,
    `update`: what births tell of the newest update; None where there is none.
    """

    battery = None
    signals = ()  # lights that tell something: each has poll(now)
    lamp = None
    trial = download = app = update = None

    def __init__(self, **parts):
        for name, part in parts.items():
            setattr(self, name, part)


class Agent:
    """A session.Listener, of which it defines all. `mail.session` is to be set before run(), unless there is no network."""

    def __init__(self, parts):
        self._parts = parts
        self._clock = parts.clock
        self._alarms = parts.alarms
        self._bell = parts.bell
        self._presence = parts.presence
        self._outbox = parts.outbox
        self._keeper = parts.keeper = Keeper(parts.journal, parts.faults, self._stored, self._refill, parts.watch)
        self.mail = parts.mail = Mail(parts)
        self._changes = Changes(parts)
        self._errands = Errands(parts.orders, parts.bell, self._changes, self, self.mail)
        self._looked_at = 0
        self._measured = 0
        self._resumed = False
        self._hushed = False  # the chirp of a board without mains
        self._last_loss = None

    async def run(self):
        """Ends only with watch.Hung."""
        watch = self._parts.watch
        parts = [
            loops.every(POLL_MS, self.polls(), self._clock, watch),
            loops.every(PULSE_MS, self.pulses(), self._clock, watch),
            loops.every(GAUGE_MS, self.gaugings(), self._clock, watch),
            loops.for_ever(self._keeper.run, watch),
        ]
        if self.mail.session:
            parts.append(loops.for_ever(self.mail.session.run, watch))
        for part in parts:
            asyncio.create_task(part)
        await watch.run(self._bell.is_alarming)

    def polls(self):
        """The steps to take every POLL_MS."""
        return [self._sound, self._look] + [signal.poll for signal in self._parts.signals]

    def pulses(self):
        """The steps to take every PULSE_MS."""
        return [
            self._resume,
            self._expire,
            self._errands.poll,
            self._pass_time,
            self._watch_rings,
            self.mail.send_due,
        ]

    def gaugings(self):
        """The steps to take every GAUGE_MS."""
        return [self._measure, self._watch_contacts, self._keep_up]

    # What happens on the board.

    def _sound(self, now):
        self._say_of_bell(self._bell.poll(now), now)

    def _look(self, now):
        """At every contact once, first at the one after the last: one that raises costs this turn, and the next turn begins behind it."""
        contacts = self._parts.panel.contacts
        for _ in contacts:
            self._looked_at = (self._looked_at + 1) % len(contacts)
            self._look_at(contacts[self._looked_at], now)

    def _look_at(self, point, now):
        state = point.sense(now)
        if state != point.state and not point.waits(state, now):
            self._changed(point, state, now)

    def _changed(self, point, state, now):
        """What raises here (MemoryError) leaves the point's state as it was, so that the next look at it tries again."""
        event = self._new_event(point.name, point.type, state, now)
        is_key = point.name == SILENCE and state == "active"
        if point.type == "mains" or is_key:
            self._hushed = is_key
        if is_key:
            self._alarms.key(self._bell.sound, now)
        elif state == "active":
            self._alarms.raised(point, event.id, now)
        elif state == "clear":  # a detector whose wire burns through is no clear
            self._alarms.cleared(point)
        kept = point.count(now)
        if kept:
            self._keeper.keep(event)
        point.state = state
        point.event_id = event.id
        self._refresh("key" if is_key else "time", now)
        if not kept:
            self._post(event, now)

    def _new_event(self, point, kind, state, now, bell=NO_BELL):
        return Event(self._parts.identity.next_id(), point, kind, state, at=now, t=self._clock.unix(now), bell=bell)

    def _resume(self, now):
        """Once: alarms that were active before this start and still are."""
        if self._resumed or now < RESUME_MS:
            return
        self._resumed = True
        for point in self._parts.panel.contacts:
            if point.type in ALARM_TYPES and point.state == "active" and not self._parts.identity.is_own(point.event_id):
                self._alarms.resumed(point, now)

    def _pass_time(self, now):
        self._refresh("time", now)

    def _expire(self, now):
        self._alarms.expire(now, self._parts.panel.active())

    def _measure(self, now):
        """As _look."""
        gauges = self._parts.panel.gauges
        for _ in gauges:
            self._measured = (self._measured + 1) % len(gauges)
            self._gauge(gauges[self._measured], now)

    def _gauge(self, gauge, now):
        state = gauge.sample(now)
        if state != gauge.point.state and not gauge.point.waits(state, now):
            self._changed(gauge.point, state, now)
        self._note(gauge.point, gauge.fault, now)

    def _watch_contacts(self, now):
        self._parts.faults.set(BELL, "bell: current seen while it is off" if self._bell.strays(now) else None)
        for point in self._parts.panel.contacts:
            self._note(point, point.contact.fault, now)

    def _keep_up(self, now):
        self._keeper.again()
        upkeep.turn(self._parts, self._errands, self.mail.session, now)

    def _note(self, point, fault, now):
        if point.chatters(now):
            fault = "chatters"
        self._parts.faults.set(point.name, "%s: %s" % (point.name, fault) if fault else None)

    def _watch_rings(self, now):
        if self.mail.up and self._presence.is_deaf(now):
            self._parts.faults.set("ring", "no ring of group %s heard" % self._parts.config.group)
            self._presence.ring_heard(now)
            self.mail.session.drop("no ring heard")

    def _refresh(self, by, now):
        """The bell first, then the calls. `by`: what has ended the causes that are gone."""
        calls = self._alarms.take_calls(now, self.mail.up)
        causes = self._alarms.causes(now)
        if self._errands.trial and self._errands.trial.sound:
            causes.append(Cause(self._errands.trial.sound, None, None))
        if not self._parts.config.networked or (self._parts.panel.state_of("mains") == "active" and not self._hushed):
            causes.append(CHIRP)
        facts = self._bell.update(causes, by, now)
        self.mail.send_calls(calls)
        self._say_of_bell(facts, now)

    def _say_of_bell(self, facts, now):
        """Proofs stay in RAM: after a restart nothing sounds, so there is nothing left to prove."""
        for fact in facts:
            k, n = (fact.count, None) if wire.is_event_id(fact.id) else (None, fact.count)
            self._post(self._new_event(BELL, BELL, fact.state, now, (fact.id, k, n, fact.proof, fact.by)), now)

    # What becomes of an event.

    def _stored(self, event):
        self._post(event, self._clock.now())

    def _post(self, event, now):
        left = self._outbox.add(event, now)
        if left and not (left.stored and self._parts.journal.has_room(left.rank)):
            self.mail.dropped += 1
            self._keeper.settle(left)
        self.mail.send_events(now)

    def _refill(self):
        """Take back what left the outbox for the flash, as far as there are places."""
        held = self._outbox.stored()
        if len(self._outbox) <= FEW and self._parts.journal.waiting > len(held):
            now = self._clock.now()
            for event in self._parts.journal.fetch(held, CAPACITY - len(self._outbox)):
                self._outbox.add(event, now)
            self.mail.send_events(now)

    # What orders may do: see errands.Errands.

    def silence_bell(self, by, now):
        """Silence this house: `by` its key, or the desk ("ring")."""
        self._alarms.key(self._bell.sound, now)
        self._refresh(by, now)

    def light_up(self, seconds, now):
        """The street light burns for so long, whatever the hour. False if there is none."""
        if self._parts.lamp:
            self._parts.lamp.all_on(now, seconds)
        return self._parts.lamp is not None

    def output(self, name):
        """The output of this name, to be tested; None if there is none."""
        for output in (self._bell, self._parts.lamp) + tuple(self._parts.signals):
            if output and output.name == name:
                return output
        return None

    def self_test(self, now):
        """Send an event that is receipted and means nothing."""
        self._post(self._new_event(SELF_TEST, "test", "active", now), now)

    def forget_crashes(self):
        """The next start is a normal one, whatever happened before. Raises OSError."""
        self._parts.crashes.forget()

    def reset(self):
        """Start the board again, unless an event is still to be written: then ask once more.

        Nor while an alarm waits for its receipt, since a start calls nobody for it, nor while the group rings: who has silenced that here
        would hear it again.
        """
        if not (self._keeper or self._outbox.has_alarm() or self._alarms.is_sounding()):
            self._parts.board.reset()

    # What comes in: see session.Listener.

    async def ready(self):
        """Return when there is a network."""
        await self._parts.network.ready()

    def link_up(self, refused):
        """A connection is there."""
        self._last_loss = None
        self._parts.network.found()
        self._parts.faults.set("rights", "subscription refused: %s" % ", ".join(refused) if refused else None)
        self.mail.connected(self._clock.now())

    def link_down(self, why, turned_away):
        """Say so once for each reason; the next birth says why we were turned away."""
        self._changes.missed()
        if turned_away:
            self._parts.faults.set("link", "link: " + why)
        if why != self._last_loss:
            print("link: %s" % why)  # noqa: T201 - the technician's serial console
        self._last_loss = why

    def delivered(self, token):
        """The broker has an answer."""
        self._parts.orders.delivered(token)

    def alive(self, within_s):
        """The session does its work."""
        self._parts.watch.expect("session", within_s)

    def stumbled(self, exc):
        """Say and keep it."""
        self._parts.watch.caught(exc)

    def message(self, topic, payload, retained):
        """Decoded before anything else, so that each payload that does not decode is counted, whoever it was for."""
        try:
            name, sender, message = inbox.decode(self._parts.config.site, topic, payload)
        except wire.DecodeError:
            self.mail.refused += 1
            return
        if not retained:
            self._HANDLERS[name](self, message, sender, self._clock.now())

    def _hello(self, hello, _, now):
        is_new = self._presence.hello(hello)
        if is_new is None:
            return
        self._parts.faults.set("link", None)  # the birth that is answered has said it
        self._clock.set_unix(hello.t)
        job = self._parts.crashes.answered()
        if job:
            self._keeper.chore(job)
        group = self._parts.config.group
        wrong = hello.group not in (None, group)
        self._parts.faults.set("group", "group %s expected, configured for %s" % (hello.group, group) if wrong else None)
        self._changes.greeted(now, wrong)
        if hello.ring is None:
            self._alarms.no_ring()
        else:
            self._alarms.ring_heard(hello.ring, now, in_hello=True)
        self._refresh("ring", now)
        if is_new:
            self._outbox.wake(now)
        self.mail.send_events(now)

    def _tick(self, tick, _, now):
        self._clock.set_unix(tick.t)
        if self._presence.tick(tick.engine, now):
            self._outbox.wake(now)

    def _receipt(self, receipt, _, now):
        event = self._outbox.receipt(receipt.id) if self._presence.counts(receipt.engine) else None
        if event:
            if event.type == "test":
                self._changes.receipted()
            self._keeper.settle(event)
            self.mail.send_events(now)

    def _ring(self, ring, _, now):
        self._presence.ring_heard(now)
        self._parts.faults.set("ring", None)
        self._alarms.ring_heard(ring, now)
        self._refresh("ring", now)

    def _call(self, call, sender, now):
        self._alarms.call_heard(sender, call, now, ticking=self._presence.is_ticking(now))
        self._refresh("time", now)

    def _order(self, order, _, now):
        self._errands.take(order, now)
        self._refresh("time", now)

    def _chunk(self, payload, _, now):
        if self._parts.download:
            self._parts.download.chunk(payload, now)

    _HANDLERS = {
        "hello": _hello,
        "tick": _tick,
        "receipt": _receipt,
        "ring": _ring,
        "call": _call,
        "order": _order,
        "chunk": _chunk,
    }
