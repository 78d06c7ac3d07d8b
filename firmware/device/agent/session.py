"""One MQTT connection after the other, for ever. Whatever is late ends the connection: nothing is cut off and then gone on with.

A connection starts from nothing (clean session, new packet ids), so what was not acknowledged on the last one is for the caller to
send again.
"""

import asyncio
import sys

from agent import mqtt_codec
from agent.mqtt_codec import Connack, Pingresp, ProtocolError, Puback, Publish, Pubrel, Suback, Unreadable

KEEP_ALIVE_S = 20
PING_AFTER_MS = 15_000  # without a packet in either direction
PINGRESP_MS = 10_000  # a dead link is noticed after 25 s, within 1.5 keep-alives
CONNECT_MS = 5_000
CONNACK_MS = 5_000
SUBACK_MS = 5_000
PUBACK_URGENT_MS = (2_000, 10_000)  # of an alarm: the first, and the longest after reconnects without success
PUBACK_MS = 10_000
IN_FLIGHT = 32
QUEUE_MAX = 16_384  # bytes that wait for a link that takes none
READ_SIZE = 1_024
CHECK_MS = 100
BACK_OFF_MS = (500, 8_000)  # the first and the longest, full jitter below
REFUSED_MS = 30_000  # a wrong password is not cured by asking again soon
HURRY_MS = 2_000  # the longest wait while an alarm waits for the link


class LinkLost(Exception):
    """The connection is over, and why."""


class Refused(LinkLost):
    """The broker does not want us: CONNACK codes 1 to 5 (section 3.2.2.3)."""


class Account:
    """As whom to connect, and the last will. `password` "" for a broker that wants none."""

    def __init__(self, device, password, will_topic, will_payload):
        self.device = device
        self.password = password
        self.will_topic = will_topic
        self.will_payload = will_payload


class Listener:
    """Whom a session tells. None of these may block; the agent is one."""

    def link_up(self, refused):
        """Connected and subscribed. `refused`: the topic filters that the broker did not grant."""
        raise NotImplementedError

    def link_down(self, why):
        """A connection that was up, or that was tried, is over."""
        raise NotImplementedError

    def message(self, topic, payload, retained):
        """A message; `topic` and `payload` are None for one that was too long or had an unreadable topic."""
        raise NotImplementedError

    def delivered(self, token):
        """The broker has acknowledged what was published with this token."""
        raise NotImplementedError


class Session:
    """`addresses`: [(host, port)], tried in turn. `topics`: [(filter, QoS)]. `clock`: clock.Clock. `random()`: 0 up to 1.

    `ready()` is awaited before each connect and returns when there is a network.
    """

    def __init__(self, account, addresses, topics, listener, *, clock, random, ready):
        self._account = account
        self._addresses = addresses
        self._topics = topics
        self._listener = listener
        self._clock = clock
        self._random = random
        self._ready = ready
        self._link = None
        self._hurry = asyncio.Event()
        self.hurried = False
        self.failures = 0  # connections, or tries, since the last that brought anything to the broker
        self._worked = False

    @property
    def up(self):
        """True while messages can be sent."""
        return self._link is not None and self._link.subscribed

    def publish(self, topic, payload, *, qos=1, retain=False, urgent=False, token=None):
        """Send over the present connection. False if there is none or it is full: the caller sends it again later."""
        return self.up and self._link.publish(topic, payload, qos, retain, urgent, token)

    def hurry(self):
        """An alarm waits: try to connect now and soon again."""
        self.hurried = True
        self._hurry.set()

    def drop(self, why):
        """End the present connection; another will follow."""
        if self._link:
            self._link.end(LinkLost(why))

    async def run(self):
        """Never returns."""
        turn = 0
        while True:
            wait_ms = self._back_off_ms()
            self._worked = False
            try:
                await self._ready()
                await self._connection(self._addresses[turn % len(self._addresses)])
            except Refused as exc:
                wait_ms = REFUSED_MS
                self._listener.link_down(str(exc))
            except Exception as exc:
                # Every kind has been seen here: OSError, ValueError (TLS), EOFError, MemoryError.
                self._listener.link_down("%s %s" % (type(exc).__name__, exc))
            self._link = None
            turn += 1
            self.failures = 0 if self._worked else self.failures + 1
            await self._pause(wait_ms)

    def _back_off_ms(self):
        first, longest = BACK_OFF_MS
        return min(longest, first << min(self.failures, 10))

    async def _pause(self, wait_ms):
        """Full jitter, so that a commune of boards does not come back in one instant."""
        limit = min(wait_ms, HURRY_MS) if self.hurried else wait_ms
        self._hurry.clear()
        try:
            await asyncio.wait_for(self._hurry.wait(), self._random() * limit / 1000)
        except asyncio.TimeoutError:
            pass

    async def _connection(self, address):
        reader, writer = await asyncio.wait_for(asyncio.open_connection(*address), CONNECT_MS / 1000)
        try:
            self._link = Link(self, reader, writer)
            await self._link.run()
        finally:
            writer.close()
            await writer.wait_closed()

    # What a Link asks of its session.

    @property
    def account(self):
        """Who we are."""
        return self._account

    @property
    def topics(self):
        """What to subscribe to."""
        return self._topics

    @property
    def listener(self):
        """Whom to tell."""
        return self._listener

    def now(self):
        """clock.now()."""
        return self._clock.now()

    def succeeded(self):
        """The broker has acknowledged a message: this connection works."""
        self.failures = 0
        self._worked = True
        self.hurried = False


