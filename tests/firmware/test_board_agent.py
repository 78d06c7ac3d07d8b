"""The whole agent, compiled, on MicroPython with a 160 kB heap, against a real mosquitto."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rig import ENGINE, Board, Broker, Engine, Freezer, eventually

from protocol import wire

MakeBoard = Callable[..., Board]


def test_press_rings_calls_is_stored_and_proved(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    birth = engine.hello("B1")
    assert birth["active"] == {}
    pressed = board.set("button-1", True)
    board.wait_bell(after=pressed)
    call = engine.wait("group/G1/call/B1")
    event = engine.wait("dev/B1/event", lambda m: m["type"] == "button")
    assert (event["id"], event["calling"], event["now"], event["state"]) == (call["id"], True, "active", "active")
    proof = engine.wait("dev/B1/event", lambda m: m["type"] == "bell")
    assert (proof["for"], proof["k"], proof["proof"]) == (call["id"], 1, "measured")
    engine.receipt("B1", event["id"])
    engine.ring("fire", covers={"B1": event["id"]})
    proof = engine.wait("dev/B1/event", lambda m: m["type"] == "bell" and m.get("n") == 1)
    assert (proof["for"], proof["proof"]) == ("2026-000001", "measured")
    engine.ring(None, covers={"B1": event["id"]})
    stopped = engine.wait("dev/B1/event", lambda m: m["type"] == "bell" and m["state"] == "clear")
    assert stopped["by"] == "ring"
    eventually(lambda: board.bell_changes()[-1][1] == 0, "the bell falls silent")
    assert board.is_alive()


def bell_events(engine: Engine, state: str = "active") -> list[dict[str, Any]]:
    return engine.all("dev/B1/event", lambda m: m["type"] == "bell" and m["state"] == state)


def test_neighbour_rings_on_the_call_with_no_engine_at_all(make_board: MakeBoard, engine: Engine) -> None:
    first, second = make_board("B1"), make_board("B2")
    for device in ("B1", "B2"):
        engine.wait(f"dev/{device}/state")
    pressed = first.set("button-2", True)
    assert second.wait_bell(after=pressed) - pressed < 1.0
    call = engine.wait("group/G1/call/B1")
    proof = engine.wait("dev/B2/event")
    assert (proof["for"], proof["k"], proof["proof"]) == (call["id"], 1, "measured")


def test_pitfall_19_retained_call_ring_and_hello_are_not_obeyed(make_board: MakeBoard, engine: Engine) -> None:
    call = {"v": 1, "id": "0badcafe-1-1", "k": 1, "type": "button", "pattern": "fire"}
    engine.say("group/G1/call/B9", call, retain=True)
    engine.say("group/G1/ring", {"v": 1, "engine": ENGINE, "rev": 1, "pattern": "fire", "n": 1, "for_s": 60}, retain=True)
    engine.wait("group/G1/call/B9")
    board = make_board()
    engine.hello("B1")
    engine.say("dev/B1/order", {"v": 1, "id": "o-1", "do": "test", "what": "self-test", "valid_s": 30})
    engine.wait("dev/B1/answer")  # everything before it has been read
    assert not [at for at, level in board.bell_changes() if level]


def test_event_is_repeated_until_its_receipt_and_survives_the_loss_of_power(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    birth = engine.hello("B1")
    engine.settle("B1")  # it has read the hello
    board.set("extinguisher-1", True)
    event = engine.wait("dev/B1/event")
    assert (event["type"], event["t"] // 1_000_000_000) == ("presence", 1763)
    assert "calling" not in event
    eventually(lambda: len(engine.all("dev/B1/event")) == 2, "a repeat")
    board.cut()
    will = engine.wait("dev/B1/state", lambda m: not m["online"])
    assert (will["life"], will["boot"]) == (birth["life"], birth["boot"])
    engine.heard.clear()
    board.start()
    again = engine.hello("B1")
    assert (again["life"], again["boot"]) == (birth["life"], birth["boot"] + 1)
    assert again["active"] == {"extinguisher-1": event["id"]}
    repeat = engine.wait("dev/B1/event")
    assert (repeat["id"], repeat["now"], repeat["t"]) == (event["id"], "active", event["t"])
    assert "age" not in repeat
    engine.settle("B1")
    board.cut()
    engine.heard.clear()
    board.start()
    assert engine.hello("B1")["active"] == {"extinguisher-1": event["id"]}
    board.set("extinguisher-1", False)
    assert engine.wait("dev/B1/event")["state"] == "clear"


def test_alarm_active_before_and_after_a_restart_makes_no_event_and_no_call(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    engine.hello("B1")
    board.set("button-1", True)
    event = engine.wait("dev/B1/event", lambda m: m["type"] == "button")
    engine.ring(None, covers={"B1": event["id"]})
    engine.settle("B1")
    board.cut()
    engine.heard.clear()
    board.start()
    assert engine.hello("B1")["active"] == {"button-1": event["id"]}
    board.set("button-1", False)
    assert engine.wait("dev/B1/event")["state"] == "clear"
    assert engine.all("group/G1/call/B1") == []


def test_alarm_that_became_active_while_the_board_was_off_calls_at_its_start(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    engine.hello("B1")
    board.cut()
    board.set("button-1", True)
    engine.heard.clear()
    board.start()
    board.wait_bell()
    call = engine.wait("group/G1/call/B1")
    assert engine.wait("dev/B1/event", lambda m: m["type"] == "button")["id"] == call["id"]


def test_receipt_of_another_engine_does_not_count(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    engine.hello("B1")
    board.set("extinguisher-1", True)
    event = engine.wait("dev/B1/event")
    engine.say("dev/B1/receipt", {"v": 1, "engine": "00000001-1", "id": event["id"]})
    eventually(lambda: len(engine.all("dev/B1/event")) == 3, "two repeats")


def test_d01_press_during_a_broker_failure_arrives_after_it(make_board: MakeBoard, engine: Engine, broker: Broker) -> None:
    board = make_board()
    engine.hello("B1")
    broker.kill()
    pressed = board.set("button-1", True)
    board.wait_bell(after=pressed)
    broker.start()
    engine.wait("dev/B1/event", lambda m: m["type"] == "button" and m["calling"])
    engine.wait("group/G1/call/B1")


def test_cut_bell_wire_is_told_as_silent_and_never_as_active(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    engine.hello("B1")
    board.cut()
    board.bell_wire_whole = False
    engine.heard.clear()
    board.start()
    engine.hello("B1")
    engine.ring("fire")
    silent = engine.wait("dev/B1/event", lambda m: m["state"] == "silent", deadline_s=3.0)
    assert (silent["type"], silent["for"], silent["n"]) == ("bell", "2026-000001", 1)
    assert "proof" not in silent
    assert bell_events(engine) == []
    engine.say("dev/B1/order", {"v": 1, "id": "o-1", "do": "test", "what": "bell", "seconds": 1, "valid_s": 30})
    assert engine.wait("dev/B1/answer")["error"] == "the bell sounds"
    engine.ring(None)
    engine.say("dev/B1/order", {"v": 1, "id": "o-2", "do": "test", "what": "bell", "seconds": 1, "valid_s": 30})
    assert engine.wait("dev/B1/answer", lambda m: m["id"] == "o-2") == {
        "v": 1,
        "id": "o-2",
        "ok": False,
        "error": "no current seen on bell",
    }


def test_orders_are_carried_out_once_and_answered(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    engine.hello("B1")

    def answer(ident: str, do: str, **fields: Any) -> dict[str, Any]:
        engine.say("dev/B1/order", {"v": 1, "id": ident, "do": do, "valid_s": 30, **fields})
        return engine.wait("dev/B1/answer", lambda m: m["id"] == ident)

    assert answer("o-1", "test", what="bell", seconds=1) == {"v": 1, "id": "o-1", "ok": True, "proof": "measured"}
    assert len([at for at, level in board.bell_changes() if level]) == 1
    assert answer("o-2", "set")["error"] == "not supported: set"
    assert answer("o-3", "update")["ok"] is False
    assert answer("o-4", "silence")["ok"] is True
    before = len(engine.all("dev/B1/report"))
    assert answer("o-5", "report")["ok"] is True
    eventually(lambda: len(engine.all("dev/B1/report")) > before, "a report")
    assert answer("o-6", "restart")["ok"] is True
    eventually(lambda: not board.is_alive(), "the restart")
    engine.heard.clear()
    board.start()
    engine.hello("B1")
    assert answer("o-6", "restart")["ok"] is True  # once: the id is remembered, and the board stays up
    assert answer("o-7", "identify", seconds=1)["ok"] is True
    assert board.is_alive()


def test_smoke_sounds_pre_here_and_calls_nobody_until_the_key_cancels(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    engine.hello("B1")
    board.set("smoke-1", True)
    board.wait_bell()
    smoke = engine.wait("dev/B1/event", lambda m: m["type"] == "smoke")
    assert "calling" not in smoke
    pressed = board.set("silence", True)
    engine.wait("dev/B1/event", lambda m: m["type"] == "key")
    eventually(lambda: board.bell_changes()[-1][1] == 0, "the bell falls silent")
    assert all(at - pressed < 0.5 for at, level in board.bell_changes() if level)
    assert engine.all("group/G1/call/B1") == []


def test_fire_point_reports_its_cabinet_and_battery_and_calls_by_its_button_only(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(kind="fire_point", wifi=[{"ssid": "lane", "key": "secret"}])
    assert engine.hello("B1")["kind"] == "fire_point"
    for terminal in ("door", "extinguisher-2", "tamper"):
        board.set(terminal, True)
    board.millivolts(1_700)
    for point in ("door", "extinguisher-2", "tamper", "battery"):
        event = engine.wait("dev/B1/event", lambda m, point=point: m["point"] == point)
        engine.receipt("B1", event["id"])
    assert engine.all("group/G1/call/B1") == []
    board.set("button-1", True)
    engine.wait("group/G1/call/B1")
    engine.say("dev/B1/order", {"v": 1, "id": "o-1", "do": "report", "valid_s": 30})
    assert engine.wait("dev/B1/report", lambda m: m.get("battery", 99) < 10)["rssi"] == -61


def test_group_of_the_hello_that_is_another_is_a_fault_of_the_birth(make_board: MakeBoard, engine: Engine) -> None:
    make_board()
    engine.hello("B1", group="G2")
    birth = engine.wait("dev/B1/state", lambda m: m.get("faults"))
    assert birth["faults"] == ["group G2 expected, configured for G1"]
    engine.hello("B1", group="G1")
    eventually(lambda: "faults" not in engine.all("dev/B1/state")[-1], "a birth without faults")


def test_new_life_is_told_when_the_boot_cannot_be_read(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    birth = engine.hello("B1")
    board.cut()
    engine.heard.clear()
    board.start(before="with open('/journal/start', 'wb') as f: f.write(bytes(2))")
    again = engine.wait("dev/B1/state", lambda m: m["online"])
    assert again["life"] != birth["life"]
    assert again["boot"] == 1
    assert "start not readable" in again["faults"][0]


@pytest.mark.parametrize("config", [None, "", "{", '{"v":1,"site":"test"}', "\x00\x01"])
def test_own_button_rings_the_own_bell_without_a_configuration(tmp_path: Path, rom: Path, config: str | None) -> None:
    board = Board(tmp_path, rom, config)
    try:
        board.start()
        pressed = board.set("button-1", True)
        board.wait_bell(after=pressed, deadline_s=2.0)
        assert board.is_alive()
    finally:
        board.close()


# What makes of a fire point's configuration one that tells nothing.
SPOILED = {
    "missing": "os.remove('/config.json')",
    "empty": "open('/config.json', 'w').close()",
    "rubbish": "with open('/config.json', 'wb') as f: f.write(bytes(range(256)))",
    "half": "with open('/config.json') as f: half = f.read()[:90]\nwith open('/config.json', 'w') as f: f.write(half)",
    "list": "with open('/config.json') as f: whole = f.read()\nwith open('/config.json', 'w') as f: f.write('[' + whole + ']')",
}


@pytest.mark.parametrize("how", SPOILED)
def test_fire_point_that_loses_its_configuration_takes_no_pump_for_a_button_and_rings_from_its_own(
    make_board: MakeBoard, engine: Engine, how: str
) -> None:
    board = make_board(kind="fire_point", points={"pump": {}})
    engine.hello("B1")
    board.cut()
    board.set("button-2", True)  # where a fire point has its pump, a home has this
    started = time.monotonic()
    board.start(before="import os\n" + SPOILED[how])

    def beat(after: float) -> tuple[float, float] | None:
        """When the bell went on and off."""
        found = [change for change in board.bell_changes() if change[0] > after]
        on = next((place for place, (_, level) in enumerate(found) if level), len(found))
        return (found[on][0], found[on + 1][0]) if on + 1 < len(found) else None

    on, off = eventually(lambda: beat(started), f"the chirp of a fault; {board.log()}")
    assert off - on < 0.3, "it rings for a fire"
    assert "fault: /config.json: " in board.log()
    pressed = board.set("button-1", True)
    board.wait_bell(after=pressed)
    assert [at for at, level in board.bell_changes() if level and started < at < pressed] == [on]
    on, off = eventually(lambda: beat(pressed), "a beat")
    assert off - on > 0.4, "it only chirps"


def test_agent_that_ends_starts_the_board_again(make_board: MakeBoard) -> None:
    board = make_board()
    board.cut()
    board.start(before="import resident\nasync def trip(self): raise ValueError('bug')\nresident.Agent.run = trip")
    eventually(lambda: not board.is_alive(), "the reset")
    assert board.exit_code() == 64, board.log()
    assert "ValueError: bug" in board.log()


def test_rubbish_is_counted_once_each_and_a_press_among_it_rings(make_board: MakeBoard, engine: Engine) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    dice = random.Random(seed)
    board = make_board()
    engine.hello("B1")
    decoders = {"order": wire.decode_order, "hello": wire.decode_hello, "receipt": wire.decode_receipt, "call": wire.decode_call}
    topics = {"order": "dev/B1/order", "hello": "dev/B1/hello", "receipt": "dev/B1/receipt", "call": "group/G1/call/B2"}
    expected = 0
    for number in range(1000):
        name = dice.choice(list(topics))
        size = 6000 if number % 100 == 7 else dice.randrange(60)
        payload = dice.choice([dice.randbytes(size), b'{"v":1,"id":"' + dice.randbytes(4) + b'"}', b"[" * size, b"1e400", b'{"v":1e400}'])
        try:
            decoders[name](payload)
        except wire.DecodeError:
            expected += 1
            engine.say(topics[name], payload)
        if number == 500:
            pressed = board.set("button-1", True)
    board.wait_bell(after=pressed)
    engine.wait("dev/B1/event", lambda m: m.get("proof") == "measured")
    engine.say("dev/B1/order", {"v": 1, "id": "o-1", "do": "report", "valid_s": 30})
    report = engine.wait("dev/B1/report", lambda m: m["refused"] >= expected)
    assert report["refused"] == expected
    assert len(engine.all("dev/B1/state")) == 1


def test_press_of_100_ms_while_the_flash_stalls_the_board_is_no_press_lost(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    engine.hello("B1")
    engine.settle("B1")
    board.cut()
    engine.heard.clear()
    board.start(before="flash.stall_ms = 400")
    engine.hello("B1")
    engine.settle("B1")
    stalls = board.log().count("stalls")
    board.set("extinguisher-1", True)
    eventually(lambda: board.log().count("stalls") > stalls, "a write")
    pressed = board.set("button-1", True)
    time.sleep(0.1)
    board.set("button-1", False)
    assert time.monotonic() - pressed < 0.3, "the press was to end within the stall"
    board.wait_bell(after=pressed)
    call = engine.wait("group/G1/call/B1")
    event = engine.wait("dev/B1/event", lambda m: m["type"] == "button")
    assert (event["id"], event["state"]) == (call["id"], "active")
    engine.wait("dev/B1/event", lambda m: m["type"] == "button" and m["state"] == "clear")
    assert {m["id"] for m in engine.all("dev/B1/event", is_press)} == {call["id"]}


def test_pitfall_02_frozen_link_is_left_within_the_deadline_of_the_alarm(make_board: MakeBoard, engine: Engine, freezer: Freezer) -> None:
    board = make_board(brokers=[{"host": "127.0.0.1", "port": freezer.port}])
    engine.hello("B1")
    freezer.freeze()
    board.set("button-1", True)
    board.wait_bell()
    engine.wait("dev/B1/event", lambda m: m["type"] == "button", deadline_s=8.0)
    assert freezer.connections == 2


def test_pitfall_17_heap_does_not_grow_with_messages(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    engine.hello("B1")
    heaps = []
    for turn in range(4):
        for number in range(300):
            engine.say("tick", {"v": 1, "engine": ENGINE, "t": 1_763_791_234_610 + number})
            engine.say("dev/B1/receipt", {"v": 1, "engine": ENGINE, "id": f"9c41f2aa-1-{number + 1}"})
        engine.say("dev/B1/order", {"v": 1, "id": f"o-{turn}", "do": "report", "valid_s": 30})
        engine.wait("dev/B1/answer", lambda m, turn=turn: m["id"] == f"o-{turn}")
        eventually(lambda turn=turn: len(engine.all("dev/B1/report")) > turn, "a report")
        heaps.append(engine.all("dev/B1/report")[-1]["heap"])
    print("free heap", heaps)
    assert heaps[-1] > heaps[1] - 2_000
    assert min(heaps) > 15_000
    assert board.is_alive()


def test_pitfall_15_more_presses_than_the_outbox_holds_fit_the_heap_and_none_is_lost(
    make_board: MakeBoard, engine: Engine, broker: Broker
) -> None:
    board = make_board()
    engine.hello("B1")
    engine.settle("B1")
    broker.kill()
    for turn in range(24):  # one button again after 0.6 s: what is let go and pressed again within one stall of the flash counts as held
        board.set("button-1" if turn % 2 else "button-2", True)
        time.sleep(0.2)
        board.set("button-1" if turn % 2 else "button-2", False)
        time.sleep(0.2)
    broker.start()
    eventually(lambda: engine.all("dev/B1/event", is_press), "presses", 20.0)
    engine.hello("B1")
    engine.settle("B1")
    assert len({m["id"] for m in engine.all("dev/B1/event", is_press)}) == 24
    assert "MemoryError" not in board.log()


def is_press(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "button" and event["state"] == "active")


def test_erases_of_the_flash_are_counted_from_the_start_on(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board(start=False)
    board.start(
        before="import flashbdev\nplain = flash.ioctl\nflash.ioctl = lambda op, arg: (op == 6 and print('erased'), plain(op, arg))[1]"
    )
    engine.hello("B1")
    for turn in range(12):
        board.set("button-1" if turn % 2 else "button-2", True)
        engine.settle("B1")
        board.set("button-1" if turn % 2 else "button-2", False)
        engine.settle("B1")
    erased = board.log().count("erased")
    assert erased > 0
    assert engine.all("dev/B1/report")[-1]["erases"] == erased
