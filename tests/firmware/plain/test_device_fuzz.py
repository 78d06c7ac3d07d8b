"""Random bytes for the packet reader, the same on CPython and on MicroPython: a seed, printed, makes each run anew."""

import random
import time

from agent import mqtt_codec
from agent.mqtt_codec import ProtocolError, Publish, Reader

PACKETS = (
    b"\x20\x02\x00\x00",
    b"\x90\x04\x00\x01\x01\x80",
    b"\x32\x07\x00\x01t\x00\x09hi",
    b"\x31\x04\x00\x01t!",
    b"\x40\x02\x12\x34",
    b"\x62\x02\x00\x07",
    b"\xd0\x00",
    b"\x32\x8f\x4e\x00\x01t\x00\x09" + bytes(9994),  # longer than a board reads
)
ROUNDS = 3_000
TRAPS = (b"\xff\xff\xff\xff\x01", b"\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x80", b"\xff", b"\x00", b"\xc3\x28")


def dice():
    seed = time.time_ns() & 0xFFFFFF if hasattr(time, "time_ns") else int(time.time())
    print("seed", seed)
    random.seed(seed)


def mutated(data):
    data = bytearray(data)
    for _ in range(random.randrange(3)):
        place = random.randrange(len(data) + 1)
        choice = random.randrange(3)
        if choice == 0:
            data = data[:place]
        elif choice == 1:
            data = data[:place] + random.choice(TRAPS) + data[place + random.randrange(3) :]
        elif place < len(data):
            data[place] = random.randrange(256)
    return data


def feed(reader, data):
    """As a link does: piece by piece, as there is space; every packet is acknowledged. How many came out."""
    count = 0
    while data:
        space = reader.space()
        size = min(len(space), len(data), 1 + random.randrange(700))
        space[:size] = data[:size]
        data = data[size:]
        for packet in reader.received(size):
            count += 1
            if isinstance(packet, Publish):
                assert packet.payload is None or len(packet.payload) <= mqtt_codec.PACKET_MAX
                mqtt_codec.acknowledge(packet)
    return count


def test_pitfall_11_random_and_mutated_packets_raise_nothing_but_a_protocol_error():
    dice()
    buffer = bytearray(mqtt_codec.HOLDS)
    read = refused = 0
    for _ in range(ROUNDS):
        data = b"".join([bytes(mutated(random.choice(PACKETS))) for _ in range(1 + random.randrange(4))])
        try:
            read += feed(Reader(buffer), data)
        except ProtocolError:
            refused += 1
        except Exception as exc:
            print("data", data[:200])
            raise AssertionError(repr(exc)) from exc
    print("read", read, "refused", refused)
    assert read > ROUNDS // 2
    assert refused > ROUNDS // 10


def test_pitfall_11_whole_packets_between_broken_ones_are_never_mixed_up():
    dice()
    buffer = bytearray(mqtt_codec.HOLDS)
    for _ in range(ROUNDS // 10):
        whole = [random.choice(PACKETS) for _ in range(20)]
        assert feed(Reader(buffer), b"".join(whole)) == 20
