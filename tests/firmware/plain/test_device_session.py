import asyncio

from agent import mqtt_codec, session
from agent.link import PACKET, QUEUE_MAX, Account, Buffers, Closed, Link, LinkLost, Refused
from agent.session import Listener, Session

CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x03\x00\x01\x01"


def topics():
    return [("a", 1)]


class Clock:
    def __init__(self):
        self.ms = 0

    def now(self):
        return self.ms


class Streams:
    """A broker on the other end of a pair of streams: `say` puts bytes in, `said` is what came out."""

    def __init__(self):
        self._in = b""
        self._ready = asyncio.Event()
        self.said = b""
        self.writes = []
        self.open = asyncio.Event()  # the link takes bytes
        self.open.set()

    def say(self, data):
        self._in += data
        self._ready.set()

    async def readinto(self, buffer):
        await self._ready.wait()
        data = self._in[: len(buffer)]
        buffer[: len(data)] = data
        self._in = self._in[len(data) :]
        if self._in == b"":
            self._ready.clear()
        return len(data)

    def hang_up(self):
        self._ready.set()

    def write(self, data):
        self.writes.append(len(data))
        self.said += bytes(data)

    async def drain(self):
        await self.open.wait()

    def close(self):
        self.hang_up()


class Heard(Listener):
    def __init__(self):
        self.ups = []
        self.downs = []
        self.messages = []
        self.tokens = []
        self.trips = []
        self.within_s = None

    def link_up(self, refused):
        self.ups.append(refused)

    def link_down(self, why, turned_away):
        self.downs.append(why)

    def message(self, topic, payload, retained):
        self.messages.append((topic, payload, retained))
        if payload == b"trap":
            raise KeyError(topic)

    def delivered(self, token):
        self.tokens.append(token)

    def alive(self, within_s):
        self.within_s = within_s

    def stumbled(self, exc):
        self.trips.append(exc)


class Stage:
    def __init__(self):
        self.clock = Clock()
        self.streams = Streams()
        self.heard = Heard()
        account = Account("B1", "", "w", b"gone")
        self.link = Link((self.streams, self.streams), account, topics, self.heard, buffers=Buffers(), clock=self.clock, urgent_ms=2_000)
        self.why = None

    async def run(self):
        try:
            await self.link.run()
        except Exception as exc:
            self.why = exc


async def until(test):
    for _ in range(200):
        if test():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not within 2 s")


def on_stage(play, granted=True):
    async def run():
        stage = Stage()
        task = asyncio.create_task(stage.run())
        if granted:
            stage.streams.say(CONNACK + SUBACK)
            await until(lambda: stage.link.subscribed)
        await play(stage)
        task.cancel()

    asyncio.run(run())


async def ends_with(stage, word):
    await until(lambda: stage.why is not None)
    assert isinstance(stage.why, LinkLost)
    assert word in str(stage.why), str(stage.why)


def publish(stage, *, urgent=False, token=None, qos=1):
    return stage.link.publish("t", b"x", qos=qos, retain=False, urgent=urgent, token=token)


def test_account_connects_as_its_device_and_only_with_a_password():
    assert Account("B1", "pw", "w", b"gone").connect() == mqtt_codec.connect(
        "B1", 20, will_topic="w", will_payload=b"gone", user="B1", password="pw"
    )
    assert Account("B1", "", "w", b"gone").connect() == mqtt_codec.connect("B1", 20, will_topic="w", will_payload=b"gone")


def test_link_is_up_when_every_subscription_is_answered():
    async def play(stage):
        stage.streams.say(CONNACK)
        await until(lambda: stage.streams.said.endswith(mqtt_codec.subscribe(1, topics())))
        assert not stage.link.subscribed
        stage.streams.say(b"\x90\x03\x00\x01\x80")
        await until(lambda: stage.link.subscribed)
        assert stage.heard.ups == [["a"]]

    on_stage(play, granted=False)


def test_pitfall_10_refused_connack_ends_the_link():
    async def play(stage):
        stage.streams.say(b"\x20\x02\x00\x05")
        await ends_with(stage, "CONNACK 5")
        assert isinstance(stage.why, Refused)

    on_stage(play, granted=False)


def test_pitfall_05_missing_connack_and_suback_end_the_link():
    async def mute(stage):
        await asyncio.sleep(0)
        stage.clock.ms = 5_001
        await ends_with(stage, "CONNACK")

    async def no_suback(stage):
        stage.streams.say(CONNACK)
        await until(lambda: b"\x82" in stage.streams.said)
        stage.clock.ms = 5_001
        await ends_with(stage, "no answer")

    on_stage(mute, granted=False)
    on_stage(no_suback, granted=False)


