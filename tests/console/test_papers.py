"""Papers: the record of an incident, for programs too, and what a shift hands over."""

import json

import pytest
from playwright.sync_api import Page, expect
from stage import DUTY, NOON_MS, Database, EnginePeer, RunningConsole, get, incident, resolved

from gateway.console.people import audit
from gateway.console.records import SHIFT_MAX

IDENT = "2026-000123"


@pytest.fixture
def recorded(database: Database) -> Database:
    """A drill with a press, bells, a command and two messages, and another incident that is none of its business."""
    for ident in (IDENT, "2026-000124"):
        database.keep(resolved(ident))
        for number, state in ((1, "failed"), (2, "delivered")):
            database.db.execute(
                "INSERT INTO delivery (incident, channel, what, state, tries, at_ms, error, body, person, address)"
                " VALUES (?, 'sms', 'opened', ?, ?, ?, ?, '{}', 'truc-ban-1', '+84912345678')",
                (ident, state, number, NOON_MS + number * 1000, "no network" if state == "failed" else ""),
            )
        request = {"v": 1, "id": "c-1", "t": NOON_MS, "do": "resolve", "incident": ident, "version": 7, "outcome": "drill"}
        database.db.execute(
            "INSERT INTO command (person, id, at_ms, request, answer) VALUES ('truc-ban-1', ?, ?, ?, ?)",
            (f"c-{ident}", NOON_MS + 600_000, json.dumps(request), json.dumps({"v": 1, "id": "c-1", "ok": True, "error": None})),
        )
    heard = [("H03-07", "button-1", NOON_MS + 40), ("H03-01", "bell", NOON_MS + 400), ("H03-07", "button-1", NOON_MS - 86_400_000)]
    for number, (device, point, at_ms) in enumerate([*heard, ("DCC-017", "door-1", NOON_MS)], 1):
        database.db.execute(
            "INSERT INTO event (id, device, point, type, state, received_ms, at_ms, at_from, raw)"
            " VALUES (?, ?, ?, ?, 'active', ?, ?, 'age', '')",
            (f"9c41f2aa-17-{number}", device, point, point.split("-")[0], at_ms, at_ms),
        )
    return database


def test_the_record_is_everything_about_this_incident_and_nothing_else(recorded: Database, console: RunningConsole) -> None:
    answer = get(f"{console.url}/incidents/{IDENT}/record.json")
    assert answer.headers["content-disposition"] == f'attachment; filename="keng-{IDENT}.json"'
    found = answer.json()
    assert (found["v"], found["incident"]["id"], found["incident"]["outcome"]) == (1, IDENT, "drill")
    assert [(event["device"], event["at_ms"]) for event in found["events"]] == [("H03-07", NOON_MS + 40), ("H03-01", NOON_MS + 400)]
    assert [(one["state"], one["tries"], one["error"]) for one in found["deliveries"]] == [
        ("failed", 1, "no network"),
        ("delivered", 2, ""),
    ]
    assert found["commands"] == [{"person": "truc-ban-1", "at_ms": NOON_MS + 600_000, "do": "resolve", "ok": True, "error": ""}]
    assert [one["what"] for one in found["incident"]["timeline"]] == ["opened", "bell_silent"]


@pytest.mark.parametrize("path", ["record", "record.json"])
def test_no_phone_number_is_in_it(path: str, recorded: Database, console: RunningConsole) -> None:
    assert "912345678" not in get(f"{console.url}/incidents/{IDENT}/{path}").text


@pytest.mark.parametrize("path", ["record", "record.json"])
def test_an_incident_that_never_was_has_no_record(path: str, database: Database, console: RunningConsole) -> None:
    assert get(f"{console.url}/incidents/2026-000999/{path}").status_code == 404


def test_without_a_database_the_page_says_so(recorded: Database, console: RunningConsole) -> None:
    recorded.db.close()
    recorded.path.write_bytes(b"no database at all" * 100)
    recorded.path.with_name(recorded.path.name + "-wal").unlink(missing_ok=True)
    assert get(f"{console.url}/incidents/{IDENT}/record.json").status_code == 503


def test_on_paper_it_has_no_more_than_the_record(page: Page, recorded: Database, console: RunningConsole) -> None:
    page.goto(f"{console.url}/incidents/{IDENT}/record")
    expect(page.locator("h1")).to_have_text(f"Biên bản sự cố {IDENT}")
    for words in ("Hộ mẫu 03-07 (Đặng Văn Lượng)", "Diễn tập", "02/11/2026 13:13:20", "no network", "Kết thúc", "nút ấn 1", "kêu"):
        expect(page.locator("body")).to_contain_text(words)
    assert "active" not in page.locator("body").inner_text()
    expect(page.locator(".screen")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator(".screen")).to_be_hidden()
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    assert b"/MediaBox [0 0 594.9" in pdf or b"/MediaBox [0 0 595" in pdf, "A4 upright"


def test_the_hand_over_sheet_prints_on_a4_with_room_to_sign(page: Page, recorded: Database, console: RunningConsole) -> None:
    page.goto(f"{console.url}/handover")
    expect(page.locator(".screen")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator(".screen")).to_be_hidden()
    expect(page.locator(".signatures")).to_contain_text("Người giao ca")
    pdf = page.pdf(prefer_css_page_size=True)
    assert b"/MediaBox [0 0 594.9" in pdf or b"/MediaBox [0 0 595" in pdf, "A4 upright"


