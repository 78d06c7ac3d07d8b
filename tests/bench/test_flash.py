"""A new board: one command from blank to a board that rings in a commune that runs. Real esptool, mpremote, mosquitto, engine, firmware.

Takes 15 s: everything that lies between a bag of boards and a commune. What can go wrong on the way is in the long tests beside this.
"""

import base64
import os
import re
import select
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from firmware.bench.desk import Desk, DeskFailed, load_access
from protocol.boards import BoardAnswer
from simulator.usb.boards import Boards, mac
from tests.bench.hall import SITE, TECHNICIAN, Gateway, eventually, json_of, keng, state
from tests.simulator.usb import evaluated, serial, until

BOARDS: list[dict[str, object]] = [{"start_s": 1.0}]  # longer than mpremote takes to ask
POINTS = {
    "button-1": "pressed",
    "button-2": "pressed",
    "smoke-1": "pressed",
    "extinguisher-1": "pressed",
    "silence": "pressed",
    "bell": "measured",
}


def test_a_board_is_flashed_tried_registered_and_rings(gateway: Gateway, boards: Boards, firmware: Path) -> None:
    files = ["--site", SITE, "--bench", gateway.bench]
    labels = gateway.folder / "labels.pdf"
    done = json_of(keng("device", "flash", *files, "--firmware", firmware, "--labels", labels, "--json", f"H03-01={boards.ports[0]}"))
    assert done["failed"] == []
    assert [(one["device"], one["mac"], one["generation"], one["tested"]) for one in done["done"]] == [("H03-01", mac(0), 1, POINTS)]
    assert b"H03-01" in labels.read_bytes()

    one = json_of(keng("device", "show", *files, "H03-01", "--json"))
    assert (one["state"], one["generation"], one["mac"], one["flashed_by"]) == ("online", 1, mac(0), TECHNICIAN)
    assert (one["flashed"]["board"], one["flashed"]["image"], one["flashed"]["tested"]) == ("esp32_wroom", "1.29.0", POINTS)

    before = state(boards, 0)["bell_times"]
    with serial(boards.ports[0]) as line:
        line_says_nothing(line)
    boards.ask(0, "press", "button-1")
    eventually(lambda: state(boards, 0)["bell_times"] > before, "its own bell, after somebody has knocked at its console")
    before = state(boards, 0)["bell_times"]
    with serial(boards.ports[0]) as line:
        boards.ask(0, "reset")
        assert b">>>" not in knocked(line, 3.0)
    boards.ask(0, "hold", "button-1")
    eventually(lambda: state(boards, 0)["bell_times"] > before, "its own bell, after somebody has knocked all through its start")
    boards.ask(0, "release", "button-1")

    boards.ask(0, "hold", "jumper")
    boards.ask(0, "reset")
    eventually(lambda: "jumper: tamper" in faults(gateway), "the jumper is told")
    assert evaluated(boards.ports[0], "__import__('machine').unique_id().hex()") == mac(0), "the console is open"
    boards.ask(0, "release", "jumper")
    boards.ask(0, "reset")
    eventually(lambda: "jumper: tamper" not in faults(gateway), "the jumper is out")
    with serial(boards.ports[0]) as line:
        line_says_nothing(line)


def faults(gateway: Gateway) -> list[str]:
    with gateway.desk() as desk:
        answer = desk.ask("boards", device="H03-01")
    assert answer.boards
    return answer.boards[0].faults


REQUEST = base64.b64encode(b"no request").decode()


@pytest.mark.parametrize(
    ("do", "fields", "words"),
    [
        ("register", {"device": "H03-09", "mac": "240ac4000009", "request": REQUEST}, "expected a certificate request in DER"),
        (
            "register",
            {"device": "H99-99", "mac": "240ac4000009", "request": REQUEST},
            "description, got H99-99",
        ),
        ("revoke", {"device": "H03-09"}, "expected a board with a certificate, got H03-09"),
        ("self_test", {"device": "H03-09"}, "expected H03-09 to be online, got unknown"),
    ],
)
def test_the_engine_refuses_what_cannot_be(gateway: Gateway, do: str, fields: dict[str, str], words: str) -> None:
    with gateway.desk() as desk, pytest.raises(DeskFailed, match=re.escape(words)):
        desk.ask(do, **fields)


def test_a_board_goes_to_a_second_place_only_when_it_is_taken_from_the_first(gateway: Gateway) -> None:
    def register(desk: Desk, device: str) -> BoardAnswer:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
        asked = base64.b64encode(request.public_bytes(serialization.Encoding.DER)).decode()
        return desk.ask("register", device=device, mac="240ac40000ff", request=asked)

    with gateway.desk() as desk:
        register(desk, "H03-05")
        words = "got 240ac40000ff, which is H03-05's; for another board at H03-05: keng device replace; to take this one from there: "
        with pytest.raises(DeskFailed, match=re.escape(f"{words}keng device revoke H03-05")):
            register(desk, "H03-06")
        desk.ask("revoke", device="H03-05")
        assert register(desk, "H03-06").generation == 1


def test_only_technicians_may(gateway: Gateway) -> None:
    duty = Desk(load_access(gateway.folder / "bench.json"), "xa-mau", "truc-ban-1")
    with duty as desk, pytest.raises(DeskFailed, match="expected somebody with the role technician or chief, got duty"):
        desk.ask("revoke", device="H03-01")


def test_a_wrong_clock_of_the_bench_is_made_good_by_the_engines_tick(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    with gateway.desk() as desk:
        monkeypatch.setattr("firmware.bench.desk.time.time", lambda: 1_577_836_800.0)  # 2020
        answer = desk.ask("boards", device="H03-09")
    assert answer.boards is not None
    assert [one.id for one in answer.boards] == ["H03-09"]


def knocked(line: int, for_s: float) -> bytes:
    """What comes while Ctrl-C goes there all the time."""
    heard, end = b"", time.monotonic() + for_s
    while time.monotonic() < end:
        os.write(line, b"\x03")
        if select.select([line], [], [], 0.001)[0]:
            heard += os.read(line, 4096)
    return heard


def line_says_nothing(line: int) -> None:
    """The console is closed: Ctrl-C ends no program, and there is no REPL."""
    os.write(line, b"\r\x03\x03\r\x01")
    assert b"REPL" not in until(line, b"REPL", within_s=1.0)
