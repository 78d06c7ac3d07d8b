"""Each kind of device as a whole: the compiled agent on MicroPython against a real mosquitto."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import rig
from rig import ENGINE, Board, Broker, Engine, eventually

from firmware.bench import bundle

MakeBoard = Callable[..., Board]
NORMAL_MV, ONE_CONTACT_MV, SHORT_MV = 2245, 1336, 142
# 22/11/2025 0:00 in Vietnam, Unix ms
MIDNIGHT = 1_763_744_400_000


def test_household_with_all_its_points_tells_each_by_name(make_board: MakeBoard, engine: Engine) -> None:
    names = ("button-3", "button-4", "heat-1", "gas-1", "safe", "need-help", "coming", "tamper")
    board = make_board(points={name: {} for name in names} | {"extinguisher-1": None})
    assert "faults" not in engine.hello("B1")
    types = {"button": "button", "heat": "heat", "gas": "gas", "safe": "key", "need": "key", "coming": "key", "tamper": "tamper"}
    for name in names:
        board.set(name, True)
        event = engine.wait("dev/B1/event", lambda m, name=name: m["point"] == name)
        assert event["type"] == types[name.partition("-")[0]]
        engine.receipt("B1", event["id"])
        board.set(name, False)
    called = {call["type"] for call in engine.all("group/G1/call/B1")}
    assert called == {"button", "heat", "gas"}


def test_roll_call_keys_silence_nothing(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(points={"safe": {}})
    engine.hello("B1")
    engine.ring("fire")
    board.wait_bell()
    board.set("safe", True)
    engine.wait("dev/B1/event", lambda m: m["point"] == "safe")
    stops = engine.all("dev/B1/event", lambda m: m["type"] == "bell" and m["state"] == "clear")
    assert stops == []
    board.set("silence", True)
    engine.wait("dev/B1/event", lambda m: m["type"] == "bell" and m["state"] == "clear" and m["by"] == "key")


def test_indicator_says_that_the_gateway_has_it_and_then_that_bells_ring(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(points={"indicator": {}})
    engine.hello("B1")
    engine.say("tick", {"v": 1, "engine": ENGINE, "t": MIDNIGHT})
    engine.settle("B1")
    board.set("button-1", True)
    event = engine.wait("dev/B1/event", lambda m: m["type"] == "button")

    def rhythm(longest_ms: int, shortest_ms: int) -> bool:
        times = [at for at, _ in board.changes("indicator")]
        gaps = [(later - at) * 1000 for at, later in zip(times[-4:], times[-3:], strict=False)]
        return len(gaps) == 3 and all(shortest_ms < gap < longest_ms for gap in gaps)

    eventually(lambda: rhythm(180, 40), "hurried blinks")
    engine.receipt("B1", event["id"])
    eventually(lambda: rhythm(700, 350), "calm blinks")
    engine.ring(None, covers={"B1": event["id"]})
    eventually(lambda: board.changes("indicator")[-1][1] == 1, "light")
    lit = len(board.changes("indicator"))
    engine.settle("B1")
    assert len(board.changes("indicator")) <= lit + 1


def test_supervised_loop_rings_when_active_and_is_a_fault_when_short(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(points={"heat-1": {"loop": "loop-3"}}, start=False)
    board.millivolts(NORMAL_MV, "loop-3")
    board.start()
    engine.hello("B1")
    board.millivolts(SHORT_MV, "loop-3")
    event = engine.wait("dev/B1/event", lambda m: m["point"] == "heat-1")
    assert (event["type"], event["state"]) == ("heat", "short")
    assert not engine.all("group/G1/call/B1")
    board.millivolts(ONE_CONTACT_MV, "loop-3")
    engine.wait("dev/B1/event", lambda m: m["point"] == "heat-1" and m["state"] == "active")
    board.wait_bell()
    engine.wait("group/G1/call/B1")


def test_fire_point_with_eight_extinguishers_tank_pump_and_strobe(make_board: MakeBoard, engine: Engine) -> None:
    points = {f"extinguisher-{number}": {} for number in range(3, 9)} | {"tank": {"hold_s": 1}, "pump": {}, "mains": {}, "strobe": {}}
    board = make_board(kind="fire_point", points=points, start=False)
    board.millivolts(1250, "tank")  # 2.5 V of 5 V: half full
    board.millivolts(1250, "pump")
    board.start()
    assert "faults" not in engine.hello("B1")
    engine.settle("B1")
    report = engine.wait("dev/B1/report", lambda m: m["values"].get("tank"))
    assert (report["values"]["tank"], report["values"]["pump"], report["mains"]) == (50, 800, True)
    assert report["values"]["hours_left"] > 0
    board.set("extinguisher-8", True)
    engine.wait("dev/B1/event", lambda m: m["point"] == "extinguisher-8" and m["type"] == "presence")
    board.millivolts(500, "tank")
    engine.wait("dev/B1/event", lambda m: m["point"] == "tank" and m["state"] == "active")
    board.set("mains", True)
    engine.wait("dev/B1/event", lambda m: m["point"] == "mains" and m["type"] == "mains")
    board.set("button-1", True)
    board.wait_bell()
    eventually(lambda: len([1 for _, level in board.changes("strobe") if level]) >= 2, "flashes")


def lamp_burns(board: Board) -> bool:
    return [level for _, level in board.changes("lamp")][-1:] == [1]


def test_street_light_burns_at_night_is_told_dead_and_obeys_all_on(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(kind="street_light", start=False)
    board.millivolts(3000, "light")
    board.millivolts(1650, "lamp-current")  # no current, ever
    board.start()
    engine.hello("B1", t=MIDNIGHT + 12 * 3_600_000)
    engine.settle("B1")
    assert not lamp_burns(board)
    engine.say("dev/B1/order", {"v": 1, "id": "o-1", "do": "set", "what": "lamp", "seconds": 600, "valid_s": 30})
    assert engine.wait("dev/B1/answer", lambda m: m["id"] == "o-1")["ok"]
    eventually(lambda: lamp_burns(board), "all on")
    engine.say("dev/B1/order", {"v": 1, "id": "o-2", "do": "set", "what": "lamp", "seconds": 0, "valid_s": 30})
    eventually(lambda: not lamp_burns(board), "off again")
    engine.say("tick", {"v": 1, "engine": ENGINE, "t": MIDNIGHT})
    eventually(lambda: lamp_burns(board), "night")
    event = engine.wait("dev/B1/event", lambda m: m["point"] == "lamp", deadline_s=20)
    assert (event["type"], event["state"]) == ("lamp", "silent")


def test_street_light_answers_no_ring_and_has_no_bell(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(kind="street_light")
    engine.hello("B1")
    engine.ring("fire")
    engine.settle("B1")
    assert engine.all("dev/B1/event", lambda m: m["type"] == "bell") == []
    assert board.bell_changes() == []


def test_sos_post_held_for_a_second_calls_as_sos_with_light_and_bell(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(kind="sos_post")
    engine.hello("B1")
    pressed = board.set("sos-1", True)
    rang = board.wait_bell(after=pressed)
    assert 0.95 < rang - pressed < 1.5
    call = engine.wait("group/G1/call/B1")
    assert (call["type"], call["pattern"]) == ("sos", "sos")
    event = engine.wait("dev/B1/event", lambda m: m["type"] == "sos")
    assert event["calling"]
    eventually(lambda: [level for _, level in board.changes("light") if level], "light")


def test_silent_sos_reaches_the_engine_and_nobody_hears_or_sees_it(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(kind="sos_post", points={"sos-2": {}})
    engine.hello("B1")
    board.set("sos-2", True)
    event = engine.wait("dev/B1/event", lambda m: m["type"] == "sos")
    assert "calling" not in event
    engine.settle("B1")
    assert not [level for _, level in board.bell_changes() + board.changes("light") if level]
    assert engine.all("group/G1/call/B1") == []


def test_kind_that_does_not_fit_its_board_says_so_and_its_button_still_rings(
    engine: Engine, rom: Path, broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle that the bench would not build: of a board type whose tank is on no ADC channel."""
    sources = bundle.sources("esp32_wroom")
    pins = tmp_path / "esp32_wroom.py"
    pins.write_text(sources["pins"].read_text(encoding="utf-8").replace('"tank": 39', '"tank": 25'), encoding="utf-8")
    monkeypatch.setattr(bundle, "sources", lambda _: sources | {"pins": pins})
    monkeypatch.setattr(bundle, "misfits", lambda _: [])
    bundle.build(tmp_path / "rom")
    image = tmp_path / "rom" / bundle.IMAGE
    shutil.copy(rom.with_name("fakes.romfs"), image.parent)
    config = {"v": 1, "site": rig.SITE, "device": "B1", "kind": "fire_point", "group": "G1", "points": {"tank": {}, "window": {}}}
    board = Board(tmp_path / "B1", image, config | {"brokers": [{"host": "127.0.0.1", "port": broker.port}]})
    try:
        board.start()
        birth = engine.hello("B1")
        assert birth["faults"] == [
            "points.window: not a point of fire_point",
            "fire_point: tank: GPIO 25 of esp32_wroom is no ADC1 channel",
        ]
        board.wait_bell(after=board.set("button-1", True))
        engine.wait("dev/B1/event", lambda m: m["type"] == "button")
    finally:
        board.close()
