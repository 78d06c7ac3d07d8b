"""What the firmware's tests share: the bundle, a broker, an engine, boards."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rig

from firmware.bench import bundle

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


@pytest.fixture(scope="session")
def rom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firmware, compiled."""
    if not rig.MICROPYTHON.exists():
        pytest.skip("no MicroPython for this machine")
    folder = tmp_path_factory.mktemp("rom")
    bundle.build(folder)
    return folder


class Broker:
    """A mosquitto on a free port of loopback."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
        self._process: subprocess.Popen[bytes]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([str(MOSQUITTO), "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        rig.eventually(self._listens, "mosquitto listens")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    if MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    broker = Broker(tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def engine(broker: Broker) -> Iterator[rig.Engine]:
    engine = rig.Engine(broker.port)
    yield engine
    engine.close()


@pytest.fixture
def make_board(tmp_path: Path, rom: Path, broker: Broker) -> Iterator[Callable[..., rig.Board]]:
    """make_board(device="B1", **config fields): a board, started."""
    boards: list[rig.Board] = []

    def make(device: str = "B1", **fields: Any) -> rig.Board:
        config = {"v": 1, "site": rig.SITE, "device": device, "kind": "household", "group": "G1"}
        config |= {"brokers": [{"host": "127.0.0.1", "port": broker.port}], **fields}
        board = rig.Board(tmp_path / device, rom, config)
        boards.append(board)
        board.start()
        return board

    yield make
    for board in boards:
        board.close()
