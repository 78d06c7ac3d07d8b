"""Boards as the technician reads them, and the ports on which they may be."""

from datetime import datetime
from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from firmware.bench import ports, run, tables
from firmware.bench.flashing import Job
from firmware.bench.run import CannotBegin
from protocol.boards import BoardChange, BoardState, ChangeState, Flashed
from protocol.tomlfile import FileMistakes

AT_MS = 1_795_300_000_000
FLASHED = Flashed(
    board="esp32_wroom", image="1.29.0", program="0123456789abcdef", version="0.1.0", port="/dev/ttyUSB0", tested={"bell": "heard"}
)
KNOWN = BoardState(
    **{"id": "H03-07", "kind": "household", "place": "Hộ mẫu 03-07", "group": "TLG-03", "state": "online", "last_seen_ms": AT_MS},
    **{"firmware": "0.1.0", "rssi": -67, "battery": 86, "mains": True, "faults": ["bell: loop open"], "generation": 2},
    **{"mac": "240ac4000007", "flashed": FLASHED, "flashed_ms": AT_MS, "flashed_by": "ky-thuat-1"},
)
NEW = BoardState(id="H03-08", kind="household", place="", state="unknown")


def test_the_list_shows_state_signal_last_message_firmware_certificate_and_faults() -> None:
    head, known, new = tables.listed([KNOWN, NEW])
    assert {"board", "state", "signal", "firmware", "certificate", "faults"} < set(head.split())
    when = f"{datetime.fromtimestamp(AT_MS / 1000):%d/%m/%Y %H:%M}"
    for words in ("H03-07", "online", "-67 dBm", when, "0.1.0", "bell: loop open"):
        assert words in known
    assert new.split()[:4] == ["H03-08", "unknown", "-", "never"]
    assert "2 revoked" in tables.listed([KNOWN.model_copy(update={"revoked": True})])[1]


def test_one_board_is_shown_whole() -> None:
    shown = "\n".join(tables.shown(KNOWN))
    for words in (
        "H03-07 (household), Hộ mẫu 03-07, group TLG-03",
        "online, heard last",
        "-67 dBm",
        "mains on, battery 86 %",
        "bell: loop open",
        "generation 2, board 240ac4000007",
        "by ky-thuat-1: esp32_wroom, MicroPython 1.29.0, program 0.1.0 (0123456789abcdef)",
        "bell heard",
    ):
        assert words in shown
    assert "never" in "\n".join(tables.shown(NEW))


@pytest.mark.parametrize(
    ("state", "words", "told"),
    [
        ("ordered", "", "no answer yet"),
        ("applied", "", "applied"),
        ("refused", "the bell sounds", "refused: the bell sounds"),
        ("rolled_back", "rolled back: not online within 180 s, tries: 1", "rolled back: not online within 180 s, tries: 1"),
        ("missed", "not supported: set", "the order did not reach the board"),
    ],
)
def test_what_became_of_the_newest_change_of_a_board_is_shown(state: ChangeState, words: str, told: str) -> None:
    change = BoardChange(order="b-1", keys=["wifi", "points"], by="ky-thuat-1", at_ms=AT_MS, state=state, words=words)
    (line,) = [line for line in tables.shown(KNOWN.model_copy(update={"change": change})) if line.startswith("configured")]
    assert line.endswith(f" by ky-thuat-1: wifi, points: {told}")


def plugged(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, int | None, str]) -> None:
    rows = [SimpleNamespace(device=device, vid=vid, description="USB bridge", location=location) for device, vid, location in found]
    monkeypatch.setattr(list_ports, "comports", lambda: rows)


BENCH = (("/dev/ttyUSB1", 0x10C4, "1-1.2"), ("/dev/ttyS0", None, ""), ("/dev/ttyUSB0", 0x1A86, "1-1.3"), ("/dev/ttyACM0", 0x2341, "1-1.4"))


def test_ports_are_those_with_a_bridge_of_boards_in_the_order_of_their_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged(monkeypatch, *BENCH)
    assert [port.device for port in ports.found()] == ["/dev/ttyUSB1", "/dev/ttyUSB0"]


def test_boards_without_a_port_get_those_that_are_free(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged(monkeypatch, *BENCH)
    assert run._jobs(["H1", "H2"], replace=False) == [Job("H1", "/dev/ttyUSB1"), Job("H2", "/dev/ttyUSB0")]
    assert run._jobs(["H1", "H2=/dev/ttyUSB1"], replace=True) == [Job("H1", "/dev/ttyUSB0", True), Job("H2", "/dev/ttyUSB1", True)]


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        (
            ["H1", "H2", "H3"],
            CannotBegin,
            "expected as many boards on USB as H1, H2, H3, found 2: /dev/ttyUSB1, /dev/ttyUSB0; or say",
        ),
        (["H1", "H1"], FileMistakes, "expected each board once, got H1 twice"),
        (["H1=/dev/ttyUSB0", "H2=/dev/ttyUSB0"], FileMistakes, "expected each port once, got /dev/ttyUSB0 twice"),
    ],
)
def test_what_cannot_be_is_told_before_any_board_is_touched(
    monkeypatch: pytest.MonkeyPatch, words: list[str], error: type[Exception], told: str
) -> None:
    plugged(monkeypatch, *BENCH)
    with pytest.raises(error, match=told):
        run._jobs(words, replace=False)
