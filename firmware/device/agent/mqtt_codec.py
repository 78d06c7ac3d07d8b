"""MQTT 3.1.1 packets, without I/O (OASIS standard of 2014-10-29, sections 2 and 3). What a board sends and receives, no more.

The reader takes bytes as they come, never holds more than one packet of PACKET_MAX, and skips longer ones unread: a neighbour's
rubbish must not cost the link. Likewise one for which a full heap has no room. It accepts QoS 2 because some brokers deliver a message
with its publisher's QoS.
"""

from collections import namedtuple

PACKET_MAX = 4096 + 256  # the longest payload that a board parses, and its topic
HOLDS = 2_304  # a ring of the largest group, or a piece of an update, with its header; for a longer packet room is made when it comes

CONNACK, PUBACK, PUBREL, SUBACK, PINGRESP = 2, 4, 6, 9, 13  # packet types (section 2.2.1)
# `topic` and `payload` are None for a message that cannot be given to anybody: longer than PACKET_MAX, or with a topic that is not UTF-8.
# It must be acknowledged all the same.
Publish = namedtuple("Publish", ("topic", "payload", "qos", "retain", "packet_id"))
# Any other packet; `packet_id` None where it has none. `content`: the code of a CONNACK, the codes of a SUBACK. One class for all of them:
# each takes 100 bytes of a 64-bit heap.
Control = namedtuple("Control", ("type", "packet_id", "content"))

PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"


class ProtocolError(ValueError):
    """The broker has sent what MQTT 3.1.1 does not allow: the connection is of no more use."""


def connect(client_id, keep_alive_s, *, will_topic, will_payload, user=None, password=None):
    """CONNECT with a clean session and a retained last will of QoS 1 (section 3.1)."""
    flags = 0x02 | 0x04 | 0x08 | 0x20
    body = [_text(client_id), _text(will_topic), _field(will_payload)]
    if user is not None:
        flags |= 0x80
        body.append(_text(user))
    if password is not None:
        flags |= 0x40
        body.append(_text(password))
    return _packet(0x10, [b"\x00\x04MQTT\x04", bytes([flags]), _number(keep_alive_s)] + body)


def subscribe(packet_id, topics):
    """SUBSCRIBE to [(topic filter, QoS)] (section 3.8)."""
    return _packet(0x82, [_number(packet_id)] + [_text(topic) + bytes([qos]) for topic, qos in topics])


def publish(topic, payload, *, qos, retain=False, packet_id=None):
    """PUBLISH with QoS 0, or 1 and a packet id (section 3.3)."""
    ident = _number(packet_id) if qos else b""
    return _packet(0x30 | qos << 1 | (1 if retain else 0), [_text(topic), ident, payload])


def acknowledge(message):
    """What to send back for a Publish or a PUBREL; b"" for QoS 0."""
    if isinstance(message, Control):
        return b"\x70\x02" + _number(message.packet_id)
    if message.qos == 0:
        return b""
    return (b"\x40\x02" if message.qos == 1 else b"\x50\x02") + _number(message.packet_id)


def _packet(first, parts):
    """The parts are copied once: for a long birth a board finds room once, not three times."""
    length = sum([len(part) for part in parts])
    head = bytearray([first])
    while True:
        digit = length & 0x7F
        length >>= 7
        head.append(digit | 0x80 if length else digit)
        if not length:
            return b"".join([bytes(head)] + parts)


def _text(text):
    return _field(text.encode())


def _field(data):
    return _number(len(data)) + data


def _number(value):
    if not 0 <= value <= 0xFFFF:
        raise ValueError("expected 0..65535, got %d" % value)
    return bytes([value >> 8, value & 0xFF])


