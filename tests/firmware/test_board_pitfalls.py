"""What brokers and links do to messages, each against the whole firmware: see docs/firmware-pitfalls.md."""

import json
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from rig import Board, Broker, Engine, eventually
from wedges import Mute, Slow

MakeBoard = Callable[..., Board]
QUICK = """
import sys, time
class Quick:
    pass
quick = Quick()
for name in dir(time):
    setattr(quick, name, getattr(time, name))
quick.ticks_ms = lambda: time.ticks_ms() * 10
sys.modules['time'] = quick
"""


def presses(engine: Engine, state: str = "active") -> list[str]:
    return [event["id"] for event in engine.all("dev/B1/event", lambda m: m["type"] == "button" and m["state"] == state)]


def test_pitfall_01_events_in_flight_when_the_broker_is_killed_arrive_after_it(
    make_board: MakeBoard, engine: Engine, broker: Broker
) -> None:
    with closing(Slow(broker.port, 0.05)) as slow:
        board = make_board(brokers=[{"host": "127.0.0.1", "port": slow.port}])
        engine.hello("B1")
        engine.settle("B1")
        engine.heard.clear()
        for turn in range(8):
            board.set(f"button-{1 + turn % 2}", True)
            time.sleep(0.06)
            board.set(f"button-{1 + turn % 2}", False)
            time.sleep(0.06)
            if turn == 3:
                broker.kill()  # a round trip takes 100 ms: the last presses are on their way
        before = set(presses(engine))
        broker.start()
        eventually(lambda: len(set(presses(engine))) == 8, "every press", 20.0)
        assert before < set(presses(engine))
        engine.hello("B1")
        engine.settle("B1")
        assert len(set(presses(engine))) == len(set(presses(engine, "clear"))) == 8
        changes = sorted({(int(e["id"].split("-")[2]), e["state"]) for e in engine.all("dev/B1/event", lambda m: m["type"] == "button")})
        assert [state for _, state in changes] == ["active", "clear"] * 8, "the order is in the ids"


def test_pitfall_03_alarm_that_twenty_connections_in_a_row_do_not_acknowledge_is_delivered_by_the_next(make_board: MakeBoard) -> None:
    """The board's clock goes ten times as fast: twenty deadlines of up to 10 s."""
    with closing(Mute(until=8, well_from=21)) as mute:
        board = make_board(start=False, brokers=[{"host": "127.0.0.1", "port": mute.port}])
        board.start(QUICK)
        eventually(lambda: mute.published, "a birth")
        board.set("button-1", True)
        alarms: dict[int, str] = {}

        def arrived() -> bool:
            board.bell_changes()  # else what the board says of its bell fills the wire to it
            for number, body in mute.published:
                if b"/event" in body and b'"type":"button"' in body:
                    alarms[number] = json.loads(body[body.index(b"{") :])["id"]
            return max(alarms, default=0) > 20

        eventually(arrived, "the alarm on a connection that answers", 90.0)
        assert set(range(1, 21)) <= set(alarms)
        assert len(set(alarms.values())) == 1
        connections = mute.connections
        time.sleep(1.5)
        assert mute.connections == connections, "a connection that answers is kept"


def test_pitfall_13_event_that_the_broker_acknowledged_and_lost_is_sent_again(
    make_board: MakeBoard, engine: Engine, broker: Broker
) -> None:
    board = make_board()
    engine.wait("dev/B1/state")
    board.set("extinguisher-1", True)
    event = engine.wait("dev/B1/event")
    eventually(lambda: len(engine.all("dev/B1/event")) >= 4, "repeats after 1, 2 and 4 s on one connection: the broker acknowledges them")
    assert "link:" not in board.log()
    engine.close()
    broker.kill()  # it keeps nothing
    broker.start()
    later = Engine(broker.port)
    try:
        later.hello("B1")
        again: dict[str, Any] = later.wait("dev/B1/event")
        assert (again["id"], again["now"]) == (event["id"], "active")
        later.settle("B1")
    finally:
        later.close()
