"""Configurations over the air with everything real but the hardware: `keng device configure`, engine, broker with certificates, firmware.

Two boards of one group. What takes the three minutes of a trial is a long test.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firmware.bench import configuring, points
from firmware.bench.configuring import End
from simulator.usb.boards import Boards
from tests.bench.hall import ROOT, SITE, TECHNICIAN, Gateway, eventually, json_of, keng, state, tried

BOARDS: list[dict[str, object]] = [{}] * 2
DEVICES = ("H03-01", "H03-02")
KEY = "mot-hai-ba-bon"


@pytest.fixture(scope="module")
def boards(boards: Boards, gateway: Gateway, firmware: Path) -> Boards:
    jobs = [f"{device}={port}" for device, port in zip(DEVICES, boards.ports, strict=True)]
    files = ["--site", SITE, "--bench", gateway.bench, "--firmware", firmware]
    assert json_of(keng("device", "flash", *files, "--no-hands", "--json", *jobs))["failed"] == []
    return boards


def bench(gateway: Gateway, more: str = "", **changed: str) -> Path:
    """The bench's file with these lines at its end, and `changed` ones at its beginning."""
    text = gateway.bench.read_text()
    for name, value in changed.items():
        text = f"{name} = {value}\n" + re.sub(rf"^{name} = .*\n", "", text, flags=re.MULTILINE)
    file = gateway.folder / "changed.toml"
    file.write_text(text + more)
    return file