class Link:
    """One connection, from CONNECT to its end."""

    def __init__(self, session, reader, writer):
        self._session = session
        self._reader = reader
        self._writer = writer
        self._over = asyncio.Event()
        self._why = None
        self._queue = []
        self._queued = 0
        self._wake = asyncio.Event()
        self._packet_id = 0
        self._deadlines = {}  # packet id, "connack" or "ping" -> clock.now()
        self._tokens = {}  # packet id -> token
        self._heard = session.now()
        self._said = session.now()
        self._subscription = None
        self.subscribed = False

    async def run(self):
        """Until the connection is lost: always ends with an exception."""
        account = self._session.account
        self._deadlines["connack"] = self._session.now() + CONNACK_MS
        self._send(
            mqtt_codec.connect(
                account.device,
                KEEP_ALIVE_S,
                will_topic=account.will_topic,
                will_payload=account.will_payload,
                user=account.device if account.password else None,
                password=account.password or None,
            )
        )
        tasks = [asyncio.create_task(self._guard(part())) for part in (self._read, self._write, self._watch)]
        try:
            await self._over.wait()
        finally:
            self.subscribed = False
            for task in tasks:
                task.cancel()
        raise self._why

    def end(self, why):
        """Close the connection because of the exception `why`; the first reason counts."""
        if self._why is None:
            self._why = why
        self._over.set()

    def publish(self, topic, payload, qos, retain, urgent, token):
        """See Session.publish."""
        if len(self._deadlines) >= IN_FLIGHT or self._queued > QUEUE_MAX:
            return False
        packet_id = None
        if qos:
            packet_id = self._next_id()
            self._deadlines[packet_id] = self._session.now() + self._patience_ms(urgent)
            if token is not None:
                self._tokens[packet_id] = token
        self._send(mqtt_codec.publish(topic, payload, qos=qos, retain=retain, packet_id=packet_id))
        return True

    def _patience_ms(self, urgent):
        first, longest = PUBACK_URGENT_MS
        return min(longest, first << min(self._session.failures, 3)) if urgent else PUBACK_MS

    async def _guard(self, part):
        try:
            await part
        except Exception as exc:
            self.end(exc)

    async def _read(self):
        packets = mqtt_codec.Reader()
        while True:
            data = await self._reader.read(READ_SIZE)
            if not data:
                raise LinkLost("closed by the broker")
            self._heard = self._session.now()
            for packet in packets.feed(data):
                self._take(packet)

    async def _write(self):
        """The only writer: a drain that is interrupted would lose bytes, so it ends only with the connection."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                data = b"".join(self._queue)
                self._queue.clear()
                self._queued = 0
                self._writer.write(data)
                await self._writer.drain()
                self._said = self._session.now()

    async def _watch(self):
        while True:
            await asyncio.sleep(CHECK_MS / 1000)
            now = self._session.now()
            for what, deadline in self._deadlines.items():
                if now > deadline:
                    raise LinkLost("no answer in time (%s)" % what)
            if "ping" not in self._deadlines and (now - self._heard > PING_AFTER_MS or now - self._said > PING_AFTER_MS):
                self._deadlines["ping"] = now + PINGRESP_MS
                self._send(mqtt_codec.PINGREQ)

    def _send(self, data):
        self._queue.append(data)
        self._queued += len(data)
        self._wake.set()
        if self._queued > 2 * QUEUE_MAX:
            self.end(LinkLost("%d bytes wait" % self._queued))

    def _take(self, packet):
        if isinstance(packet, (Publish, Unreadable, Pubrel)):
            self._receive(packet)
        elif isinstance(packet, Puback):
            self._acknowledged(packet.packet_id)
        elif isinstance(packet, Pingresp):
            self._deadlines.pop("ping", None)
        elif isinstance(packet, Connack):
            self._accepted(packet.code)
        elif isinstance(packet, Suback):
            self._granted(packet)

    def _receive(self, packet):
        if isinstance(packet, Publish):
            self._tell(packet.topic, packet.payload, packet.retain)
        elif isinstance(packet, Unreadable):
            self._tell(None, None, False)
        answer = mqtt_codec.acknowledge(packet)
        if answer:
            self._send(answer)

    def _tell(self, topic, payload, retained):
        try:
            self._session.listener.message(topic, payload, retained)
        except Exception as exc:
            # A message that trips our own code would trip it on every connection, were it not acknowledged.
            sys.print_exception(exc)

    def _acknowledged(self, packet_id):
        if self._deadlines.pop(packet_id, None) is None:
            return
        self._session.succeeded()
        if packet_id in self._tokens:
            self._session.listener.delivered(self._tokens.pop(packet_id))

    def _accepted(self, code):
        if self._deadlines.pop("connack", None) is None:
            raise ProtocolError("a second CONNACK")
        if code:
            raise Refused("refused by the broker, CONNACK %d" % code)
        self._subscription = self._next_id()
        self._deadlines[self._subscription] = self._session.now() + SUBACK_MS
        self._send(mqtt_codec.subscribe(self._subscription, self._session.topics))

    def _granted(self, packet):
        topics = self._session.topics
        if packet.packet_id != self._subscription or len(packet.codes) != len(topics):
            raise ProtocolError("a SUBACK that answers nothing")
        del self._deadlines[packet.packet_id]
        self._subscription = None
        self.subscribed = True
        self._session.listener.link_up([topic for (topic, _), code in zip(topics, packet.codes) if code > 2])

    def _next_id(self):
        while True:
            self._packet_id = self._packet_id % 0xFFFF + 1
            if self._packet_id not in self._deadlines:
                return self._packet_id
