"""The agent: puts the pure modules together and runs them. What people hear never waits for the flash or the network.

At a press, in this order: the own bell, the call to the group, the event into the journal, the event to the engine.
"""

import asyncio
import gc
import sys

from agent import orders
from agent.bell import Cause
from agent.events import ALARM, ALARM_TYPES, Event
from agent.session import Listener
from protocol import topics, wire
from protocol.wire import DecodeError

POLL_MS = 10
PULSE_MS = 100
SETTLE_MS = 20  # between an alarm's call and its write to flash, so that the call has left the board
RESUME_MS = 200  # after the start: the contacts have settled
BATTERY_MS = 1_000
REPORT_MS = 27_000, 6_000  # at least, and the jitter on top: 30 s on average
RESTART_MS = 2_000  # for the answer to leave
BELL = "bell"
SELF_TEST = "self-test"


class Agent(Listener):
    """`parts` is a Parts: what main.py has found on this board. `session` is set before run() unless there is no network."""

    def __init__(self, parts):
        self._parts = parts
        self._config = parts.config
        self._identity = parts.identity
        self._clock = parts.clock
        self._alarms = parts.alarms
        self._bell = parts.bell
        self._points = parts.points
        self._battery = parts.battery
        self._outbox = parts.outbox
        self._presence = parts.presence
        self._orders = parts.orders
        self._jobs = []  # (rank, function, event) for the journal
        self._work = asyncio.Event()
        self._faults = {}
        self._trial = None
        self._resumed = False
        self._restart_at = None
        self._battery_due = 0
        self._report_due = 0
        self._report_wanted = False
        self._last_loss = None
        self.session = None
        self.refused = 0
        for text in parts.faults:
            self._faults[text] = text

    async def ready(self):
        """Return when there is a network: see session.Session."""
        await self._parts.network.ready()

    async def run(self):
        """Never returns."""
        loops = [self._each(POLL_MS, self._poll), self._each(PULSE_MS, self._pulse), self._keep()]
        if self.session:
            loops.append(self.session.run())
        await asyncio.gather(*loops)

    # The loops. None of them may end: an exception in one step must not cost the next.

    async def _each(self, period_ms, step):
        while True:
            try:
                step(self._clock.now())
            except Exception as exc:
                sys.print_exception(exc)
            await asyncio.sleep_ms(period_ms)

    async def _keep(self):
        """The only task that writes to flash."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._jobs:
                if self._jobs[0][0] == ALARM:
                    await asyncio.sleep_ms(SETTLE_MS)
                _, job, event = self._jobs.pop(0)
                try:
                    job(event)
                except Exception as exc:
                    sys.print_exception(exc)
                await asyncio.sleep_ms(0)

    def _poll(self, now):
        for point in self._points:
            if point.contact.sample(point.read(), now):
                self._changed(point, "active" if point.contact.active else "clear", now)
        facts = self._bell.poll(now)
        if facts:
            self._report_bell(facts, now)

    def _pulse(self, now):
        self._resume(now)
        self._alarms.expire(now, self._active_names())
        self._send_calls(self._alarms.take_calls(now, self._is_up()))
        self._end_trial(now)
        self._refresh_bell("time", now)
        self._watch_battery(now)
        if self._restart_at is not None and now >= self._restart_at:
            self._parts.board.reset()
        if not self._is_up():
            self._hurry()
            return
        self._watch_rings(now)
        if self._presence.take_birth(now):
            self._send_birth()
        self._send_events(now)
        self._send_answers()
        if now >= self._report_due or self._report_wanted:
            self._send_report(now)

    # What happens on the board.

    def _changed(self, point, state, now):
        event = self._new_event(point.name, point.type, state, now)
        point.state = state
        point.event_id = event.id
        by = "time"
        if point.type == "key":
            by = "key"
            if state == "active":
                self._alarms.key(self._bell.sound, now)
        elif state == "active":
            self._alarms.raised(point, event.id, now)
        else:
            self._alarms.cleared(point)
        calls = self._alarms.take_calls(now, self._is_up())
        self._refresh_bell(by, now)
        self._send_calls(calls)
        self._hurry()
        self._add_job(event.rank, self._store, event)

    def _new_event(self, point, kind, state, now, **bell):
        return Event(self._identity.next_id(), point, kind, state, at=now, t=self._clock.unix(now), **bell)

    def _resume(self, now):
        if self._resumed or now < RESUME_MS:
            return
        self._resumed = True
        start = self._identity.start + "-"
        for point in self._points:
            if point.type in ALARM_TYPES and point.state == "active" and not point.event_id.startswith(start):
                self._alarms.resumed(point, now)

    def _watch_battery(self, now):
        if self._battery is None or now < self._battery_due:
            return
        self._battery_due = now + BATTERY_MS
        state = self._battery.sample()
        point = self._battery.point
        if state != point.state:
            self._changed(point, state, now)

    def _refresh_bell(self, by, now):
        causes = self._alarms.causes(now)
        if self._trial:
            causes.append(Cause(self._trial.sound, None))
        if not self._config.networked:
            causes.append(Cause("fault", None))
        self._report_bell(self._bell.update(causes, by, now), now)

    def _report_bell(self, facts, now):
        """Proofs stay in RAM: after a restart nothing sounds, so there is nothing left to prove."""
        for fact in facts:
            cause, k, n = fact.answer
            self._post(self._new_event(BELL, BELL, fact.state, now, cause=cause, k=k, n=n, proof=fact.proof, by=fact.by), now)
        if facts:
            self._send_events(now)

    # The journal.

    def _add_job(self, rank, job, event):
        place = 0
        while place < len(self._jobs) and self._jobs[place][0] <= rank:
            place += 1
        self._jobs.insert(place, (rank, job, event))
        self._work.set()

    def _store(self, event):
        try:
            self._parts.journal.put(event)
            self._fault("journal", None)
        except OSError as exc:
            self._fault("journal", "journal: not writable (%s)" % exc)
        now = self._clock.now()
        self._post(event, now)
        self._send_events(now)

    def _settle(self, event):
        self._parts.journal.settle(event)

    def _post(self, event, now):
        given_up = self._outbox.add(event, now)
        if given_up and given_up.stored:
            self._add_job(given_up.rank, self._settle, given_up)

    # What goes out.

    def _is_up(self):
        return self.session is not None and self.session.up

    def _hurry(self):
        if self.session and not self.session.up and not self.session.hurried and (self._outbox.has_alarm() or self._bell.sound == "fire"):
            self.session.hurry()

    def _topic(self, leaf):
        return topics.device(self._config.site, self._config.device, leaf)

    def _send_calls(self, calls):
        for call in calls:
            payload = wire.encode_call(id=call.id, k=call.k, type=call.type, pattern=call.pattern)
            self.session.publish(topics.call(self._config.site, self._config.group, self._config.device), payload, urgent=True)

    def _send_birth(self):
        identity = self._identity
        payload = wire.encode_birth(
            life=identity.life,
            boot=identity.boot,
            kind=self._config.kind,
            fw=self._parts.version,
            group=self._config.group,
            reset=self._parts.board.reset_reason(),
            active={point.name: point.event_id for point in self._all_points() if point.state != "clear"},
            faults=[text[: wire.TEXT_MAX] for text in self._faults.values()],
        )
        self.session.publish(self._topic("state"), payload, retain=True)

    def _send_events(self, now):
        if not self._is_up():
            return
        for event in self._outbox.take(now):
            age = None if event.at is None else now - event.at
            payload = event.payload(
                age=age,
                t=event.t if age is None else self._clock.unix(event.at),
                now=self._state_of(event),
                calling=True if self._alarms.is_calling(event.id, now) else None,
            )
            self.session.publish(self._topic("event"), payload, urgent=event.rank == ALARM)

    def _send_answers(self):
        for answer in self._orders.take():
            payload = wire.encode_answer(id=answer.id, ok=answer.ok, error=answer.error)
            self.session.publish(self._topic("answer"), payload, token=answer.id)

    def _send_report(self, now):
        least, jitter = REPORT_MS
        self._report_due = now + least + int(self._parts.random() * jitter)
        self._report_wanted = False
        gc.collect()
        payload = wire.encode_report(
            up=now // 1000,
            heap=gc.mem_free(),
            rssi=self._parts.network.rssi(),
            battery=self._battery.percent if self._battery else None,
            waiting=len(self._outbox) + len(self._jobs),
            dropped=self._outbox.dropped,
            refused=self.refused,
        )
        self.session.publish(self._topic("report"), payload, qos=0)

    def _state_of(self, event):
        if event.point == BELL:
            return self._bell.state
        for point in self._all_points():
            if point.name == event.point:
                return point.state
        return event.state

    def _all_points(self):
        return self._points + [self._battery.point] if self._battery else self._points

    def _active_names(self):
        return [point.name for point in self._points if point.state == "active"]

    def _fault(self, key, text):
        """Set a fault of the board, or clear it with None; the birth says which there are."""
        if text == self._faults.get(key):
            return
        if text is None:
            del self._faults[key]
        else:
            self._faults[key] = text
        if self._is_up():
            self._presence.announce(self._clock.now())

    # What comes in: see session.Listener.

    def link_up(self, refused):
        """Calls first, then the birth, then every event."""
        now = self._clock.now()
        self._last_loss = None
        self._fault("rights", "subscription refused: %s" % ", ".join(refused) if refused else None)
        self._send_calls(self._alarms.reconnected(now, self._active_names()))
        self._presence.connected(now)
        if self._presence.take_birth(now):
            self._send_birth()
        self._outbox.wake(now)
        self._orders.wake()
        self._send_events(now)

    def link_down(self, why):
        """Say so once for each reason."""
        if why != self._last_loss:
            print("link: %s" % why)
        self._last_loss = why

    def delivered(self, token):
        """The broker has an answer."""
        self._orders.delivered(token)

    def message(self, topic, payload, retained):
        """Decode first, so that each payload that does not decode is counted, whoever it was for."""
        place = topics.parse(self._config.site, topic) if topic is not None else None
        if place is None or place[0] not in self._DECODERS:
            self.refused += 1
            return
        name, _, sender = place
        try:
            message = self._DECODERS[name](payload)
        except DecodeError:
            self.refused += 1
            return
        if not retained:
            self._HANDLERS[name](self, message, sender, self._clock.now())

    def _hello(self, hello, _, now):
        is_new = self._presence.hello(hello)
        if is_new is None:
            return
        self._clock.set_unix(hello.t)
        wrong = hello.group is not None and hello.group != self._config.group
        self._fault("group", "group %s expected, configured for %s" % (hello.group, self._config.group) if wrong else None)
        if hello.ring is None:
            self._alarms.no_ring()
        else:
            self._alarms.ring_heard(hello.ring, now, in_hello=True)
        self._refresh_bell("ring", now)
        if is_new:
            self._outbox.wake(now)
        self._send_events(now)

    def _tick(self, tick, _, now):
        self._clock.set_unix(tick.t)
        if self._presence.tick(tick.engine, now):
            self._outbox.wake(now)

    def _receipt(self, receipt, _, now):
        if not self._presence.counts(receipt.engine):
            return
        event = self._outbox.receipt(receipt.id)
        if event and event.stored:
            self._add_job(event.rank + 10, self._settle, event)
        self._send_events(now)

    def _ring(self, ring, _, now):
        self._presence.ring_heard(now)
        self._fault("ring", None)
        self._alarms.ring_heard(ring, now)
        self._refresh_bell("ring", now)

    def _call(self, call, sender, now):
        self._alarms.call_heard(sender, call, now, ticking=self._presence.is_ticking(now))
        self._refresh_bell("time", now)

    def _watch_rings(self, now):
        if self._presence.is_deaf(now):
            self._fault("ring", "no ring of group %s heard" % self._config.group)
            self._presence.ring_heard(now)
            self.session.drop("no ring heard")

    # Orders.

    def _order(self, order, _, now):
        if self._orders.is_new(order):
            error = self._carry_out(order, now)
            if error is not None or order.do not in ("test", "identify") or order.what == SELF_TEST:
                self._orders.answer(order.id, error)
        self._send_answers()

    def _carry_out(self, order, now):
        """None, or why not. A sounding answers when it is over."""
        if order.do in ("test", "identify"):
            return self._try_out(order, now)
        if order.do == "silence":
            self._alarms.key(self._bell.sound, now)
            self._refresh_bell("ring", now)
        elif order.do == "report":
            self._report_wanted = True
        elif order.do == "restart":
            return self._restart(order, now)
        else:
            return "not supported: %s" % order.do
        return None

    def _try_out(self, order, now):
        if order.do == "test" and order.what == SELF_TEST:
            self._post(self._new_event(SELF_TEST, "test", "active", now), now)
            return None
        if order.what not in (None, BELL):
            return "not supported: %s of %s" % (order.do, order.what)
        if self._bell.sound not in (None, "fault"):
            return "the bell sounds"
        self._trial = orders.trial(order, now)
        self._refresh_bell("time", now)
        return None

    def _end_trial(self, now):
        if self._trial and now >= self._trial.until:
            trial = self._trial
            self._trial = None
            failed = trial.sound == "test" and not self._bell.has_proof(trial.since)
            self._orders.answer(trial.id, "no current seen on bell" if failed else None)

    def _restart(self, order, now):
        if self._bell.sound not in (None, "fault"):
            return "the bell sounds"
        try:
            self._orders.keep(order.id)
        except OSError as exc:
            return "journal: not writable (%s)" % exc
        self._restart_at = now + RESTART_MS
        return None

    _DECODERS = {
        "hello": wire.decode_hello,
        "receipt": wire.decode_receipt,
        "order": wire.decode_order,
        "tick": wire.decode_tick,
        "ring": wire.decode_ring,
        "call": wire.decode_call,
    }
    _HANDLERS = {"hello": _hello, "receipt": _receipt, "order": _order, "tick": _tick, "ring": _ring, "call": _call}


class Parts:
    """What an agent is made of: each attribute is the object of the module of that name."""

    def __init__(self, **parts):
        for name, part in parts.items():
            setattr(self, name, part)
