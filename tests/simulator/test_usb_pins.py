"""The wiring of a virtual board, by itself."""

import os
import selectors
import socket
import subprocess
import time
from pathlib import Path

import pytest

from simulator.usb.pins import Pins

ROOT = Path(__file__).parents[2]


def test_what_comes_in_the_turn_in_which_a_board_goes_off_is_let_go(tmp_path: Path) -> None:
    pins = Pins(tmp_path / "pins", "household", (), technician=False)
    with selectors.DefaultSelector() as selector, socket.socket(socket.AF_UNIX) as board:
        pins.register(selector)
        board.connect(str(tmp_path / "pins"))
        ((server, _),) = selector.select(10)
        assert pins.take(server.fileobj, selector) == []
        board.sendall(b"reset\n")
        pins.register(selector)
        ((key, _),) = selector.select(10)
        pins.leave(selector)
        assert pins.take(key.fileobj, selector) == []
        assert isinstance(server.fileobj, socket.socket)
        server.fileobj.close()


def test_a_board_starts_with_every_level_however_slowly_they_come(
    micropython: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Pins._send

    def send_late(pins: Pins, line: str) -> None:
        time.sleep(0.05)
        send(pins, line)

    monkeypatch.setattr(Pins, "_send", send_late)
    pins = Pins(tmp_path / "pins", "household", (), technician=False)
    pins.press("jumper", None)
    environment = {**os.environ, "MICROPYPATH": f"{ROOT / 'simulator/board'}:.frozen"}
    script = f"import machine, wires; wires.connect({str(tmp_path / 'pins')!r}, 'usb'); print(machine.Pin(15).value())"
    with (
        selectors.DefaultSelector() as selector,
        subprocess.Popen([micropython, "-c", script], env=environment, stdout=subprocess.PIPE) as board,
    ):
        pins.register(selector)
        ((server, _),) = selector.select(10)
        pins.take(server.fileobj, selector)
        out, _ = board.communicate(timeout=10)
        pins.leave(selector)
        assert isinstance(server.fileobj, socket.socket)
        server.fileobj.close()
    assert out == b"0\n"
