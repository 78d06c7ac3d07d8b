"""Virtual boards on serial ports: real esptool and mpremote take them for boards, and what goes wrong goes wrong as it does there."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.usb.boards import Boards, mac
from simulator.usb.flash import NorFlash
from simulator.usb.hand import NoBoard, ask
from tests.simulator.usb import command_of, esptool, evaluated, make_image, mpremote, need_micropython, serial, tool, until

WITHIN_S = 30.0
CHIPS = ("esp32", "esp32s3", "esp32c3", "esp32c6")


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Boards]:
    """The first is new for each test, and then one of each other chip; the last is small."""
    need_micropython()
    which = [{"chip": chip} for chip in CHIPS] + [{"flash_mb": 2, "flash_id": 0x1540EF}]
    with Boards(tmp_path_factory.mktemp("usb"), len(which), which=which) as found:
        yield found


@pytest.fixture
def port(boards: Boards, firmware: Path) -> str:
    """A board with MicroPython and nothing else."""
    boards.ask(0, "off")
    content = firmware.read_bytes()
    with NorFlash(boards.flash(0), boards.flash(0).stat().st_size) as flash:
        flash.erase(0, flash.size)
        flash.write(0x1000, content)
    boards.ask(0, "on")
    return boards.ports[0]


@pytest.mark.parametrize("number", range(len(CHIPS)), ids=CHIPS)
def test_esptool_knows_the_chip_and_its_mac(boards: Boards, number: int) -> None:
    done = tool("esptool", "--port", boards.ports[number], "read-mac")
    assert done.returncode == 0, done.stdout
    words = mac(number)
    assert ":".join(words[place : place + 2] for place in range(0, 12, 2)) in done.stdout
    assert f"Connected to {CHIPS[number].replace('esp32', 'ESP32-').rstrip('-').upper()}" in done.stdout.replace("ESP32-D0WD-V3", "ESP32")


def test_what_is_written_is_verified_and_boots(boards: Boards, firmware: Path) -> None:
    port = boards.ports[0]
    assert esptool(port, "erase-flash").returncode == 0
    written = esptool(port, "write-flash", "0x1000", firmware)
    assert "Hash of data verified" in written.stdout
    assert evaluated(port, "__import__('os').listdir('/')") == "['sim', 'boot.py']"
    assert esptool(port, "verify-flash", "0x1000", firmware).returncode == 0
    slow = esptool(port, "--no-stub", "verify-flash", "0x1000", firmware)
    assert slow.returncode == 0, slow.stdout


def test_a_blank_chip_says_so_and_waits(boards: Boards) -> None:
    assert esptool(boards.ports[0], "erase-flash").returncode == 0
    with serial(boards.ports[0]) as line:
        boards.ask(0, "reset")
        assert b"invalid header: 0xffffffff" in until(line, b"invalid header: 0xffffffff\r\n")


def test_another_chip_and_another_chips_image_are_refused(boards: Boards, tmp_path: Path) -> None:
    wrong = esptool(boards.ports[0], "read-mac", chip="esp32c3")
    assert (wrong.returncode, "This chip is ESP32, not ESP32-C3" in wrong.stdout + wrong.stderr) == (2, True)
    other = esptool(boards.ports[0], "write-flash", "0x1000", make_image(tmp_path, "esp32c3"))
    assert (other.returncode, "not an ESP32 image" in other.stdout + other.stderr) == (2, True)


def test_a_flash_that_is_too_small_is_refused(boards: Boards, tmp_path: Path) -> None:
    (tmp_path / "files").write_bytes(bytes(4096))
    done = esptool(boards.ports[-1], "write-flash", "0x200000", tmp_path / "files")
    assert done.returncode == 2
    assert "will not fit in" in done.stdout + done.stderr


@pytest.mark.long  # esptool waits 10 s; tests/bench sees it too
def test_a_loader_that_stops_answering_ends_esptool(boards: Boards, firmware: Path) -> None:
    boards.ask(0, "drop", "0x11", "3")
    try:
        done = esptool(boards.ports[0], "write-flash", "0x1000", firmware)
        assert done.returncode != 0
        assert "No more data to read from the serial port" in done.stdout + done.stderr
    finally:
        boards.ask(0, "heal")
    assert esptool(boards.ports[0], "write-flash", "0x1000", firmware).returncode == 0


def test_files_outlive_resets_and_power_cuts(boards: Boards, port: str, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("still here")
    assert mpremote(port, "fs", "cp", tmp_path / "note", ":note").returncode == 0
    boards.ask(0, "off")
    boards.ask(0, "on")
    assert mpremote(port, "fs", "cat", ":note").stdout == "still here"
    assert mpremote(port, "reset").returncode == 0
    assert evaluated(port, "open('note').read()") == "still here"


def test_a_cut_in_the_middle_of_a_copy_leaves_a_sound_file_system(boards: Boards, port: str, tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(os.urandom(200_000))
    copying = subprocess.Popen(
        [*command_of("mpremote"), "connect", port, "fs", "cp", str(tmp_path / "long"), ":long"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + WITHIN_S
        while b"long" not in boards.flash(0).read_bytes() and time.monotonic() < end:
            time.sleep(0.05)
        boards.ask(0, "off")
    finally:
        copying.kill()  # by itself it would wait for ever
        copying.wait()
    boards.ask(0, "on")
    assert evaluated(port, "'boot.py' in __import__('os').listdir('/')") == "True"


def test_an_endless_main_is_interrupted(port: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "import asyncio\nasync def run():\n  while True:\n    print('.', end='')\n    await asyncio.sleep(0.01)\nasyncio.run(run())\n"
    )
    assert mpremote(port, "fs", "cp", tmp_path / "main.py", ":main.py", "+", "reset").returncode == 0
    with serial(
        port
    ) as line:  # what comes before main.py, as from a tool that is quicker than the start, interrupts nothing, as on a board
        assert b"..." in until(line, b"...")
    assert evaluated(port, "6 * 7") == "42"


def test_a_main_that_collects_is_interrupted(boards: Boards, port: str, tmp_path: Path) -> None:
    """Between two steps, as on a board: amid a collection it would leave the heap locked."""
    (tmp_path / "main.py").write_text("import gc\nprint('here')\nwhile True:\n  gc.collect()\n")
    assert mpremote(port, "fs", "cp", tmp_path / "main.py", ":main.py").returncode == 0
    with serial(port) as line:
        boards.ask(0, "reset")
        assert b"here" in until(line, b"here")
    assert evaluated(port, "6 * 7") == "42"


def test_a_boot_that_fails_leaves_main_out(boards: Boards, port: str, tmp_path: Path) -> None:
    """As the ESP32 port does: ports/esp32/main.c."""
    (tmp_path / "boot.py").write_text("1 / 0\n")
    (tmp_path / "main.py").write_text("open('worked', 'w').close()\n")
    assert mpremote(port, "fs", "cp", tmp_path / "boot.py", tmp_path / "main.py", ":").returncode == 0
    with serial(port) as line:
        boards.ask(0, "reset")
        assert b"ZeroDivisionError" in until(line, b"ZeroDivisionError")
    assert evaluated(port, "'worked' in __import__('os').listdir('/')") == "False"


def test_the_board_knows_itself(port: str) -> None:
    assert evaluated(port, "__import__('machine').unique_id().hex()") == mac(0)


def test_an_exception_is_told_with_its_trace(port: str) -> None:
    done = mpremote(port, "exec", "1/0")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout + done.stderr


def test_memory_ends_where_a_boards_does(port: str) -> None:
    done = mpremote(port, "exec", "bytearray(300_000)")
    assert "MemoryError" in done.stdout + done.stderr


def test_a_port_has_one_user(port: str) -> None:
    words = ["connect", port, "exec", "import time\nprint('here')\ntime.sleep(60)"]
    with subprocess.Popen([*command_of("mpremote"), *words], stdout=subprocess.PIPE, text=True) as holding:
        try:
            assert holding.stdout is not None
            assert holding.stdout.readline() == "here\n"
            done = mpremote(port, "exec", "1")
        finally:
            holding.kill()
    assert done.returncode == 1
    assert "may be in use by another program" in done.stdout + done.stderr


def test_who_asks_where_no_board_is_learns_it(tmp_path: Path) -> None:
    with pytest.raises(NoBoard, match="start one with keng sim board"):
        ask(tmp_path / "ttyV0", "state")


def test_an_order_that_is_not_known_is_refused(boards: Boards) -> None:
    with pytest.raises(ValueError, match="expected an order that this board knows, got 'fly'"):
        boards.ask(0, "fly")
    with pytest.raises(ValueError, match="got 'press button-9'"):
        boards.ask(0, "press", "button-9")


@pytest.mark.long
def test_over_rfc2217_esptool_resets_and_mpremote_talks(tmp_path: Path) -> None:
    need_micropython()
    firmware = make_image(tmp_path)
    with Boards(tmp_path / "tcp", 1, rfc2217=True) as found:
        assert esptool(found.ports[0], "write-flash", "0x1000", firmware).returncode == 0
        assert evaluated(found.ports[0], "1 + 1") == "2"
