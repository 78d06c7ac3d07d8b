"""The channel of a police receiver: what waits goes to whoever takes it, in its order, until somebody has."""

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sia_receivers import ACCOUNT, FaultyReceiver, listening

from gateway.delivery.queue import Backoff
from gateway.delivery.sia.channel import SiaLoop, event_seq, hand_seq
from gateway.delivery.sia.codes import Event
from gateway.delivery.sia.receiver import Receiver
from gateway.domain.rows import DeliveryRow
from gateway.settings import Receiver as Settings
from gateway.store.journal import Outgoing
from protocol.incident import Delivery

TIMEOUT_S = 0.2
BUSY_S = 2.0  # this machine may have other things to do


def event(point: int) -> Event:
    return Event("FA", 3, point, "CHAY", 1_795_330_987_000, "M")


def outgoing(ident: int, point: int, *, incident: str = "2026-000001", body: str = "") -> Outgoing:
    now_ms = int(time.time() * 1000)
    told = Delivery(id=ident, channel="sia:first", what="opened", state="waiting", tries=0, at_ms=now_ms)
    return Outgoing(DeliveryRow(incident, told, next_ms=now_ms), body or json.dumps(event(point)._asdict()))


class Stage:
    """A channel with its receivers, and what it says of each message."""

    def __init__(self, *peers: FaultyReceiver, supervision_s: int) -> None:
        self.rows: list[DeliveryRow] = []
        self.faults: dict[str, str | None] = {}
        self.proved: set[str] = set()
        self._news = asyncio.Event()
        receivers = (self._receiver(name, peer, supervision_s) for name, peer in zip(("first", "second"), peers, strict=False))
        self.loop = SiaLoop(tuple(receivers), self._tried, retry=Backoff(0.01, 0.05, 10**9))

    def _receiver(self, name: str, peer: FaultyReceiver, supervision_s: int) -> Receiver:
        chosen = Settings(name=name, host="127.0.0.1", port=peer.port, account=ACCOUNT, timeout_s=TIMEOUT_S, supervision_s=supervision_s)
        return Receiver(chosen, None, clock=time.time, on_fault=self._fault, on_proof=self.proved.add, again_s=0.05)

    def _tried(self, row: DeliveryRow) -> None:
        self.rows.append(row)
        self._news.set()

    def _fault(self, key: str, words: str | None) -> None:
        self.faults[key] = words
        self._news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._news.clear()
                await self._news.wait()

    @property
    def delivered(self) -> list[int]:
        return [row.delivery.id for row in self.rows if row.delivery.state == "delivered"]


@asynccontextmanager
async def stage(*peers: FaultyReceiver, supervision_s: int = 60) -> AsyncIterator[Stage]:
    found = Stage(*peers, supervision_s=supervision_s)
    task = asyncio.create_task(found.loop.run())
    try:
        yield found
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("wrong", ["mute", "close", "half", "garbage", "wrong_seq", "flood", "nak", "duh"])
def test_what_the_first_does_not_take_the_second_has_within_its_time_out(wrong):
    async def run() -> None:
        async with listening(wrong) as first, listening("ack") as second, stage(first, second, supervision_s=0) as scene:
            started = time.monotonic()
            scene.loop.queue.put([outgoing(5, 7)])
            await scene.until(lambda: scene.delivered)
            assert time.monotonic() - started < TIMEOUT_S + BUSY_S
            assert second.events == ["#1001|Nri3/FA007"]
            # That the second has it proves the second, and says nothing of the first.
            assert (scene.rows[-1].reference, scene.proved) == ("second", {"sia:second"})
            assert {heard.seq for heard in [*first.heard, *second.heard]} == {5}

    asyncio.run(run())


def test_an_alarm_waits_for_no_canary_that_the_receiver_keeps():
    async def run() -> None:
        async with listening("mute", "ack") as first, stage(first, supervision_s=0) as scene:
            patient = scene.loop._receivers[0]
            patient._settings = patient._settings.model_copy(update={"timeout_s": 60})
            scene.loop.queue.put([outgoing(1, 1, incident="")])
            await first.has_heard(1)
            scene.loop.queue.put([outgoing(2, 2)])
            await scene.until(lambda: scene.delivered)
            assert scene.delivered == [2]

    asyncio.run(run())


