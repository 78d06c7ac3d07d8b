"""What a technician types wrong on the first day: one line that says what was expected, what came and where, and no trace."""

import json
from pathlib import Path

import pytest

from simulator.usb import image
from tests.bench.hall import SITE
from tests.gateway.typed import keng

BENCH = 'gateway = "bench.json"\nuser = "ky-thuat-1"\nbrokers = ["127.0.0.1:8883"]\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything as it should be, but that there is no gateway."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("firmware.bench.release_commands.built", lambda _board: None)  # 3 s, and not what is asked here
    Path("bench.toml").write_text(BENCH)
    Path("bench.json").write_text(json.dumps({"users": {"bench": {"host": "127.0.0.1", "port": 9, "password": "x"}}}))
    Path("rubbish").write_text("hello")
    image.make(Path("micropython.bin"), app_kb=10)
    return tmp_path


FLASH = ("device", "flash", "--site", SITE, "--bench", "bench.toml")
CONFIGURE = ("device", "configure", *FLASH[2:])
IMAGE = ("--firmware", "micropython.bin")
JOB = "H03-01=/dev/ttyUSB9"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (
            ("device", "flash", "--site", "nowhere", "--bench", "bench.toml", JOB),
            2,
            "nowhere: expected a file that can be read",
        ),
        (("device", "flash", "--site", SITE, "--bench", "nowhere", JOB), 2, "nowhere: expected a file that can be read, got: No such file"),
        (("device", "flash", "--site", SITE, "--bench", "rubbish", JOB), 2, "rubbish:1: file: expected TOML"),
        ((*FLASH, JOB), 2, "remedy: download ESP32_GENERIC from micropython.org and use --firmware FILE"),
        ((*FLASH, "--firmware", "rubbish", JOB), 2, "rubbish: expected a MicroPython image for an ESP32 (.bin), got something else"),
        ((*FLASH, "--firmware", "nowhere", JOB), 2, "nowhere: expected a file that can be read, got: No such file"),
        (
            (*FLASH, *IMAGE, "H99-01=/dev/ttyUSB9"),
            2,
            "expected a board of the site file (H03-01, H03-02, H03-03, H03-04, H03-05...), got 'H99-01'",
        ),
        ((*FLASH, *IMAGE, "--board", "toaster", JOB), 2, "--board: expected one of esp32_wroom, wt32_eth01, esp32_s3, got 'toaster'"),
        ((*FLASH, *IMAGE, "--board", "esp32_s3", JOB), 2, "expected an image for the esp32s3 of esp32_s3, got one for esp32"),
        (
            (*FLASH, *IMAGE, "--labels", "nowhere/labels.pdf", JOB),
            2,
            "nowhere/labels.pdf: expected a file that can be written",
        ),
        ((*FLASH, *IMAGE, "--bundle", "rubbish", JOB), 2, "bench: trusted: expected the public key of whoever signs bundles, got none"),
        ((*FLASH, *IMAGE, JOB), 1, "gateway 127.0.0.1:9: expected a broker, got: Connection refused; does keng broker run?"),
        (("device", "list", *FLASH[2:]), 1, "gateway 127.0.0.1:9: expected a broker"),
        ((*CONFIGURE, "H03-01"), 1, "gateway 127.0.0.1:9: expected a broker"),
        (CONFIGURE, 2, "expected boards, such as H03-07, or --group, got neither"),
        ((*CONFIGURE, "H03-01", "H03-01"), 2, "expected each board once, got H03-01 twice"),
        ((*CONFIGURE, "H99-01"), 2, "expected a board of the site file (H03-01, H03-02, H03-03, H03-04, H03-05...), got 'H99-01'"),
        ((*CONFIGURE, "--group", "TLG-99"), 2, "--group: expected a group of the site file, got 'TLG-99'"),
        (
            (*CONFIGURE, "--set", "password", "H03-01"),
            2,
            "--set: expected one of kind, group, brokers, wifi, bell_sense, verify_s, points, got",
        ),
        (("device", "bundle", "check", "rubbish", "--trusted", "rubbish"), 1, "rubbish: expected a public key in PEM"),
        (("device", "bundle", "check", "nowhere", "--trusted", "rubbish"), 2, "nowhere: expected a file that can be read"),
        (("device", "image", "add", "nowhere"), 2, "nowhere: expected a file that can be read, got: No such file"),
        (("identity", "show", "--data", "nowhere"), 1, "expected an identity, got none; remedy: keng identity init"),
        (
            ("backup", "out.tar.gz", "--data", "nowhere"),
            1,
            "nowhere/keng.db: expected the engine's database, got none: is --data",
        ),
        (("restore", "rubbish", "--data", "d"), 1, "rubbish: expected a backup of keng, got: not a gzip file"),
        (("sim", "hand", "nowhere", "press", "button-1"), 1, "nowhere: expected a virtual board, got none"),
    ],
)
def test_it_is_said_in_a_line_what_was_expected(folder: Path, words: tuple[object, ...], code: int, told: str) -> None:
    done = keng(*map(str, words))
    assert (done.returncode, done.stdout) == (code, "")
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_board_of_the_benchs_file_that_the_commune_does_not_have_is_named(folder: Path) -> None:
    Path("bench.toml").write_text(BENCH + "[boards.H30-01.points]\nindicator = true\n")
    done = keng(*map(str, (*FLASH, *IMAGE, JOB)))
    assert (done.returncode, done.stderr) == (2, "bench: boards.H30-01: expected a board of the site file, got 'H30-01'\n")


def test_a_mistake_in_a_point_of_the_benchs_file_is_told_once_and_where_it_stands(folder: Path) -> None:
    points = '[boards.H03-01.points]\nbutton-2 = false\nheat-1 = true\nsmoke-1 = {lop = "loop-3"}\ngas-1 = {hold_ms = "60"}\n'
    Path("bench.toml").write_text(BENCH + points)
    done = keng(*map(str, (*CONFIGURE, "H03-01")))
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [
            "bench.toml:7: boards.H03-01.points.smoke-1.lop: expected no such key (a typing mistake?)",
            "bench.toml:8: boards.H03-01.points.gas-1.hold_ms: expected a valid integer, got '60'",
        ],
    )


def test_the_gateways_file_as_windows_saves_it_is_read(folder: Path) -> None:
    access = Path("bench.json").read_text()
    Path("bench.json").write_bytes(access.replace(": {", ": {\r\n").encode("utf-8-sig"))
    done = keng("device", "list", *map(str, FLASH[2:]))
    assert "gateway 127.0.0.1:9: expected a broker" in done.stderr
    Path("bench.json").write_bytes(access.encode("utf-16"))  # as PowerShell's > writes it
    done = keng("device", "list", *map(str, FLASH[2:]))
    assert done.returncode == 2
    assert "bench.json: expected UTF-8, got UTF-16 (save the file as UTF-8)" in done.stderr


def test_a_bench_without_the_gateways_file_says_who_makes_it(folder: Path) -> None:
    Path("bench.json").unlink()
    done = keng(*map(str, (*FLASH, *IMAGE, JOB)))
    assert done.returncode == 2
    assert "bench.json: expected a file that can be read, got: No such file or directory; the gateway makes it:" in done.stderr


def test_a_kind_that_does_not_fit_the_board_type_is_refused_by_name_before_any_board_is_touched(folder: Path) -> None:
    done = keng(*map(str, (*FLASH, *IMAGE, "--board", "wt32_eth01", "DCC-017=/dev/ttyUSB9")))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"bench: boards.DCC-017: fire_point: {point}: wt32_eth01 has no input {point}" for point in ("door", "extinguisher-2", "tamper")
    ]
