"""What may reach a board, decoded."""

from protocol import topics, wire
from protocol.wire import DecodeError

_DECODERS = {
    "hello": wire.decode_hello,
    "receipt": wire.decode_receipt,
    "order": wire.decode_order,
    "tick": wire.decode_tick,
    "ring": wire.decode_ring,
    "call": wire.decode_call,
    "chunk": memoryview,  # decoded by who has asked for it: download.Download
}


def subscriptions(site, device, group):
    """[(topic filter, QoS)]."""
    return [
        (topics.device(site, device, "hello"), 1),
        (topics.device(site, device, "receipt"), 1),
        (topics.device(site, device, "order"), 1),
        (topics.device(site, device, "chunk"), 1),
        (topics.ring(site, group), 1),
        (topics.call(site, group, "+"), 1),
        (topics.tick(site), 0),
    ]


def decode(site, topic, payload):
    """(name of the topic, sender of a call or "", message). Raises DecodeError; `topic` None is one that the session could not read."""
    place = topics.parse_on_board(site, topic) if topic is not None else None
    if place is None:
        raise DecodeError("topic", "one of ours", wire.shown(topic))
    name, _, sender = place
    return name, sender, _DECODERS[name](payload)
