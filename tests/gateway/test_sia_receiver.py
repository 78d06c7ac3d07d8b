"""Messages to a police receiver: to one that we did not write, and to one that does everything wrong."""

import asyncio
import time
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysiaalarm import SIAAccount
from pysiaalarm.aio import SIAClient
from sia_receivers import ACCOUNT, listening

from gateway.delivery.sia.codes import MEANING, PLACE_MAX, TEXT_MAX, Event, data, extended
from gateway.delivery.sia.frame import Frame, encode
from gateway.delivery.sia.receiver import Receiver, Refused
from gateway.settings import Receiver as Settings

KEY = bytes(range(16))
FIRE = Event("FA", 3, 7, "CHAY, bam nut: Ho mau 03-07", 1_795_330_987_000, "M", "So 13, ngo Thu 5", 20.978, 105.912)
FIRE_DATA = "#1001|Nri3/FA007"


class Watched:
    """A receiver as the gateway sees it, with what it says."""

    def __init__(self, port: int, key: bytes | None = None, *, timeout_s: float = 5.0, supervision_s: int = 60) -> None:
        self.faults: list[str | None] = []
        self.told: list[str] = []
        chosen = Settings(name="police", host="127.0.0.1", port=port, account=ACCOUNT, timeout_s=timeout_s, supervision_s=supervision_s)
        self.receiver = Receiver(
            chosen, key, clock=time.time, on_fault=lambda name, words: self.faults.append(words), tell=self.told.append
        )


@pytest.mark.parametrize("size", [None, 16, 24, 32], ids=["clear", "AES-128", "AES-192", "AES-256"])
def test_a_receiver_that_we_did_not_write_acknowledges_every_code(size):
    """pysiaalarm 3.2.2, its checks of CRC, account, code and time stamp on."""
    key = "0123456789ABCDEFGHIJKLMNOPQRSTUV"[:size] if size else None
    heard: list[object] = []

    async def keep(event: object) -> None:
        heard.append(event)

    async def run() -> None:
        server = SIAClient("127.0.0.1", 0, [SIAAccount(ACCOUNT, key)], keep)
        await server.async_start()
        watched = Watched(server.server.sockets[0].getsockname()[1], key.encode() if key else None)
        try:
            for seq, code in enumerate(MEANING, 1):
                await watched.receiver.send(seq, FIRE._replace(code=code))
            await watched.receiver.test_link()
        finally:
            server.server.close()
        counts = server.counts
        assert counts.valid_events == counts.events == len(MEANING) + 1
        assert (counts.error_crc, counts.error_account, counts.error_code, counts.error_timestamp, counts.error_format) == (0, 0, 0, 0, 0)

    asyncio.run(run())
    events = heard[:-1]
    assert [event.code for event in events] == list(MEANING)
    assert [event.sequence for event in events] == [f"{seq:04d}" for seq in range(1, len(MEANING) + 1)]
    assert {(event.account, event.ri, event.message, event.encrypted) for event in events} == {(ACCOUNT, "3", "007", bool(key))}
    assert [(item.identifier, item.value) for item in events[0].extended_data[:4]] == [
        ("T", "M"),
        ("I", FIRE.text),
        ("L", FIRE.location),
        ("X", "105E54.720"),
    ]


def test_the_longest_event_fits_what_that_receiver_reads_at_once():
    longest = Event("FA", 999, 999, "x" * TEXT_MAX, 1, "M", "x" * PLACE_MAX, -20.978, -105.912)
    frame = Frame("SIA-DCS", 9999, "FFFFFF", "FFFFFF", "F" * 16, data(longest, "F" * 16), extended(longest))
    assert len(encode(frame, KEY)) <= 1000


@pytest.mark.parametrize("key", [None, KEY], ids=["clear", "encrypted"])
@pytest.mark.parametrize("answer", ["ack", "slow"])
def test_an_acknowledged_event_is_delivered_once(answer, key):
    async def run() -> None:
        async with listening(answer, key=key) as peer:
            await Watched(peer.port, key).receiver.send(42, FIRE)
            assert (peer.events, peer.heard[0].seq, peer.heard[0].encrypted) == ([FIRE_DATA], 42, key is not None)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("mute", "no answer within 0.2 s"),
        ("half", "no answer within 0.2 s"),
        ("close", "closes the connection without an answer"),
        ("garbage", "closes the connection without an answer"),
        ("wrong_seq", "closes the connection without an answer"),
        ("wrong_account", "closes the connection without an answer"),
        ("flood", "without an answer"),
    ],
)
@pytest.mark.parametrize("key", [None, KEY], ids=["clear", "encrypted"])
def test_what_is_no_answer_to_this_message_is_silence(answer, words, key):
    async def run() -> None:
        async with listening(answer, key=key) as peer:
            started = time.monotonic()
            with pytest.raises(OSError, match=words):
                await Watched(peer.port, key, timeout_s=0.2).receiver.send(1, FIRE)
            assert time.monotonic() - started < 3

    asyncio.run(run())


