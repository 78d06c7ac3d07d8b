from agent import mqtt_codec
from agent.inbox import decode, subscriptions
from agent.mqtt_codec import CONNACK, PINGRESP, PUBACK, PUBREL, SUBACK, Control, ProtocolError, Publish, Reader
from agent.presence import Presence

from protocol.wire import DecodeError, Hello

ENGINE = "5be07711-3"
BYTES = (
    b"\x20\x02\x00\x00"
    + b"\x90\x04\x00\x01\x01\x80"
    + b"\x32\x07\x00\x01t\x00\x09hi"
    + b"\x31\x04\x00\x01t!"
    + b"\x40\x02\x12\x34"
    + b"\x62\x02\x00\x07"
    + b"\xd0\x00"
)
PACKETS = [
    Control(CONNACK, None, 0),
    Control(SUBACK, 1, (1, 0x80)),
    Publish("t", b"hi", 1, False, 9),
    Publish("t", b"!", 0, True, None),
    Control(PUBACK, 0x1234, None),
    Control(PUBREL, 7, None),
    Control(PINGRESP, None, None),
]


def new_reader():
    return Reader(bytearray(mqtt_codec.HOLDS))


def feed(data, reader):
    """The packets in `data`, as a link reads it: piece by piece, as there is space."""
    while data:
        space = reader.space()
        count = min(len(space), len(data))
        space[:count] = data[:count]
        data = data[count:]
        yield from reader.received(count)


def read(data, reader=None):
    """The packets in `data`; payloads are copied, since they are good until the next packet only."""
    found = []
    for packet in feed(data, reader or new_reader()):
        if isinstance(packet, Publish) and packet.payload is not None:
            found.append(Publish(packet.topic, bytes(packet.payload), packet.qos, packet.retain, packet.packet_id))
        else:
            found.append(packet)
    return found


def refused(data):
    try:
        read(data)
    except ProtocolError:
        return True
    return False


def long_publish(topic, payload, qos=1):
    return mqtt_codec.publish(topic, payload, qos=qos, packet_id=77 if qos else None)


def test_packets_are_read_however_they_are_cut():
    assert read(BYTES) == PACKETS
    for size in (1, 2, 3, 7):
        reader = new_reader()
        found = []
        for start in range(0, len(BYTES), size):
            found += read(BYTES[start : start + size], reader)
        assert found == PACKETS


def test_longest_message_is_read_however_it_is_cut():
    payload = bytes([byte % 251 for byte in range(4096)])
    data = long_publish("keng/1/s/dev/B1/order", payload) + BYTES
    for size in (1, 511, 512, len(data)):
        reader = new_reader()
        found = []
        for start in range(0, len(data), size):
            found += read(data[start : start + size], reader)
        assert found == [Publish("keng/1/s/dev/B1/order", payload, 1, False, 77)] + PACKETS


def test_message_for_which_there_is_no_room_is_skipped_like_one_too_long():
    def no_room(_):
        raise MemoryError

    reader = new_reader()
    order = long_publish("keng/1/s/dev/B1/order", bytes(4000))
    mqtt_codec.bytearray = no_room
    try:
        found = read(order + b"\xd0\x00", reader)
    finally:
        del mqtt_codec.bytearray
    assert found == [Publish(None, None, 1, False, 77), Control(PINGRESP, None, None)]
    assert read(order, reader) == [Publish("keng/1/s/dev/B1/order", bytes(4000), 1, False, 77)]


def test_connect_is_what_the_standard_says():
    packet = mqtt_codec.connect("B1", 20, will_topic="w", will_payload=b"gone", user="B1", password="pw")
    assert packet == b"\x10\x1f\x00\x04MQTT\x04\xee\x00\x14\x00\x02B1\x00\x01w\x00\x04gone\x00\x02B1\x00\x02pw"
    packet = mqtt_codec.connect("B1", 20, will_topic="w", will_payload=b"gone")
    assert packet == b"\x10\x17\x00\x04MQTT\x04\x2e\x00\x14\x00\x02B1\x00\x01w\x00\x04gone"


def test_subscribe_and_publish_are_what_the_standard_says():
    assert mqtt_codec.subscribe(1, [("a/+", 1), ("b", 0)]) == b"\x82\x0c\x00\x01\x00\x03a/+\x01\x00\x01b\x00"
    assert mqtt_codec.publish("t", b"hi", qos=1, retain=True, packet_id=9) == b"\x33\x07\x00\x01t\x00\x09hi"
    assert mqtt_codec.publish("t", b"hi", qos=0) == b"\x30\x05\x00\x01thi"
    assert mqtt_codec.publish("t", bytes(200), qos=0)[:3] == b"\x30\xcb\x01"


def test_pitfall_11_message_too_long_is_skipped_and_can_be_acknowledged():
    for payload in (5_000, 20_000):
        for size in (1, 1000, 8192):
            data = long_publish("keng/1/s/tick", bytes(payload)) + b"\xd0\x00"
            reader = new_reader()
            found = []
            for start in range(0, len(data), size):
                found += read(data[start : start + size], reader)
            assert found == [Publish(None, None, 1, False, 77), Control(PINGRESP, None, None)]
    assert mqtt_codec.acknowledge(Publish(None, None, 1, False, 77)) == b"\x40\x02\x00\x4d"
    assert read(long_publish("t" * 9000, b"", qos=0)) == [Publish(None, None, 0, False, None)]


def test_topic_that_is_not_utf_8_is_unreadable_and_can_be_acknowledged():
    assert read(b"\x32\x06\x00\x02\xc3\x28\x00\x09") == [Publish(None, None, 1, False, 9)]


