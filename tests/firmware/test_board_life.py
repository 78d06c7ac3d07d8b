"""The whole agent on MicroPython: crashes, the watchdog, safe mode, and the clock that a board starts with."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rig import ENGINE, RESET, SITE, Board, Engine, Freezer, eventually

MakeBoard = Callable[..., Board]
DAY_S = 86_400
TRIP = "import resident\nasync def trip(self): raise ValueError('bug')\nresident.Agent.run = trip"
# A door that is opened trips what is told: a step of the poll, in the middle of its work.
STEP = """
import resident
look = resident.Agent._look_at
def look_or_trip(self, point, now):
    if point.name == 'extinguisher-1' and point._read():
        %s
    look(self, point, now)
resident.Agent._look_at = look_or_trip
"""
HANG = """
import asyncio, resident
async def hang(self): await asyncio.sleep(999)
expect = resident.Watch.expect
resident.Watch.expect = lambda self, task, turns: expect(self, task, turns and 2)
resident.Keeper.run = hang
"""
# The floor is kept so many ms after the start instead of an hour.
FLOOR_SOON = """
import resident
take_due = resident.Floor.take_due
resident.Floor.take_due = lambda self, now: take_due(self, now + 3_600_000 - %d)
"""
SHORT = "import machine\nwdt = machine.WDT\nmachine.WDT = lambda timeout: wdt(timeout=2_000)\n"


def order(engine: Engine, ident: str, do: str, **fields: Any) -> dict[str, Any]:
    engine.say("dev/B1/order", {"v": 1, "id": ident, "do": do, "valid_s": 30, **fields})
    return engine.wait("dev/B1/answer", lambda m: m["id"] == ident)


def crash(board: Board, before: str = TRIP) -> None:
    """A start that crashes."""
    board.start(before=before)
    eventually(lambda: board.exit_code() == RESET, "a reset")


def birth(engine: Engine) -> dict[str, Any]:
    return engine.wait("dev/B1/state", lambda m: m["online"])


def test_crash_is_told_by_the_next_start_until_an_engine_has_answered(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False)
    crash(board)
    board.start()
    told = birth(engine)
    assert told["crash"].endswith("ValueError: bug")
    assert "main" in told["crash"]
    assert (told["reset"], "safe" in told) == ("soft", False)
    board.cut()
    engine.heard.clear()
    board.start()
    assert "ValueError: bug" in engine.hello("B1")["crash"], "nobody had answered"
    engine.settle("B1")
    board.cut()
    engine.heard.clear()
    board.start()
    assert "crash" not in birth(engine)


def test_crash_in_the_middle_of_the_start_is_told_too(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False)
    board.start()
    board.cut()  # it has a journal
    crash(board, "import agent.wiring\ndef trip(*a, **k): raise KeyError('pin')\nagent.wiring.Wiring.__init__ = trip")
    engine.heard.clear()
    board.start()
    assert birth(engine)["crash"].endswith("KeyError: pin")


def test_what_a_loop_has_caught_is_told_at_once_and_after_the_loss_of_power(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False)
    board.start(before=STEP % "raise KeyError('stumble')")
    assert "crash" not in engine.hello("B1")
    board.set("extinguisher-1", True)
    told = engine.wait("dev/B1/state", lambda m: "crash" in m)
    assert told["crash"].endswith("KeyError: stumble")
    pressed = board.set("button-1", True)
    board.wait_bell(after=pressed)
    engine.receipt("B1", engine.wait("dev/B1/event", lambda m: m["type"] == "button")["id"])
    board.set("extinguisher-1", False)
    engine.settle("B1")
    board.cut()
    engine.heard.clear()
    board.start()
    assert birth(engine)["crash"] == told["crash"]


def test_board_that_stands_still_is_started_again_by_its_watchdog(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False)
    board.start(before=SHORT + STEP % "while True: pass")
    engine.hello("B1")
    eventually(lambda: board.side.meals > 2, "the watchdog is fed")
    board.set("extinguisher-1", True)
    eventually(lambda: not board.is_alive(), "the watchdog bites")
    assert board.side.bites == 1
    board.set("extinguisher-1", False)
    engine.heard.clear()
    board.start()
    again = birth(engine)
    assert (again["reset"], again["crash"]) == ("watchdog", "watchdog: the board stood still")
    pressed = board.set("button-1", True)
    board.wait_bell(after=pressed)


def test_task_that_hangs_ends_the_start_though_everything_else_goes_on(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False)
    board.start(before=HANG)
    engine.hello("B1")
    eventually(lambda: board.side.meals > 3, "the watchdog is fed while there is no work")
    board.set("extinguisher-1", True)
    eventually(lambda: board.exit_code() == RESET, "a reset")
    engine.heard.clear()
    board.start()
    assert birth(engine)["crash"].endswith("Hung: keeper")


def test_pitfall_18_slow_flash_and_a_broker_that_is_away_make_no_watchdog_bite(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False, brokers=[{"host": "127.0.0.1", "port": 9}])
    board.start(before=SHORT.replace("2_000", "5_000") + "flash.stall_ms = 400")
    for turn in range(6):
        board.set("extinguisher-1", turn % 2 == 0)
        time.sleep(1)
    eventually(lambda: board.side.meals > 8, "the watchdog is fed", 30.0)
    assert board.log().count("stalls") > 6
    assert (board.side.bites, board.is_alive()) == (0, True)


def test_three_crashes_make_safe_mode_and_a_restart_order_ends_it(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False, kind="fire_point", points={"tank": {}})
    board.millivolts(1_000, "tank")
    for _ in range(3):
        crash(board)
    board.start()
    assert engine.hello("B1")["safe"] is True
    pressed = board.set("button-1", True)
    board.wait_bell(after=pressed)
    event = engine.wait("dev/B1/event", lambda m: m["type"] == "button")
    engine.wait("group/G1/call/B1")
    engine.ring(None, covers={"B1": event["id"]})
    board.set("button-1", False)
    engine.settle("B1")
    assert engine.all("dev/B1/report")[-1]["values"] == {}, "no gauges"
    board.cut()
    engine.heard.clear()
    board.start()
    assert engine.hello("B1")["safe"] is True, "power off and on mends nothing"
    assert order(engine, "o-1", "restart")["ok"] is True
    eventually(lambda: not board.is_alive(), "the restart")
    engine.heard.clear()
    board.start()
    assert "safe" not in engine.hello("B1")
    order(engine, "o-2", "report")
    eventually(lambda: "tank" in engine.all("dev/B1/report")[-1]["values"], "the gauge is back")


def test_d18_board_starts_with_the_date_of_its_bundle_and_then_with_its_floor(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False)
    board.start(before=FLOOR_SOON % 2_000)
    engine.hello("B1", t=(int(time.time()) + 365 * DAY_S) * 1000)
    eventually(lambda: len(board.side.clocks) == 2, "the floor is kept")
    built_s, kept_s = board.side.clocks
    assert abs(built_s - time.time()) < 3650 * DAY_S
    assert built_s + DAY_S <= kept_s <= built_s + DAY_S + 10, "a year ahead counts for a day"
    engine.settle("B1")
    board.cut()
    board.start()
    eventually(lambda: board.side.clocks[2:] == [kept_s], "the clock stands at the floor")
    board.cut()
    board.start(before="with open('/journal/floor', 'wb') as f: f.write(b'9999999999 1')")
    eventually(lambda: board.side.clocks[3:] == [built_s], "a broken floor is none")


def test_pitfall_16_engine_in_2020_changes_no_clock_and_a_press_goes_out(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False)
    board.start(before=FLOOR_SOON % 1_000)
    engine.hello("B1", t=1_577_836_800_000)
    engine.say("tick", {"v": 1, "engine": ENGINE, "t": 1_577_836_801_000})
    eventually(lambda: len(board.side.clocks) == 2, "the floor is kept")
    assert 0 <= board.side.clocks[1] - board.side.clocks[0] < 60
    board.set("button-1", True)
    board.wait_bell()
    event = engine.wait("dev/B1/event", lambda m: m["type"] == "button")
    assert event["t"] // 1_000_000 == 1_577_836
    engine.wait("group/G1/call/B1")


def test_board_with_ethernet_needs_no_wifi(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False, wifi=[{"ssid": "lane", "key": "secret"}])
    board.start(before="import pins\npins.LAN = {'mdc': 23, 'mdio': 18, 'power': 16, 'phy_type': 'PHY_LAN8720', 'phy_addr': 1}")
    engine.hello("B1")
    order(engine, "o-1", "report")
    eventually(lambda: engine.all("dev/B1/report"), "a report")
    assert "rssi" not in engine.all("dev/B1/report")[-1], "the Wi-Fi is not joined"


@pytest.mark.long  # the links are made ever more slowly: a minute until it is sure
@pytest.mark.timeout(300)
def test_pitfall_10_two_boards_of_one_id_say_so_and_fight_slowly(
    make_board: MakeBoard, engine: Engine, freezer: Freezer, tmp_path: Path, rom: Path
) -> None:
    one = make_board(brokers=[{"host": "127.0.0.1", "port": freezer.port}])
    engine.wait("dev/B1/state")
    config = {"v": 1, "site": SITE, "device": "B1", "kind": "household", "group": "G1"}
    twin = Board(tmp_path / "twin", rom, config | {"brokers": [{"host": "127.0.0.1", "port": freezer.port}]})
    try:
        twin.start()
        told = engine.wait("dev/B1/state", lambda m: "faults" in m, 240.0)
        assert told["faults"] == ["link: taken away again and again, perhaps by another board of this id"]
        connections = freezer.connections
        time.sleep(10.0)
        assert freezer.connections - connections <= 6, "no hot loop"
        assert one.is_alive()
        assert twin.is_alive()
    finally:
        twin.close()


@pytest.mark.parametrize("reason", ["soft", "power"])
def test_reset_reason_is_told(make_board: MakeBoard, engine: Engine, reason: str) -> None:
    board = make_board()
    assert engine.hello("B1")["reset"] == "power"
    if reason == "soft":
        order(engine, "o-1", "restart")
        eventually(lambda: not board.is_alive(), "the restart")
    else:
        board.cut()
    engine.heard.clear()
    board.start()
    assert birth(engine)["reset"] == reason


def test_a_jumper_that_opens_the_console_is_tamper_and_its_end_is_told_after_a_start_without_it(
    make_board: MakeBoard, engine: Engine
) -> None:
    board = make_board(start=False)
    board.set("jumper", True)
    board.start()
    engine.hello("B1")
    event = engine.wait("dev/B1/event", lambda m: m["point"] == "jumper")
    assert (event["type"], event["state"], event.get("calling", False)) == ("tamper", "active", False)
    engine.receipt("B1", event["id"])
    board.set("jumper", False)
    assert engine.wait("dev/B1/event", lambda m: m["point"] == "jumper" and m["state"] == "clear")
    board.set("jumper", True)
    assert engine.wait("dev/B1/event", lambda m: m["point"] == "jumper" and m["state"] == "active" and m["id"] != event["id"])
    board.cut()
    board.set("jumper", False)
    engine.heard.clear()
    board.start()
    engine.hello("B1")
    assert engine.wait("dev/B1/event", lambda m: m["point"] == "jumper" and m["state"] == "clear")


def test_a_board_that_nobody_opens_has_no_point_for_it(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    engine.hello("B1")
    board.set("jumper", True)  # too late: the launcher has looked
    board.set("button-1", True)
    engine.wait("dev/B1/event", lambda m: m["point"] == "button-1")
    assert not engine.all("dev/B1/event", lambda m: m["point"] == "jumper")
