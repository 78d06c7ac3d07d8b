"""One MQTT connection after the other, for ever.

A connection starts from nothing (clean session, new packet ids), so what was not acknowledged on the last one is for the caller to
send again.
"""

import asyncio
import gc

from agent import streams
from agent.link import Buffers, Link, LinkLost, Refused, TurnedAway, is_broken_off
from agent.names import Names

CONNECT_MS = 5_000
PUBACK_URGENT_MS = (2_000, 10_000)  # of an alarm: the first, and the longest after reconnects without success
BACK_OFF_MS = (500, 8_000)  # the first and the longest, full jitter below
STEADY_MS = 5_000  # a connection that ended sooner, perhaps because a twin uses our client id, does not end the back-off
REFUSED_MS = 30_000  # a wrong password is not cured by asking again soon
HURRY_STEP_MS = 20
HURRY_MS = 2_000  # the longest wait while an alarm waits for the link
# A twin with our client id ends each of our connections, and we its. So many in a row that the other side has ended, none of which
# has lasted for TWIN_MS: then we wait up to that long too, so that the fight is a slow one and each of the two is heard.
TWIN_AFTER = 5
TWIN_MS = 60_000
# How long at most until the session is heard of again: a network is joined, or nearly, within 20 s, a name server asked for 6, and a
# connection opened within 5.
READY_S = 30
CONNECT_S = 10


class Listener:
    """Whom a session tells; the agent is one. None of these may block. What a listener does not define, it does not care for."""

    def link_up(self, refused):
        """Connected and subscribed. `refused`: the topic filters that the broker did not grant."""

    def link_down(self, why, turned_away):
        """A connection that was up, or that was tried, is over. `turned_away`: the broker did not take us, or we did not trust it."""

    def message(self, topic, payload, retained):
        """A message; `topic` and `payload` are None for one that was too long or had an unreadable topic.

        `payload` is a view of the link's buffer: whoever wants to keep it copies it before returning.
        """

    def delivered(self, token):
        """The broker has acknowledged what was published with this token."""

    def alive(self, within_s):
        """The session does its work, and will say so again within so many seconds."""

    def stumbled(self, exc):
        """A message has tripped our own code."""


class Session:
    """`addresses`: [(host, port)], tried in turn. `clock`: clock.Clock. `random()`: 0 up to 1.
    `topics()`: [(filter, QoS)]; asked for at each connection, since to keep them takes 1 kB of a 64-bit heap.

    `ready()` is awaited before each connect and returns when there is a network. `tls`: tls.Tls, or None for a link without.
    `buffers`: link.Buffers, made before the heap was in pieces, or None. `name_server`: see names.Names.
    """

    def __init__(self, account, addresses, topics, listener, *, clock, random, ready, tls=None, buffers=None, name_server=None):
        self._account = account
        self._addresses = addresses
        self._topics = topics
        self._listener = listener
        self._clock = clock
        self._random = random
        self._ready = ready
        self._tls = tls
        self._link = None
        self._buffers = buffers or Buffers()
        self._names = Names(clock, name_server)
        self._hurry = False
        self._failures = 0  # connections, or tries, since the last that brought anything to the broker
        self._refused = False  # since then a broker has refused us, or we have refused it
        self._unsteady = 0  # connections, or tries, since the last that lasted
        self._taken = 0  # connections in a row that the other side has ended soon
        self._since = 0
        self.hurried = False

    @property
    def up(self):
        """True while messages can be sent."""
        return self._link is not None and self._link.subscribed

    def publish(self, topic, payload, *, qos=1, retain=False, urgent=False, token=None):
        """Send over the present connection. False if there is none or it is full: the caller sends it again later.

        `urgent`: an alarm, whose PUBACK deadline is short. `token`: what Listener.delivered will name.
        """
        return self.up and self._link.publish(topic, payload, qos=qos, retain=retain, urgent=urgent, token=token)

    def has_twin(self, now):
        """True if our connections are ended again and again, as by another board with our client id; until one lasts."""
        return self._taken >= TWIN_AFTER and not (self.up and now - self._since >= TWIN_MS)

    def hurry(self):
        """An alarm waits: try to connect now and soon again."""
        self.hurried = True
        self._hurry = True

    def drop(self, why):
        """End the present connection; another will follow."""
        if self._link:
            self._link.end(LinkLost(why))

    async def run(self):
        """Never returns."""
        turn = 0
        while True:
            self._since = self._clock.now()
            refused = taken = False
            try:
                self._listener.alive(READY_S)
                await self._ready()
                self._listener.alive(CONNECT_S)
                await self._connection(self._addresses[turn % len(self._addresses)])
            except Exception as exc:
                # Every kind has been seen here: OSError, ValueError (TLS), EOFError, MemoryError.
                taken = self._link is not None and self._link.accepted and is_broken_off(exc)
                if isinstance(exc, MemoryError):
                    self._listener.stumbled(exc)
                if self._link and not self._link.accepted:
                    exc = self._explained(exc)
                refused = isinstance(exc, Refused)
                # A broker that goes away in the middle of a handshake is no news beside a refusal.
                self._listener.link_down(_words(exc), refused or (isinstance(exc, TurnedAway) and not self._refused))
            worked = self._link is not None and self._link.worked
            lasted_ms = self._clock.now() - self._since
            self._taken = self._taken + 1 if taken and lasted_ms < TWIN_MS else 0
            if not worked:
                self._names.doubt()
            self._link = None
            self._refused = refused or (self._refused and not worked)
            gc.collect()  # the next connection wants its buffers each in one piece
            self._failures = 0 if worked else self._failures + 1
            self._unsteady = 0 if worked and lasted_ms >= STEADY_MS else self._unsteady + 1
            self.hurried = self.hurried and not worked
            turn += 1
            await self._pause(self._wait_ms(refused))

    def _wait_ms(self, refused):
        if self._taken >= TWIN_AFTER:
            return TWIN_MS
        return REFUSED_MS if refused else _doubled(BACK_OFF_MS, max(0, self._unsteady - 1))

    def _explained(self, exc):
        """`exc` has ended a connection before the broker's CONNACK."""
        if self._tls:
            return self._tls.explain(exc)
        return TurnedAway("closed by the broker before CONNACK, as one that wants TLS does (%s)" % exc) if is_broken_off(exc) else exc

    async def _connection(self, address):
        address = await self._names.address(*address)
        self._listener.alive(CONNECT_S)
        stream = await streams.connect(address, self._tls, self._clock, CONNECT_MS)
        try:
            urgent_ms = _doubled(PUBACK_URGENT_MS, self._failures)
            self._link = Link(
                (stream, stream),
                self._account,
                self._topics,
                self._listener,
                buffers=self._buffers,
                clock=self._clock,
                urgent_ms=urgent_ms,
            )
            await self._link.run()
        finally:
            stream.close()

    async def _pause(self, wait_ms):
        """Full jitter, so that a commune of boards does not come back in one instant."""
        limit = min(wait_ms, HURRY_MS) if self.hurried else wait_ms
        self._listener.alive(limit // 1000 + CONNECT_S)
        self._hurry = False
        until = self._clock.now() + int(self._random() * limit)
        left = until - self._clock.now()
        while left > 0 and not self._hurry:
            await asyncio.sleep(min(left, HURRY_STEP_MS) / 1000)
            left = until - self._clock.now()


def _words(exc):
    return str(exc) if isinstance(exc, LinkLost) else "%s %s" % (type(exc).__name__, exc)


def _doubled(limits, times):
    """The first of `limits`, doubled so many times, at most the second."""
    first, longest = limits
    return min(longest, first << min(times, 8))
