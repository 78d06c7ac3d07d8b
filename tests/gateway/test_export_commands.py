"""What happened, out of the database of a running and of a stopped engine: as JSON, as CSV that a spreadsheet opens, and on paper."""

import asyncio
import csv
import io
import json
from contextlib import closing
from pathlib import Path

import pytest
from brokers import DEMO, wait_until
from commune import START_MS, World
from engines import Town
from test_commands import keng
from test_store import keep

from gateway.store import exports, queries
from gateway.store.store import open_store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A stopped engine's: one incident, an extinguisher that was taken and put back."""
    world, folder = World(), tmp_path / "data"
    world.press("H03-07")
    asyncio.run(keep(folder / "keng.db", world))
    for state in ("active", "clear"):
        world.later(60)
        world.event("DCC-017", "extinguisher-1", state, type="presence")
        asyncio.run(keep(folder / "keng.db", world))
    return folder


def table(text: str, separator: str = ",") -> list[dict[str, str]]:
    assert text.startswith("\ufeff"), "a spreadsheet is told that it is UTF-8"
    return list(csv.DictReader(io.StringIO(text[1:]), delimiter=separator))


def test_an_incident_is_exported_from_a_running_engine_and_from_a_killed_one(town: Town) -> None:
    town.start()
    town.press("H03-07", 1)
    wait_until(town.history, "an incident on the disk")
    ident = town.history()[0].id
    folder = town.database.parent
    running = keng("export", "incident", ident, "--data", folder)
    assert (running.returncode, running.stderr) == (0, "")
    found = json.loads(running.stdout)
    assert (found["v"], found["incident"]["id"], [one["device"] for one in found["events"]]) == (1, ident, ["H03-07"])
    town.press("H03-08", 2)
    wait_until(lambda: town.incident()["n"] == 2, "the engine goes on")
    town.kill()
    killed = keng("export", "incident", ident, "--data", folder)
    assert json.loads(killed.stdout)["incident"]["n"] == 2


def test_an_incident_on_paper_is_one_file_with_names(data: Path, tmp_path: Path) -> None:
    paper = tmp_path / "incident.html"
    with closing(queries.connect(data / "keng.db")) as db:
        ident = exports.newest_incident(db)
    done = keng("export", "incident", str(ident), "--html", "--site", DEMO, "--data", data, "-o", paper)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = paper.read_text(encoding="utf-8")
    assert "Hộ mẫu 03-07" in text
    assert "@page" in text, "its style is in it"
    assert "/static/" not in text
    assert 'href="/' not in text
    assert paper.stat().st_mode & 0o077 == 0, "it names people"
    assert '<html lang="en">' in keng("export", "incident", str(ident), "--html", "--language", "en", "--data", data).stdout


def test_the_maintenance_log_opens_in_a_spreadsheet_with_words(data: Path) -> None:
    done = keng("export", "maintenance", "--data", data, "--separator", ";")
    taken, back = table(done.stdout, ";")
    assert (taken["what"], back["what"]) == ("extinguisher_taken", "extinguisher_back")
    assert taken["words"] not in ("", "extinguisher_taken")
    assert (taken["place"], taken["at_ms"]) == ("Điểm chữa cháy đầu ngõ", str(START_MS + 60_000))
    assert taken["at"].count("/") == 2


def test_events_go_out_as_lines_of_json_and_as_csv_by_day(data: Path) -> None:
    lines = [json.loads(line) for line in keng("export", "events", "--json", "--data", data).stdout.splitlines()]
    assert [(line["device"], line["state"]) for line in lines] == [("H03-07", "active"), ("DCC-017", "active"), ("DCC-017", "clear")]
    day = table(keng("export", "events", "--data", data).stdout)[0]["at"][:10]
    assert len(table(keng("export", "events", "--from", day, "--to", day, "--data", data).stdout)) == 3
    assert table(keng("export", "events", "--from", "2040-01-01", "--data", data).stdout) == []
    assert table(keng("export", "events", "--to", "01/01/2020", "--data", data).stdout) == []


def test_incidents_go_out_a_line_each(data: Path) -> None:
    (row,) = table(keng("export", "incidents", "--data", data).stdout)
    assert (row["kind"], row["state"], row["n"], row["resolved"]) == ("fire", "open", "1", "")


def test_what_a_spreadsheet_would_compute_is_text(data: Path) -> None:
    async def spoil() -> None:
        async with open_store(data / "keng.db") as store:
            await store.write(lambda db: db.execute("UPDATE maintenance SET detail = '=cmd|x'"))

    asyncio.run(spoil())
    assert {row["detail"] for row in table(keng("export", "maintenance", "--data", data).stdout)} == {"'=cmd|x"}


def test_many_rows_go_out_page_by_page_and_none_twice(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PAGE", 2)
    with closing(queries.connect(data / "keng.db")) as db:
        found = [row["seq"] for row in exports.rows(db, "events", since_ms=0, before_ms=1 << 62)]
    assert found == [1, 2, 3]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["incident", "2020-000001"], 2, "expected an incident of"),
        (["events", "--from", "heute"], 2, "--from: expected a day such as 22/11/2026"),
        (["events", "--separator", ";;"], 2, "--separator: expected one sign"),
    ],
)
def test_wrong_input_is_told_with_exit_code_2(data: Path, words: list[str], code: int, said: str) -> None:
    done = keng("export", *words, "--data", data)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def test_no_database_and_no_room_are_told_with_exit_code_1_and_leave_nothing(data: Path, tmp_path: Path) -> None:
    assert keng("export", "events", "--data", tmp_path / "nowhere").returncode == 1
    done = keng("export", "events", "--data", data, "-o", tmp_path / "none" / "events.csv")
    assert done.returncode == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]
