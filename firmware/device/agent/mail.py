"""What the board says: calls, births, events, answers, reports, each in its turn over the session, if there is one."""

from agent.events import ALARM
from protocol import topics, wire

REPORT_MS = 27_000, 6_000  # at least, and the jitter on top: 30 s on average
# Without mains: a minute on average. The engine misses a board after 80 s, so a report that the link did not take comes soon again.
BATTERY_REPORT_MS = 57_000, 6_000
REPORT_AGAIN_MS = 5_000


class Mail:
    """`parts`: see agent.Parts. `session` is set by main.py where there is a network, else stays None."""

    def __init__(self, parts):
        self._parts = parts
        self._config = parts.config
        self._outbox = parts.outbox
        self._presence = parts.presence
        self._report_due = 0
        self.session = None
        self.refused = 0
        self.dropped = 0  # events given up

    @property
    def up(self):
        """True while something can be sent."""
        return self.session is not None and self.session.up

    def connected(self, now):
        """A new connection: calls first, then the birth, then every event."""
        self.send_calls(self._parts.alarms.reconnected(now, self._parts.panel.active()))
        self._presence.connected(now)
        self._outbox.wake(now)
        self._parts.orders.wake()
        self.send_due(now)

    def send_due(self, now):
        """Whatever is due now."""
        if not self.up:
            self._hurry()
            return
        if self._parts.faults.take_change():
            self._presence.announce(now)
        if self._presence.take_birth(now):
            self._send_birth()
        self.send_events(now)
        self.send_answers()
        if now >= self._report_due:
            self._send_report(now)

    def send_calls(self, calls):
        """Tell the group."""
        config = self._config
        for call in calls:
            payload = wire.encode_call(id=call.id, k=call.k, type=call.type, pattern=call.pattern)
            self.session.publish(topics.call(config.site, config.group, config.device), payload, urgent=True)

    def send_events(self, now):
        """Tell the engine, as far as places in flight are free."""
        if not self.up:
            self._hurry()
            return
        full = False
        for event in self._outbox.take(now):
            full = full or not self.session.publish(self._topic("event"), self._event(event, now), urgent=event.rank == ALARM)
            if full:
                self._outbox.put_back(event, now)

    def send_answers(self):
        """Tell the engine what became of its orders."""
        if self.up:
            for answer in self._parts.orders.due():
                payload = wire.encode_answer(id=answer.id, ok=answer.ok, error=answer.error, proof=answer.proof)
                if self.session.publish(self._topic("answer"), payload, token=answer.id):
                    self._parts.orders.sent(answer.id)

    def want_report(self):
        """The next report is due now."""
        self._report_due = 0

    def _hurry(self):
        """An alarm must not wait for the end of a back-off."""
        if self.session and not self.session.hurried and self._outbox.has_alarm():
            self.session.hurry()

    def _topic(self, leaf):
        return topics.device(self._config.site, self._config.device, leaf)

    def _event(self, event, now):
        clock = self._parts.clock
        earlier = event.at is None
        return event.payload(
            age=None if earlier else now - event.at,
            t=event.t if earlier else clock.unix(event.at),
            now=self._state_of(event),
            calling=self._parts.alarms.is_calling(event.id, now) or None,
        )

    def _state_of(self, event):
        if event.type == "bell":
            return self._parts.bell.state
        return self._parts.panel.state_of(event.point) or event.state

    def _send_birth(self):
        parts = self._parts
        payload = wire.encode_birth(
            life=parts.identity.life,
            boot=parts.identity.boot,
            kind=self._config.kind,
            fw=parts.version,
            group=self._config.group,
            config=self._config.digest,
            reset=parts.board.reset_reason(),
            active=parts.panel.uncleared(),
            faults=[_printable(text) for text in parts.faults.texts()],
            crash=parts.crashes.text,
            safe=parts.crashes.safe,
            app=parts.app,
            update=parts.update,
        )
        if self.session.publish(self._topic("state"), payload, retain=True):
            parts.crashes.sent()
        else:
            self._presence.announce(self._parts.clock.now())

    def _send_report(self, now):
        parts = self._parts
        mains = parts.panel.state_of("mains")
        least, jitter = BATTERY_REPORT_MS if mains == "active" else REPORT_MS
        self._report_due = now + least + int(parts.random() * jitter)
        payload = wire.encode_report(
            up=now // 1000,
            heap=parts.board.free_memory(),
            rssi=parts.network.rssi(),
            mains=None if mains is None else mains == "clear",
            battery=parts.battery.percent if parts.battery else None,
            waiting=len(self._outbox) - len(self._outbox.stored()) + parts.journal.waiting + len(parts.keeper),
            dropped=self.dropped,
            refused=self.refused,
            erases=parts.wear.erases if parts.wear else None,
            values=self._values(now, mains == "active"),
        )
        if not self.session.publish(self._topic("report"), payload, qos=0):
            self._report_due = now + REPORT_AGAIN_MS

    def _values(self, now, on_battery):
        values = self._parts.panel.values()
        left = self._parts.battery.hours_left(now, on_battery) if self._parts.battery else None
        if left:
            values["hours_left"], values["hours_left_error"] = left
        return values


def _printable(text):
    """A fault as wire.is_text allows it: what the file system or a peer said may hold anything."""
    text = text[: wire.TEXT_MAX]
    for letter in text:
        if not " " <= letter <= "~":
            text = text.replace(letter, "?")
    return text
