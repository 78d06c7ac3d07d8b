"""What the console knows from the bus, over a real broker."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from stage import NOON_MS, SITE, START, Broker, EnginePeer, incident, soon

from gateway.console.changes import Changes
from gateway.console.feed import SETTLE_S, TICK_LOST_S, Clock, Feed
from gateway.mqtt import Account
from protocol import topics
from protocol.messages import Gateway, Tick


class Watch:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, lambda: NOON_MS + round(self.seconds * 1000))


@asynccontextmanager
async def listening(port: int, watch: Watch) -> AsyncIterator[Feed]:
    feed = Feed(SITE.id, Account("127.0.0.1", port, "console", ""), Changes(), watch.clock())
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def played(part: Coroutine[Any, Any, None]) -> None:
    asyncio.run(part)


def test_open_incidents_are_known_at_once_to_a_console_that_starts_later(broker: Broker, engine: EnginePeer) -> None:
    engine.publish(incident())

    async def play() -> None:
        async with listening(broker.port, Watch()) as feed:
            await soon(lambda: [one.id for one in feed.incidents] == ["2026-000123"])
            await soon(lambda: feed.liveness.engine == "online")

    played(play())


def test_what_is_wrong_with_the_gateway_is_known_until_it_is_over(broker: Broker, engine: EnginePeer) -> None:
    def say(*faults: str) -> None:
        message = Gateway(online=True, engine=START, version="0.1.0", faults=list(faults))
        engine.say(topics.gateway(SITE.id), message.payload(), retain=True)

    async def play() -> None:
        async with listening(broker.port, Watch()) as feed:
            say("disk: database or disk is full")
            await soon(lambda: feed.liveness.faults == ("disk: database or disk is full",))
            assert feed.liveness.engine == "online"
            say()
            await soon(lambda: feed.liveness.faults == ())

    played(play())


def test_a_closed_incident_is_gone(broker: Broker, engine: EnginePeer) -> None:
    engine.publish(incident("open-1"))
    engine.publish(incident("open-2"))

    async def play() -> None:
        async with listening(broker.port, Watch()) as feed:
            await soon(lambda: len(feed.incidents) == 2)
            engine.close("open-1")
            engine.publish(incident("open-2", state="resolved", outcome="test"))
            await soon(lambda: not feed.incidents)

    played(play())


def test_the_last_will_says_that_the_engine_is_gone(broker: Broker, engine: EnginePeer) -> None:
    async def play() -> None:
        async with listening(broker.port, Watch()) as feed:
            await soon(lambda: feed.liveness.engine == "online")
            engine.die()
            await soon(lambda: feed.liveness.engine == "offline")
            assert feed.liveness.broker == "connected"

    played(play())


def test_d20_an_engine_without_ticks_is_silent_and_not_online(broker: Broker, engine: EnginePeer) -> None:
    watch = Watch()

    async def play() -> None:
        async with listening(broker.port, watch) as feed:
            await soon(lambda: feed.liveness.engine == "online")
            watch.seconds += TICK_LOST_S
            await soon(lambda: feed.liveness.engine == "silent")
            engine.tick()
            await soon(lambda: feed.liveness.engine == "online")

    played(play())


def test_without_a_broker_nothing_is_known_of_the_engine_and_the_incidents_stay(broker: Broker, engine: EnginePeer) -> None:
    engine.publish(incident())

    async def play() -> None:
        async with listening(broker.port, Watch()) as feed:
            await soon(lambda: feed.incidents and feed.liveness.engine == "online")
            broker.kill()
            await soon(lambda: (feed.liveness.broker, feed.liveness.engine) == ("lost", "unknown"))
            assert len(feed.incidents) == 1

    played(play())


def test_what_was_closed_while_the_link_was_down_goes_when_the_engine_is_back(broker: Broker, engine: EnginePeer) -> None:
    watch = Watch()
    engine.publish(incident("stays"))
    engine.publish(incident("closed-meanwhile"))

    async def play() -> None:
        async with listening(broker.port, watch) as feed:
            await soon(lambda: len(feed.incidents) == 2)
            broker.kill()
            await soon(lambda: feed.liveness.broker == "lost")
            broker.start()
            await soon(lambda: feed.liveness.broker == "connected")
            watch.seconds += 10 * SETTLE_S
            assert len(feed.incidents) == 2  # an empty broker proves nothing: the engine has not spoken
            again = await asyncio.to_thread(EnginePeer, broker.port)
            again.publish(incident("stays"))
            await soon(lambda: feed.liveness.engine == "online")
            watch.seconds += SETTLE_S
            await soon(lambda: [one.id for one in feed.incidents] == ["stays"])
            again.die()

    played(play())


def test_the_time_of_a_command_is_the_last_ticks_plus_what_has_passed(broker: Broker, engine: EnginePeer) -> None:
    watch = Watch()

    async def play() -> None:
        async with listening(broker.port, watch) as feed:
            await soon(lambda: feed.liveness.broker == "connected")
            ours = feed.engine_ms()
            engine.tick()
            await soon(lambda: feed.engine_ms() != ours)
            watch.seconds += 3.25
            assert feed.engine_ms() == NOON_MS + 3250

    played(play())


def test_no_clock_is_set_from_a_retained_tick(broker: Broker, engine: EnginePeer) -> None:
    watch = Watch()
    engine.say(topics.tick(SITE.id), Tick(engine=START, t=1).payload(), retain=True)

    async def play() -> None:
        async with listening(broker.port, watch) as feed:
            await soon(lambda: feed.liveness.engine == "online")
            assert feed.engine_ms() == watch.clock().now_ms()

    played(play())


def test_rubbish_is_counted_and_hurts_nothing(broker: Broker, engine: EnginePeer) -> None:
    async def play() -> None:
        async with listening(broker.port, Watch()) as feed:
            await soon(lambda: feed.liveness.engine == "online")
            for leaf in ("incident/2026-000123", "gateway", "tick", "desk/truc-ban-1/answer"):
                engine.say(f"{topics.PREFIX}{SITE.id}/{leaf}", b'{"v":1e400,')
            engine.publish(incident())
            await soon(lambda: feed.incidents)
            assert feed.unreadable == 4
            assert feed.liveness.engine == "online"

    played(play())