def test_who_did_not_answer_is_not_waited_for_again_until_a_link_test_succeeds():
    async def run() -> None:
        async with listening("mute") as first, listening("ack") as second, stage(first, second) as scene:
            await scene.until(lambda: scene.faults.get("sia:first"))
            started = time.monotonic()
            scene.loop.queue.put([outgoing(ident, ident) for ident in range(1, 21)])
            await scene.until(lambda: len(scene.delivered) == 20)
            assert time.monotonic() - started < 20 * TIMEOUT_S
            assert first.events == []
            first.script[:] = ["ack"]
            await scene.until(lambda: scene.faults["sia:first"] is None)
            scene.loop.queue.put([outgoing(21, 21)])
            await scene.until(lambda: 21 in scene.delivered)
            assert first.events == ["#1001|Nri3/FA021"]

    asyncio.run(run())


def test_what_nobody_takes_waits_and_is_never_given_up():
    async def run() -> None:
        async with listening("close") as first, listening("mute") as second, stage(first, second) as scene:
            await scene.until(lambda: scene.faults.get("sia:first") and scene.faults.get("sia:second"))
            tried = len(scene.rows)
            scene.loop.queue.put([outgoing(ident, ident) for ident in (1, 2, 3)])
            await first.has_heard(len(first.heard) + 5)
            assert len(scene.rows) == tried, "no row is written while only the link is tested"
            second.script[:] = ["ack"]
            await scene.until(lambda: len(scene.delivered) == 3)
            assert scene.delivered == [1, 2, 3]
            assert [heard.seq for heard in second.heard if heard.idtoken == "SIA-DCS"] == [1, 2, 3]

    asyncio.run(run())


def test_what_both_cannot_use_has_failed_and_delays_nothing():
    async def run() -> None:
        async with listening("duh", "duh", "ack") as first, listening("duh") as second, stage(first, second, supervision_s=0) as scene:
            scene.loop.queue.put([outgoing(1, 1), outgoing(2, 2)])
            await scene.until(lambda: scene.delivered)
            assert [(row.delivery.id, row.delivery.state) for row in scene.rows] == [(1, "failed"), (2, "delivered")]
            assert "first answers that it cannot use this message (DUH); second answers" in scene.rows[0].delivery.error

    asyncio.run(run())


@pytest.mark.parametrize("body", ["{}", "[]", "nonsense", '{"code":"ZZ","area":1,"point":1,"text":"","at_ms":1}'])
def test_a_body_that_is_no_event_has_failed_and_delays_nothing(body):
    async def run() -> None:
        async with listening("ack") as first, stage(first, supervision_s=0) as scene:
            scene.loop.queue.put([outgoing(1, 1, body=body), outgoing(2, 2)])
            await scene.until(lambda: scene.delivered)
            assert [(row.delivery.id, row.delivery.state) for row in scene.rows] == [(1, "failed"), (2, "delivered")]

    asyncio.run(run())


@pytest.mark.parametrize("seed", range(5))
def test_through_any_weather_everything_arrives_in_its_order_under_its_number(seed):
    weather = random.Random(seed)

    def script() -> list[str | bytes]:
        return [*weather.choices(["ack", "close", "garbage", "wrong_seq", "nak", "half", "ack"], k=25), "ack"]

    async def run() -> None:
        async with listening(*script()) as first, listening(*script()) as second, stage(first, second) as scene:
            scene.loop.queue.put([outgoing(ident, ident) for ident in range(1, 13)])
            await scene.until(lambda: len(scene.delivered) == 12)
            assert scene.delivered == list(range(1, 13))
            heard = [one for one in [*first.heard, *second.heard] if one.idtoken == "SIA-DCS"]
            for one in heard:
                assert one.data.pack(brackets=False).decode() == f"#1001|Nri3/FA{one.seq:03d}"
            assert {one.seq for one in heard} == set(range(1, 13))

    asyncio.run(run())


def test_sequence_numbers_are_those_of_the_standard_and_tests_have_their_own():
    assert [event_seq(ident) for ident in (1, 2, 8999, 9000, 17998, 17999)] == [1, 2, 8999, 1, 8999, 1]
    assert {hand_seq(second * 1000) for second in range(2000)} == set(range(9000, 10000))
