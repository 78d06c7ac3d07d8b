"""The whole agent, compiled, on MicroPython with a 160 kB heap, against a real mosquitto."""

from collections.abc import Callable

from rig import Board, Engine, eventually

MakeBoard = Callable[..., Board]


def test_press_rings_calls_is_stored_and_proved(make_board: MakeBoard, engine: Engine) -> None:
    board = make_board()
    birth = engine.hello("B1")
    assert birth["active"] == {}
    pressed = board.set("button-1", True)
    rang = board.wait_bell(after=pressed)
    assert rang - pressed < 0.15
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
