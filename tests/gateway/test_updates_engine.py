"""A campaign of updates with the real engine, a real mosquitto, and boards that this test plays: served, resumed, killed, halted."""

import base64
import time
from pathlib import Path
from typing import Any

import pytest
from brokers import wait_until
from cryptography.hazmat.primitives import serialization
from engines import LIFE, Town
from typed import keng

from firmware.bench.package import signed
from gateway.store import queries
from protocol.package import Package
from tests.keys import release_key

USER = "ky-thuat-1"
RELEASE = Package("2.0.0", "esp32_wroom", 1_795_305_600, {"main.mpy": b"M\x06" + bytes(range(256)) * 40, "boot.mpy": b"M\x06boot"})
PIECE = 2048


def whole() -> bytes:
    """The release as boards get it: the same bytes for the same key."""
    return signed(RELEASE, release_key(0))


@pytest.fixture
def town(town: Town, tmp_path: Path) -> Town:
    public = release_key(0).public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "release.pub").write_bytes(public)
    (tmp_path / "keng.toml").write_text(f'[updates]\ntrusted = ["{tmp_path / "release.pub"}"]\n')
    (tmp_path / "release.bundle").write_bytes(whole())
    town.settings = {"updates": {"trusted": [str(tmp_path / "release.pub")], "waves": ["1"], "soak_min": 0, "kb_per_s": 10_000}}
    town.paces = {"gateway.domain.waves.EVERY_S": 0.2}
    town.database.parent.mkdir(exist_ok=True)
    done = keng("update", "add", tmp_path / "release.bundle", "--settings", tmp_path / "keng.toml", "--data", town.database.parent)
    assert done.returncode == 0, done.stderr
    return town


def order(town: Town, do: str, *, user: str = USER, **fields: Any) -> dict[str, Any]:
    """The engine's answer to a command of the bench."""
    ident = f"b-{len(town.heard)}-{do}"
    town.send(f"bench/{user}/command", {"id": ident, "t": int(time.time() * 1000), "do": do} | fields)
    topic = f"bench/{user}/answer"
    wait_until(lambda: [one for one in town.of(topic) if one["id"] == ident], f"an answer to {do}")
    return next(one for one in town.of(topic) if one["id"] == ident)


class Board:
    """A board as the wire has it: it answers orders, fetches, starts anew."""

    def __init__(self, town: Town, device: str) -> None:
        self.town, self.device = town, device
        self.boot, self.fetches = 1, 0
        self.flash = b""
        town.birth(device)

    def orders(self) -> list[dict[str, Any]]:
        return [one for one in self.town.of(f"dev/{self.device}/order") if one["do"] == "update"]

    def takes_it(self, *, ok: bool = True, **fields: Any) -> None:
        """Answer the newest order, once there is one."""
        wait_until(self.orders, f"an order for {self.device}")
        self.town.send(f"dev/{self.device}/answer", {"id": self.orders()[-1]["id"], "ok": ok} | fields)

    def fetch(self, offset: int, size: int = PIECE, bundle: str = RELEASE.digest) -> dict[str, Any]:
        """The chunk, or the error, that comes for it."""
        ident = self.ask(offset, size, bundle)
        wait_until(lambda: self.chunk(ident), f"a chunk for {ident}")
        return self.chunk(ident)

    def ask(self, offset: int, size: int = PIECE, bundle: str = RELEASE.digest) -> str:
        self.fetches += 1
        ident = f"f-{self.boot}-{self.fetches}"
        self.town.send(f"dev/{self.device}/fetch", {"id": ident, "bundle": bundle, "offset": offset, "size": size})
        return ident

    def chunk(self, ident: str) -> dict[str, Any]:
        return next((one for one in self.town.of(f"dev/{self.device}/chunk") if one["id"] == ident), {})

    def fetch_all(self, until: int | None = None) -> None:
        until = len(whole()) if until is None else until
        while len(self.flash) < until:
            self.flash += base64.b64decode(self.fetch(len(self.flash))["data"])

    def says(self, state: str = "", *, again: bool = True, **fields: Any) -> None:
        self.boot += again
        update = {"update": {"bundle": RELEASE.digest, "state": state} | fields} if state else {}
        runs_it = {"app": RELEASE.digest, "fw": RELEASE.version} if state in ("trial", "kept") else {}
        self.town.birth(self.device, boot=self.boot, **update, **runs_it)

    def comes_through(self) -> None:
        self.takes_it()
        self.fetch_all()
        self.says("trial")
        self.says("kept", again=False)