def test_qos_2_is_acknowledged_in_its_way():
    message = read(b"\x34\x05\x00\x01t\x00\x09")[0]
    assert mqtt_codec.acknowledge(message) == b"\x50\x02\x00\x09"
    assert mqtt_codec.acknowledge(Control(PUBREL, 9, None)) == b"\x70\x02\x00\x09"
    assert mqtt_codec.acknowledge(Publish("t", b"", 0, False, None)) == b""


def test_pitfall_11_what_the_standard_forbids_is_refused():
    for data in (
        b"\x00\x00",
        b"\xf0\x00",
        b"\x20\x01\x00",
        b"\x21\x02\x00\x00",
        b"\x36\x05\x00\x01t\x00\x09",  # QoS 3
        b"\x32\x05\x00\x01t\x00\x00",  # packet id 0
        b"\x32\x03\x00\x05t",
        b"\x30\x01\x00",
        b"\x90\x02\x00\x01",
        b"\x40\x02\x00\x00",
        b"\x30\xff\xff\xff\xff\x01",
        b"\x40\xff\xff\x7f",
        b"\xd0\x01\x00",
    ):
        assert refused(data), data


def test_first_birth_is_due_at_once_then_after_5_10_and_every_20_s():
    presence = Presence("9c41f2aa-17", lambda: 0.5)
    assert not presence.take_birth(0)
    presence.connected(0)
    assert [second for second in range(80) if presence.take_birth(second * 1000)] == [0, 5, 15, 35, 55, 75]


def test_hello_for_this_birth_ends_the_repeats_and_another_does_not():
    presence = Presence("9c41f2aa-17", lambda: 0.5)
    presence.connected(0)
    presence.take_birth(0)
    assert presence.hello(Hello(ENGINE, 0, "9c41f2aa-16", "G1", None)) is None
    assert not presence.counts(ENGINE)
    assert presence.take_birth(5000)
    assert presence.hello(Hello(ENGINE, 0, "9c41f2aa-17", "G1", None)) is True
    assert presence.hello(Hello(ENGINE, 0, "9c41f2aa-17", "G1", None)) is False
    assert not presence.take_birth(100_000)


def test_receipt_counts_only_from_the_life_of_the_last_hello():
    presence = Presence("9c41f2aa-17", lambda: 0.5)
    presence.hello(Hello(ENGINE, 0, "9c41f2aa-17", "G1", None))
    assert presence.counts("5be07711-9")
    assert not presence.counts("5be07712-3")


def test_hello_of_a_life_whose_receipts_did_not_count_makes_everything_due():
    presence = Presence("9c41f2aa-17", lambda: 0.5)
    presence.hello(Hello(ENGINE, 0, "9c41f2aa-17", "G1", None))
    assert presence.tick("0badcafe-1", 1000)
    assert presence.hello(Hello("0badcafe-1", 0, "9c41f2aa-17", "G1", None)) is True
    assert presence.hello(Hello("0badcafe-1", 0, "9c41f2aa-17", "G1", None)) is False


def test_tick_of_a_new_engine_asks_for_a_birth_within_5_s():
    presence = Presence("9c41f2aa-17", lambda: 0.5)
    presence.connected(0)
    presence.take_birth(0)
    presence.hello(Hello(ENGINE, 0, "9c41f2aa-17", "G1", None))
    assert not presence.tick(ENGINE, 1000)
    assert not presence.take_birth(9000)
    assert presence.tick("5be07711-4", 11_000)
    assert not presence.take_birth(13_000)
    assert presence.take_birth(13_500)


def test_d20_nobody_listens_25_s_after_the_last_tick():
    presence = Presence("9c41f2aa-17", lambda: 0.5)
    assert not presence.is_ticking(0)
    presence.tick(ENGINE, 1000)
    assert presence.is_ticking(25_999)
    assert not presence.is_ticking(26_000)


def test_d02_board_is_deaf_after_150_s_of_ticks_without_a_ring():
    presence = Presence("9c41f2aa-17", lambda: 0.5)
    presence.connected(0)
    deaf = []
    for second in range(0, 400, 10):
        if second != 40:
            presence.tick(ENGINE, second * 1000)
        if second == 100:
            presence.ring_heard(100_000)
        if presence.is_deaf(second * 1000):
            deaf.append(second)
    assert deaf[0] == 250


def test_without_ticks_no_board_is_deaf():
    presence = Presence("9c41f2aa-17", lambda: 0.5)
    presence.connected(0)
    assert not presence.is_deaf(1_000_000)
    presence.tick(ENGINE, 1_000_000)
    assert not presence.is_deaf(1_000_000)


def test_inbox_reads_what_it_subscribes_to_and_nothing_else():
    assert len(subscriptions("s", "B1", "G1")) == 7
    assert decode("s", "keng/1/s/tick", b'{"v":1,"engine":"5be07711-3","t":5}')[0] == "tick"
    assert decode("s", "keng/1/s/group/G1/call/B2", b'{"v":1,"id":"9c41f2aa-1-1","k":1,"type":"button","pattern":"fire"}')[1] == "B2"
    for topic, payload in (
        (None, None),
        ("keng/1/s/gateway", b'{"v":1}'),
        ("keng/1/s/dev/B1/state", b'{"v":1}'),
        ("keng/1/s/dev/B1/loud/hello", b'{"v":1}'),
        ("keng/1/s/group/G1/shout/B2", b'{"v":1}'),
        ("keng/1/s/desk/duty/alive", b'{"v":1}'),
        ("keng/1/other/tick", b'{"v":1,"engine":"5be07711-3","t":5}'),
        ("keng/1/s/tick", b""),
    ):
        try:
            decode("s", topic, payload)
        except DecodeError:
            continue
        raise AssertionError(topic)
