"""One MQTT connection, from CONNECT to its end. Whatever is late ends it: nothing is cut off and then gone on with."""

import asyncio
import errno

from agent import mqtt_codec
from agent.mqtt_codec import CONNACK, PINGRESP, PUBACK, PUBREL, SUBACK, ProtocolError, Publish

KEEP_ALIVE_S = 20
PING_AFTER_MS = 15_000  # without a packet in either direction
PINGRESP_MS = 10_000  # a dead link is noticed after 25 s, within 1.5 keep-alives
CONNACK_MS = 5_000
SUBACK_MS = 5_000
PUBACK_MS = 10_000
IN_FLIGHT = 16
PACKET = 64  # bytes of a 64-bit heap that a packet takes besides its own
TOGETHER = 60  # bytes: shorter packets wait as one, acknowledgements as a rule
QUEUE_MAX = 640  # bytes of the heap that wait for a link that takes none: then nothing more is published, unless it is an alarm
QUEUE_END = 12 * QUEUE_MAX  # and here, full of acknowledgements, the connection ends
BUFFER = 512
CHECK_MS = 100
ALIVE_S = 10
BROKEN_OFF = (errno.ECONNRESET, errno.ECONNABORTED, 32)  # 32 is EPIPE, which MicroPython's errno does not name
GRANTED_MAX = 2  # a SUBACK code above is a refusal (section 3.9.3)


class Buffers:
    """Made once and used by one link after the other: so long a block is hard to find in a heap that has been in use for months."""

    def __init__(self):
        self.write = memoryview(bytearray(BUFFER))
        self.packets = bytearray(mqtt_codec.HOLDS)


class LinkLost(Exception):
    """The connection is over, and why."""


class TurnedAway(LinkLost):
    """The broker has ended the connection before it took us."""


class Refused(TurnedAway):
    """It will not do otherwise soon: CONNACK codes 1 to 5 (section 3.2.2.3), or one of us does not trust the other."""


class Closed(LinkLost):
    """The broker has ended the connection after it had taken us."""


def is_broken_off(exc):
    """True if the other end has closed the connection, by the exception that has ended it."""
    return type(exc) in (TurnedAway, Closed) or (isinstance(exc, OSError) and exc.args[0] in BROKEN_OFF)


class Account:
    """As whom to connect, and the last will. `password` "" for a broker that wants none."""

    def __init__(self, device, password, will_topic, will_payload):
        self.device = device
        self.password = password
        self.will_topic = will_topic
        self.will_payload = will_payload

    def connect(self):
        """The CONNECT packet."""
        return mqtt_codec.connect(
            self.device,
            KEEP_ALIVE_S,
            will_topic=self.will_topic,
            will_payload=self.will_payload,
            user=self.device if self.password else None,
            password=self.password or None,
        )