def test_pitfall_02_alarm_without_puback_ends_the_link_after_2_s_and_other_messages_after_10():
    for urgent, patience in ((True, 2_000), (False, 10_000)):

        async def play(stage, urgent=urgent, patience=patience):
            publish(stage, urgent=urgent)
            stage.clock.ms = patience
            await asyncio.sleep(0.15)
            assert stage.why is None
            stage.clock.ms = patience + 1
            await ends_with(stage, "no answer")

        on_stage(play)


def test_puback_is_told_with_its_token_and_says_that_the_link_works():
    async def play(stage):
        publish(stage, token="o-1")
        assert not stage.link.worked
        stage.streams.say(b"\x40\x02\x00\x02\x40\x02\x00\x63")
        await until(lambda: stage.link.worked)
        assert stage.heard.tokens == ["o-1"]

    on_stage(play)


def test_pitfall_02_silence_is_pinged_after_15_s_and_ends_the_link_10_s_later():
    async def play(stage):
        stage.clock.ms = 15_001
        await until(lambda: stage.streams.said.endswith(mqtt_codec.PINGREQ))
        stage.streams.say(b"\xd0\x00")
        await asyncio.sleep(0.15)
        stage.clock.ms = 27_000
        await asyncio.sleep(0.15)
        assert stage.why is None
        stage.clock.ms = 31_000
        await until(lambda: stage.streams.said.endswith(mqtt_codec.PINGREQ * 2) or stage.streams.said.count(mqtt_codec.PINGREQ) == 2)
        stage.clock.ms = 41_100
        await ends_with(stage, "PINGRESP")

    on_stage(play)


def test_messages_are_acknowledged_even_if_they_trip_the_board():
    async def play(stage):
        stage.streams.say(
            mqtt_codec.publish("a", b"trap", qos=1, packet_id=5) + mqtt_codec.publish("a", b"2", qos=1, retain=True, packet_id=6)
        )
        await until(lambda: stage.streams.said.endswith(b"\x40\x02\x00\x05\x40\x02\x00\x06"))
        assert stage.heard.messages == [("a", b"trap", False), ("a", b"2", True)]
        assert [type(exc) for exc in stage.heard.trips] == [KeyError]
        assert stage.why is None

    on_stage(play)


def test_room_of_a_long_message_is_free_again_once_it_is_heard():
    if not hasattr(asyncio, "Runner"):
        return  # MicroPython tells nobody when it frees
    seen = []

    class Room(bytearray):
        def __del__(self):
            if len(self) > 4000:
                seen.append("free")

    async def play(stage):
        stage.heard.message = lambda topic, payload, retained: seen.append(len(payload))
        packet = mqtt_codec.publish("a", bytes(4000), qos=0)
        mqtt_codec.bytearray = Room
        try:
            stage.streams.say(packet)
            await until(lambda: len(seen) == 2)
        finally:
            del mqtt_codec.bytearray
        assert seen == [4000, "free"]

    on_stage(play)


def test_rubbish_and_end_of_stream_end_the_link():
    async def rubbish(stage):
        stage.streams.say(b"\xff\xff\xff\xff\xff\xff")
        await until(lambda: stage.why is not None)
        assert isinstance(stage.why, mqtt_codec.ProtocolError)

    async def hang_up(stage):
        stage.streams.hang_up()
        await ends_with(stage, "closed by the broker")

    on_stage(rubbish)
    on_stage(hang_up)


def test_link_that_takes_nothing_refuses_more_instead_of_filling_the_heap():
    async def play(stage):
        stage.streams.open.clear()
        sent = 0
        while stage.link.publish("t", bytes(200), qos=0, retain=False, urgent=False, token=None):
            sent += 1
            await asyncio.sleep(0)
        assert 4 <= sent <= 8

    on_stage(play)


def test_acknowledgements_that_wait_take_little_of_the_heap():
    async def play(stage):
        stage.streams.open.clear()
        for _ in range(60):
            stage.link._send(b"\x40\x02\x00\x07")
        assert len(stage.link._queue) <= 5
        stage.streams.open.set()
        before = len(stage.streams.said)
        await until(lambda: len(stage.streams.said) == before + 240)
        assert stage.streams.said[before:] == b"\x40\x02\x00\x07" * 60
        assert stage.link._queued == 0

    on_stage(play)


def test_acknowledgements_leave_while_more_messages_are_read():
    async def play(stage):
        waiting = []
        stage.heard.message = lambda topic, payload, retained: waiting.append(stage.link._queued)
        stage.streams.say(b"".join([mqtt_codec.publish("a", b"x", qos=1, packet_id=ident) for ident in range(1, 601)]))
        await until(lambda: len(waiting) == 600 and stage.link._queued == 0)
        assert max(waiting) < QUEUE_MAX + 2 * PACKET

    on_stage(play)


