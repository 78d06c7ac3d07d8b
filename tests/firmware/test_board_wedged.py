"""A network client that is stuck, wherever, stops neither the own bell nor its pattern, and its event loop never stands still."""

import itertools
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import rig
import secured
from certificates import NAME, Authority
from rig import Board, Engine, Freezer, eventually
from waits import OWN_BELL_S, Waits
from wedges import Full, Mute

MakeBoard = Callable[..., Board]
STALL_MS = 100
HANDSHAKE_S = 0.25  # what Mbed TLS reckons in one piece, 60 ms on an idle machine: see docs/board-tls.md
SECONDS = 9.0  # two cycles of the pattern, and more than one connection
OURS = Authority()
PROBE = """
import asyncio, time
async def probe():
    last = time.ticks_ms()
    while True:
        await asyncio.sleep_ms(10)
        now = time.ticks_ms()
        if now - last > 20:
            print('stall', now - last - 10)
        last = now
asyncio.create_task(probe())
"""
HANGING_DNS = """
import socket, sys, time
class Hanging:
    def getaddrinfo(self, host, *others):
        if not host.replace('.', '').isdigit():
            print('lookup of', host)
            time.sleep(3)
        return socket.getaddrinfo(host, *others)
hanging = Hanging()
for name in dir(socket):
    if name != 'getaddrinfo':
        setattr(hanging, name, getattr(socket, name))
sys.modules['socket'] = hanging
"""


def rings_on(board: Board, reckoning_s: float = 0.0) -> None:
    """Press; the bell rings within 150 ms, then in temporal-3 within 10 %; the loop never stands still for STALL_MS; no watchdog bites.

    `reckoning_s` may come on top of each: a time in which the processor works for the link.
    """
    told = len(board.log())
    waits = Waits(board)
    pressed = board.set("button-1", True)
    while time.monotonic() < pressed + SECONDS:
        board.bell_changes()
        waits.sample()
        time.sleep(0.005)
    rang = board.wait_bell(after=pressed)
    assert rang - pressed < OWN_BELL_S + waits.between(pressed, rang)
    changes = [(at, level) for at, level in board.bell_changes() if at >= rang]
    assert len(changes) >= 2 * 6
    for place, ((at, level), (later, _)) in enumerate(itertools.pairwise(changes)):
        nominal = 1.5 if place % 6 == 5 else 0.5
        assert level == 1 - place % 2
        assert abs(later - at - nominal) <= nominal / 10 + reckoning_s + waits.between(at, later), (place, later - at)
    worst = max([0, *(int(ms) for ms in re.findall(r"stall (\d+)", board.log()[told:]))])
    taken = waits.worst(worst / 1000) * 1000
    print(f"worst stall {worst} ms, of it at most {taken:.0f} ms taken by the machine")
    assert worst - taken < STALL_MS + reckoning_s * 1000
    assert board.is_alive()
    assert board.side.bites == 0 < board.side.meals


def stuck(make_board: MakeBoard, port: int, before: str = "", **fields: Any) -> Board:
    board = make_board(start=False, brokers=[{"host": "127.0.0.1", "port": port}], **fields)
    board.start(PROBE + before)
    return board


@pytest.fixture
def full() -> Iterator[Full]:
    with closing(Full()) as full:
        yield full


def test_pitfall_04_connect_that_nobody_answers_stops_nothing(make_board: MakeBoard, full: Full) -> None:
    board = stuck(make_board, full.port)
    rings_on(board)
    assert "ETIMEDOUT" in board.log()


def test_pitfall_04_broker_that_accepts_and_says_nothing_stops_nothing(make_board: MakeBoard) -> None:
    with closing(Mute()) as mute:
        board = stuck(make_board, mute.port)
        rings_on(board)
        assert "no answer in time (CONNACK)" in board.log()
        assert 2 <= mute.connections <= 5


def test_pitfall_04_tls_handshake_that_nobody_answers_stops_nothing(make_board: MakeBoard) -> None:
    with closing(Mute()) as mute:
        board = stuck(make_board, mute.port, secured.files(OURS, OURS.board("B1")), server_name=NAME)
        rings_on(board)
        assert "no answer in time (CONNACK)" in board.log()
        assert 2 <= mute.connections <= 5


def test_pitfall_04_broker_that_is_mute_after_the_tls_handshake_stops_nothing(make_board: MakeBoard, tmp_path: Path) -> None:
    server = OURS.server()
    (tmp_path / "server.pem").write_bytes(server.pem + server.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with closing(Mute(context=context)) as mute:
        board = stuck(make_board, mute.port, secured.files(OURS, OURS.board("B1")), server_name=NAME)
        rings_on(board, HANDSHAKE_S)
        assert "no answer in time (CONNACK)" in board.log()


def test_pitfall_04_broker_that_never_answers_a_subscription_stops_nothing(make_board: MakeBoard) -> None:
    with closing(Mute(until=1)) as mute:
        board = stuck(make_board, mute.port)
        rings_on(board)
        eventually(lambda: "no answer in time" in board.log(), "the deadline of the SUBACK")


def test_pitfall_18_half_open_link_stops_neither_bell_nor_pattern(make_board: MakeBoard, engine: Engine, freezer: Freezer) -> None:
    board = stuck(make_board, freezer.port)
    engine.hello("B1")
    freezer.freeze()
    rings_on(board)
    engine.wait("dev/B1/event", lambda m: m["type"] == "button")


def test_pitfall_18_broker_that_acknowledges_nothing_stops_neither_bell_nor_pattern(make_board: MakeBoard) -> None:
    with closing(Mute(until=8)) as mute:
        board = stuck(make_board, mute.port)
        eventually(lambda: mute.published, "a birth")
        rings_on(board)
        assert len({number for number, body in mute.published if b"/event" in body}) >= 2


def test_pitfall_05_address_where_nobody_is_does_not_keep_the_board_from_the_next(
    make_board: MakeBoard, engine: Engine, full: Full, broker: Any
) -> None:
    """A connect in MicroPython succeeds for a dead address: only the read fails, or the deadline of CONNACK comes."""
    with closing(Mute()) as mute:
        addresses = [1, mute.port, full.port, broker.port]  # nothing listens on port 1
        board = make_board(brokers=[{"host": "127.0.0.1", "port": port} for port in addresses])
        engine.wait("dev/B1/state", deadline_s=25.0)
        assert mute.connections == 1
        assert "ECONNREFUSED" in board.log()


def test_pitfall_04_numeric_address_is_never_looked_up(make_board: MakeBoard, engine: Engine, freezer: Freezer) -> None:
    """A lookup stops the whole board, in any MicroPython: addresses in the configuration are to be numbers."""
    board = stuck(make_board, freezer.port, HANGING_DNS)
    engine.hello("B1")
    freezer.freeze()
    rings_on(board)
    engine.wait("dev/B1/event", lambda m: m["type"] == "button")
    assert freezer.connections >= 2
    assert "lookup" not in board.log()


def test_pitfall_04_lookup_that_hangs_delays_a_press_by_itself_and_no_more(make_board: MakeBoard, broker: rig.Broker) -> None:
    """The other half: with a name there is a lookup, and what it stops it stops for no longer than it lasts."""
    board = make_board(start=False, brokers=[{"host": "localhost", "port": broker.port}])
    board.start(HANGING_DNS)
    eventually(lambda: "lookup of localhost" in board.log(), "a lookup")
    pressed = board.set("button-1", True)
    assert board.wait_bell(after=pressed, deadline_s=6.0) - pressed < 3.5
    assert board.side.bites == 0
