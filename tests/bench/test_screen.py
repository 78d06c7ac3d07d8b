"""What a technician sees of several boards at once, and is asked."""

import io
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TextIO, cast

import pytest

from firmware import bench
from firmware.bench.flashing import Done, Flasher, FlashFailed, Job
from firmware.bench.run import STOPS, _all, _Screen, stopping
from firmware.bench.tools import Interrupted, Tools
from protocol.boards import Flashed

WITHIN_S = 30.0
DEVICES = ["H03-01", "H03-02", "H03-03"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, TextIO]]:
    """Where somebody types, and the terminal's other end, on which a program speaks and is answered."""
    typed, end = os.openpty()
    with os.fdopen(os.dup(end), encoding="utf-8") as answers, os.fdopen(end, "w", encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdin", answers)
        monkeypatch.setenv("TERM", "xterm")
        yield typed, out
    os.close(typed)


def seen(typed: int, until: bytes) -> str:
    """What the terminal shows, up to these words."""
    data = b""
    end = time.monotonic() + WITHIN_S
    while until not in data:
        assert time.monotonic() < end, data
        data += os.read(typed, 65536)
    return data.decode()


def test_where_nobody_sees_bars_each_board_has_lines_of_its_own() -> None:
    out = io.StringIO()
    with (screen := _Screen(out, DEVICES, quiet=False)):
        for percent in (0.0, 10.0, 40.0, 99.0):
            for device in DEVICES[:2]:
                screen.tell(device, "write", "firmware", percent)
        screen.tell("H03-03", "self-test", "press smoke-1", None)
        screen.tell("H03-01", "done", "9 s", 100.0)
    lines = [line.split() for line in out.getvalue().splitlines()]
    for device in DEVICES[:2]:
        assert [words[3] for words in lines if words[:3] == [device, "write", "firmware"]] == ["0", "40", "99"]
    assert ["H03-03", "self-test", "press", "smoke-1"] in lines
    assert lines[-1] == ["H03-01", "done", "9", "s"]


def test_on_a_terminal_each_board_has_a_bar_of_its_own(terminal: tuple[int, TextIO]) -> None:
    typed, out = terminal
    with (screen := _Screen(out, DEVICES, quiet=False)):
        screen.tell("H03-01", "write", "files", 50.0)
        screen.tell("H03-02", "self-test", "press smoke-1", None)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen(typed, b"press smoke-1")).replace("\r", "")
    frame = shown.partition("press smoke-1")[0].split("H03-01")[-1]
    first, second, rest = frame.partition("H03-02")
    assert "write files" in first
    assert (second, "H03-03" in rest) == ("H03-02", False), "each on a line of its own, in order"


def test_a_question_keeps_no_other_board_waiting_and_is_answered(terminal: tuple[int, TextIO]) -> None:
    """A board whose progress waited would run into its deadline: it does not answer, one would be told."""
    typed, out = terminal
    screen = _Screen(out, DEVICES, quiet=False)
    with ThreadPoolExecutor(2) as people, screen:
        first = people.submit(screen.heard, "H03-01", "indicator")
        seen(typed, b"H03-01: indicator was switched on. Seen or heard? [y/n] ")
        second = people.submit(screen.heard, "H03-02", "indicator")
        telling = threading.Thread(target=screen.tell, args=("H03-03", "write", "files", 50.0))
        telling.start()
        telling.join(WITHIN_S)
        assert not telling.is_alive()
        assert not second.done(), "one question at a time"
        os.write(typed, "có\n".encode())
        assert first.result(WITHIN_S)
        seen(typed, b"H03-02: indicator was switched on. Seen or heard? [y/n] ")
        os.write(typed, b"n\n")
        assert not second.result(WITHIN_S)


def test_who_stops_the_work_need_not_answer_first(terminal: tuple[int, TextIO]) -> None:
    typed, out = terminal
    stopped = threading.Event()
    screen = _Screen(out, DEVICES, quiet=False, stopped=stopped.is_set)
    with ThreadPoolExecutor(2) as people, screen:
        asked = [people.submit(screen.heard, device, "indicator") for device in DEVICES[:2]]
        seen(typed, b"[y/n] ")
        stopped.set()
        for one in asked:
            with pytest.raises(Interrupted):
                one.result(WITHIN_S)


class OneFails:
    """The first board is at work until the second has failed and that was told."""

    def __init__(self) -> None:
        self.told = threading.Event()

    def run(self, job: Job) -> Done:
        if job.device == DEVICES[1]:
            raise FlashFailed("write", "the board stopped answering")
        assert self.told.wait(WITHIN_S)
        return Done(job.device, "240ac4000001", 1, cast("Flashed", None), 9.0)

    def tell(self, device: str, step: str, words: str, _percent: float | None) -> None:
        if (device, step, words) == (DEVICES[1], "write", "failed: the board stopped answering"):
            self.told.set()


def test_a_board_that_fails_is_told_at_once_and_the_others_are_finished() -> None:
    flasher = OneFails()
    outcome = _all(cast("Flasher", flasher), [Job(device, "/dev/null") for device in DEVICES], flasher.tell)
    assert [one.device for one in outcome.done] == [DEVICES[0], DEVICES[2]]
    assert {device: failure.step for device, failure in outcome.failed.items()} == {DEVICES[1]: "write"}


@pytest.mark.parametrize("number", STOPS)
def test_what_would_end_the_program_ends_its_tools(number: signal.Signals) -> None:
    before, tools = signal.getsignal(number), Tools()
    with stopping(tools):
        os.kill(os.getpid(), number)
        assert tools.stopped
    assert signal.getsignal(number) == before


def test_with_nohup_a_closed_terminal_ends_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stopping(tools := Tools()):
            os.kill(os.getpid(), signal.SIGHUP)
            assert not tools.stopped
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_tool_is_ever_told_to_do_what_it_has_refused() -> None:
    """esptool refuses another chip and another chip's image; with --force it would write all the same."""
    words = "\n".join(path.read_text(encoding="utf-8") for path in Path(bench.__file__).parent.glob("*.py"))
    assert "write-flash" in words
    assert not re.search(r"--force|force *= *True", words)
