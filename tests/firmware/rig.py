"""A board under test: the real firmware, run in place from its ROMFS image by the real MicroPython, its pins on a UDP socket."""

import json
import os
import runpy
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from wedges import Door

from firmware.bench import symbols, translation

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MICROPYTHON = Path(sys.executable).with_name("micropython")
PINS = runpy.run_path(str(ROOT / "firmware/boards/esp32_wroom.py"))
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
SITE = "test"
RESET = 64  # the exit code of machine.reset(): see fakes/machine.py
ENGINE = "5be07711-3"
DEADLINE_S = 10.0
FIRMWARE_KB = 100  # what the firmware may take, with TLS and every point of a kind fitted
STAND_INS_KB = 18  # measured with gc.mem_alloc: what start.py and fakes take here, 15 kB and 0.17 for each of 20 pins, and no board has
HEAP = f"{FIRMWARE_KB + STAND_INS_KB}k"
FLASH_SIZE = 128 * 4096  # as fakes/flashbdev.py has it


def eventually(probe: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """The first true value of `probe()`; fails the test after the deadline."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if value := probe():
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {deadline_s} s: {what}")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def symbols_of(rom: Path) -> symbols.Symbols:
    """Those of the bundle that the image is of."""
    table: symbols.Symbols = json.loads(rom.with_name(symbols.FILE).read_text(encoding="utf-8"))
    return table


class Broker:
    """A mosquitto on a free port of loopback."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(self.configuration())
        self._process: subprocess.Popen[bytes]
        self.start()

    def configuration(self) -> str:
        return f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"

    def start(self) -> None:
        self._process = subprocess.Popen([str(MOSQUITTO), "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(self._listens, "mosquitto listens")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Freezer(Door):
    """A proxy before the broker. What was connected at freeze() hears nothing any more, without a FIN; new connections work."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._frozen = threading.Event()
        super().__init__()

    def freeze(self) -> None:
        self._frozen.set()
        self._frozen = threading.Event()

    def _serve(self, client: socket.socket, number: int) -> None:
        frozen = self._frozen
        try:
            broker = self._hold(socket.create_connection(("127.0.0.1", self._target)))
        except OSError:  # it is dead: so is the way to it
            client.close()
            return
        for ends in ((client, broker), (broker, client)):
            self._run(self._pump, *ends, frozen)

    def _pump(self, source: socket.socket, target: socket.socket, frozen: threading.Event) -> None:
        try:
            while (data := source.recv(4096)) and not frozen.is_set():
                target.sendall(data)
            if not frozen.is_set():
                target.shutdown(socket.SHUT_WR)
        except OSError:  # a broker that closes with something unread resets: that too is to reach the board
            if not frozen.is_set():
                self._end(target)


class Engine:
    """What the gateway would be: it hears everything and says what a test tells it to."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[float, str, dict[str, Any], bool]] = []
        self.rev = 0
        self._up = False
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._took
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        eventually(lambda: self._up, "the engine's connection")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # It closes its pair of sockets when it goes; in a cycle with us, the garbage collector may take the sockets first.
        self._client.on_connect = self._client.on_subscribe = self._client.on_message = None

    def say(self, topic: str, message: Any, *, retain: bool = False) -> None:
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        self._client.publish(f"keng/1/{SITE}/{topic}", payload, qos=1, retain=retain)

    def hello(self, device: str, *, group: str = "G1", ring: Any = None, t: int = 1_763_791_234_610) -> dict[str, Any]:
        birth = self.wait(f"dev/{device}/state", lambda m: m["online"])
        start = f"{birth['life']}-{birth['boot']}"
        self.say(f"dev/{device}/hello", {"v": 1, "engine": ENGINE, "t": t, "for": start, "group": group, "ring": ring})
        return birth

    def settle(self, device: str) -> None:
        """Receipt every event until the board has nothing left to send or to write."""

        def waits_no_more() -> bool:
            for event in self.all(f"dev/{device}/event"):
                self.receipt(device, event["id"])
            ident = f"settle-{len(self.heard)}"
            self.say(f"dev/{device}/order", {"v": 1, "id": ident, "do": "report", "valid_s": 30})
            self.wait(f"dev/{device}/answer", lambda m: m["id"] == ident)
            time.sleep(0.15)  # a report is due at the board's next pulse, or later if the link is full
            reports = self.all(f"dev/{device}/report")
            return bool(reports) and reports[-1]["waiting"] == 0

        eventually(waits_no_more, "a report of a board with nothing waiting")

    def receipt(self, device: str, ident: str) -> None:
        self.say(f"dev/{device}/receipt", {"v": 1, "engine": ENGINE, "id": ident})

    def ring(self, pattern: str | None, *, n: int = 1, covers: dict[str, str] | None = None, group: str = "G1") -> dict[str, Any]:
        self.rev += 1
        order = {"v": 1, "engine": ENGINE, "rev": self.rev, "incident": "2026-000001", "pattern": pattern, "n": n}
        order |= {"place": None, "for_s": 60, "covers": covers or {}, "mute": []}
        self.say(f"group/{group}/ring", order)
        return order

    def all(self, topic: str, test: Callable[[dict[str, Any]], bool] = lambda _: True) -> list[dict[str, Any]]:
        return [message for _, where, message, _ in self.heard if where == topic and test(message)]

    def wait(self, topic: str, test: Callable[[dict[str, Any]], bool] = lambda _: True, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        try:
            return eventually(lambda: self.all(topic, test), f"a message on {topic}", deadline_s)[0]
        except AssertionError as exc:
            raise AssertionError(f"{exc}; heard {self.heard}") from None

    def _connected(self, client: Client, *_: Any) -> None:
        client.subscribe(f"keng/1/{SITE}/#", qos=1)

    def _subscribed(self, *_: Any) -> None:
        self._up = True

    def _took(self, _: Client, __: Any, message: MQTTMessage) -> None:
        topic = message.topic.removeprefix(f"keng/1/{SITE}/")
        try:
            fields = json.loads(message.payload)
        except (ValueError, RecursionError):
            fields = {}
        self.heard.append((time.monotonic(), topic, fields if isinstance(fields, dict) else {}, message.retain))


class Side:
    """What goes on beside a board: its watchdog, which kills `process` unless it is fed in time, and its clock.

    `bites` of the watchdog, `meals` that it had, and `clocks`: Unix s that the board has set its clock to.
    """

    def __init__(self) -> None:
        self.bites = self.meals = 0
        self.clocks: list[int] = []
        self.process: subprocess.Popen[bytes] | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _watch(self) -> None:
        while True:
            try:
                words = self._socket.recv(64).split()
            except TimeoutError:
                self._bite()
                continue
            if not words:
                return
            if words[0] == b"wdt":
                self.meals += 1
                self._socket.settimeout(int(words[1]) / 1000)
            else:
                self.clocks.append(int(datetime(*map(int, words[1:]), tzinfo=UTC).timestamp()))  # type: ignore[misc]

    def _bite(self) -> None:
        self._socket.settimeout(None)
        if self.process and self.process.poll() is None:
            self.bites += 1
            self.process.kill()


class Board:
    """One board. `cut()` ends it without a warning, as the loss of power does; `start()` starts it again.

    `rom`: the image of the firmware; that of the stand-ins lies beside it.
    """

    def __init__(self, folder: Path, rom: Path, config: dict[str, Any] | str | None, *, heap: str = HEAP) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._flash = folder / "flash"
        self._flash.write_bytes(b"\xff" * FLASH_SIZE)
        self._config = config if config is None or isinstance(config, str) else json.dumps(config)
        self.bell_wire_whole = True
        self._bites = 0
        self.outputs: list[tuple[float, int, int]] = []
        self._images = [str(rom), str(rom.with_name("fakes.romfs"))]
        self._symbols = symbols_of(rom)
        self._heap = heap
        self._log = folder / "board.log"
        points = config.get("points", {}) if isinstance(config, dict) else {}
        # Terminals of different kinds may share a GPIO: those that the configuration names have the last word.
        terminals = [*PINS["INPUTS"], *[name for name in points if name in PINS["INPUTS"]]]
        self._levels = {str(PINS["INPUTS"][name][0]): 1 - PINS["INPUTS"][name][1] for name in terminals}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(DEADLINE_S)
        self._process: subprocess.Popen[bytes] | None = None
        self.side = Side()

    def start(self, before: str = "") -> None:
        """Power on. `before`: MicroPython to run when the flash is mounted, before the firmware; its names are those of the sources."""
        if self._config is not None:  # as the bench: once
            before = f"with open('/config.json', 'w') as f: f.write({self._config!r})\n{before}"
            self._config = None
        follows = {str(PINS["INPUTS"]["bell-sense"][0]): str(PINS["OUTPUTS"]["bell"][0])} if self.bell_wire_whole else {}
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "FLASH": str(self._flash),
            "BEFORE": translation.translate(before or "0", self._symbols),
            "LEVELS": json.dumps(self._levels),
            "FOLLOWS": json.dumps(follows),
            "SIDE": str(self.side.port),
            "CAUSE": str(self._cause()),
            "WIRE": str(self._socket.getsockname()[1]),
        }
        command = [sys.executable, "-m", "simulator.inplace", *self._images, "--", "-X", f"heapsize={self._heap}", str(HERE / "start.py")]
        with self._log.open("ab") as log:
            self._process = self.side.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self._bites = self.side.bites
        self._socket.settimeout(DEADLINE_S)
        data = b""
        while data != b"here":  # what comes before is of the start before
            data, self._peer = self._socket.recvfrom(64)
        self._socket.setblocking(False)

    def cut(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        self.cut()
        self._socket.close()
        self.side.close()

    def _cause(self) -> int:
        """machine.reset_cause() of an ESP32: SOFT_RESET after machine.reset(), WDT_RESET, else PWRON_RESET."""
        if self.side.bites > self._bites:
            return 3
        return 5 if self.exit_code() == RESET else 1

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def set(self, terminal: str, active: bool) -> float:
        """Move a contact. Returns time.monotonic() of it."""
        gpio, level = PINS["INPUTS"][terminal]
        self._levels[str(gpio)] = level if active else 1 - level
        at = time.monotonic()
        if self._process:
            self._socket.sendto(b"%d %d" % (gpio, self._levels[str(gpio)]), self._peer)
        return at

    def millivolts(self, at_adc: int, terminal: str = "battery") -> None:
        gpio = PINS["ANALOG"][terminal]
        self._levels[f"uv{gpio}"] = at_adc * 1000
        if self._process:
            self._socket.sendto(b"uv%d %d" % (gpio, at_adc * 1000), self._peer)

    def bell_changes(self) -> list[tuple[float, int]]:
        """(when, level) of every change of the bell's output so far, by the board's clock, which is time.monotonic()."""
        return self.changes("bell")

    def changes(self, terminal: str) -> list[tuple[float, int]]:
        """(when, level) of every change of an output so far, likewise."""
        while True:
            try:
                words = self._socket.recv(64).split()
            except BlockingIOError:
                break
            if len(words) == 3:
                self.outputs.append((int(words[2]) / 1e6, int(words[0]), int(words[1])))
        wanted, _ = PINS["OUTPUTS"][terminal]
        return [(at, level) for at, gpio, level in self.outputs if gpio == wanted]

    def wait_bell(self, level: int = 1, *, after: float = 0.0, deadline_s: float = 3.0) -> float:
        """When the bell's output took this level, later than `after`."""

        def first() -> float | None:
            return next((at for at, now in self.bell_changes() if now == level and at > after), None)

        return float(eventually(first, f"bell at {level}; {self.log()}", deadline_s))
