"""What a service tells systemd, heard on a socket as systemd's own is."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engines import Town

from gateway import notify


class Ear:
    """A notification socket."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self.socket.settimeout(20)

    def next(self) -> str:
        return self.socket.recv(4096).decode()

    def hears_nothing_for(self, seconds: float) -> bool:
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(4096)
        except TimeoutError:
            return True
        return False


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Callable[[str], Ear]]:
    made: list[Ear] = []

    def make(path: str = "") -> Ear:
        made.append(Ear(path or str(tmp_path / "notify")))
        return made[-1]

    yield make
    for one in made:
        one.socket.close()


@pytest.mark.parametrize("abstract", [False, True])
def test_words_reach_systemd_by_both_kinds_of_address(tmp_path: Path, ear: Callable[[str], Ear], abstract: bool) -> None:
    address = f"@keng-test-{os.getpid()}" if abstract else str(tmp_path / "n")
    heard = ear(address)
    notify.tell("READY=1", {notify.SOCKET: address})
    assert heard.next() == "READY=1"


def test_without_systemd_and_with_one_that_is_gone_nothing_happens(tmp_path: Path) -> None:
    notify.tell("READY=1", {})
    notify.tell("READY=1", {notify.SOCKET: str(tmp_path / "gone")})
    assert notify.period_s({}) is None


@pytest.mark.parametrize(
    ("environment", "period"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_period_is_that_of_this_process(environment: dict[str, str], period: float | None) -> None:
    assert notify.period_s(environment) == period


def test_who_proves_nothing_does_not_beat(tmp_path: Path, ear: Callable[[str], Ear]) -> None:
    address = str(tmp_path / "n")
    heard = ear(address)
    environment = {notify.SOCKET: address, "WATCHDOG_USEC": "60000"}

    async def lives_twice() -> None:
        proofs = iter([True, True])

        async def prove() -> None:
            if not next(proofs, False):
                await asyncio.Event().wait()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(notify.beat(prove, environment), 0.5)

    asyncio.run(lives_twice())
    assert [heard.next(), heard.next(), heard.next()] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    assert heard.hears_nothing_for(0.05)


def test_engine_is_ready_and_beats_until_it_is_stopped(
    town: Town, tmp_path: Path, ear: Callable[[str], Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = str(tmp_path / "n")
    heard = ear(address)
    monkeypatch.setenv(notify.SOCKET, address)
    monkeypatch.setenv("WATCHDOG_USEC", "300000")
    town.start()
    assert heard.next() == "READY=1"
    began = time.monotonic()
    assert [heard.next() for _ in range(4)] == ["WATCHDOG=1"] * 4
    assert time.monotonic() - began < 20
