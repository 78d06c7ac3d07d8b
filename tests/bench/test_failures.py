"""What goes wrong at the bench, each with its step and message, and that the same again finishes. Virtual boards play it as boards do."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import serial

from firmware.bench import flashing
from firmware.bench.desk import Access, Desk, DeskFailed
from firmware.bench.flashing import FlashFailed, Job
from firmware.bench.settings import OfBoard
from firmware.bench.tools import Tools
from simulator.usb.boards import Boards, mac
from tests.bench.hall import ROOT, SITE, Bench, environment, with_lines

pytestmark = pytest.mark.long
BOARDS: list[dict[str, Any]] = [
    {},
    {"chip": "esp32c3"},
    {"flash_mb": 2, "flash_id": 0x1540EF},
    {"heap_kb": 60},
    {"throttled": True},
    {"fitted": ("battery", "indicator")},
]
C3, SMALL, LITTLE_RAM, SLOW, FITTED = 1, 2, 3, 4, 5


@pytest.fixture(autouse=True)
def _lines(monkeypatch: pytest.MonkeyPatch) -> None:
    with_lines(monkeypatch)


@pytest.fixture(autouse=True)
def _well(boards: Boards) -> None:
    """The board as it came: powered, whole."""
    for order in (["heal"], ["mend_wire"], ["mend", "button-1"], ["release", "button-1"], ["on"]):
        boards.ask(0, *order)


def fails(bench: Bench, job: Job, step: str, words: str, **options: Any) -> FlashFailed:
    with bench.flasher(**options) as flasher, pytest.raises(FlashFailed) as failed:
        flasher.run(job)
    assert failed.value.step == step, failed.value
    assert re.search(words, str(failed.value)), failed.value
    return failed.value


def works(bench: Bench, boards: Boards, number: int = 0, device: str = "H03-01") -> None:
    with bench.flasher() as flasher:
        assert flasher.run(Job(device, boards.ports[number], replace=True)).mac == mac(number)


def test_another_chip(bench: Bench, boards: Boards) -> None:
    fails(bench, Job("H03-02", boards.ports[C3]), "identify", "This chip is ESP32-C3.*another board type: choose it with --board")


def test_too_little_flash(bench: Bench, boards: Boards) -> None:
    fails(bench, Job("H03-02", boards.ports[SMALL]), "identify", "expected 4 MB of flash for this image, got 2 MB")


def test_a_port_without_a_board(bench: Bench, tmp_path: Path) -> None:
    fails(bench, Job("H03-02", str(tmp_path / "ttyV9")), "identify", "no board on this port: plug it in")


def test_a_busy_port(bench: Bench, boards: Boards) -> None:
    with serial.Serial(boards.ports[0], exclusive=True):
        fails(bench, Job("H03-01", boards.ports[0]), "identify", "another program has the port: close it")
    works(bench, boards)


def test_a_board_that_does_not_answer(bench: Bench, boards: Boards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flashing, "IDENTIFY_S", 6.0)
    boards.ask(0, "off")
    fails(bench, Job("H03-01", boards.ports[0]), "identify", "look at cable and supply|hold its BOOT button")


def test_no_answer_while_writing(bench: Bench, boards: Boards) -> None:
    boards.ask(0, "drop", "0x11", "3")
    fails(bench, Job("H03-01", boards.ports[0], replace=True), "write", "the board stopped answering: look at cable and supply")
    boards.ask(0, "heal")
    works(bench, boards)


@pytest.mark.parametrize(("step", "when"), [("write", ""), ("write", "firmware"), ("write", "files"), ("self-test", "press smoke-1")])
def test_power_lost_on_the_way(bench: Bench, boards: Boards, step: str, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flashing, "SLACK_S", 0.0)  # esptool waits minutes for a hash that does not come: ours is the end
    monkeypatch.setattr(flashing, "REPL_S", 15.0)
    monkeypatch.setattr("firmware.bench.selftest.deadline_s", lambda _trials, press_s: 15.0)
    bench.on_step = lambda at, words: boards.ask(0, "off") if (at, words) == (step, when) else None
    fails(bench, Job("H03-01", boards.ports[0], replace=True), step, "look at cable and supply|hold its BOOT button")
    bench.on_step = lambda _step, _words: None
    boards.ask(0, "on")
    works(bench, boards)


@pytest.mark.parametrize(
    ("step", "after_s"),
    [
        ("identify", 0.2),
        ("register", 0),
        ("write", 0.2),
        ("start", 0.2),
        ("self-test", 0.2),
        ("online", 0.2),
        ("receipt", 0),
        ("record", 0),
    ],
)
def test_interrupted_at_any_step_it_says_which_and_the_same_again_finishes(bench: Bench, boards: Boards, step: str, after_s: float) -> None:
    tools = Tools()

    def stop(at: str, _words: str) -> None:
        if at == step and after_s:
            threading.Timer(after_s, tools.stop).start()
        elif at == step:
            tools.stop()

    bench.on_step = stop
    with (
        bench.flasher(tools=tools) as flasher,
        pytest.raises(FlashFailed, match="interrupted; the same command again begins anew") as failed,
    ):
        flasher.run(Job("H03-01", boards.ports[0], replace=True))
    assert failed.value.step in (step, *after(step)), "the tool may have ended just before"
    bench.on_step = lambda _step, _words: None
    works(bench, boards)


def after(step: str) -> tuple[str, ...]:
    steps = ("identify", "register", "write", "start", "self-test", "online", "receipt", "record")
    return steps[steps.index(step) + 1 :][:1]


def test_nobody_presses(bench: Bench, boards: Boards) -> None:
    boards.ask(0, "break", "button-1")
    fails(bench, Job("H03-01", boards.ports[0], replace=True), "self-test", "button-1: not seen within 3 s", press_s=3)
    boards.ask(0, "mend", "button-1")
    works(bench, boards)


def test_a_cut_bell_wire_and_a_contact_that_is_shorted(bench: Bench, boards: Boards) -> None:
    boards.ask(0, "cut_wire")
    boards.ask(0, "break", "button-1")  # whoever is asked to let it go cannot
    boards.ask(0, "hold", "button-1")
    words = "button-1: active without being pressed: a short.*bell: no current seen: wire, bell or supply"
    fails(bench, Job("H03-01", boards.ports[0], replace=True), "self-test", words, press_s=3)


def test_a_program_that_never_ends_is_no_obstacle(bench: Bench, boards: Boards) -> None:
    """A board that works, its console closed: esptool resets it all the same."""
    works(bench, boards)
    works(bench, boards)


def test_little_ram_and_a_wrong_broker_are_found_when_the_board_should_be_online(
    bench: Bench, boards: Boards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flashing, "ONLINE_S", 10.0)
    words = "expected H03-0. to be online within 10 s, got nothing; look at wifi and brokers"
    fails(bench, Job("H03-03", boards.ports[LITTLE_RAM]), "online", words)
    fails(bench, Job("H03-01", boards.ports[0], replace=True), "online", words, brokers=["127.0.0.1:9"])
    works(bench, boards)


def test_a_slow_line_takes_longer_and_works(bench: Bench, boards: Boards) -> None:
    works(bench, boards, SLOW, "H03-05")


def test_without_hands_points_are_skipped_and_recorded_so(bench: Bench, boards: Boards) -> None:
    with bench.flasher(press_s=None) as flasher:
        done = flasher.run(Job("H03-01", boards.ports[0], replace=True))
    assert done.result.tested == {
        "bell": "measured",
        **dict.fromkeys(["button-1", "button-2", "smoke-1", "extinguisher-1", "silence"], "skipped"),
    }


def test_a_voltage_is_measured_and_what_nothing_senses_is_asked_of_people(bench: Bench, boards: Boards) -> None:
    own = {"H03-04": OfBoard(points={"battery": True, "indicator": True})}
    job = Job("H03-04", boards.ports[FITTED], replace=True)
    boards.ask(FITTED, "turn", "battery", "2.0")
    fails(bench, job, "self-test", "battery: 1000 mV at the pin, expected 1500 to 2150", press_s=None, boards=own)
    boards.ask(FITTED, "turn", "battery", "4.1")
    fails(bench, job, "self-test", "indicator: switched on, and nobody has seen or heard it", heard=lambda *_: False, boards=own)
    asked = []

    def heard(device: str, output: str) -> bool:
        asked.append((device, output))
        return True

    with bench.flasher(heard=heard, boards=own) as flasher:
        done = flasher.run(job)
    assert asked == [("H03-04", "indicator")], "the bell has told itself"
    assert (done.result.tested["battery"], done.result.tested["indicator"], done.result.tested["bell"]) == ("measured", "heard", "measured")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "a closed terminal"])
def test_who_ends_the_command_learns_at_which_step(bench: Bench, boards: Boards, stop: signal.Signals) -> None:
    files = ["--site", str(SITE), "--bench", str(bench.gateway.bench), "--firmware", str(bench.gateway.folder / "micropython.bin")]
    words = [sys.executable, "-m", "keng", "device", "replace", *files, "--no-hands", f"H03-01={boards.ports[0]}"]
    with subprocess.Popen(
        words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as command:
        assert command.stderr is not None
        for line in command.stderr:
            if line.split()[1:2] == ["write"]:
                command.send_signal(stop)
                break
        said, _ = command.communicate(timeout=60)
    assert command.returncode == 1
    assert said == "✕ H03-01: write: interrupted; the same command again begins anew and finishes\n"
    works(bench, boards)


def test_a_gateway_that_is_not_there() -> None:
    access = Access(host="127.0.0.1", port=9, password="x")
    with pytest.raises(DeskFailed, match=r"gateway 127\.0\.0\.1:9: expected a broker"), Desk(access, "xa-mau", "ky-thuat-1"):
        pass


def test_a_tool_that_hangs_is_ended(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    os.environ["PYTHONPATH"] += os.pathsep + str(tmp_path)
    began = time.monotonic()
    with pytest.raises(flashing.ToolFailed, match="expected hangs to end within 2 s, got no end"):
        Tools().run("hangs", [], deadline_s=2, on_line=lambda _: None)
    assert time.monotonic() - began < 60
