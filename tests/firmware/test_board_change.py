"""A change of the configuration, by order, over a real mosquitto: applied, refused, rolled back, and tried again."""

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from rig import SITE, Board, Broker, Engine, eventually

from protocol import config
from protocol.config import BoardConfig

MakeBoard = Callable[..., Board]
# Minutes become seconds: virtual time is for the plain tests.
HURRIED = "import agent.trial\nagent.trial.TRIAL_MS = 3000\nagent.trial.SOON_MS = {soon_ms}\nagent.trial.ALARM_MS = 1000"
SOON = HURRIED.format(soon_ms=60_000)
LATE = HURRIED.format(soon_ms=1)  # whoever greets the old configuration was not there at first
# One network alone is in reach.
IN_REACH = "import network\nnetwork.WLAN.connect = lambda self, ssid, key: setattr(self, '_joined', ssid == 'lane')\n"
# The flash of a board with a driver in Python: the garbage is collected within each of its writes.
COLLECTING = """
import gc
class Image:
    def __init__(self, image):
        self.seek, self.readinto, self.write, self.finish = image.seek, image.readinto, image.write, image.flush
    def flush(self):
        gc.collect()
        self.finish()
flash.image = Image(flash.image)
"""


def order(engine: Engine, ident: str, **fields: Any) -> None:
    engine.say("dev/B1/order", config.change(ident, fields).payload())


def answer(engine: Engine, ident: str) -> dict[str, Any]:
    return engine.wait("dev/B1/answer", lambda m: m["id"] == ident)


def restarted(board: Board, engine: Engine, before: str = "") -> None:
    """The board resets itself, and starts again."""
    eventually(lambda: not board.is_alive(), f"a restart; {board.log()}", 20.0)
    assert board.exit_code() == 64, board.log()
    engine.heard.clear()
    board.start(before)


def is_kept(board: Board, engine: Engine, digest: str) -> bool:
    board.cut()
    engine.heard.clear()
    board.start()
    return bool(engine.hello("B1")["config"] == digest)


def digest_of(broker: Broker, **fields: Any) -> str:
    whole = {"site": SITE, "device": "B1", "kind": "household", "group": "G1", "brokers": [{"host": "127.0.0.1", "port": broker.port}]}
    return BoardConfig.model_validate({**whole, **fields}).digest()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_change_is_applied_kept_and_answered_and_the_birth_tells_it(make_board: MakeBoard, engine: Engine, broker: Broker) -> None:
    board = make_board(points={"heat-1": {}})
    assert engine.hello("B1")["config"] == digest_of(broker, points={"heat-1": {}})
    fields: dict[str, Any] = {"verify_s": 30, "points": {"button-2": None, "heat-1": {"hold_ms": 60}}, "password": "hush"}
    order(engine, "o-1", **fields)
    restarted(board, engine)
    assert engine.hello("B1")["config"] == digest_of(broker, **fields)
    assert answer(engine, "o-1") == {"v": 1, "id": "o-1", "ok": True}
    pressed = board.set("button-1", True)
    board.wait_bell(after=pressed)
    engine.wait("group/G1/call/B1")
    assert is_kept(board, engine, digest_of(broker, **fields))
    order(engine, "o-1", **fields)
    assert answer(engine, "o-1")["ok"] is True
    assert "hush" not in board.log()


def test_collection_within_a_write_finds_no_folder_open(make_board: MakeBoard, engine: Engine, broker: Broker) -> None:
    """It would close the folder, which LittleFS then writes to while it renames: the board died of it (SIGSEGV) in its trial."""
    board = make_board(start=False)
    board.start(COLLECTING)
    engine.hello("B1")
    order(engine, "o-1", verify_s=30)
    restarted(board, engine, COLLECTING)
    engine.hello("B1")
    assert answer(engine, "o-1") == {"v": 1, "id": "o-1", "ok": True}
    pressed = board.set("button-1", True)
    board.wait_bell(after=pressed)
    engine.settle("B1")
    assert board.is_alive()


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"verify_s": 91}, "verify_s: expected 0..90, got 91"),
        ({"device": "B2"}, 'device: expected "B1", got "B2"'),
        ({"verfy_s": 30}, "verfy_s: not a key of the configuration"),
        ({"points": {"window": {}}}, "points.window: not a point of household"),
        ({"points": {"heat-1": {"loop": "loop-1"}}}, "household: heat-1: GPIO 32 of esp32_wroom is taken by button-1"),
        ({"password": ["hush"]}, "password: expected at most 128 printable characters, got list"),
    ],
)
def test_change_that_is_wrong_is_refused_with_the_reason(make_board: MakeBoard, engine: Engine, fields: dict[str, Any], error: str) -> None:
    board = make_board()
    engine.hello("B1")
    engine.say("dev/B1/order", {"v": 1, "id": "o-1", "do": "set", "what": "config", "valid_s": 30, "config": fields})
    assert answer(engine, "o-1") == {"v": 1, "id": "o-1", "ok": False, "error": error}
    assert board.is_alive()