class Reader:
    """Turns received bytes into packets. `buffer`: HOLDS bytes, lent by whoever keeps them from one connection to the next."""

    def __init__(self, buffer):
        self._lent = self._buffer = memoryview(buffer)
        self._room = None  # for the packet that is coming, if that is longer than HOLDS
        self._start = 0  # of what is not yet used up
        self._end = 0
        self._skip = None  # the long message being skipped

    def space(self):
        """Where the next bytes are to be put, never empty. What is left of the last, less than one packet, moves to the front."""
        left = self._end - self._start
        buffer = self._lent if self._room is None else self._room
        buffer[:left] = self._buffer[self._start : self._end]
        self._buffer = buffer
        self._start, self._end = 0, left
        return buffer[left:]

    def received(self, count):
        """Yield the packets that `count` bytes in space() complete. Raises ProtocolError; the reader is of no more use then.

        A payload is a view of the buffer, good until the next packet is asked for: the longest message is a quarter of a board's free
        heap, and a copy needs that much in one piece.
        """
        self._end += count
        while True:
            packet, used = self._next(self._buffer[self._start : self._end])
            if packet is not None:
                yield packet
            elif not used:
                return
            self._start += used

    def _next(self, data):
        """(packet or None, bytes used up): (None, 0) when more bytes are needed."""
        if self._skip:
            return self._skip.feed(data)
        length, start = _remaining_length(data)
        if start == 0:
            return None, 0
        first = data[0]
        if length > PACKET_MAX or (start + length > len(self._buffer) and not self._makes_room(start + length)):
            if first >> 4 != 3:
                raise ProtocolError("a packet of type %d with %d bytes" % (first >> 4, length))
            self._skip = _Skip(self, _qos(first), length)
            return None, start
        if len(data) < start + length:
            return None, 0
        self._room = None
        return _parse(first, data[start : start + length]), start + length

    def _makes_room(self, count):
        try:
            self._room = memoryview(bytearray(count))
        except MemoryError:
            return False
        return True

    def skipped(self):
        """The long message is over."""
        self._skip = None


class _Skip:
    """A PUBLISH that is too long, or for which there is no room: only its packet id is read, to acknowledge it."""

    def __init__(self, reader, qos, length):
        self._reader = reader
        self._qos = qos
        self._left = length
        self._topic = None  # bytes of the topic still to come
        self._id = 0

    def feed(self, data):
        """(Publish or None, bytes used up), as Reader._next."""
        if self._topic is None:
            if len(data) < 2:
                return None, 0
            self._topic = (data[0] << 8) + data[1]
            if self._topic + 2 + (2 if self._qos else 0) > self._left:
                raise ProtocolError("a topic longer than its packet")
            return None, self._used(2)
        if self._topic:
            used = min(self._topic, len(data))
            self._topic -= used
            return None, self._used(used)
        if self._qos and not self._id:
            if len(data) < 2:
                return None, 0
            self._id = _packet_id(data)
            return self._done(2)
        return self._done(min(self._left, len(data)))

    def _used(self, count):
        self._left -= count
        return count

    def _done(self, used):
        self._left -= used
        if self._left:
            return None, used
        self._reader.skipped()
        return _unreadable(self._qos, self._id or None), used


def _remaining_length(data):
    """(remaining length, where the body begins), or (0, 0) when more bytes are needed (section 2.2.3)."""
    length = 0
    for index in range(1, min(len(data), 5)):
        length |= (data[index] & 0x7F) << 7 * (index - 1)
        if data[index] < 0x80:
            return length, index + 1
    if len(data) >= 5:
        raise ProtocolError("a remaining length of more than four bytes")
    return 0, 0


def _parse(first, body):
    kind = first >> 4
    if kind == 3:
        return _publish(first, body)
    if kind == 9:
        return _suback(first, body)
    if first == 0x20 and len(body) == 2:
        return Control(CONNACK, None, body[1])
    if first == 0x40 and len(body) == 2:
        return Control(PUBACK, _packet_id(body), None)
    if first == 0x62 and len(body) == 2:
        return Control(PUBREL, _packet_id(body), None)
    if first == 0xD0 and not body:
        return Control(PINGRESP, None, None)
    raise ProtocolError("a packet 0x%02x with %d bytes" % (first, len(body)))


def _publish(first, body):
    qos = _qos(first)
    if len(body) < 2:
        raise ProtocolError("a PUBLISH of %d bytes" % len(body))
    start = 2 + (body[0] << 8) + body[1]
    end = start + (2 if qos else 0)
    if end > len(body):
        raise ProtocolError("a topic longer than its packet")
    packet_id = _packet_id(body[start:end]) if qos else None
    try:
        topic = str(body[2:start], "utf-8")
    except ValueError:
        return _unreadable(qos, packet_id)
    return Publish(topic, body[end:], qos, bool(first & 1), packet_id)


def _unreadable(qos, packet_id):
    return Publish(None, None, qos, False, packet_id)


def _suback(first, body):
    if first != 0x90 or len(body) < 3:
        raise ProtocolError("a SUBACK of %d bytes" % len(body))
    return Control(SUBACK, _packet_id(body), tuple(body[2:]))


def _qos(first):
    qos = first >> 1 & 3
    if qos == 3:
        raise ProtocolError("QoS 3")
    return qos


def _packet_id(data):
    ident = (data[0] << 8) + data[1]
    if ident == 0:
        raise ProtocolError("packet id 0")
    return ident