@pytest.mark.parametrize("language", ["vi", "en"])
def test_no_word_is_broken_on_paper(page: Page, console: RunningConsole, engine: EnginePeer, database: Database, language: str) -> None:
    """Long names must not squeeze the column beside them until it stands letter by letter."""
    database.board("H03-04", "lost")
    long = "Hộ bà Nguyễn Thị Phương Thảo – Cửa hàng tạp hóa và xưởng gia công đồ gỗ mỹ nghệ Đông Thịnh Phát, ngách 12/45/3"
    database.db.execute("UPDATE device SET place = ? WHERE id = 'H03-04'", (long,))
    page.context.add_cookies([{"name": "language", "value": language, "url": console.url}])
    page.set_viewport_size({"width": 794, "height": 1123})  # A4 at 96 dpi
    page.goto(f"{console.url}/handover")
    page.emulate_media(media="print")
    words = """() => [...document.querySelectorAll("th, td")].flatMap((cell) => {
        const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT), found = [];
        for (let node; (node = walker.nextNode());) for (const match of node.data.matchAll(/[\\p{L}]+/gu)) {
            const range = document.createRange();
            range.setStart(node, match.index);
            range.setEnd(node, match.index + match[0].length);
            if (range.getClientRects().length > 1) found.push(match[0]);
        }
        return found;
    })"""
    assert "H03-04" in page.locator("table").first.inner_text()
    assert page.evaluate(words) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_record_speaks_the_browser_s_language(recorded: Database, console: RunningConsole) -> None:
    text = get(f"{console.url}/incidents/{IDENT}/record", cookies={"language": "en"}).text
    assert f"Record of incident {IDENT}" in text
    assert "What the boards said" in text


def test_a_shift_hands_over_its_incidents_its_faults_and_its_log(console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    now_ms = console.console.clock.now_ms()
    long_ago = {"opened_ms": now_ms - 90_000_000, "resolved_ms": now_ms - 80_000_000}
    database.keep(resolved("2026-000001", **long_ago))
    database.keep(resolved("2026-000002", opened_ms=now_ms - 50_000_000, resolved_ms=now_ms - 1_000_000, outcome="false_alarm"))
    database.keep(incident("2026-000003", opened_ms=now_ms - 90_000_000))
    database.log("extinguisher_taken", at_ms=now_ms - 3_600_000)
    database.log("board_lost", at_ms=now_ms - 90_000_000, point="")
    database.board("H03-04", "lost")
    html = get(f"{console.url}/handover").text
    assert "2026-000001" not in html
    assert "Báo cháy giả" in html
    assert "2026-000003" in html  # open, however old
    assert "Bình chữa cháy bị lấy đi" in html
    assert html.count("Thiết bị mất kết nối") == 0
    assert "Hộ mẫu 03-04" in html
    assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM" in html
    assert "Cán bộ mẫu 01" in html
    assert "2026-000001" in get(f"{console.url}/handover?hours=72").text


def test_a_shift_with_more_than_a_sheet_holds_says_so_and_leaves_out_nothing_that_is_open(
    console: RunningConsole, engine: EnginePeer, database: Database
) -> None:
    now_ms = console.console.clock.now_ms()
    database.keep(incident("2026-000003", opened_ms=now_ms - 90_000_000))
    assert "mục mới nhất" not in get(f"{console.url}/handover").text
    for number in range(4, SHIFT_MAX + 4):
        database.keep(resolved(f"2026-{number:06}", opened_ms=now_ms - 2000, resolved_ms=now_ms - 1000))
    html = get(f"{console.url}/handover").text
    assert f"Chỉ có {SHIFT_MAX} mục mới nhất" in html
    assert "2026-000003" in html
    assert "2026-000004" not in html
    assert f"2026-{SHIFT_MAX + 3:06}" in html


@pytest.mark.parametrize(
    ("path", "about", "detail"),
    [
        (f"/incidents/{IDENT}/record", IDENT, "record"),
        (f"/incidents/{IDENT}/record.json", IDENT, "record.json"),
        ("/handover?hours=24", "", "handover 24 h"),
        ("/log.csv?place=03-07", "", "log.csv place=03-07"),
    ],
)
def test_whoever_takes_away_what_names_people_stands_in_the_audit(
    path: str, about: str, detail: str, recorded: Database, console: RunningConsole
) -> None:
    for wrong in ("/incidents/2026-000999/record", "/handover?hours=0", "/log.csv?last=1"):
        assert get(console.url + wrong).status_code in (404, 422)
    assert get(console.url + path).status_code == 200
    found = [(one.who, one.what, one.about, one.detail, one.address) for one in audit.entries(console.book.reading)]
    assert found == [(DUTY, "looked", about, detail, "127.0.0.1")], "and what was not shown is not in it"


def test_who_prints_the_same_over_and_over_has_looked_once_a_minute(recorded: Database, console: RunningConsole) -> None:
    for path in ("/incidents/2026-000123/record", "/incidents/2026-000123/record", "/log.csv", "/incidents/2026-000123/record"):
        assert get(console.url + path).status_code == 200
    paper, log = reversed(audit.entries(console.book.reading))
    assert (paper.about, log.detail) == ("2026-000123", "log.csv")
    look = {"who": paper.who, "about": paper.about, "detail": paper.detail, "address": paper.address}
    assert audit.has_looked(console.book.reading, at_ms=paper.at_ms + audit.SAME_LOOK_MS, **look)
    assert not audit.has_looked(console.book.reading, at_ms=paper.at_ms + audit.SAME_LOOK_MS + 1, **look)
    assert not audit.has_looked(console.book.reading, at_ms=paper.at_ms - 1, **look), "the clock has gone back: another look"
