"""Eight new boards at once by one command, and what becomes of them: they ring, are replaced, revoked. With everything real."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from simulator.usb.boards import Boards, mac
from tests.bench.hall import SITE, TECHNICIAN, Gateway, eventually, json_of, keng, state, tried
from tests.simulator.usb import mpremote

pytestmark = pytest.mark.long
BOARDS: list[dict[str, object]] = [{}] * 9
POINTS = {
    "button-1": "pressed",
    "button-2": "pressed",
    "smoke-1": "pressed",
    "extinguisher-1": "pressed",
    "silence": "pressed",
    "bell": "measured",
}


@pytest.fixture(scope="module")
def flashed(gateway: Gateway, boards: Boards, firmware: Path) -> dict[str, object]:
    """H03-01 to H03-08 set up by one command: its answer."""
    jobs = [f"H03-0{number + 1}={boards.ports[number]}" for number in range(8)]
    files = ["--site", SITE, "--bench", gateway.bench, "--firmware", firmware]
    done = keng("device", "flash", *files, "--labels", gateway.folder / "labels.pdf", "--json", *jobs)
    return dict(json_of(done))


def test_boards_are_flashed_tried_and_receipted_by_one_command(flashed: dict[str, object]) -> None:
    assert flashed["failed"] == []
    done = flashed["done"]
    assert isinstance(done, list)
    assert [(one["device"], one["mac"], one["generation"]) for one in done] == [(f"H03-0{n + 1}", mac(n), 1) for n in range(8)]
    assert [one["tested"] for one in done] == [POINTS] * 8


def test_the_register_knows_them(gateway: Gateway, flashed: object) -> None:
    files = ["--site", SITE, "--bench", gateway.bench]
    one = json_of(keng("device", "show", *files, "H03-01", "--json"))
    assert (one["state"], one["generation"], one["mac"], one["flashed_by"]) == ("online", 1, mac(0), TECHNICIAN)
    assert (one["flashed"]["board"], one["flashed"]["image"], one["flashed"]["tested"]) == ("esp32_wroom", "1.29.0", POINTS)
    listed = {one["id"]: one["state"] for one in json_of(keng("device", "list", *files, "--json"))}
    assert (listed["H03-02"], listed["H03-08"]) == ("online", "online")
    assert keng("device", "list", *files).stdout.splitlines()[0].split()[:2] == ["board", "state"]


def test_the_console_of_a_flashed_board_is_closed(boards: Boards, flashed: object) -> None:
    done = mpremote(boards.ports[1], "exec", "1")
    assert done.returncode == 1
    assert "could not enter raw repl" in done.stdout + done.stderr


def test_labels_are_a_pdf_with_the_boards_names(gateway: Gateway, flashed: object) -> None:
    content = (gateway.folder / "labels.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"H03-01, H03-02, H03-03" in content


REPLACE_S = 180.0  # from the command to a board that works in its place
HISTORY = (
    "SELECT at_ms, what, detail FROM maintenance WHERE device = ? ORDER BY id",
    "SELECT id, point, type, state FROM event WHERE device = ? ORDER BY seq",
)


def history(gateway: Gateway, device: str) -> list[list[Any]]:
    """What the commune lived through with whoever hung there."""
    with closing(sqlite3.connect(f"file:{gateway.data / 'keng.db'}?mode=ro", uri=True)) as db:
        return [db.execute(question, (device,)).fetchall() for question in HISTORY]


def rang(boards: Boards) -> list[int]:
    return [state(boards, number)["bell_times"] for number in range(9)]


def test_another_board_in_a_place_needs_replace_and_takes_everything(
    gateway: Gateway, boards: Boards, firmware: Path, flashed: object
) -> None:
    bench = ["--site", SITE, "--bench", gateway.bench]
    files = [*bench, "--firmware", firmware]
    job = f"H03-02={boards.ports[8]}"
    boards.ask(1, "hold", "extinguisher-1")
    eventually(lambda: any(row[1:3] == ("extinguisher-1", "presence") for row in history(gateway, "H03-02")[1]), "an extinguisher is taken")
    there = json_of(keng("device", "show", *bench, "H03-02", "--json"))
    boards.ask(1, "off")
    lived = history(gateway, "H03-02")
    refused = tried("device", "flash", *files, job)
    assert refused.returncode == 1
    assert f"✕ H03-02: register: engine: H03-02: expected the board {mac(1)}, got {mac(8)}" in refused.stdout
    assert "keng device replace" in refused.stdout
    done = json_of(keng("device", "replace", *files, "--json", job))
    assert [(one["device"], one["mac"], one["generation"]) for one in done["done"]] == [("H03-02", mac(8), 2)]
    assert done["done"][0]["took_s"] < REPLACE_S
    here = json_of(keng("device", "show", *bench, "H03-02", "--json"))
    assert [here[name] for name in ("kind", "place", "group", "state")] == [*(there[name] for name in ("kind", "place", "group")), "online"]
    assert [now[: len(was)] for now, was in zip(history(gateway, "H03-02"), lived, strict=True)] == lived
    boards.ask(1, "on")


def test_a_press_rings_all_eight_and_not_the_board_that_was_replaced(boards: Boards, flashed: object) -> None:
    """Comes after the replacement: the ninth board has the second's place, and its policy: by its button every bell of the group rings."""
    group = [0, *range(2, 9)]
    before = rang(boards)
    boards.ask(8, "press", "button-1")
    eventually(lambda: all(state(boards, number)["bell_times"] > before[number] for number in group), "the bells of all eight")
    assert state(boards, 1)["bell_times"] == before[1], "its certificate has no rights any more"


def test_a_revoked_board_says_nothing_any_more(gateway: Gateway, boards: Boards, flashed: object) -> None:
    files = ["--site", SITE, "--bench", gateway.bench]
    assert "has no rights any more" in keng("device", "revoke", *files, "H03-01").stdout
    with gateway.desk() as desk:
        answer = desk.ask("boards", device="H03-01")
    assert answer.boards is not None
    assert answer.boards[0].revoked
