"""Updates over the air with everything real but the hardware: boards that were flashed, a broker with certificates, the engine, `keng`.

Version 0.2.0 of the same sources comes to two boards of one group, and the engine is killed meanwhile. Then a version that crashes comes
to one of them: it rolls back by itself, the campaign halts, the other one is never asked. In the end a press rings both.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from firmware.bench import romfs
from firmware.bench.package import signed
from protocol.package import Package
from simulator.usb.boards import Boards
from tests.bench.hall import SITE, TECHNICIAN, Gateway, eventually, furnished, json_of, keng, state
from tests.keys import release_key

pytestmark = pytest.mark.long
BOARDS: list[dict[str, object]] = [{}] * 2
DEVICES = ("H03-01", "H03-02")
WITHIN_S = 300.0  # on a machine that does other things too


@pytest.fixture(scope="module")
def furniture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Path, Package]]:
    """As in conftest.py; the gateway and the boards trust a key."""
    folder = tmp_path_factory.mktemp("gateway")
    public = release_key(0).public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / "release.pub").write_bytes(public)
    with furnished(folder, "release.pub") as found:
        yield found


@pytest.fixture(scope="module")
def boards(boards: Boards, gateway: Gateway, firmware: Path, furniture: tuple[Gateway, Path, Package]) -> Boards:
    """Two boards with version A, from a bundle of its own."""
    bundle = gateway.folder / "a.bundle"
    bundle.write_bytes(signed(furniture[2], release_key(0)))
    jobs = [f"{device}={port}" for device, port in zip(DEVICES, boards.ports, strict=True)]
    files = ["--site", SITE, "--bench", gateway.bench, "--firmware", firmware, "--bundle", bundle]
    assert json_of(keng("device", "flash", *files, "--no-hands", "--json", *jobs))["failed"] == []
    return boards


def update(gateway: Gateway, *words: str) -> Any:
    return json_of(keng("update", *words, *gateway.files, "--by", TECHNICIAN, "--json"))


def begin(gateway: Gateway, package: Package) -> None:
    file = gateway.folder / f"{package.version}.bundle"
    file.write_bytes(signed(package, release_key(0)))
    keng("update", "add", file, "--settings", gateway.settings, "--data", gateway.data)
    only = [word for device in DEVICES for word in ("--only", device)]
    update(gateway, "start", package.version, *only)


def states(gateway: Gateway) -> dict[str, str]:
    """How far each of our boards is; the others of the group were never switched on."""
    return {one["device"]: one["state"] for one in update(gateway, "status")["boards"] if one["device"] in DEVICES}


def shown(gateway: Gateway, device: str) -> dict[str, Any]:
    return dict(json_of(keng("device", "show", "--site", SITE, "--bench", gateway.bench, device, "--json")))


def test_a_new_version_comes_to_both_one_after_the_other_over_a_kill_of_the_engine(
    gateway: Gateway, boards: Boards, furniture: tuple[Gateway, Path, Package]
) -> None:
    old = furniture[2]
    new = Package("0.2.0", old.board, old.released + 1, old.files)
    assert [shown(gateway, device)["app"] for device in DEVICES] == [old.digest] * 2
    begin(gateway, new)
    eventually(lambda: "fetching" in states(gateway).values(), "the first board fetches", WITHIN_S)
    gateway.kill_engine()
    seen: list[dict[str, str]] = []

    def through() -> bool:
        seen.append(states(gateway))
        return set(seen[-1].values()) == {"kept"}

    eventually(through, "both boards keep 0.2.0", WITHIN_S)
    assert all(sum(state in ("ordered", "fetching", "trial") for state in one.values()) <= 1 for one in seen), "they are of one group"
    for device in DEVICES:
        one = shown(gateway, device)
        assert (one["firmware"], one["app"], one["updating"]) == ("0.2.0", new.digest, f"kept {new.digest}")
    eventually(lambda: update(gateway, "history")[0]["state"] == "done", "the campaign ends by itself at the engine's next look", WITHIN_S)


def test_a_version_that_crashes_rolls_back_and_halts_the_campaign(
    gateway: Gateway, boards: Boards, furniture: tuple[Gateway, Path, Package], tmp_path: Path
) -> None:
    """Comes after 0.2.0."""
    good = furniture[2]
    (tmp_path / "main.py").write_text('raise ValueError("broken")\n')
    romfs.compile_module("main", tmp_path / "main.py", tmp_path / "main.mpy")
    broken = Package("0.3.0", good.board, good.released + 2, good.files | {"main.mpy": (tmp_path / "main.mpy").read_bytes()})
    begin(gateway, broken)
    eventually(lambda: "rolled_back" in states(gateway).values(), "a board that rolls back", WITHIN_S)
    assert sorted(states(gateway).values()) == ["rolled_back", "waiting"]
    (newest, *_) = update(gateway, "history")
    assert newest["state"] == "halted"
    assert "rolled_back: 3 starts without a receipt" in newest["why"]
    (failed,) = [device for device, state_ in states(gateway).items() if state_ == "rolled_back"]
    assert shown(gateway, failed)["firmware"] == "0.2.0"
    assert update(gateway, "end")["state"] == "ended"


def test_after_all_that_a_press_rings_both(gateway: Gateway, boards: Boards) -> None:
    before = [state(boards, number)["bell_times"] for number in range(2)]
    boards.ask(0, "press", "button-1")
    eventually(lambda: all(state(boards, number)["bell_times"] > before[number] for number in range(2)), "both bells")
