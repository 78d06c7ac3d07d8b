"""`keng update` as a technician types it, with a broker that has rights, the real engine, and one board that answers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import ROOT, Running, Talker, running, stop, wait_until
from cryptography.hazmat.primitives import serialization
from typed import Done, keng

from firmware.bench.package import signed
from protocol.package import Package
from tests.keys import release_key

RELEASE = Package("2.0.0", "esp32_wroom", 1_795_305_600, {"main.mpy": b"M\x06new"})
BY = ("--by", "ky-thuat-1")
DEVICE = "keng/1/xa-mau/dev/H03-01/"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A broker and an engine that trusts one key."""
    folder = tmp_path_factory.mktemp("gateway")
    with running(folder, "mosquitto") as found:
        public = release_key(0).public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        (folder / "release.pub").write_bytes(public)
        with found.settings.open("a", encoding="utf-8") as settings:
            settings.write(f'\n[updates]\ntrusted = ["{folder / "release.pub"}"]\n')
        (folder / "release.bundle").write_bytes(signed(RELEASE, release_key(0)))
        command = [sys.executable, "-m", "keng", "engine", "--site", str(found.site), "--settings", str(found.settings)]
        with (folder / "engine.log").open("wb") as log:
            engine = subprocess.Popen([*command, "--data", str(found.data)], cwd=ROOT, stdout=log, stderr=log)
        try:
            yield found
        finally:
            stop(engine)


def update(gateway: Running, *words: str) -> Done:
    return keng("update", *words, "--site", gateway.site, "--settings", gateway.settings, "--data", gateway.data)


def answer(gateway: Running, *words: str) -> dict[str, object]:
    done = update(gateway, *words, *BY, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def status(gateway: Running) -> tuple[str, str, str]:
    """State of the campaign, of its board, and why."""
    told = json.loads(update(gateway, "status", *BY, "--json").stdout)
    return told["campaign"]["state"], told["boards"][0]["state"], told["campaign"]["why"]


def test_from_a_bundle_to_an_end_as_it_is_typed(gateway: Running) -> None:
    assert update(gateway, "status", *BY).stdout == "no campaign yet: keng update start\n"
    assert update(gateway, "history", *BY).stdout == "no campaign yet: keng update start\n"
    file = gateway.data.parent / "release.bundle"
    assert keng("update", "add", file, "--settings", gateway.settings, "--data", gateway.data).returncode == 0
    with Talker(gateway.accounts.account("H03-01")) as board:
        board.subscribe(DEVICE + "order", DEVICE + "chunk", DEVICE + "hello")
        birth = {
            "v": 1,
            "online": True,
            "life": "9c41f2aa",
            "boot": 1,
            "kind": "household",
            "fw": "1.0.0",
            "group": "TLG-03",
            "reset": "power",
        }
        board.publish(DEVICE + "state", json.dumps(birth).encode())
        wait_until(lambda: any(topic.endswith("hello") for topic, _ in board.received), "a hello")
        begun = answer(gateway, "start", "2.0.0", "--only", "H03-01")
        assert (begun["version"], begun["by"], begun["counts"]) == ("2.0.0", "ky-thuat-1", {"waiting": 1})
        wait_until(lambda: any(topic.endswith("order") for topic, _ in board.received), "an order")
        order = next(json.loads(payload) for topic, payload in board.received if topic.endswith("order"))
        board.publish(DEVICE + "answer", json.dumps({"v": 1, "id": order["id"], "ok": True}).encode())
        fetch = {"v": 1, "id": "f-1", "bundle": RELEASE.digest, "offset": 0, "size": 400}
        board.publish(DEVICE + "fetch", json.dumps(fetch).encode())
        wait_until(lambda: any(topic.endswith("chunk") for topic, _ in board.received), "a chunk, which the broker lets through")
        wait_until(lambda: status(gateway) == ("open", "fetching", ""), "it fetches")
        words = {"v": 1, "id": order["id"], "ok": False, "error": "no room in flash"}
        board.publish(DEVICE + "answer", json.dumps(words).encode())
        wait_until(lambda: status(gateway) == ("halted", "refused", "H03-01 refused: no room in flash"), "a halt")
    lines = update(gateway, "status", *BY).stdout.splitlines()
    assert lines[0].startswith(f"1  2.0.0 ({RELEASE.digest}) for esp32_wroom: halted, wave 1 of 4; begun ")
    assert lines[1:3] == ["   H03-01 refused: no room in flash", "   goes on with: keng update resume; or for good: keng update end"]
    assert lines[3].split()[:5] == ["H03-01", "refused", "wave", "1", "from"]
    assert answer(gateway, "resume", "--retry")["state"] == "open"
    assert answer(gateway, "halt")["why"] == "by ky-thuat-1"
    assert answer(gateway, "end")["ended_by"] == "ky-thuat-1"
    assert [one["state"] for one in json.loads(update(gateway, "history", *BY, "--json").stdout)] == ["ended"]
    again = answer(gateway, "start", "2.0.0", "--group", "DCC-N5")
    assert (again["number"], again["counts"]) == (2, {"waiting": 3})
    answer(gateway, "end")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("start", "2.0.0", "--only", "H99", *BY), 2, "--only: expected a board of the site file, got 'H99'"),
        (("start", "2.0.0", "--group", "X", *BY), 2, "--group: expected a group of the site file, got 'X'"),
        (("start", "9.9.9", *BY), 1, "expected the digest or version of one bundle"),
        (("status", "7", *BY), 1, "got 7"),
        (("halt", "--by", "truc-ban-1"), 1, "expected somebody with the role technician or chief, got duty"),
        (("halt", *BY), 1, "expected a campaign that is open, got ended"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(gateway: Running, words: tuple[str, ...], code: int, told: str) -> None:
    """Comes after the campaigns above."""
    done = update(gateway, *words)
    assert (done.returncode, told in done.stderr) == (code, True), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_bundle_that_is_not_there_is_wrong_input(gateway: Running) -> None:
    done = keng("update", "add", "nowhere.bundle", "--settings", gateway.settings, "--data", gateway.data)
    assert (done.returncode, done.stderr) == (2, "nowhere.bundle: expected a file that can be read, got: No such file or directory\n")


def test_a_bundle_is_not_taken_in_where_no_engine_looks(gateway: Running, tmp_path: Path) -> None:
    done = keng("update", "add", "nowhere.bundle", "--settings", gateway.settings, "--data", tmp_path / "typo")
    assert done.returncode == 2
    assert "--data: expected the folder of the gateway's databases" in done.stderr
    assert not (tmp_path / "typo").exists()


def test_without_an_engine_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.asking.ANSWER_S", 1.0)
    monkeypatch.setattr("gateway.asking.AGAIN_S", 0.3)
    with running(tmp_path, "mosquitto") as found:
        done = update(found, "status", *BY)
    assert (done.returncode, "engine: expected an answer to updates within 1 s, got none: does it run?" in done.stderr) == (1, True)