class Link:
    """`topics` and `listener`: see session.Session. `urgent_ms`: the PUBACK deadline of an alarm. One link at a time uses `buffers`.

    `accepted` is True once the broker has taken us, `subscribed` while messages can be sent, `worked` once it has acknowledged one.
    """

    def __init__(self, streams, account, topics, listener, *, buffers, clock, urgent_ms):
        self._buffers = buffers
        self._reader, self._writer = streams
        self._account = account
        self._topics = topics
        self._listener = listener
        self._clock = clock
        self._urgent_ms = urgent_ms
        self._over = asyncio.Event()
        self._why = None
        self._queue = []
        self._queued = 0
        self._wake = asyncio.Event()
        self._packet_id = 0
        self._deadlines = {}  # packet id, "CONNACK" or "PINGRESP" -> clock.now()
        self._tokens = {}  # packet id -> token
        self._heard = self._said = clock.now()
        self._subscription = None
        self.accepted = False
        self.subscribed = False
        self.worked = False

    async def run(self):
        """Until the connection is lost: always ends with an exception."""
        self._deadlines["CONNACK"] = self._clock.now() + CONNACK_MS
        self._send(self._account.connect())
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

    def publish(self, topic, payload, *, qos, retain, urgent, token):
        """See session.Session.publish. An alarm is never refused: on a link that takes nothing its deadline must run."""
        if not urgent and (len(self._deadlines) >= IN_FLIGHT or self._queued > QUEUE_MAX):
            return False
        packet_id = None
        if qos:
            packet_id = self._next_id()
            self._deadlines[packet_id] = self._clock.now() + (self._urgent_ms if urgent else PUBACK_MS)
            if token is not None:
                self._tokens[packet_id] = token
        self._send(mqtt_codec.publish(topic, payload, qos=qos, retain=retain, packet_id=packet_id))
        return True

    async def _guard(self, part):
        try:
            await part
        except Exception as exc:
            self.end(exc)

    async def _read(self):
        packets = mqtt_codec.Reader(self._buffers.packets)
        while True:
            length = await self._reader.readinto(packets.space())
            if length is None:  # TLS: a piece of a record
                continue
            if not length:
                raise (Closed if self.accepted else TurnedAway)("closed by the broker")
            self._heard = self._clock.now()
            for packet in packets.received(length):
                self._take(packet)
                if self._queued > QUEUE_MAX:
                    await asyncio.sleep(0)
            packet = None  # it would keep the room of a long one until the next comes, and two of them are hard to find

    async def _write(self):
        """The only writer: a drain that is interrupted would lose bytes, so it ends only with the connection."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                self._writer.write(self._next_write())
                await self._writer.drain()
                self._said = self._clock.now()

    def _next_write(self):
        """Short packets together, so that none waits for the acknowledgement of the one before it (Nagle)."""
        first = self._queue.pop(0)
        length = len(first)
        self._queued -= length + PACKET
        if length > BUFFER or not self._queue:
            return first
        buffer = self._buffers.write
        buffer[:length] = first
        while self._queue and length + len(self._queue[0]) <= BUFFER:
            data = self._queue.pop(0)
            self._queued -= len(data) + PACKET
            buffer[length : length + len(data)] = data
            length += len(data)
        return buffer[:length]

    async def _watch(self):
        while True:
            await asyncio.sleep(CHECK_MS / 1000)
            self._listener.alive(ALIVE_S)
            now = self._clock.now()
            for what, deadline in self._deadlines.items():
                if now > deadline:
                    raise LinkLost("no answer in time (%s)" % what)
            if "PINGRESP" not in self._deadlines and (now - self._heard > PING_AFTER_MS or now - self._said > PING_AFTER_MS):
                self._deadlines["PINGRESP"] = now + PINGRESP_MS
                self._send(mqtt_codec.PINGREQ)

    def _send(self, data):
        if self._queue and len(self._queue[-1]) + len(data) <= TOGETHER:
            self._queue[-1] += data
            self._queued += len(data)
        else:
            self._queue.append(data)
            self._queued += len(data) + PACKET
        self._wake.set()
        if self._queued > QUEUE_END:
            self.end(LinkLost("%d bytes wait" % self._queued))

    def _take(self, packet):
        if isinstance(packet, Publish):
            self._tell(packet.topic, packet.payload, packet.retain)
            self._answer(packet)
        elif packet.type == PUBREL:
            self._answer(packet)
        elif packet.type == PUBACK:
            self._acknowledged(packet.packet_id)
        elif packet.type == PINGRESP:
            self._deadlines.pop("PINGRESP", None)
        elif packet.type == CONNACK:
            self._accepted(packet.content)
        elif packet.type == SUBACK:
            self._granted(packet)

    def _answer(self, packet):
        answer = mqtt_codec.acknowledge(packet)
        if answer:
            self._send(answer)

    def _tell(self, topic, payload, retained):
        try:
            self._listener.message(topic, payload, retained)
        except Exception as exc:
            # A message that trips our own code would trip it on every connection, were it not acknowledged.
            self._listener.stumbled(exc)

    def _acknowledged(self, packet_id):
        if self._deadlines.pop(packet_id, None) is None:
            return
        self.worked = True
        if packet_id in self._tokens:
            self._listener.delivered(self._tokens.pop(packet_id))

    def _accepted(self, code):
        if self._deadlines.pop("CONNACK", None) is None:
            raise ProtocolError("a second CONNACK")
        if code:
            raise Refused("refused by the broker, CONNACK %d" % code)
        self.accepted = True
        self._subscription = self._next_id()
        self._deadlines[self._subscription] = self._clock.now() + SUBACK_MS
        self._send(mqtt_codec.subscribe(self._subscription, self._topics()))

    def _granted(self, packet):
        topics = self._topics()
        if packet.packet_id != self._subscription or len(packet.content) != len(topics):
            raise ProtocolError("a SUBACK that answers nothing")
        del self._deadlines[packet.packet_id]
        self._subscription = None
        self.subscribed = True
        self._listener.link_up([topics[index][0] for index, code in enumerate(packet.content) if code > GRANTED_MAX])

    def _next_id(self):
        while True:
            self._packet_id = self._packet_id % 0xFFFF + 1
            if self._packet_id not in self._deadlines:
                return self._packet_id