def row(town: Town, device: str) -> dict[str, Any]:
    return next(one for one in order(town, "updates")["updates"] if one["device"] == device)


def begin(town: Town, *boards: str) -> None:
    answer = order(town, "update_start", bundle="2.0.0", only=list(boards))
    assert answer["ok"], answer
    assert answer["campaigns"][0]["counts"] == {"waiting": len(boards)}


def test_two_boards_get_the_same_bytes_one_after_the_other(town: Town) -> None:
    town.start()
    boards = [Board(town, "H03-01"), Board(town, "H03-02")]
    begin(town, "H03-01", "H03-02")
    for board in boards:
        board.takes_it()
        told = board.orders()[-1]
        assert (told["bundle"], told["size"], told["version"], told["downgrade"]) == (RELEASE.digest, len(whole()), "2.0.0", False)
        assert board is boards[1] or boards[1].orders() == [], "both are of one group"
        board.comes_through()
        assert board.flash == whole()
    wait_until(lambda: order(town, "updates")["campaigns"][0]["state"] == "done", "the end")
    assert (row(town, "H03-01")["state"], row(town, "H03-01")["from_version"]) == ("kept", "1.0.0")
    with_log = queries.connect(town.database)
    whats = [(entry.what, entry.device) for entry in reversed(queries.maintenance(with_log, limit=9))]
    with_log.close()
    assert whats == [("update_begun", ""), ("board_updated", "H03-01"), ("board_updated", "H03-02"), ("update_over", "")]
    (known,) = order(town, "boards", device="H03-01")["boards"]
    assert (known["firmware"], known["app"], known["updating"]) == ("2.0.0", RELEASE.digest, f"kept {RELEASE.digest}")


def test_a_bad_fetch_is_answered_in_words_and_disturbs_nothing(town: Town) -> None:
    town.paces["gateway.reports.EVERY_S"] = 0.2
    town.start()
    board, other = Board(town, "H03-01"), Board(town, "H03-02")
    assert "is not offered to H03-01 now" in board.fetch(0)["error"]
    begin(town, "H03-01")
    board.takes_it()
    assert board.fetch(len(whole()))["error"] == f"expected an offset below {len(whole())}, got {len(whole())}"
    assert "is not offered" in board.fetch(0, bundle="0" * 16)["error"]
    assert "is not offered to H03-02 now" in other.fetch(0)["error"]
    for rubbish in (b"{", b'{"v":1,"id":"f-1"}', b"\xff" * 2000):
        town.send("dev/H03-01/fetch", rubbish)
    board.ask(0, size=2881)
    board.fetch_all()
    assert board.flash == whole()
    counted = queries.connect(town.database)
    wait_until(lambda: sum(one.total for one in queries.rubbish(counted) if (one.device, one.kind) == ("H03-01", "fetch")) >= 1, "rubbish")
    counted.close()


def test_a_flood_of_fetches_from_one_board_holds_neither_an_alarm_nor_another_board_up(town: Town) -> None:
    town.settings["updates"]["kb_per_s"] = 100
    town.start()
    noisy, other = Board(town, "H03-01"), Board(town, "DCC-017")
    begin(town, "H03-01", "DCC-017")
    noisy.takes_it()
    noisy.fetch_all()
    noisy.says("trial")
    noisy.says("kept", again=False)
    other.takes_it()
    for _ in range(100):
        noisy.ask(0)
    other.fetch_all()
    assert other.flash == whole()
    event = town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event), "a receipt")
    before = len(town.of("dev/H03-01/chunk"))
    *_, last = [noisy.ask(0) for _ in range(100)]
    again = town.press("H03-08", 2)
    wait_until(lambda: town.receipts("H03-08", again), "a receipt: what was asked before it has come as well")
    wait_until(lambda: town.incident().get("n") == 2, "the incident as the desk has to name it")
    assert town.command("resolve", id="c-1", outcome="drill")["ok"]
    wait_until(lambda: noisy.chunk(last), "an answer to its newest fetch")
    assert len(town.of("dev/H03-01/chunk")) == before + 1, "which took the place of all before it"


