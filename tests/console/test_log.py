"""The second tab: what is wrong, the log with its filter, and the log for a spreadsheet."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from stage import NOON_MS, Broker, Database, EnginePeer, RunningConsole, get, running, until

DAY_MS = 86_400_000
BOM = b"\xef\xbb\xbf"


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """One console for all tests that only read. The log begins on 31/10/2026 and ends on 02/11/2026, 15:13."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    engine = EnginePeer(broker.port)
    database = Database(tmp_path_factory.mktemp("data") / "keng.db")
    database.log("extinguisher_taken", at_ms=NOON_MS - 2 * DAY_MS)
    database.log("extinguisher_back", at_ms=NOON_MS - DAY_MS)
    database.log("board_lost", at_ms=NOON_MS, device="H03-05", point="")
    database.log("odd_event", at_ms=NOON_MS, device="H03-07", point="", detail='=cmd|"/c calc"!A1;\nhai dòng')
    database.board("H03-05", "lost")
    database.board("H03-01")
    database.db.execute("UPDATE device SET updating = 'trial 3f9a6c01d2e4b587' WHERE id = 'H03-01'")
    with running(broker.port, database.path) as console:
        until(lambda: console.health()["engine"] == "online", "the engine is heard")
        yield console
    database.db.close()
    engine.die()
    broker.kill()


def found(console: RunningConsole, **wanted: str) -> list[str]:
    """What the CSV has for a filter: the words of each line, newest first."""
    answer = get(f"{console.url}/log.csv", params=wanted)
    assert answer.status_code == 200
    return [row[1] for row in list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";"))[1:]]


TAKEN, BACK, LOST, ODD = "Bình chữa cháy bị lấy đi", "Bình chữa cháy đã về chỗ", "Thiết bị mất kết nối", "Tín hiệu lạ"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [ODD, LOST, BACK, TAKEN]),
        ({"what": "board_lost"}, [LOST]),
        ({"what": "nothing_such"}, []),
        ({"place": "dau ngo"}, [BACK, TAKEN]),
        ({"place": "ĐẦU NGÕ"}, [BACK, TAKEN]),
        ({"place": "hoang dinh quy"}, [LOST]),
        ({"place": "h03-07"}, [ODD]),
        ({"place": "%"}, []),
        ({"first": "2026-11-01"}, [ODD, LOST, BACK]),
        ({"last": "2026-11-01"}, [BACK, TAKEN]),
        ({"first": "2026-11-01", "last": "2026-11-01"}, [BACK]),
        ({"first": "1/11/2026", "last": "01/11/2026"}, [BACK]),
        ({"first": "", "last": ""}, [ODD, LOST, BACK, TAKEN]),
        ({"what": "extinguisher_taken", "place": "nha van hoa"}, []),
    ],
)
def test_the_log_is_filtered_by_what_where_and_when(standing: RunningConsole, wanted: dict[str, str], expected: list[str]) -> None:
    assert found(standing, **wanted) == expected


@pytest.mark.parametrize("day", ["2026-13-45", "31/02/2026", "11/2026", "9999-12-31", "0001-01-01", "hôm qua"])
def test_a_day_that_no_calendar_has_is_told_and_filters_nothing(standing: RunningConsole, day: str) -> None:
    answer = get(f"{standing.url}/log", params={"last": day})
    assert answer.status_code == 422
    assert "last: cần ngày dạng 22/11/2026, nhận được" in answer.text


def test_days_are_typed_and_shown_as_people_write_them_here(page: Page, standing: RunningConsole) -> None:
    """A browser's own field of dates follows the browser's language: 11/01/2026 would be the eleventh of January to this desk."""
    page.goto(f"{standing.url}/log?first=2026-11-01")
    expect(page.locator("#filter-first")).to_have_value("01/11/2026")
    page.fill("#filter-first", "2/11/2026")
    page.press("#filter-first", "Enter")
    expect(page.locator("#found li")).to_have_count(2)
    expect(page.locator("#filter-first")).to_have_value("02/11/2026")
    page.fill("#filter-last", "2026")
    page.press("#filter-last", "Enter")
    assert page.evaluate("document.getElementById('filter-last').validity.patternMismatch")


def test_the_spreadsheet_opens_as_it_is_and_runs_nothing(standing: RunningConsole) -> None:
    answer = get(f"{standing.url}/log.csv")
    assert answer.content.startswith(BOM)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert rows[0] == ["Thời gian", "Việc", "Điểm đo", "Nơi", "Thiết bị", "Chi tiết", "Số lần", "Lần cuối"]
    assert all(len(row) == len(rows[0]) for row in rows)
    assert rows[-1][:5] == ["31/10/2026 13:13:20", TAKEN, "bình chữa cháy 1", "Điểm chữa cháy đầu ngõ", "DCC-017"]
    assert rows[1][5].startswith("'=cmd")
    assert all(line.startswith('"') for line in answer.content.decode("utf-8-sig").split("\r\n") if line)


def test_the_spreadsheet_speaks_the_language_of_the_browser(standing: RunningConsole) -> None:
    assert "Extinguisher" in get(f"{standing.url}/log.csv", cookies={"language": "en"}).text


def test_what_is_wrong_stands_first_and_a_filter_finds_without_a_reload(page: Page, standing: RunningConsole) -> None:
    page.goto(f"{standing.url}/log")
    expect(page.locator("#faults")).to_contain_text("Hộ mẫu 03-05")
    expect(page.locator("#faults")).not_to_contain_text("Hộ mẫu 03-01")
    expect(page.locator("#device-H03-01")).to_contain_text("1.0.0 · đang chạy thử bản mới")
    expect(page.locator("#device-H03-05")).not_to_contain_text("bản mới")
    page.evaluate("window.sameDocument = true")
    page.fill("#filter-place", "dau ngo")
    page.select_option("#filter-what", "extinguisher_taken")
    page.press("#filter-place", "Enter")
    expect(page.locator("#found li")).to_have_count(1)
    expect(page.locator("#found")).to_contain_text(TAKEN)
    assert page.evaluate("window.sameDocument")
    with page.expect_download() as downloaded:
        page.click("#csv")
    path = Path(downloaded.value.path())
    assert path.read_bytes().startswith(BOM)
    assert TAKEN in path.read_text(encoding="utf-8-sig")
    assert BACK not in path.read_text(encoding="utf-8-sig")
    page.get_by_role("link", name="Bỏ lọc").click()
    expect(page.locator("#maintenance li")).to_have_count(4)


def test_a_log_that_cannot_be_read_is_said(console: RunningConsole, database: Database) -> None:
    database.db.execute("DROP TABLE maintenance")
    for path in ("/log?what=board_lost", "/log.csv", "/handover"):
        answer = get(console.url + path)
        assert answer.status_code == 503
        assert "no such table" in answer.text
