"""A hand at a virtual board: presses its points, cuts its power, and sees what it does."""

import json
import os
import socket
from pathlib import Path
from typing import Any

from simulator.usb.board import control_path

ANSWER_S = 10.0


class NoBoard(RuntimeError):
    """No virtual board is on this port."""


def ask(port: Path, *words: str) -> dict[str, Any]:
    """Give the board on a port an order, and return its state: what is on, what is pressed. Raises NoBoard; ValueError if it is wrong."""
    path = control_path(os.path.realpath(port))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hand:
        hand.settimeout(ANSWER_S)
        hand.bind("")  # any name that is free: unix(7), autobind
        try:
            hand.sendto(" ".join(words).encode(), str(path))
            answer: dict[str, Any] = json.loads(hand.recv(65536))
        except OSError as exc:
            raise NoBoard(f"{port}: expected a virtual board, got none ({exc}); start one with keng sim board") from None
    if not answer.pop("ok"):
        raise ValueError(answer["error"])
    return answer
