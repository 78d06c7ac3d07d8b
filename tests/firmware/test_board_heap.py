"""Every kind of device, fully fitted, over TLS, in the heap that the firmware may take: what a bad day brings, and no MemoryError."""

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rig
import secured
from certificates import NAME, Authority
from rig import Board, Engine, eventually

from firmware.bench import package, translation
from protocol import messages
from protocol.package import Package, public_key

MakeBoard = Callable[..., Board]
OURS = Authority("Our CA")
BOARD = OURS.board("B1")
FITTED = {
    "household": ("button-3", "button-4", "heat-1", "gas-1", "safe", "need-help", "coming", "tamper", "mains", "battery", "indicator"),
    "fire_point": (*(f"extinguisher-{number}" for number in range(3, 9)), "tank", "pump", "mains", "strobe"),
    "street_light": ("tamper",),
    "sos_post": ("sos-2", "mains", "battery"),
}
NEIGHBOURS = 14  # the largest group less this board
MISTAKES = {"verify_s": "as long as it takes", "bell_sense": "when it rains"}  # they cost these keys alone, and make a long fault
PRESSED = {"household": "button-1", "fire_point": "button-1", "street_light": "tamper", "sos_post": "sos-1"}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[secured.Broker]:
    if rig.MOSQUITTO is None:
        pytest.skip("mosquitto is not installed")
    broker = secured.Broker(tmp_path, OURS)
    yield broker
    broker.kill()


def order(engine: Engine, ident: str, do: str, **fields: object) -> dict[str, object]:
    engine.say("dev/B1/order", {"v": 1, "id": ident, "do": do, "valid_s": 30, **fields})
    return engine.wait("dev/B1/answer", lambda m: m["id"] == ident, deadline_s=20)


def storm(engine: Engine) -> dict[str, str]:
    """Every neighbour calls, for two presses, each three times. The newest event of each."""
    for k in (1, 2, 3):
        for number in range(NEIGHBOURS):
            for seq in (102, 103):
                call = {"v": 1, "id": f"0badca{number:02}-12-{seq}", "k": k, "type": "button", "pattern": "fire"}
                engine.say(f"group/G1/call/H03-{number:02}", call)
    return {f"H03-{number:02}": f"0badca{number:02}-12-103" for number in range(NEIGHBOURS)}


@pytest.mark.parametrize("kind", FITTED)
def test_kind_fully_fitted_over_tls_lives_in_its_heap(make_board: MakeBoard, engine: Engine, broker: secured.Broker, kind: str) -> None:
    points: dict[str, object] = {name: {} for name in FITTED[kind]}
    if kind == "household":
        points["extinguisher-1"] = None  # its terminal has no GPIO to spare beside the others
    brokers = [{"host": "127.0.0.1", "port": broker.tls_port}]
    board = make_board(
        start=False, kind=kind, points=points, server_name=NAME, brokers=brokers, wifi=[{"ssid": "lane", "key": "secret"}], **MISTAKES
    )
    board.start(secured.files(OURS, BOARD))
    assert max(len(fault) for fault in engine.hello("B1")["faults"]) > 100
    board.set(PRESSED[kind], True)
    event = engine.wait("dev/B1/event", lambda m: m["point"] == PRESSED[kind])
    covers = {f"H{number:02}": f"0badcafe-1-{number + 1}" for number in range(14)} | {"B1": event["id"]}
    engine.ring("fire", covers=covers)
    if kind != "street_light":
        engine.wait("dev/B1/event", lambda m: m.get("n") == 1 and m["proof"] == "measured", deadline_s=20)
    engine.receipt("B1", event["id"])
    engine.ring(None, covers=covers)
    newest = storm(engine)
    if kind != "street_light":
        engine.wait("dev/B1/event", lambda m: m.get("for") == newest["H03-13"] and m.get("k") == 3, deadline_s=40)
    for turn in range(2):
        engine.heard.clear()
        broker.restart()
        engine.say("tick", {"v": 1, "engine": rig.ENGINE, "t": 1_763_791_234_610})
        eventually(lambda: engine.all("dev/B1/state", lambda m: m["online"]), f"reconnect {turn + 1}; {board.log()}", 40)
        engine.hello("B1")
    assert order(engine, "o-1", "test", what="self-test")["ok"]
    board.set(PRESSED[kind], False)
    engine.ring(None, covers=covers | newest)
    engine.settle("B1")
    free = engine.all("dev/B1/report")[-1]["heap"]
    print(f"{kind}: {free} bytes free of {rig.HEAP}")
    assert free > 8_000


UPDATE_KB = 8  # what a fully fitted board needs besides while it updates itself
TOO_FEW_KB = -3  # a board that has so much less lives, and refuses an update


