"""What hangs on a virtual board's terminals, and who is at hand: the other end of the wires of simulator/board/wires.py."""

import re
import selectors
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from protocol.config import BoardConfig, Point
from protocol.site import Kind
from simulator import gauges, terminals
from simulator.gauges import GAUGES
from simulator.terminals import BELL, BELL_SENSE, WIRINGS

PRESS_S = 0.3
COVERED_LX = 0.0  # a hand on a light sensor
LOOP_UV, CONTACT_UV = 2_245_000, 1_336_000  # a supervised loop at rest, and with one contact closed: firmware/device/drivers/loop.py
LINE_MAX = 65536
ASKED = re.compile(rb'"(ask|release)": ?"([a-z0-9-]+)"')  # a self-test wants somebody to press this point, or to let it go


class Pins:
    """The wiring of a board of one kind. Points are pressed and turned by name; what the board does is seen in `outputs`.

    `path`: the socket on which the board's stand-ins connect. `says(words)` gets what is not about pins. `technician`: somebody presses
    what a self-test asks for, unless it is in `dead`. `fitted`: points at choice, and contacts that are on a loop: smoke-1=loop-3.
    """

    def __init__(self, path: Path, kind: Kind, fitted: tuple[str, ...], *, technician: bool) -> None:
        self.outputs: dict[str, bool] = {}
        self.changes: list[tuple[float, str, bool]] = []
        self.dead: set[str] = set()
        self.kind: Kind = kind
        self._technician = technician
        self._terminals = terminals.load()
        self._loops = dict(word.split("=", 1) for word in fitted if "=" in word)
        self._loop_uv: dict[str, int] = {}  # of those that were turned, until a contact of theirs moves
        self._fitted = fitted = tuple(word.partition("=")[0] for word in fitted)
        self._active: set[str] = set()
        self._values: dict[str, float] = {name: GAUGES[name].rest for name in WIRINGS[kind].gauges(fitted)}
        self._wire_whole = True
        self._due: list[tuple[float, str, bool]] = []
        self._line: socket.socket | None = None
        self._rest = b""
        self._asked = b""
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(1)

    def register(self, selector: selectors.BaseSelector) -> None:
        """Let the selector watch what may come."""
        for one in (self._server, self._line):
            if one is not None and one not in selector.get_map():
                selector.register(one, selectors.EVENT_READ, self)

    def take(self, ready: object, selector: selectors.BaseSelector) -> list[list[str]]:
        """What the board says that is not about pins, as words: resets, its watchdog."""
        if ready is self._server:
            self._accept(selector)
            return []
        if self._line is None or ready is not self._line:
            return []  # the board went off in this very turn
        try:
            data = self._line.recv(LINE_MAX)
        except OSError:
            data = b""
        if not data:
            self.leave(selector)
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [words for line in lines if (words := line.decode().split()) and not self._is_about_pins(words)]

    def leave(self, selector: selectors.BaseSelector) -> None:
        """The board is off: every output drops."""
        if self._line is not None:
            with suppress(KeyError):
                selector.unregister(self._line)
            self._line.close()
            self._line = None
        self._rest = b""
        for name in [name for name, on in self.outputs.items() if on]:
            self._output(name, False)

    def press(self, point: str, seconds: float | None = PRESS_S) -> None:
        """Make a point active, and after `seconds` clear again; None: it stays. Raises KeyError for one that the board has not."""
        self._set(point, True)
        if seconds is not None:
            self._due.append((time.monotonic() + seconds, point, False))

    def release(self, point: str) -> None:
        """Make a point clear. Raises KeyError."""
        self._set(point, False)

    def turn(self, point: str, value: float) -> None:
        """Let a gauge show a value; a loop: volts. Raises KeyError for one that the board has not."""
        if point in self._loops.values():
            self._loop_uv[point] = round(value * 1_000_000)
            self._show_loop(point)
            return
        if point not in self._values:
            raise KeyError(point)
        self._values[point] = value
        self._show(point)

    def cut_wire(self, cut: bool) -> None:
        """Cut or mend the bell's wire: no current flows, whatever its output says."""
        self._wire_whole = not cut
        self._sense()

    def printed(self, data: bytes) -> None:
        """The board has printed this: a technician reads what a self-test asks for, and does it."""
        if not self._technician:
            return
        *lines, self._asked = (self._asked + data)[-LINE_MAX:].split(b"\n")
        for line in lines:
            if (found := ASKED.search(line)) and (point := found[2].decode()) not in self.dead:
                with suppress(KeyError):
                    self._oblige(point, press=found[1] == b"ask")

    def _oblige(self, point: str, *, press: bool) -> None:
        """What a self-test asks for: a light sensor is covered, everything else pressed."""
        if point in self._values:
            self.turn(point, COVERED_LX if press else GAUGES[point].rest)
        elif press:
            self.press(point)
        else:
            self.release(point)

    def next_due(self) -> float | None:
        """When a finger comes off next, monotonic s."""
        return min((at for at, _, _ in self._due), default=None)

    def run_due(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        due, self._due = [item for item in self._due if item[0] <= now], [item for item in self._due if item[0] > now]
        for _, point, active in due:
            self._set(point, active)

    @property
    def state(self) -> dict[str, Any]:
        """For who asks: what is on, what is pressed, how often the bell was switched on."""
        rang = sum(name == BELL and on for _, name, on in self.changes)
        return {"on": [name for name, on in self.outputs.items() if on], "pressed": sorted(self._active), "bell_times": rang}

    def _accept(self, selector: selectors.BaseSelector) -> None:
        self.leave(selector)
        self._line, _ = self._server.accept()
        self.register(selector)
        for name in self._values:
            self._show(name)
        for loop in set(self._loops.values()):
            self._show_loop(loop)
        # The board starts as soon as it knows levels: they come last, and in one line.
        wired = [terminal for terminal in self._terminals.wired(self.kind, self._fitted) if terminal not in self._loops]
        self._send(self._terminals.levels(wired, self._active))

    def _is_about_pins(self, words: list[str]) -> bool:
        match words:
            case ["o", gpio, level]:
                if found := self._terminals.output(int(gpio), int(level), self.kind):
                    self._output(*found)
            case ["b" | "f" | "u", *_]:
                pass
            case _:
                return False
        return True

    def _output(self, name: str, on: bool) -> None:
        self.outputs[name] = on
        self.changes.append((time.monotonic(), name, on))
        if name == BELL:
            self._sense()
        elif name == "lamp" and "lamp" in self._values:
            self._show("lamp")

    def _sense(self) -> None:
        self._set(BELL_SENSE, self.outputs.get(BELL, False) and self._wire_whole)

    def _set(self, point: str, active: bool) -> None:
        self._terminals.level(point, active)  # a KeyError for a terminal that is not there
        self._loop_uv.pop(self._loops.get(point, ""), None)
        (self._active.add if active else self._active.discard)(point)
        self._level(point)

    def _level(self, terminal: str) -> None:
        if terminal in self._loops:
            self._show_loop(self._loops[terminal])
            return
        self._send(self._terminals.levels([terminal], self._active))

    def _show_loop(self, loop: str) -> None:
        active = any(point in self._active for point, its in self._loops.items() if its == loop)
        uv = self._loop_uv.get(loop, CONTACT_UV if active else LOOP_UV)
        self._send(f"a {self._terminals.analog[loop]} {uv} 0")

    def _show(self, name: str) -> None:
        config = BoardConfig.model_validate(
            {"site": "s", "device": "d", "kind": self.kind, "group": "g", "brokers": [{"host": "h", "port": 1}], "points": {name: Point()}}
        )
        volts = gauges.volts(name, self._values[name], config, lamp_burns=self.outputs.get("lamp", False))
        self._send(f"a {self._terminals.analog[GAUGES[name].terminal]} {volts.level} {volts.peak}")

    def _send(self, line: str) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.sendall(line.encode() + b"\n")
