"""The wiring of a virtual board, by itself."""

import selectors
import socket
from pathlib import Path

from simulator.usb.pins import Pins


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
