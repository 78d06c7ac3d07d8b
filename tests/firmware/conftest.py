"""What the firmware's tests share: the bundle, a broker, an engine, boards."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rig

sys.path.append(str(rig.ROOT / "firmware/device"))  # the root of the board's own modules

from firmware.bench import bundle, romfs


@pytest.fixture(scope="session")
def rom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image of the firmware, beside that of the stand-ins."""
    if not rig.MICROPYTHON.exists():
        pytest.skip("no MicroPython for this machine")
    folder = tmp_path_factory.mktemp("rom")
    bundle.build(folder)
    (folder / "fakes.romfs").write_bytes(romfs.build(rig.HERE / "fakes"))
    return folder / bundle.IMAGE


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[rig.Broker]:
    if rig.MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    broker = rig.Broker(tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def engine(broker: rig.Broker) -> Iterator[rig.Engine]:
    engine = rig.Engine(broker.port)
    yield engine
    engine.close()


@pytest.fixture
def make_board(tmp_path: Path, rom: Path, broker: rig.Broker) -> Iterator[Callable[..., rig.Board]]:
    """make_board(device="B1", **config fields): a board, started unless told otherwise."""
    boards: list[rig.Board] = []

    def make(device: str = "B1", *, start: bool = True, heap: str = rig.HEAP, **fields: Any) -> rig.Board:
        config = {"v": 1, "site": rig.SITE, "device": device, "kind": "household", "group": "G1"}
        config |= {"brokers": [{"host": "127.0.0.1", "port": broker.port}], **fields}
        board = rig.Board(tmp_path / device, rom, config, heap=heap)
        boards.append(board)
        if start:
            board.start()
        return board

    yield make
    for board in boards:
        board.close()
    starved = [line for board in boards for line in board.log().splitlines() if "MemoryError" in line]
    assert starved == []


@pytest.fixture
def freezer(broker: rig.Broker) -> Iterator[rig.Freezer]:
    freezer = rig.Freezer(broker.port)
    yield freezer
    freezer.close()