def configure(file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return tried("device", "configure", "--site", SITE, "--bench", file, "--yes", *words, within_s=900)


def shown(gateway: Gateway, device: str) -> dict[str, Any]:
    return dict(json_of(keng("device", "show", "--site", SITE, "--bench", gateway.bench, device, "--json")))


def rings(boards: Boards, number: int) -> None:
    before = state(boards, number)["bell_times"]
    boards.ask(number, "press", "button-1")
    eventually(lambda: state(boards, number)["bell_times"] > before, "its own bell")


def test_a_flashed_board_has_what_the_files_say_and_nobody_is_asked(gateway: Gateway, boards: Boards) -> None:
    done = tried("device", "configure", "--site", SITE, "--bench", gateway.bench, *DEVICES)
    assert (done.returncode, done.stdout) == (0, "✓ H03-01: has it already\n✓ H03-02: has it already\n")


def test_a_change_of_both_boards_is_shown_tried_one_after_the_other_and_kept(gateway: Gateway, boards: Boards) -> None:
    more = "".join(f"[boards.{device}.points]\nbutton-2 = false\nheat-1 = {{hold_ms = 60}}\n" for device in DEVICES)
    file = bench(gateway, more)
    done = configure(file, *DEVICES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(r"(✓ H03-0[12]: applied and back online, \d+ s\n){2}", done.stdout)
    assert "  points.button-2: as usual → not fitted\n  points.heat-1: as usual → hold_ms=60\n" in done.stderr
    for device in DEVICES:
        one = shown(gateway, device)
        assert one["told"]["points"] == {"button-2": None, "heat-1": {"hold_ms": 60}}
        assert (one["change"]["state"], one["change"]["keys"], one["change"]["by"]) == ("applied", ["points"], TECHNICIAN)
    boards.ask(0, "reset")
    again = eventually(lambda: (done := configure(file, *DEVICES)).returncode == 0 and done, "the boards, the first of them started anew")
    assert again.stdout == "✓ H03-01: has it already\n✓ H03-02: has it already\n"
    assert KEY not in done.stdout + done.stderr + again.stderr


def test_the_key_of_a_wifi_goes_to_the_board_and_nowhere_else(gateway: Gateway, boards: Boards) -> None:
    more = "".join(f"[boards.{device}.points]\nbutton-2 = false\nheat-1 = {{hold_ms = 60}}\n" for device in DEVICES)
    file = bench(gateway, more)
    file.write_text(file.read_text().replace(KEY, "nam-sau-bay-tam"))
    done = configure(file, "--set", "wifi", "--json", "H03-01")
    (one,) = json_of(done)["boards"]
    assert (one["end"], one["keys"]) == ("applied", ["wifi"])
    assert b"nam-sau-bay-tam" in boards.flash(0).read_bytes()
    kept = [path.read_bytes() for path in gateway.folder.rglob("*") if path.is_file() and path.parent.name != "usb" and path != file]
    assert not [text for text in kept if b"nam-sau-bay-tam" in text]


def test_what_the_board_does_not_take_is_refused_with_its_reason(gateway: Gateway, boards: Boards, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a board knows its own heap and terminals for certain: here the bench does not look."""
    monkeypatch.setattr(points, "misfits", lambda *_: [])
    file = bench(gateway, "[boards.H03-01.points]\nheat-1 = {hold_ms = 60, loop = 'loop-1'}\n")
    plan = configuring.plan(["H03-01", "H03-02"], site=SITE, bench=file, group=None, chosen=["points"])
    first, second = configuring.carry_out(plan, agreed=lambda _stopped: True, say=lambda _line: None) or []
    assert first == End("H03-01", "refused", "household: heat-1: GPIO 32 of esp32_wroom is taken by button-1", ("points",))
    assert second == End("H03-02", "not_sent", "H03-01 before it did not come through")
    assert shown(gateway, "H03-01")["faults"] == []


def test_a_mistake_that_the_bench_sees_never_leaves_it(gateway: Gateway, boards: Boards) -> None:
    before = shown(gateway, "H03-01")["change"]
    for point, words in (
        ("window = true", "points.window: not a point of household"),
        ("button-1 = false\nbutton-2 = false", "household: expected at least one of button-1"),
        ("mains = {hold_ms = 5}", "points.mains.hold_ms: expected 10..60000, got 5"),
    ):
        done = configure(bench(gateway, f"[boards.H03-01.points]\n{point}\n"), "H03-01")
        assert (done.returncode, done.stdout) == (2, "")
        assert f"bench: boards.H03-01: {words}" in done.stderr
    done = configure(bench(gateway, verify_s="30"), "H03-01", "--set", "verify_s")
    assert (done.returncode, done.stdout) == (
        1,
        "✕ H03-01: not sent: engine: verify_s: expected 60, as keng.toml of the gateway says, got 30: change it there, then restart it\n",
    )
    assert shown(gateway, "H03-01")["change"] == before


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_broker_that_is_not_there_is_rolled_back_over_a_kill_of_the_engine_and_the_next_board_is_spared(
    gateway: Gateway, boards: Boards
) -> None:
    file = bench(gateway, brokers='["127.0.0.1:9"]')
    with subprocess.Popen(
        [sys.executable, "-m", "keng", "device", "configure", "--site", SITE, "--bench", file, "--set", "brokers", "--yes", *DEVICES],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as work:
        eventually(lambda: shown(gateway, "H03-01")["state"] == "lost", "the board tries to reach it")
        assert shown(gateway, "H03-01")["change"]["state"] == "ordered"
        again = configure(file, "--set", "brokers", "H03-01")
        assert (again.returncode, again.stdout.splitlines()[0]) == (1, f"✕ H03-01: no answer yet: brokers, sent by {TECHNICIAN}")
        other = configure(file, "--set", "brokers", "H03-02")
        assert "not sent: engine: expected one board of a group at a time, got H03-01" in other.stdout
        gateway.kill_engine()
        told, said = work.communicate(timeout=600)
    assert work.returncode == 1, said
    assert told.splitlines() == [
        "✕ H03-01: rolled back: not online within 180 s, tries: 1",
        "  the board runs with what it had; look at Wi-Fi, brokers and group of the files, then the same command again",
        "✕ H03-02: not sent: H03-01 before it did not come through",
    ]
    assert shown(gateway, "H03-01")["faults"] == ["rolled back: not online within 180 s, tries: 1"]
    assert shown(gateway, "H03-02").get("change", {}).get("keys") != ["brokers"]
    assert configure(bench(gateway), "H03-01", "--set", "brokers").stdout == "✓ H03-01: has it already\n"


def test_nothing_is_sent_while_it_burns_in_the_group(gateway: Gateway, boards: Boards) -> None:
    rings(boards, 1)
    done = configure(bench(gateway), "H03-01", "--set", "points")
    assert done.returncode == 1
    assert re.match("✕ H03-01: not sent: engine: expected no alarm and no drill in the group of H03-01, got 2026-", done.stdout)
