"""Another program for a board that works: what it is stays, and wherever it is left it works, and the same again finishes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from firmware.bench import flashing, inplace, settings
from firmware.bench.flashing import Flasher, FlashFailed, Hands, Job, Materials
from firmware.bench.inplace import Updater
from firmware.bench.package import public_der
from firmware.bench.tools import Tools
from protocol import site as site_files
from protocol.package import Package, PublicKey, public_key
from simulator.usb.boards import Boards, mac
from tests.bench.hall import SITE, Bench, Gateway, eventually, opened, with_lines
from tests.keys import release_key
from tests.simulator.usb import evaluated, mpremote

pytestmark = pytest.mark.long
BOARDS: list[dict[str, Any]] = [{}, {}]
EMPTY = 1
EMPTY_THE_OTHER = """
import os
other = "/app/b" if open("/app/use").read(1) == "a" else "/app/a"
for name in [row[0] for row in os.ilistdir(other) if row[1] == 0x8000] if other[5:] in os.listdir("/app") else ():
    os.remove(other + "/" + name)
"""
WHERE_ONLY_2 = "[n for n in ('a', 'b') if 'only_2.mpy' in __import__('os').listdir('/app/' + n)]"


@pytest.fixture(autouse=True)
def _lines(monkeypatch: pytest.MonkeyPatch, boards: Boards) -> None:
    with_lines(monkeypatch)
    boards.ask(0, "on")


@pytest.fixture(scope="module")
def programs(furniture: tuple[Gateway, Path, Package]) -> Iterator[Package]:
    """The next versions of the program: in each one file is another, and one of the version before is gone."""

    def every() -> Iterator[Package]:
        number = 1
        while True:
            number += 1
            own = {f"only_{number}.mpy": furniture[2].files["boot.mpy"]}
            yield replace(furniture[2], version=f"0.{number}.0", files=furniture[2].files | own)

    return every()


@pytest.fixture(scope="module")
def board(furniture: tuple[Gateway, Path, Package], boards: Boards) -> Boards:
    """H03-01, set up, with its jumper in."""
    with pytest.MonkeyPatch.context() as patch, Bench(*furniture).flasher(press_s=None) as flasher:
        with_lines(patch)
        flasher.run(Job("H03-01", boards.ports[0], replace=True))
    boards.ask(0, "hold", "jumper")
    return boards


@contextmanager
def updater(
    gateway: Gateway, program: Package, bench: Bench, tools: Tools | None = None, trusted: tuple[PublicKey, ...] = ()
) -> Iterator[Flasher]:
    materials = Materials("esp32_wroom", None, program, settings.load(gateway.bench), site_files.load(SITE), trusted)
    tools = tools or Tools()
    with gateway.desk(tools) as desk:
        yield Updater(tools, desk, materials, Hands(None), bench.hear)


def runs(gateway: Gateway, boards: Boards, program: Package, bench: Bench, trusted: tuple[PublicKey, ...] = ()) -> None:
    """The update works, and the board runs this program with everything that it had."""
    with updater(gateway, program, bench, trusted=trusted) as flasher:
        done = flasher.run(Job("H03-01", boards.ports[0]))
    assert (done.mac, done.generation, done.result.version, done.result.program) == (mac(0), 1, program.version, program.digest)
    assert done.result.tested["bell"] == "measured", "what was tried when it was set up"
    with gateway.desk() as desk:
        known = desk.ask("boards", device="H03-01").boards
    assert known
    assert known[0].flashed == done.result


def files_of(boards: Boards) -> dict[str, str]:
    """What an update must leave as it is."""
    text = "{p: __import__('hashlib').sha256(open(p,'rb').read()).digest().hex() for p in ('/config.json','/tls/key.der','/tls/board.der')}"
    found: dict[str, str] = eval(evaluated(boards.ports[0], text))
    return found


def trusted_by(boards: Boards) -> dict[str, int]:
    """The moduli of the keys that updates over the air are checked with."""
    text = "{n: open('/trusted/' + n, 'rb').read().hex() for n in __import__('os').listdir('/trusted')}"
    found: dict[str, str] = eval(evaluated(boards.ports[0], text))
    return {name: int(modulus, 16) for name, modulus in found.items()}


def test_another_program_and_everything_else_as_it_was(gateway: Gateway, board: Boards, programs: Iterator[Package], bench: Bench) -> None:
    life = "open('/journal/start').read().split()[0]"
    opened(board, 0)
    before = (files_of(board), evaluated(board.ports[0], life))
    old, new = (public_key(public_der(release_key(number))) for number in range(2))
    runs(gateway, board, next(programs), bench, (old, new))
    assert trusted_by(board) == {"1": old.n, "2": new.n}
    runs(gateway, board, next(programs), bench, (new,))
    assert (files_of(board), evaluated(board.ports[0], life)) == before
    assert evaluated(board.ports[0], WHERE_ONLY_2) == "['b']"
    third = next(programs)
    runs(gateway, board, third, bench)
    assert evaluated(board.ports[0], WHERE_ONLY_2) == "[]"
    assert trusted_by(board) == {"1": new.n}, "a bench that names no key takes none away"


@pytest.mark.parametrize("step", ["identify", "write", "start", "online"])
def test_interrupted_at_any_step_it_says_which_and_the_same_again_finishes(
    gateway: Gateway, board: Boards, programs: Iterator[Package], bench: Bench, step: str
) -> None:
    tools, program = Tools(), next(programs)
    after_s = 0.3 if step in ("identify", "write") else 0.0  # a board starts and is online in less

    def interrupt(at: str, _words: str) -> None:
        if at == step:
            threading.Timer(after_s, tools.stop).start() if after_s else tools.stop()

    bench.on_step = interrupt
    with updater(gateway, program, bench, tools) as flasher, pytest.raises(FlashFailed, match="interrupted; the same command") as failed:
        flasher.run(Job("H03-01", board.ports[0]))
    steps = ("identify", "write", "start", "online", "receipt", "record")
    assert failed.value.step in steps[steps.index(step) :][:2], "the tool may have ended just before"
    bench.on_step = lambda _step, _words: None
    runs(gateway, board, program, bench)


@pytest.mark.parametrize("pieces", [1, 5, 12])
def test_power_lost_while_it_writes_leaves_the_old_program_and_the_same_again_finishes(
    gateway: Gateway, board: Boards, programs: Iterator[Package], bench: Bench, pieces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inplace, "WRITE_S", 12.0)  # mpremote waits for ever at a board that is gone
    program = next(programs)
    opened(board, 0)
    assert mpremote(board.ports[0], "exec", EMPTY_THE_OTHER).returncode == 0
    heard = 0

    def hear(_device: str, step: str, _words: str, percent: float | None) -> None:
        nonlocal heard
        heard += step == "write" and percent is not None
        if heard == pieces:
            board.ask(0, "off")

    bench.tell = hear
    with updater(gateway, program, bench) as flasher, pytest.raises(FlashFailed) as failed:
        flasher.run(Job("H03-01", board.ports[0]))
    assert failed.value.step == "write"
    bench.tell = None
    with gateway.desk() as desk:
        board.ask(0, "on")
        eventually(lambda: (desk.ask("boards", device="H03-01").boards or [])[0].state == "online", "the old program goes on")
    runs(gateway, board, program, bench)


def test_a_closed_console_and_a_board_without_identity_are_told(
    gateway: Gateway, board: Boards, programs: Iterator[Package], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flashing, "TRIES", 1)
    program = next(programs)
    board.ask(0, "release", "jumper")
    try:
        told(gateway, program, bench, Job("H03-01", board.ports[0]), "expected an open console, got none: put the jumper in")
    finally:
        board.ask(0, "hold", "jumper")
    told(gateway, program, bench, Job("H03-02", board.ports[0]), "expected H03-02 on this port, got H03-01")
    told(gateway, program, bench, Job("H03-02", board.ports[EMPTY]), "does not answer|expected an open console")


TRIAL = """
import os
now = open("/app/use").read(1)
new = "b" if now == "a" else "a"
for name in os.listdir("/app/" + new):
    if name.endswith(".mpy") and name[:-4] in ("boot", "main"):
        os.rename("/app/%s/%s" % (new, name), "/app/%s/%s.away" % (new, name))
