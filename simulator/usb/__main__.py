"""One virtual board in a process of its own: python -m simulator.usb '{"flash": ..., "image": ..., "port": ...}'.

`port`: the link to a pty, or the number of a TCP port of loopback for RFC 2217. Ends at SIGTERM, and with the process that started it.
Prints the port's name when the board is there.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

from simulator.usb.board import Board, Make
from simulator.usb.ports import Line, Port, PtyPort, Rfc2217Port

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(settings: dict[str, object]) -> None:
    """Run the board."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    port = settings.pop("port")
    paths = {name: Path(str(settings.pop(name))) for name in ("flash", "image")}
    settings["fitted"] = tuple(settings.get("fitted", ()))  # type: ignore[arg-type]  # a list in JSON

    def make_port(line: Line) -> Port:
        return Rfc2217Port(line, port) if isinstance(port, int) else PtyPort(line, Path(str(port)))

    board = Board(Make(**paths, **settings), make_port)  # type: ignore[arg-type]  # of Boards, which knows the fields
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: board.stop())
    if os.getppid() != parent:
        return
    sys.stdout.write(board.port.name + "\n")
    sys.stdout.flush()
    board.run()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
