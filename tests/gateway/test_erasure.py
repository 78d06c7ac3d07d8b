"""A person is erased: from the rows, and from every byte of the files, while incidents stay readable and the engine runs on."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from brokers import DEMO, wait_until
from engines import Town
from test_commands import keng
from test_sms_engine import modem_in_a_thread

from gateway.console.people import accounts, book, door
from gateway.store import erasing, queries
from gateway.store.erasing import Eraser, Traces

NAME, PHONE = "Trần Văn Quên", "+84900000123"
LEADER = """
[[people]]
id = "to-truong-03"
name = "Tổ trưởng mẫu 03"
role = "leader"
group = "TLG-03"
"""
OFFICER = f"""
[[people]]
id = "truc-ban-1"
name = "{NAME}"
role = "duty"
phone = "{PHONE}"
channels = ["sms"]
"""


def describe(town: Town, people: str, family: str) -> None:
    text = DEMO.read_text(encoding="utf-8").partition("[[people]]")[0]
    town.site.write_text(text.replace("Đặng Văn Lượng", family) + people, encoding="utf-8")


@pytest.fixture
def town(town: Town, tmp_path: Path) -> Iterator[Town]:
    town.site = tmp_path / "site.toml"
    describe(town, OFFICER + LEADER, NAME)
    with modem_in_a_thread(tmp_path) as modem:
        town.settings = {"sms": {"port": str(modem.path), "send_s": 10}}
        yield town


def fire(town: Town) -> str:
    """An incident in which the person was told, acknowledged, and resolved it with a reason that names a name."""
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: [one for one in town.incident().get("deliveries", []) if one["state"] == "delivered"], "the person is told")
    assert town.command("acknowledge", id="c-1")["ok"]
    wait_until(lambda: town.incident()["state"] == "acknowledged", "acknowledged")
    return str(town.incident()["id"])


def resolve(town: Town) -> None:
    reason = f"{NAME}: chập điện, gọi 0900000123 hoặc {PHONE}"
    assert town.command("resolve", id="c-2", outcome="false_alarm", reason=reason)["ok"]
    wait_until(lambda: town.incident()["state"] == "resolved", "resolved")
    wait_until(lambda: {one["state"] for one in town.incident()["deliveries"]} == {"delivered"}, "nothing waits")


def erase(town: Town, who: str, *options: str) -> tuple[int, dict[str, object], str]:
    done = keng("people", "erase", who, "--site", town.site, "--data", town.database.parent, "--json", *options)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file())


def test_nothing_of_a_person_is_left_in_any_file_and_the_incident_stays_readable(town: Town) -> None:
    ident = fire(town)
    resolve(town)
    own = town.database.with_name("console.db")
    with closing(book.connect(own)) as db:
        book.transaction(db, lambda db: door.invitation(db, ident="truc-ban-1", by="", now_ms=1))
    describe(town, LEADER, "nhà số 13")  # the person leaves the site file, and the engine reads it again
    town.kill()
    town.settings = {}
    town.start()
    everything = bytes_of(town.database.parent)
    assert NAME.encode() in everything, "the test would see it"
    assert PHONE.encode() in everything
    code, answer, error = erase(town, "truc-ban-1", "--also", NAME, "--also", PHONE, "--yes")
    assert (code, error) == (0, "")
    assert answer["done"] is True
    pseudonym = str(answer["pseudonym"])
    with closing(queries.connect(town.database)) as db:
        record = queries.record(db, ident)
    assert record is not None
    incident = record.incident
    assert incident.acknowledged_by == incident.resolved_by == pseudonym
    assert incident.place.name == f"Hộ mẫu 03-07 ({pseudonym})"
    assert {one.person for one in record.deliveries if one.channel == "sms"} == {pseudonym}
    assert [one.person for one in record.commands] == [pseudonym, pseudonym]
    assert f"{pseudonym}: chập điện, gọi {pseudonym} hoặc {pseudonym}" in [one.detail for one in incident.timeline]
    event = town.press("H03-08", 2)
    wait_until(lambda: town.receipts("H03-08", event), "the engine goes on beside it")
    town.kill()
    everything = bytes_of(town.database.parent)
    assert pseudonym.encode() in everything
    for trace in ("truc-ban-1", NAME, PHONE, "0900000123", json.dumps(NAME)[1:-1]):
        assert trace.encode() not in everything, trace
    with closing(book.connect(own)) as db:
        assert accounts.invitations(db, now_ms=2) == {}


def test_who_is_part_of_an_incident_that_is_open_cannot_be_erased(town: Town) -> None:
    ident = fire(town)
    code, _, error = erase(town, "truc-ban-1", "--yes")
    assert (code, ident in error) == (1, True)
    assert "resolve it first" in error
    assert town.history()[0].acknowledged_by == "truc-ban-1"


def test_without_yes_it_says_what_would_be_changed_and_changes_nothing(town: Town) -> None:
    fire(town)
    resolve(town)
    before = town.history()
    code, answer, _ = erase(town, NAME)
    assert (code, answer["done"]) == (0, False)
    assert {"command", "delivery", "incident"} <= set(answer["rows"])  # type: ignore[call-overload]
    assert any("take the person out" in place for place in answer["left_in"])  # type: ignore[attr-defined]
    assert any("backups" in place for place in answer["left_in"])  # type: ignore[attr-defined]
    assert town.history() == before
    done = keng("people", "erase", NAME, "--site", town.site, "--data", town.database.parent)
    assert "do it with --yes" in done.stdout


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("H03-07", "got that of a place or board"),
        ("an", "expected somebody of whom there is a record"),
        ("ông", "expected names of 4 letters and more"),
        ("Nguyễn Không Có Ai", "expected somebody of whom there is a record"),
    ],
)
def test_who_cannot_be_meant_is_told_with_exit_code_2(town: Town, who: str, words: str) -> None:
    code, _, error = erase(town, who, "--yes")
    assert (code, words in error) == (2, True), error


def test_a_word_of_the_protocol_and_a_part_of_a_longer_name_are_no_trace() -> None:
    eraser = Eraser(Traces("fire", ("Văn Quên", "0900000123")), "erased-1")
    before = '{"kind":"fire","who":"fire","name":"Trần Văn Quên","other":"Văn Quênh","call":"00900000123","told":[["fire",2]]}'
    after = json.loads(eraser.column(before, "snapshot"))
    assert after == {
        "kind": "fire",
        "who": "erased-1",
        "name": "Trần erased-1",
        "other": "Văn Quênh",
        "call": "00900000123",
        "told": [["erased-1", 2]],
    }
    untouched = '{"a": 1}'
    assert eraser.column(untouched, "snapshot") is untouched


def test_a_long_reader_ends_the_scrub_politely_and_keeps_no_writer_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keng.db"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as writer, closing(sqlite3.connect(path)) as reader:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE said (words TEXT) STRICT")
        writer.execute("INSERT INTO said VALUES ('x')")
        long = reader.execute("SELECT words FROM said UNION ALL SELECT words FROM said")
        long.fetchone()
        with closing(erasing.connect(path)) as db:
            waits: list[int] = []

            def pause(_s: float) -> None:
                writer.execute("INSERT INTO said VALUES ('an alarm')")
                waits.append(db.execute("PRAGMA busy_timeout").fetchone()[0])

            monkeypatch.setattr(erasing.time, "sleep", pause)
            assert not erasing.scrub(db)
            assert waits[-erasing.LOG_TRIES :] == [erasing.LOG_BUSY_MS] * erasing.LOG_TRIES
            long.close()
            assert erasing.scrub(db)
        assert writer.execute("SELECT name FROM sqlite_master").fetchall() == [("said",)]
