"""The fork server: one small process that has loaded the MicroPython interpreter, and forks a board for every request.

    python -m simulator.forkserver IMAGE...

The ROMFS images lie in its memory and so in every board's (see simulator/inplace.py).
A forked board costs 1 MB and 3 ms, an exec'ed one 4 MB and 25 ms; and a fork from the world itself would inherit its sockets and
threads. Requests are lines of JSON on stdin, reports lines of JSON on stdout:

    {"start": key, "argv": [...], "environment": {...}, "log": path}  ->  {"started": key, "pid": pid}
    {"kill": key}                                                     ->  {"ended": key, "status": wait status}, also unasked

When stdin ends, or this process is killed, every board is killed.
"""

import ctypes
import json
import os
import select
import signal
import sys
from collections.abc import Callable

import micropython_run  # type: ignore[import-not-found]  # not on every machine

from simulator.inplace import map_images

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Serve until stdin ends."""
    map_images(sys.argv[1:])
    libc = ctypes.CDLL(None)
    bell, ring = os.pipe()
    os.set_blocking(ring, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ring, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the world's to handle
    boards: dict[int, str] = {}
    rest = b""
    while True:
        ready, _, _ = select.select([0, bell], [], [])
        if bell in ready:
            os.read(bell, 4096)
            _reap(boards)
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                _serve(json.loads(line), boards, lambda: libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL))
    for pid in boards:
        os.kill(pid, signal.SIGKILL)


def _serve(request: dict[str, object], boards: dict[int, str], die_with_parent: Callable[[], object]) -> None:
    if "kill" in request:
        for pid, key in boards.items():
            if key == request["kill"]:
                os.kill(pid, signal.SIGKILL)
        return
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        _become_board(request)
    key = str(request["start"])
    boards[pid] = key
    _report(started=key, pid=pid)


def _become_board(request: dict[str, object]) -> None:
    """In the child: never returns."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(str(request["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.closerange(3, 64)
        environment = request["environment"]
        assert isinstance(environment, dict)  # noqa: S101  the world writes it
        os.environ.update(environment)
        status = micropython_run.run_main(request["argv"])
    finally:
        os._exit(status)


def _reap(boards: dict[int, str]) -> None:
    while boards:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        _report(ended=boards.pop(pid), status=status)


def _report(**fields: object) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
