"""The link over TLS against a real mosquitto: the right one connects, each wrong one is refused, and the board says why."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import rig
import secured
from certificates import DAY, NAME, Authority, Holder
from rig import Board, Engine, eventually
from waits import press_rings

MakeBoard = Callable[..., Board]
OURS, OTHERS = Authority("Our CA"), Authority("Other CA")
BOARD = OURS.board("B1")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[secured.Broker]:
    if rig.MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    broker = secured.Broker(tmp_path, OURS)
    yield broker
    broker.kill()


def make(make_board: MakeBoard, broker: secured.Broker, server_name: str = NAME, **fields: Any) -> Board:
    addresses = [{"host": "127.0.0.1", "port": broker.tls_port}]
    return make_board(start=False, server_name=server_name, brokers=addresses, **fields)


@pytest.mark.parametrize(
    ("server_name", "server"),
    [
        pytest.param(NAME, OURS.server(), id="name"),
        pytest.param(NAME.upper(), OURS.server(), id="upper-case-name"),
        pytest.param("127.0.0.1", OURS.server(NAME, "127.0.0.1"), id="address"),
    ],
)
def test_pitfall_08_right_certificates_connect(
    make_board: MakeBoard, engine: Engine, broker: secured.Broker, server_name: str, server: Holder
) -> None:
    broker.restart(server=server)
    board = make(make_board, broker, server_name)
    board.start(secured.files(OURS, BOARD))
    assert "faults" not in engine.hello("B1")
    press_rings(board)
    engine.wait("group/G1/call/B1")
    event = engine.wait("dev/B1/event", lambda m: m["type"] == "button")
    engine.receipt("B1", event["id"])
    engine.ring("fire", covers={"B1": event["id"]})
    engine.wait("dev/B1/event", lambda m: m["type"] == "bell" and m.get("n") == 1)


def steps(board: Board, terminal: str) -> list[float]:
    """The lengths in s of the whole steps that an output has played."""
    times = [at for at, _ in board.changes(terminal)]
    return [later - at for at, later in itertools.pairwise(times)]


@dataclass(frozen=True)
class Wrong:
    """What is wrong at the broker (attributes of secured.Broker) or at the board, and what the board is to say of it."""

    words: str
    broker: dict[str, Any] = field(default_factory=dict)
    server_name: str = NAME
    ca: Authority = OURS
    board: Holder = BOARD
    files: dict[str, bytes | None] = field(default_factory=dict)
    mend: dict[str, Any] | None = None  # at the broker; None: at the board


NOT_IN_DER = "expected a certificate"
BROKEN_OFF = "TLS broken off"
ROWS = {
    "ca-in-pem": Wrong("/tls/ca.der: " + NOT_IN_DER, files={"ca": OURS.holder.pem}),
    "board-in-pem": Wrong("/tls/board.der, key.der: " + NOT_IN_DER, files={"board": BOARD.pem}),
    "key-in-pem": Wrong("/tls/board.der, key.der: " + NOT_IN_DER, files={"key": BOARD.key_pem}),
    "ca-empty": Wrong("/tls/ca.der: " + NOT_IN_DER, files={"ca": b""}),
    "ca-missing": Wrong("/tls/ca.der: not readable", files={"ca": None}),
    "board-missing": Wrong("/tls/board.der: not readable", files={"board": None}),
    "key-missing": Wrong("/tls/key.der: not readable", files={"key": None}),
    "board-of-another-device": Wrong("/tls/board.der: expected the certificate of B1", board=OURS.board("B11")),
    "board-of-another-ca": Wrong(BROKEN_OFF, board=OTHERS.board("B1")),
    "board-expired": Wrong(BROKEN_OFF, board=OURS.board("B1", end=-DAY)),
    "key-of-another-certificate": Wrong(BROKEN_OFF, files={"key": OURS.board("B1").key_der}),
    "board-revoked": Wrong(BROKEN_OFF, broker={"revoked": OURS.revoke(BOARD)}, mend={"revoked": None}),
    "server-of-another-ca": Wrong(
        "not correctly signed by the trusted CA", broker={"server": OTHERS.server()}, mend={"server": OURS.server()}
    ),
    "server-of-another-ca-at-the-board": Wrong("not correctly signed by the trusted CA", ca=OTHERS),
    "server-of-another-name": Wrong("does not match", broker={"server": OURS.server("other.local")}, mend={"server": OURS.server()}),
    "name-of-another-server": Wrong("does not match", server_name="other.local", mend={"server": OURS.server("other.local")}),
    "address-of-another-server": Wrong(
        "does not match", {"server": OURS.server("127.0.0.2")}, "127.0.0.1", mend={"server": OURS.server("127.0.0.1")}
    ),
    "server-expired": Wrong(
        "validity has expired", broker={"server": OURS.server(start=-2 * DAY, end=-DAY)}, mend={"server": OURS.server()}
    ),
    "server-not-yet-valid": Wrong("starts in the future", broker={"server": OURS.server(start=DAY)}, mend={"server": OURS.server()}),
    "server-with-tls-1.3-only": Wrong(BROKEN_OFF, broker={"version": "tlsv1.3"}, mend={"version": "tlsv1.2"}),
    "server-without-tls": Wrong(BROKEN_OFF, broker={"plain": True}, mend={"plain": False}),
    "board-without-tls": Wrong("closed by the broker before CONNACK", server_name="", mend={"plain": True}),
}


@pytest.mark.parametrize("row", ROWS)
def test_pitfall_08_wrong_certificate_is_refused_and_the_board_says_why(
    make_board: MakeBoard, engine: Engine, broker: secured.Broker, row: str
) -> None:
    wrong = ROWS[row]
    if wrong.broker:
        broker.restart(**wrong.broker)
    board = make(make_board, broker, wrong.server_name, points={"indicator": {}})
    board.start(secured.files(wrong.ca, wrong.board, **wrong.files))
    eventually(lambda: wrong.words in board.log(), f"{wrong.words} on the console: {board.log()}")
    assert engine.all("dev/B1/state") == []
    press_rings(board)
    tries, since = broker.tries(), time.monotonic()
    blinks = eventually(lambda: steps(board, "indicator"), "a step of the indicator")
    assert all(1.5 < length < 2.5 for length in blinks), "2 s of light, 2 s of dark: nobody listens"
    time.sleep(max(0.0, since + 2.0 - time.monotonic()))
    assert broker.tries() - tries <= 7.5 * (time.monotonic() - since), "a hot loop"
    assert engine.all("dev/B1/state") == []
    if wrong.mend is None:
        board.cut()
        board.start(secured.files(OURS, BOARD))
        assert "faults" not in engine.hello("B1")
    else:
        broker.restart(**wrong.mend)
        birth = engine.hello("B1")
        assert [words for words in birth["faults"] if words.startswith("link: ") and wrong.words in words], birth
        eventually(lambda: "faults" not in engine.all("dev/B1/state")[-1], "a birth without the fault")
        engine.wait("dev/B1/event", lambda m: m["type"] == "button" and m["state"] == "active")


def test_tls_takes_at_most_9_kb_of_a_64_bit_heap(make_board: MakeBoard, engine: Engine, broker: secured.Broker) -> None:
    free = {}
    for server_name, port in ((NAME, broker.tls_port), ("", broker.port)):
        board = make_board(start=False, server_name=server_name, brokers=[{"host": "127.0.0.1", "port": port}])
        board.start(secured.files(OURS, BOARD))
        engine.hello("B1")
        engine.settle("B1")
        free[server_name] = engine.all("dev/B1/report")[-1]["heap"]
        board.cut()
        engine.wait("dev/B1/state", lambda m: not m["online"])
        engine.heard.clear()
    print("free with and without TLS", free)
    assert 0 < free[""] - free[NAME] <= 9_000