def test_nobody_there_is_silence():
    async def run() -> None:
        async with listening("ack") as peer:
            port = peer.port
        with pytest.raises(OSError, match=r"cannot be reached at 127\.0\.0\.1 port [0-9]+: Connection refused"):
            await Watched(port).receiver.send(1, FIRE)

    asyncio.run(run())


def test_a_clear_answer_to_an_encrypted_message_is_none():
    async def run() -> None:
        async with listening("clear_ack", key=KEY) as peer:
            watched = Watched(peer.port, KEY, timeout_s=0.3)
            with pytest.raises(OSError, match="closes"):
                await watched.receiver.send(1, FIRE)
            assert "not the answer to this message" in watched.told[-1]

    asyncio.run(run())


def test_a_receiver_with_another_clock_gets_its_own_time():
    async def run() -> None:
        async with listening("nak", "ack", key=KEY) as peer:
            peer.off = timedelta(hours=-3)
            watched = Watched(peer.port, KEY)
            await watched.receiver.send(7, FIRE)
            first, second = peer.heard
            assert (first.seq, second.seq) == (7, 7)
            assert timedelta(seconds=-10801) <= second.timestamp - first.timestamp <= timedelta(seconds=-10798)
            await watched.receiver.send(8, FIRE)
            assert abs(peer.heard[2].timestamp - second.timestamp) < timedelta(seconds=3)

    asyncio.run(run())


def test_who_refuses_twice_has_not_taken_it():
    async def run() -> None:
        async with listening("nak", key=KEY) as peer:
            with pytest.raises(Refused, match="NAK") as caught:
                await Watched(peer.port, KEY).receiver.send(1, FIRE)
            assert not caught.value.is_final
            assert len(peer.heard) == 2

    asyncio.run(run())


def test_who_cannot_use_it_gets_it_without_extended_data():
    async def run() -> None:
        async with listening("duh", "ack") as peer:
            await Watched(peer.port).receiver.send(1, FIRE)
            assert [len(heard.xdata) for heard in peer.heard] == [6, 0]
            assert peer.events == [FIRE_DATA, FIRE_DATA]

    asyncio.run(run())


def test_who_cannot_use_that_either_is_not_asked_again():
    async def run() -> None:
        async with listening("duh") as peer:
            watched = Watched(peer.port)
            with pytest.raises(Refused, match="DUH") as caught:
                await watched.receiver.send(1, FIRE)
            assert caught.value.is_final
            assert len(peer.heard) == 2
            assert (watched.receiver.up.is_set(), watched.faults) == (True, [None])

    asyncio.run(run())


def test_silence_is_a_fault_once_and_so_is_its_end():
    async def run() -> None:
        async with listening("close", "close", "close", "ack") as peer:
            watched = Watched(peer.port)
            for expected in ([], ["closes the connection without an answer"], ["closes the connection without an answer"]):
                with pytest.raises(OSError, match="closes"):
                    await watched.receiver.test_link()
                assert watched.faults == expected
                assert not watched.receiver.up.is_set()
            await watched.receiver.test_link()
            assert watched.faults == ["closes the connection without an answer", None]
            assert watched.receiver.up.is_set()

    asyncio.run(run())


def test_the_link_is_tested_when_nothing_else_was_sent():
    async def run() -> None:
        async with listening("ack", key=KEY) as peer:
            watched = Watched(peer.port, KEY, supervision_s=1)
            task = asyncio.create_task(watched.receiver.supervise())
            async with asyncio.timeout(20):
                await peer.has_heard(3)
            task.cancel()
            assert {(heard.idtoken, heard.seq, heard.encrypted) for heard in peer.heard} == {("NULL", 0, True)}

    asyncio.run(run())


@given(st.binary(max_size=500), st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_a_receiver_sends_is_an_answer_or_a_failure_that_is_expected(answer, is_encrypted):
    async def run() -> None:
        key = KEY if is_encrypted else None
        async with listening(answer, key=key) as peer:
            with pytest.raises((OSError, Refused)):
                await Watched(peer.port, key, timeout_s=0.03).receiver.send(1, FIRE)

    asyncio.run(run())


def test_the_key_is_never_told():
    async def run() -> list[str]:
        async with listening("ack", key=KEY) as peer:
            watched = Watched(peer.port, KEY)
            await watched.receiver.send(1, FIRE)
            return watched.told

    told = asyncio.run(run())
    assert len(told) == 2
    assert told[0].startswith("to police: SIA-DCS 0001 account 1001 #1001|Nri3/FA007 TM ")
    assert KEY.hex() not in " ".join(told).lower()