def test_link_that_takes_no_acknowledgement_ends_before_they_fill_the_heap():
    async def play(stage):
        stage.streams.open.clear()
        stage.streams.say(b"".join([mqtt_codec.publish("a", b"x", qos=1, packet_id=ident) for ident in range(1, 5_001)]))
        await ends_with(stage, "bytes wait")

    on_stage(play)


def test_so_many_messages_wait_for_their_acknowledgement_and_no_more():
    async def play(stage):
        sent = 0
        while publish(stage):
            sent += 1
            await asyncio.sleep(0)
            assert sent <= 16
        assert sent == 16
        stage.streams.say(b"\x40\x02\x00\x02")
        await until(lambda: stage.link.worked)
        assert publish(stage)
        assert not publish(stage)

    on_stage(play)


def test_alarm_is_never_refused_for_what_waits_before_it():
    async def play(stage):
        while publish(stage):
            pass
        assert publish(stage, urgent=True)
        stage.clock.ms = 2_001
        await ends_with(stage, "no answer")

    on_stage(play)


def test_short_packets_leave_together_and_long_ones_whole():
    async def play(stage):
        sizes = (3, 5, 600, 7, 200, 200, 200)
        before = len(stage.streams.said)
        packets = [bytes([size % 256]) * size for size in sizes]
        stage.streams.writes = []
        for packet in packets:
            stage.link._send(packet)
        await until(lambda: len(stage.streams.said) == before + sum(sizes))
        assert stage.streams.said[before:] == b"".join(packets)
        assert stage.streams.writes == [8, 600, 407, 200]

    on_stage(play)


def test_pitfall_11_packet_ids_in_use_are_passed_over_when_they_wrap():
    async def play(stage):
        stage.link._packet_id = 0xFFFE
        for _ in range(3):
            assert publish(stage)
        assert sorted([key for key in stage.link._deadlines if isinstance(key, int)]) == [1, 2, 0xFFFF]

    on_stage(play)


def test_pitfall_07_session_tries_its_addresses_in_turn_and_goes_on_after_any_error():
    tried = []

    async def play():
        heard = Heard()

        async def ready():
            tried.append(len(heard.downs))
            if len(tried) > 5:
                await asyncio.sleep(10)
            raise (OSError(113), ValueError("cert"), MemoryError(), EOFError(), IndexError("x"))[len(tried) - 1]

        session = Session(Account("B1", "", "w", b""), [("h", 1)], topics, heard, clock=Clock(), random=lambda: 0.0, ready=ready)
        task = asyncio.create_task(session.run())
        await until(lambda: len(tried) == 6)
        task.cancel()
        assert len(heard.downs) == 5
        assert not session.up
        assert not session.publish("t", b"x")

    asyncio.run(play())


class Twin:
    """A broker that takes every connection and ends it after `lasts_ms` of the clock, as it does when a twin takes the client id."""

    def __init__(self, lasts_ms, end=None):
        self.end = end or Closed("closed by the broker")
        self.clock = Clock()
        self.waits = []
        self.lasts_ms = lasts_ms
        self.heard = Heard()
        self.session = Session(
            Account("B1", "", "w", b""), [("h", 1)], topics, self.heard, clock=self.clock, random=lambda: 1.0, ready=self.ready
        )
        self.session._connection = self.connection
        self.session._pause = self.pause

    async def ready(self):
        if len(self.waits) > 6:
            await asyncio.sleep(10)

    async def connection(self, address):
        self.session._link = Link((None, None), None, topics, None, buffers=None, clock=self.clock, urgent_ms=1)
        self.session._link.worked = self.session._link.accepted = True
        self.clock.ms += self.lasts_ms
        raise self.end

    async def pause(self, wait_ms):
        self.waits.append(wait_ms)
        await asyncio.sleep(0)


def waits_of(twin):
    async def play():
        task = asyncio.create_task(twin.session.run())
        await until(lambda: len(twin.waits) == 7)
        task.cancel()

    asyncio.run(play())
    return twin.waits


def test_pitfall_10_connections_that_are_taken_away_again_and_again_are_made_ever_more_slowly():
    twin = Twin(100)
    assert waits_of(twin) == [500, 1000, 2000, 4000, 60_000, 60_000, 60_000]
    assert twin.session.has_twin(twin.clock.ms)


def test_twin_is_told_until_a_connection_has_lasted():
    twin = Twin(100)
    waits_of(twin)
    link = twin.session._link = Link((None, None), None, topics, None, buffers=None, clock=twin.clock, urgent_ms=1)
    twin.session._since = twin.clock.ms
    link.subscribed = True
    assert twin.session.has_twin(twin.clock.ms + 59_999)
    assert not twin.session.has_twin(twin.clock.ms + 60_000)