def test_longest_change_fits_the_heap(make_board: MakeBoard, engine: Engine, broker: Broker) -> None:
    points = {f"button-{number}": {"hold_ms": 100, "stuck_s": 1000, "call": "at_once"} for number in range(1, 5)}
    points |= {name: {"hold_ms": 100, "stuck_s": 1000} for name in ("heat-1", "gas-1", "safe", "need-help", "coming", "tamper")}
    board = make_board(points=points)
    engine.hello("B1")
    addresses = [{"host": "127.0.0.1", "port": broker.port}, *({"host": "h" * 253, "port": port} for port in range(1, 8))]
    networks = [{"ssid": f"the lane behind the market no. {number}", "key": "k" * 63} for number in range(8)]
    fields: dict[str, Any] = {"brokers": addresses, "wifi": networks, "points": points, "password": "p" * 128}
    assert len(config.change("o-1", fields).payload()) > 3_600
    for ident in ("o-1", "o-2"):  # the same upon the same: what merging takes most for
        order(engine, ident, **fields)
        restarted(board, engine)
        assert engine.hello("B1")["config"] == digest_of(broker, **fields)
        assert answer(engine, ident)["ok"] is True
    assert "MemoryError" not in board.log()


def test_second_change_is_refused_while_the_first_is_on_trial(make_board: MakeBoard, engine: Engine, broker: Broker) -> None:
    board = make_board()
    engine.hello("B1")
    order(engine, "o-1", verify_s=30)
    order(engine, "o-2", verify_s=20)
    assert answer(engine, "o-2")["error"] == "change o-1 is on trial"
    restarted(board, engine)
    engine.hello("B1")
    assert answer(engine, "o-1")["ok"] is True
    order(engine, "o-3", verify_s=20)
    restarted(board, engine)
    assert engine.hello("B1")["config"] == digest_of(broker, verify_s=20)
    assert answer(engine, "o-3")["ok"] is True


def test_wrong_address_is_rolled_back_and_a_press_meanwhile_arrives(make_board: MakeBoard, engine: Engine, broker: Broker) -> None:
    board = make_board()
    before = engine.hello("B1")["config"]
    order(engine, "o-1", brokers=[{"host": "127.0.0.1", "port": closed_port()}])
    restarted(board, engine, HURRIED.format(soon_ms=60_000).replace("3000", "30000"))
    pressed = board.set("button-1", True)
    assert board.wait_bell(after=pressed) - pressed < 0.5
    restarted(board, engine, SOON)  # before its time: nobody but this house hears the alarm
    assert engine.hello("B1")["config"] == before
    press = engine.wait("dev/B1/event", lambda m: m["type"] == "button" and m["state"] == "active")
    assert answer(engine, "o-1")["error"] == "rolled back: not online within 3 s, tries: 1"
    engine.settle("B1")
    assert {m["id"] for m in engine.all("dev/B1/event", lambda m: m["type"] == "button")} == {press["id"]}
    assert is_kept(board, engine, before)
    order(engine, "o-1", brokers=[{"host": "127.0.0.1", "port": closed_port()}])
    assert answer(engine, "o-1")["ok"] is False


def test_wifi_that_does_not_exist_is_rolled_back(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False, wifi=[{"ssid": "lane", "key": ""}])
    board.start(IN_REACH)
    before = engine.hello("B1")["config"]
    order(engine, "o-1", wifi=[{"ssid": "nowhere", "key": "hush"}])
    restarted(board, engine, IN_REACH + SOON)
    restarted(board, engine, IN_REACH + SOON)
    assert engine.hello("B1")["config"] == before
    assert answer(engine, "o-1")["error"] == "rolled back: not online within 3 s, tries: 1"
    assert "hush" not in board.log()


def test_broker_that_is_away_meanwhile_costs_no_good_change(make_board: MakeBoard, engine: Engine, broker: Broker) -> None:
    board = make_board()
    engine.hello("B1")
    order(engine, "o-1", verify_s=30)
    eventually(lambda: not board.is_alive(), "the restart into the trial", 20.0)
    broker.kill()
    board.start(LATE)
    restarted(board, engine, LATE)
    broker.start()
    engine.hello("B1")
    assert engine.all("dev/B1/state", lambda m: m["online"])[-1]["config"] == digest_of(broker)
    restarted(board, engine, LATE)
    assert engine.hello("B1")["config"] == digest_of(broker, verify_s=30)
    assert answer(engine, "o-1")["ok"] is True


def test_engine_that_is_away_does_not_make_the_board_stay_on_a_candidate(make_board: MakeBoard, engine: Engine, broker: Broker) -> None:
    board = make_board()
    before = engine.hello("B1")["config"]
    order(engine, "o-1", verify_s=30)
    restarted(board, engine, SOON)
    engine.wait("dev/B1/state", lambda m: m["online"])  # and nobody says hello
    restarted(board, engine, SOON)
    assert engine.hello("B1")["config"] == before
    assert answer(engine, "o-1")["ok"] is False
    time.sleep(0.2)
    assert board.is_alive()