def a_release() -> tuple[bytes, dict[str, object], str]:
    """A bundle, the order to take it up, and what a board runs first that is to do so."""
    key = package.new_key()
    files = {f"agent/part_{number}.mpy": bytes([number]) * 3_000 for number in range(8)}
    release = Package("0.2.0", "esp32_wroom", 1_795_305_600, {**files, "main.mpy": b"M"})
    bundle = package.signed(release, key)
    contents = {"/app/use": b"a kept", "/app/a/verified": b"00000000000000aa 0.1.0"}
    contents["/trusted/1"] = public_key(package.public_der(key)).n.to_bytes(384)
    folders = "for each in ('/app', '/app/a', '/trusted'): os.mkdir(each)"
    writes = [f"with open({path!r}, 'wb') as f: f.write({content!r})" for path, content in contents.items()]
    prepared = "\n".join([folders, *writes, "sys.path.append('/app/a')"])
    return bundle, {"bundle": release.digest, "size": len(bundle), "version": "0.2.0"}, prepared


def serve(engine: Engine, bundle: bytes, fetch: dict[str, Any]) -> None:
    data = base64.b64encode(bundle[fetch["offset"] : fetch["offset"] + fetch["size"]]).decode()
    engine.say("dev/B1/chunk", messages.Chunk(id=fetch["id"], bundle=fetch["bundle"], offset=fetch["offset"], data=data).payload())


def test_update_over_the_air_fits_into_8_kb_more(make_board: MakeBoard, engine: Engine, broker: secured.Broker) -> None:
    bundle, asked, prepared = a_release()
    brokers = [{"host": "127.0.0.1", "port": broker.tls_port}]
    points: dict[str, object] = {name: {} for name in FITTED["household"]} | {"extinguisher-1": None}

    def started(firmware_kb: int) -> Board:
        fields: dict[str, object] = {"points": points, "server_name": NAME, "brokers": brokers, "wifi": [{"ssid": "lane", "key": "secret"}]}
        board = make_board(start=False, heap=f"{firmware_kb + rig.STAND_INS_KB}k", **fields)
        board.start("\n".join([secured.files(OURS, BOARD), prepared]))
        engine.hello("B1")
        assert order(engine, f"o-{firmware_kb}", "test", what="self-test")["ok"]
        engine.settle("B1")
        return board

    small = started(rig.FIRMWARE_KB + TOO_FEW_KB)
    refused = order(engine, "o-1", "update", **asked)
    assert not refused["ok"]
    assert str(refused["error"]).startswith("not enough memory")
    small.cut()
    engine.heard.clear()
    board = started(rig.FIRMWARE_KB + UPDATE_KB)
    before = engine.all("dev/B1/report")[-1]["heap"]
    assert order(engine, "o-2", "update", **asked)["ok"]
    served = 0

    def served_and_over() -> bool:
        nonlocal served
        for fetch in engine.all("dev/B1/fetch")[served:]:
            if served % 3 == 1:
                order(engine, f"r-{served}", "report")
            served += 1
            serve(engine, bundle, fetch)
        return not board.is_alive()

    eventually(served_and_over, f"the restart with the new version; {board.log()}", 60.0)
    assert board.exit_code() == rig.RESET, board.log()
    least = min(report["heap"] for report in engine.all("dev/B1/report"))
    print(f"{before} bytes free before, at least {least} while it updates itself: {before - least} bytes")
    assert least > 8_000
    states = [birth["update"]["state"] for birth in engine.all("dev/B1/state", lambda m: "update" in m)]
    assert states[-1] == "verified"


@pytest.mark.timeout(300)
@pytest.mark.long
def test_pitfall_17_heap_stays_flat_over_100_000_messages(rom: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    environment |= {"LEVELS": "{}", "FOLLOWS": "{}", "WIRE": "9", "SIDE": "9", "CAUSE": "1"}
    images = [str(rom), str(rom.with_name("fakes.romfs"))]
    source = (rig.HERE / "flat_heap.py").read_text(encoding="utf-8")
    (tmp_path / "flat_heap.py").write_text(translation.translate(source, rig.symbols_of(rom)), encoding="utf-8")
    script = ["-X", f"heapsize={rig.FIRMWARE_KB}k", str(tmp_path / "flat_heap.py"), "100000"]
    command = [sys.executable, "-m", "simulator.inplace", *images, "--", *script]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    *allocated, taken = result.stdout.splitlines()
    assert taken == "taken 25000"
    heaps = [int(bytes_) for bytes_ in allocated]
    assert len(heaps) == 10
    assert max(heaps) - min(heaps) < 512, heaps
