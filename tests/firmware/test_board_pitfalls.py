"""What brokers and links do to messages, each against the whole firmware: see docs/firmware-pitfalls.md."""

import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import pytest
from rig import MICROPYTHON, ROOT, Board, Broker, Engine, eventually
from wedges import Mute, Slow

MakeBoard = Callable[..., Board]
BOARDS = 300
IN_ONE = 15  # of them in one process: more would wait for each other's garbage collection
WINDOW_MS = 100
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
        told = engine.all("dev/B1/event", lambda m: m["type"] == "button")
        changes = sorted({(int(event["id"].split("-")[2]), event["point"], event["state"]) for event in told})
        for button in ("button-1", "button-2"):  # of two buttons that move between two looks of a busy board, either may come first
            assert [state for _, point, state in changes if point == button] == ["active", "clear"] * 4, "the order is in the ids"


@pytest.mark.long
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


class Crowd:
    """The sessions of BOARDS boards on one port: what they have said so far, as (Unix ms, word, number)."""

    def __init__(self, port: int) -> None:
        environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'firmware/device'}:{ROOT}:.frozen"}
        script = str(Path(__file__).with_name("many_sessions.py"))
        self.said: list[tuple[int, str, int]] = []
        self._processes = []
        self._threads = []
        for first in range(0, BOARDS, IN_ONE):
            command = [str(MICROPYTHON), "-X", "heapsize=512k", script, str(port), str(first), str(IN_ONE)]
            self._processes.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
            self._threads.append(threading.Thread(target=self._listen, args=(self._processes[-1].stdout,), daemon=True))
            self._threads[-1].start()

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        for thread in self._threads:
            thread.join()

    def up(self) -> int:
        """How many are connected."""
        last = {number: word for _, word, number in list(self.said) if word != "try"}
        return list(last.values()).count("up")

    def _listen(self, words: IO[str]) -> None:
        with words:
            for line in words:
                ms, word, number = line.split()
                self.said.append((int(ms), word, int(number)))


def test_pitfall_12_boards_come_back_spread_and_all_after_a_failure_of_the_broker(broker: Broker) -> None:
    with closing(Crowd(broker.port)) as crowd:
        eventually(lambda: crowd.up() == BOARDS, "every board connects", 30.0)
        broker.kill()
        eventually(lambda: crowd.up() == 0, "every board notices")
        lost = crowd.said[-1][0]
        time.sleep(4.0)
        broker.start()
        eventually(lambda: crowd.up() == BOARDS, "every board comes back", 30.0)
        tries = [ms for ms, word, _ in crowd.said if word == "try" and ms > lost + 2_000]  # the first second's are near together
        windows = Counter(ms // WINDOW_MS for ms in tries)
        busiest = max(windows.values())
        print(f"{len(tries)} tries from 2 s after the loss on, at most {busiest} within {WINDOW_MS} ms")
        assert busiest <= BOARDS / 5
        assert len(tries) <= 6 * BOARDS, "a hot loop"
