"""A press amid an update over the air, while the flash takes the time that flash takes: the own bell keeps its promise."""

import time
from collections.abc import Callable

import pytest
import rig
from rig import Board, Engine
from test_board_heap import a_release, order, serve

MakeBoard = Callable[..., Board]
FLASH = "flash.stall_ms = 1"  # and an erase 60 ms: W25Q32JV datasheet: tPP 0.4 to 3 ms, tSE 45 to 400
OWN_BELL_S = 0.15  # from the press
LATER_S = (0.0, 0.02, 0.06)  # before a piece is written, amid that and after it
WITHIN_S = 120.0
PRESSES, EVERY = 8, 2  # of more a board thinks that the contact chatters
SPOILT = 2  # by a busy machine


@pytest.mark.long
@pytest.mark.timeout(WITHIN_S + 60)
def test_press_at_any_piece_of_an_update_rings_the_own_bell_in_its_time(make_board: MakeBoard, engine: Engine) -> None:
    bundle, asked, prepared = a_release()
    board = make_board(start=False, heap=f"{rig.FIRMWARE_KB + 40}k")
    board.start("\n".join([prepared, FLASH]))
    engine.hello("B1")
    engine.settle("B1")
    assert order(engine, "o-1", "update", **asked)["ok"]
    lags: list[float] = []
    pieces = taken = 0
    end = time.monotonic() + WITHIN_S
    while board.is_alive():
        assert time.monotonic() < end, f"no restart after {pieces} pieces"
        heard, taken = engine.heard[taken:], len(engine.heard)
        for _, topic, message, _ in heard:
            if topic == "dev/B1/fetch":
                pieces += 1
                serve(engine, bundle, message)
                if pieces % EVERY == 0 and len(lags) < PRESSES:
                    time.sleep(LATER_S[len(lags) % len(LATER_S)])
                    lags.append(press(board))
            elif topic == "dev/B1/event":
                engine.receipt("B1", message["id"])
                if message["type"] == "button" and message["state"] == "clear":
                    end_incident(engine, message["id"])
        time.sleep(0.01)
    assert board.exit_code() == rig.RESET, board.log()
    print(f"{pieces} pieces, own bell after at most {max(lags) * 1000:.0f} ms: {[round(lag * 1000) for lag in lags]}")
    assert pieces >= len(bundle) // 2048
    assert len(lags) == PRESSES
    assert sorted(lags)[-1 - SPOILT] <= OWN_BELL_S, lags
    assert max(lags) <= 2 * OWN_BELL_S, lags


def end_incident(engine: Engine, event: str) -> None:
    quiet = engine.ring(None, covers={"B1": event})
    engine.rev += 1
    engine.say("group/G1/ring", quiet | {"rev": engine.rev, "incident": None})


def press(board: Board) -> float:
    """Press for a moment. s to the own bell."""
    pressed = board.set("button-1", True)
    lag = board.wait_bell(after=pressed) - pressed
    board.set("button-1", False)
    return lag
