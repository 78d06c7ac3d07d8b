"""A gateway with an identity, and a technician's bench with virtual boards: everything real but the hardware."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from firmware.bench import images, release_commands, settings
from firmware.bench.desk import Desk, load_access
from firmware.bench.flashing import Flasher, Hands, Materials
from firmware.bench.tools import Tools
from protocol import site as site_files
from protocol.package import Package
from simulator.parts import free_ports
from simulator.usb import image
from simulator.usb.boards import LINES, Boards
from tests.simulator.usb import serial, until

ROOT = Path(__file__).parents[2]
SITE = ROOT / "simulator/communes/ngo-thu-5.toml"
WITHIN_S = 60.0
TECHNICIAN = "ky-thuat-1"


def eventually(probe: Callable[[], Any], what: str, within_s: float = WITHIN_S) -> Any:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if value := probe():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not within {within_s} s: {what}")


class Gateway:
    """`keng broker` and `keng engine` on a folder with an identity; `bench` is the bench's file.

    `key`: the file there of the public key that gateway, bench and boards trust, "" for none.
    """

    def __init__(self, folder: Path, key: str = "") -> None:
        self.folder = folder
        self._key = key
        self.port, self.programs_port = free_ports(2)
        self.settings = folder / "keng.toml"
        self.settings.write_text(
            f'[broker]\nkind = "mosquitto"\nport = {self.port}\nprograms_port = {self.programs_port}\n{self._updates()}'
        )
        self.data = folder / "data"
        self.bench = folder / "bench.toml"
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def files(self) -> list[str]:
        return ["--site", str(SITE), "--settings", str(self.settings), "--data", str(self.data)]

    def start(self) -> None:
        keng("identity", "init", "--site", SITE, "--data", self.data)
        access = keng("broker", "accounts", *self.files, "--user", "bench", "--json")
        (self.folder / "bench.json").write_text(access.stdout)
        words = ['gateway = "bench.json"', f'user = "{TECHNICIAN}"', f'brokers = ["127.0.0.1:{self.port}"]']
        words += [f'trusted = ["{self._key}"]'] if self._key else []
        self.bench.write_text("\n".join([*words, '[[wifi]]\nssid = "ngo-thu"\nkey = "mot-hai-ba-bon"\n']))
        self._run("broker")
        eventually(self._listens, "the broker listens")
        self._run("engine")

    def _listens(self) -> bool:
        with closing(socket.socket()) as line:
            return line.connect_ex(("127.0.0.1", self.programs_port)) == 0

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(WITHIN_S)

    def kill_engine(self) -> None:
        """kill -9, and a new start, as systemd would."""
        engine = self._processes.pop()
        engine.kill()
        engine.wait(WITHIN_S)
        self._run("engine")

    def _updates(self) -> str:
        """Two waves, without a pause between them."""
        return f'[updates]\ntrusted = ["{self.folder / self._key}"]\nwaves = ["1"]\nsoak_min = 0\n' if self._key else ""

    def _run(self, part: str) -> None:
        with (self.folder / f"{part}.log").open("ab") as log:
            command = [sys.executable, "-m", "keng", part, *self.files]
            self._processes.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))

    @contextmanager
    def desk(self, tools: Tools | None = None) -> Iterator[Desk]:
        """`tools`: what stops it with them."""
        stopped = (lambda: tools.stopped) if tools else (lambda: False)
        with Desk(load_access(self.folder / "bench.json"), "xa-mau", TECHNICIAN, stopped=stopped) as desk:
            yield desk


def keng(*words: object, within_s: float = 240.0) -> subprocess.CompletedProcess[str]:
    """Run a command of ours. It must work."""
    done = tried(*words, within_s=within_s)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def tried(*words: object, within_s: float = 240.0) -> subprocess.CompletedProcess[str]:
    """Run a command of ours, where ptys have modem lines."""
    command = [sys.executable, "-m", "keng", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=within_s, check=False)


def environment() -> dict[str, str]:
    from simulator.usb.boards import environment as with_lines  # noqa: PLC0415

    return with_lines()


def opened(boards: Boards, number: int) -> None:
    """Start a board that was set up and has its jumper in: its console is open then."""
    with serial(boards.ports[number]) as line:
        boards.ask(number, "reset")
        assert b"this console is open" in until(line, b"this console is open")


def state(boards: Boards, number: int) -> dict[str, Any]:
    return boards.ask(number, "state")


class Bench:
    """A flasher on a real gateway. `told`: what it said, (device, step, words)."""

    def __init__(self, gateway: Gateway, firmware: Path, program: Package) -> None:
        self.gateway = gateway
        self.told: list[tuple[str, str, str]] = []
        self.on_step: Callable[[str, str], None] = lambda _step, _words: None  # at each change of step or words
        self.tell: Callable[[str, str, str, float | None], None] | None = None  # at all that it says
        self._firmware = firmware
        self._program = program

    @contextmanager
    def flasher(
        self, *, press_s: int | None = 5, heard: Callable[[str, str], bool] | None = None, tools: Tools | None = None, **bench: Any
    ) -> Iterator[Flasher]:
        own = settings.load(self.gateway.bench).model_copy(update=bench)
        materials = Materials("esp32_wroom", images.read(self._firmware), self._program, own, site_files.load(SITE))
        tools = tools or Tools()
        with self.gateway.desk(tools) as desk:
            yield Flasher(tools, desk, materials, Hands(press_s, heard), self.hear)

    def hear(self, device: str, step: str, words: str, percent: float | None) -> None:
        if self.tell:
            self.tell(device, step, words, percent)
        is_new = not self.told or self.told[-1] != (device, step, words)
        self.told.append((device, step, words))
        if is_new:
            self.on_step(step, words)


@contextmanager
def furnished(folder: Path, key: str = "") -> Iterator[tuple[Gateway, Path, Package]]:
    """A gateway at work, an image and the program. `key` as Gateway has it."""
    with ExitStack() as stack:
        gateway = Gateway(folder, key)
        stack.callback(gateway.stop)
        gateway.start()
        firmware = folder / "micropython.bin"
        image.make(firmware, app_kb=60)
        yield gateway, firmware, release_commands.built("esp32_wroom")


def with_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """esptool, started by this process, finds the modem lines of ptys."""
    monkeypatch.setenv("PYTHONPATH", str(LINES))


def json_of(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)