with open("/app/%s/main.py" % new, "w") as file:
    file.write("import time\\nwhile True:\\n    time.sleep(1)\\n")
with open("/app/use", "w") as file:
    file.write(new + " trial 0 1 0123456789abcdef u-1")
"""
IN_USE = "open('/app/use').read(1)"


def content(board: Boards, folder: str) -> str:
    """Names and sizes of what is in a folder of the program."""
    return evaluated(board.ports[0], f"sorted((row[0], row[3]) for row in __import__('os').ilistdir('/app/{folder}'))")


def test_the_version_to_fall_back_on_is_not_written_over(
    gateway: Gateway, board: Boards, programs: Iterator[Package], bench: Bench
) -> None:
    """The new version hangs, and the engine has not heard of the trial. Whoever looks at a board starts it, and it has three starts."""
    runs(gateway, board, next(programs), bench)
    runs(gateway, board, next(programs), bench)
    folder = evaluated(board.ports[0], IN_USE)
    before = content(board, folder)
    assert "'verified'" in before
    assert mpremote(board.ports[0], "exec", TRIAL).returncode == 0
    program = next(programs)
    told(gateway, program, bench, Job("H03-01", board.ports[0]), "expected no version on trial, got 0123456789abcdef on trial")
    for _ in range(2):  # the rest of its starts; else its watchdog makes them
        board.ask(0, "reset")
    with gateway.desk() as desk:
        eventually(
            lambda: (desk.ask("boards", device="H03-01").boards or [])[0].updating.startswith("rolled_back"),
            "the version before runs",
            within_s=200,
        )
    assert content(board, folder) == before
    runs(gateway, board, program, bench)


def told(gateway: Gateway, program: Package, bench: Bench, job: Job, words: str) -> None:
    with updater(gateway, program, bench) as flasher, pytest.raises(FlashFailed, match=words) as failed:
        flasher.run(job)
    assert failed.value.step == "identify"