def test_link_that_dies_again_and_again_by_itself_has_no_twin():
    for end in (LinkLost("no answer in time (PINGRESP)"), OSError(113), MemoryError()):
        twin = Twin(100, end)
        assert waits_of(twin) == [500, 1000, 2000, 4000, 8000, 8000, 8000]
        assert twin.heard.trips == ([end] * 7 if isinstance(end, MemoryError) else []), "a lack of memory is our own failure"
        assert not twin.session.has_twin(twin.clock.ms)
    assert waits_of(Twin(100, OSError(104)))[-1] == 60_000  # how a socket says that the other end has closed it


def test_connection_that_has_lasted_is_made_anew_at_once():
    assert waits_of(Twin(60_000)) == [500] * 7


def test_long_outage_does_not_slow_the_reconnect_after_the_next():
    twin = Twin(60_000)
    twin.session._failures = 8
    assert waits_of(twin)[0] == 500


def test_alarm_ends_a_back_off():
    async def play():
        tried = []

        async def ready():
            tried.append(1)
            raise OSError(113)

        session = Session(Account("B1", "", "w", b""), [("h", 1)], topics, Heard(), clock=Clock(), random=lambda: 0.999, ready=ready)
        session._failures = 8
        task = asyncio.create_task(session.run())
        await until(lambda: tried)
        await asyncio.sleep(0.05)
        assert len(tried) == 1
        session.hurry()
        await until(lambda: len(tried) == 2)
        task.cancel()

    asyncio.run(play())


def test_no_wait_is_longer_than_2_s_while_an_alarm_waits():
    class Running(Clock):
        def now(self):
            self.ms += 100
            return self.ms

    def waited(hurried, wait_ms):
        clock = Running()
        one = Session(Account("B1", "", "w", b""), [("h", 1)], topics, Heard(), clock=clock, random=lambda: 0.999, ready=None)
        one.hurried = hurried
        asyncio.run(one._pause(wait_ms))
        return clock.ms

    step_ms = session.HURRY_STEP_MS
    session.HURRY_STEP_MS = 0
    try:
        for wait_ms in (8_000, 30_000, 60_000):
            assert wait_ms - 500 <= waited(False, wait_ms) <= wait_ms + 500
            assert 1_500 <= waited(True, wait_ms) <= 2_500
        assert waited(True, 500) <= 1_000
    finally:
        session.HURRY_STEP_MS = step_ms


def test_pitfall_06_write_that_hangs_when_its_answer_is_late_ends_the_link_and_nothing_follows_on_it():
    """Whoever cuts off a drain or a read and goes on has lost bytes: every time-out is the end of the connection."""

    async def play(stage):
        before = len(stage.streams.said)
        stage.streams.open.clear()
        publish(stage, urgent=True)
        await until(lambda: len(stage.streams.said) > before)
        written = len(stage.streams.said)
        publish(stage)
        stage.clock.ms = 2_001
        await ends_with(stage, "no answer")
        stage.streams.open.set()
        stage.streams.say(b"\x40\x02\x00\x02")
        await asyncio.sleep(0.15)
        assert len(stage.streams.said) == written
        assert stage.heard.tokens == []
        assert not stage.link.subscribed

    on_stage(play)


def test_pitfall_07_every_exception_of_a_stream_ends_its_link_and_nothing_else():
    for error in (OSError(104), ValueError("cert"), EOFError(), IndexError(), MemoryError(), UnicodeError(), KeyError(), TypeError()):
        for name in ("readinto", "drain"):

            async def play(stage, error=error, name=name):
                async def fails(*_):
                    raise error

                setattr(stage.streams, name, fails)
                stage.streams.say(b"\xd0\x00")
                publish(stage)
                await until(lambda: stage.why is not None)
                assert stage.why is error

            on_stage(play)


def test_pitfall_07_cancelled_session_ends():
    async def play():
        ended = []

        async def ready():
            await asyncio.sleep(10)

        session = Session(Account("B1", "", "w", b""), [("h", 1)], topics, Heard(), clock=Clock(), random=lambda: 0.0, ready=ready)

        async def run():
            try:
                await session.run()
            finally:
                ended.append(1)

        task = asyncio.create_task(run())
        await asyncio.sleep(0.01)
        task.cancel()
        await until(lambda: ended)

    asyncio.run(play())


def test_pitfall_09_session_present_or_not_the_link_subscribes():
    for flags in (0, 1):

        async def play(stage, flags=flags):
            stage.streams.say(bytes([0x20, 2, flags, 0]))
            await until(lambda: stage.streams.said.endswith(mqtt_codec.subscribe(1, topics())))
            stage.streams.say(SUBACK)
            await until(lambda: stage.link.subscribed)

        on_stage(play, granted=False)


def test_pitfall_10_broker_that_refuses_is_asked_again_after_up_to_30_s():
    class Door(Twin):
        async def connection(self, address):
            raise Refused("refused by the broker, CONNACK 5")

    assert waits_of(Door(0)) == [30_000] * 7