def test_no_piece_is_sent_and_nobody_asked_while_an_incident_is_open(town: Town) -> None:
    town.start()
    board, other = Board(town, "H03-01"), Board(town, "DCC-017")
    begin(town, "H03-01", "DCC-017")
    board.takes_it()
    board.fetch_all(until=4 * PIECE)
    event = town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event), "a receipt")
    ident = board.ask(len(board.flash))
    again = town.press("H03-08", 2)
    wait_until(lambda: town.receipts("H03-08", again), "a receipt, which the chunk would have overtaken")
    assert (board.chunk(ident), other.orders()) == ({}, [])
    wait_until(lambda: town.incident().get("n") == 2, "the incident as the desk has to name it")
    assert town.command("resolve", id="c-1", outcome="drill")["ok"]
    wait_until(lambda: board.chunk(ident), "the piece that waited")
    board.fetch_all()
    assert board.flash == whole()


def test_a_killed_engine_goes_on_with_the_campaign_where_it_was(town: Town) -> None:
    town.start()
    board, other = Board(town, "H03-01"), Board(town, "H03-02")
    begin(town, "H03-01", "H03-02")
    wait_until(board.orders, "an order")
    town.kill()
    town.paces["gateway.domain.waves.AGAIN_S"] = 0.5
    town.start()
    wait_until(lambda: len(board.orders()) > 1, "the order again, which may not have gone out")
    assert len({one["id"] for one in board.orders()}) == 1
    board.takes_it()
    board.fetch_all(until=3 * PIECE)
    town.kill()
    ident = board.ask(len(board.flash))
    town.start()
    assert (board.chunk(ident), row(town, "H03-01")["state"]) == ({}, "fetching")
    board.fetch_all()
    town.kill()
    board.says("trial")
    town.start()
    wait_until(lambda: row(town, "H03-01")["state"] == "trial", "its trial")
    assert other.orders() == []
    board.says("kept", again=False)
    other.comes_through()
    wait_until(lambda: order(town, "updates")["campaigns"][0]["state"] == "done", "the end")
    assert (board.flash, other.flash) == (whole(), whole())


def test_a_board_that_rolls_back_halts_it_until_a_technician_decides(town: Town) -> None:
    town.start()
    board, other = Board(town, "H03-01"), Board(town, "H03-02")
    begin(town, "H03-01", "H03-02")
    board.takes_it()
    board.fetch_all()
    board.says("trial")
    board.says("rolled_back", error="no receipt within 600 s")
    wait_until(lambda: order(town, "updates")["campaigns"][0]["state"] == "halted", "a halt")
    wait_until(lambda: [one for one in town.of("gateway")[-1]["lasting"] if one["kind"] == "update"], "a fault")
    (fault,) = [one for one in town.of("gateway")[-1]["lasting"] if one["kind"] == "update"]
    assert (fault["name"], fault["boards"], fault["words"]) == ("2.0.0", ["H03-01"], "H03-01 rolled_back: no receipt within 600 s")
    refused = order(town, "update_resume", user="truc-ban-1")
    assert "expected somebody with the role technician or chief, got duty" in refused["error"]
    town.kill()
    town.start()
    assert (order(town, "updates")["campaigns"][0]["state"], other.orders()) == ("halted", [])
    assert order(town, "update_resume")["ok"]
    other.comes_through()
    wait_until(lambda: order(town, "updates")["campaigns"][0]["state"] == "done", "the end")
    (told,) = order(town, "updates")["campaigns"]
    assert (told["counts"], told["by"]) == ({"kept": 1, "rolled_back": 1}, USER)
    assert [one["life"] for one in town.of("dev/H03-01/state")][-1] == LIFE


@pytest.mark.parametrize(
    ("do", "fields", "words"),
    [
        ("update_start", {"bundle": "9.9.9"}, "expected the digest or version of one bundle"),
        ("update_start", {"bundle": "2.0.0", "only": ["H99"]}, "expected boards of the commune's description, got H99"),
        ("update_halt", {}, "expected a campaign that is open, got none"),
        ("update_resume", {}, "expected a campaign that is halted, got none"),
        ("update_end", {}, "expected a campaign that is open or halted, got none"),
    ],
)
def test_what_cannot_be_ordered_is_refused_in_words(town: Town, do: str, fields: dict[str, Any], words: str) -> None:
    town.start()
    answer = order(town, do, **fields)
    assert not answer["ok"]
    assert words in answer["error"]
