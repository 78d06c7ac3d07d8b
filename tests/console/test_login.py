"""Login, invitation, one's own account, administration, over HTTP as browsers ask: a real uvicorn, a real database."""

import re
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from stage import (
    DUTY,
    PASSWORD,
    TOKEN,
    Broker,
    Database,
    EnginePeer,
    RunningConsole,
    incident,
    log_in,
    peopled,
    running,
    until,
)

from gateway.console.people import accounts, book
from protocol.people import Person

XSS = '"><script>alert(1)</script><img src=x onerror="alert(2)">{{7*7}}'
ADMIN_TOKEN = secrets.token_urlsafe(32)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """One console for all tests here, with people whose names came out of a spreadsheet."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    engine = EnginePeer(broker.port)
    database = Database(tmp_path_factory.mktemp("data") / "keng.db")
    strange = Person.model_validate({"id": "strange", "name": XSS, "role": "household", "group": "TLG-03", "home": "H03-09"})
    with running(broker.port, database.path, site=peopled(strange)) as console:
        log_in(console.own, "administrator-1", ADMIN_TOKEN)
        engine.publish(incident())
        until(lambda: console.health()["open_incidents"] == 1, "the console has heard the engine")
        yield console
    database.db.close()
    engine.die()
    broker.kill()


@pytest.fixture
def client(town: RunningConsole) -> Iterator[httpx.Client]:
    """A browser in which nobody was ever logged in."""
    with httpx.Client(base_url=town.url, headers={"Origin": town.url, "User-Agent": "Firefox"}, timeout=20) as made:
        yield made


@pytest.fixture
def admin(town: RunningConsole) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=town.url, headers={"Origin": town.url}, cookies={"session": ADMIN_TOKEN}, timeout=20) as made:
        yield made


class Markup(HTMLParser):
    """Finds what could run: a script that is not a file, a style, an image, an attribute that is a handler."""

    @classmethod
    def of(cls, page: str) -> list[str]:
        parser = cls()
        parser.found = []
        parser.feed(page)
        return parser.found

    found: list[str]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = dict(attributes)
        if tag in ("style", "img", "iframe", "object") or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [name for name in names if name.startswith("on") or name == "style"]


def login(client: httpx.Client, name: str = DUTY, password: str = PASSWORD) -> httpx.Response:
    return client.post("/login", data={"name": name, "password": password})


def invite(admin: httpx.Client, person: str) -> str:
    found = re.search(r"/invitation/([A-Z2-7-]{27})<", admin.post(f"/people/{person}/invite").text)
    assert found
    return found[1]


@pytest.mark.parametrize(
    "path", ["/", "/history?before=a", "/account", "/people", "/audit", "/incidents/a/record", "/nowhere", "/openapi.json"]
)
def test_without_login_every_page_leads_to_the_login(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"], answer.text) == (303, "/login", "")


@pytest.mark.parametrize("path", ["/events", "/events?show=strip", "/incidents/2026-000123/record.json", "/nowhere"])
def test_without_login_a_program_is_told_so(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Accept": "application/json"})
    assert answer.status_code == 401
    assert "2026" not in answer.text


@pytest.mark.parametrize(
    "path", ["/incidents/2026-000123/acknowledge", "/incidents/2026-000123/resolve", "/people/x/invite", "/logout/everywhere"]
)
def test_without_login_nothing_is_ordered(client: httpx.Client, path: str) -> None:
    assert client.post(path, data={"version": "7", "outcome": "fire"}).status_code == 401


def test_a_login_leads_to_the_desk_and_its_cookies_are_for_our_pages_alone(client: httpx.Client) -> None:
    answer = login(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert "Path=/" in cookie
    assert "2026-000123" in client.get("/").text


def test_a_wrong_password_is_told_without_saying_what_was_wrong(client: httpx.Client) -> None:
    wrong, nobody = login(client, password="wrong password"), login(client, name="nobody")
    assert wrong.status_code == nobody.status_code == 403
    assert wrong.text.replace(f'value="{DUTY}"', "") == nobody.text.replace('value="nobody"', "")
    assert "Tên hoặc mật khẩu không đúng." in wrong.text
    assert "set-cookie" not in wrong.headers


def test_a_session_that_somebody_planted_is_not_the_one_that_a_login_opens(client: httpx.Client, town: RunningConsole) -> None:
    """Session fixation."""
    planted = secrets.token_urlsafe(32)
    client.cookies.set("session", planted)
    login(client)
    with httpx.Client(base_url=town.url, cookies={"session": planted}) as attacker:
        assert attacker.get("/", headers={"Accept": "text/html"}).status_code == 303


@pytest.mark.parametrize("token", ["", "x", "../../etc/passwd", "' OR 1=1 --", "a" * 4000, "%00"])
def test_a_made_up_session_opens_nothing(town: RunningConsole, token: str) -> None:
    answer = httpx.get(f"{town.url}/", headers={"Cookie": f"session={token}", "Accept": "text/html"})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "next_page", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/people\r\nSet-Cookie: a=b"]
)
def test_nothing_leads_elsewhere(client: httpx.Client, next_page: str) -> None:
    """Open redirect."""
    for field in ("next", "back", "url", "return_to"):
        assert client.post(f"/login?{field}=x", data={"name": DUTY, "password": PASSWORD, field: next_page}).headers["location"] == "/"
    answer = client.post("/language", data={"language": "en", "back": next_page})
    assert answer.status_code == 422
    assert "location" not in answer.headers


def test_the_language_of_the_login_page_is_chosen_there(client: httpx.Client) -> None:
    answer = client.post("/language", data={"language": "en", "back": "/login"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "<h1>Log in</h1>" in client.get("/login").text


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize(
    "path", ["/login", "/logout", "/logout/everywhere", "/account/password", "/people/team-1/invite", "/people/team-1/close"]
)
def test_another_sites_form_reaches_none_of_it(admin: httpx.Client, headers: dict[str, str], path: str) -> None:
    """CSRF, login CSRF too."""
    before = admin.get("/audit").text.count("<tr>")
    assert admin.post(path, data={"name": DUTY, "password": PASSWORD}, headers=headers).status_code == 403
    assert admin.get("/audit").text.count("<tr>") == before


def test_logging_out_ends_the_session_and_its_event_stream(client: httpx.Client, town: RunningConsole) -> None:
    login(client)
    token = client.cookies["session"]
    with httpx.stream("GET", f"{town.url}/events?show=strip", cookies={"session": token}, timeout=20) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        assert client.post("/logout").headers["location"] == "/login"
        assert "event: over" in list(lines)
    answer = httpx.get(f"{town.url}/", cookies={"session": token}, headers={"Accept": "text/html"})
    assert answer.status_code == 303


def test_logging_out_everywhere_reaches_every_browser(town: RunningConsole) -> None:
    with httpx.Client(base_url=town.url, headers={"Origin": town.url}, timeout=20) as other:
        log_in(town.own, "leader-2", "a" * 43)
        assert login(other, "leader-2").status_code == 303
        assert httpx.get(f"{town.url}/account", cookies={"session": "a" * 43}).text.count('<span class="line">') == 2
        other.post("/logout/everywhere")
    assert httpx.get(f"{town.url}/account", cookies={"session": "a" * 43}, headers={"Accept": "text/html"}).status_code == 303


def test_an_invitation_is_looked_at_often_and_used_once(admin: httpx.Client, client: httpx.Client) -> None:
    code = invite(admin, "viewer-1")
    for _ in range(3):
        assert "Mẫu viewer" in client.get(f"/invitation/{code}").text
    answer = client.post(f"/invitation/{code}", data={"password": "ngắn", "again": "ngắn"})
    assert answer.status_code == 422
    assert "ít nhất 8 ký tự" in answer.text
    typed = client.post("/invitation", data={"code": f" {code.replace('-', ' ').lower()} "})
    assert typed.status_code == 303
    answer = client.post(typed.headers["location"], data={"password": PASSWORD, "again": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "Mẫu viewer" in client.get("/account").text
    for method in ("GET", "POST"):
        assert client.request(method, f"/invitation/{code}", data={"password": PASSWORD, "again": PASSWORD}).status_code == 404


@pytest.mark.parametrize("code", ["x", "AAAAAA-AAAAAA-AAAAAA-AAAAAA", "..%2F..%2Fetc%2Fpasswd", "%00", "' OR 1=1"])
def test_a_wrong_code_opens_nothing(client: httpx.Client, code: str) -> None:
    answer = client.get(f"/invitation/{code}", headers={"Accept": "text/html"})
    assert answer.status_code in (303, 404)
    assert "set-cookie" not in answer.headers


def test_a_changed_password_counts_at_once(town: RunningConsole, client: httpx.Client) -> None:
    log_in(town.own, "team-2", secrets.token_urlsafe(32))
    login(client, "team-2")
    wrong = client.post("/account/password", data={"old": "wrong", "new": "cây đa bến nước", "again": "cây đa bến nước"})
    assert wrong.status_code == 403
    answer = client.post("/account/password", data={"old": PASSWORD, "new": "cây đa bến nước", "again": "cây đa bến nước"})
    assert answer.headers["location"] == "/account"
    assert client.get("/account").status_code == 200
    assert login(client, "team-2").status_code == 403
    assert login(client, "team-2", "cây đa bến nước").status_code == 303


def test_the_administrator_invites_closes_and_reads_the_record(admin: httpx.Client, client: httpx.Client, town: RunningConsole) -> None:
    code = invite(admin, "household-2")
    client.post(f"/invitation/{code}", data={"password": PASSWORD, "again": PASSWORD})
    assert 'id="close-really-household-2"' in admin.get("/people").text
    assert admin.post("/people/household-2/close").headers["location"] == "/people"
    assert client.get("/account", headers={"Accept": "text/html"}).status_code == 303
    rows = re.findall(r"<tr><td>.*?</tr>", admin.get("/audit?person=household-2").text, re.DOTALL)
    told = [re.sub(r"<[^>]+>|\s+", " ", row) for row in rows]
    assert len(told) == 3
    for row, who, what in zip(
        told, ("Mẫu administrator", "Mẫu household 2", "Mẫu administrator"), ("đóng", "nhận lời mời", "mời"), strict=True
    ):
        assert who in row
        assert what in row
    assert admin.post("/people/administrator-1/close").status_code == 404, "nobody closes the own account"
    assert admin.post("/people/nobody/invite").status_code == 404


def test_without_tls_an_invitation_says_that_no_phone_can_open_it(admin: httpx.Client) -> None:
    page = admin.post("/people/household-2/invite").text
    assert "Chỉ máy này mở được đường dẫn" in page
    assert "<svg" not in page


def test_orders_stand_in_the_record(admin: httpx.Client, client: httpx.Client) -> None:
    login(client)
    client.post("/incidents/2026-000123/acknowledge", data={"version": "7"})
    text = admin.get(f"/audit?person={DUTY}").text
    assert "Xác nhận v7: đã làm" in text
    assert "2026-000123" in text


def test_names_with_markup_are_only_names(admin: httpx.Client, client: httpx.Client) -> None:
    """Stored XSS: every text that a spreadsheet, a form or a browser's header brings."""
    code = invite(admin, "strange")
    headers = {"User-Agent": XSS}
    pages = [client.get(f"/invitation/{code}").text]
    client.post(f"/invitation/{code}", data={"password": PASSWORD, "again": PASSWORD}, headers=headers)
    pages += [client.get("/account").text, admin.get("/people").text, admin.get("/audit").text, admin.post("/people/strange/invite").text]
    pages += [login(client, name=XSS, password="wrong password").text, client.post("/invitation", data={"code": XSS[:64]}).text]
    for page in pages:
        assert Markup.of(page) == []
    assert all("&lt;script&gt;" in page for page in (*pages[:4], pages[5]))


@pytest.mark.parametrize("path", ["/login", "/invitation", "/account", "/people", "/audit", "/nowhere"])
def test_every_sheet_names_114_and_carries_the_policy(admin: httpx.Client, path: str) -> None:
    answer = admin.get(path, follow_redirects=True)
    assert 'href="tel:114"' in answer.text
    assert "không phải hệ thống báo cháy đã kiểm định" in answer.text
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/static/../../settings.py", "/static/..%2f..%2fsettings.py", "/static/%2e%2e/%2e%2e/settings.py", "/static//etc/passwd"]
)
def test_no_path_leads_out_of_the_static_files(town: RunningConsole, path: str) -> None:
    """Path traversal, as bytes: a client of ours would tidy the path up."""
    host, port = town.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as raw:
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.split()[1] in (b"404", b"303", b"401")
    assert b"class Settings" not in answer
    assert b"root:" not in answer


def test_health_is_for_this_machine(town: RunningConsole) -> None:
    assert httpx.get(f"{town.url}/healthz").status_code == 200


def test_a_braked_login_says_for_how_long(town: RunningConsole, client: httpx.Client) -> None:
    log_in(town.own, "leader-1", secrets.token_urlsafe(32))
    now_ms = time.time_ns() // 1_000_000
    with closing(book.connect(town.own)) as db:
        book.transaction(db, lambda db: accounts.count_failure(db, "account", "leader-1", 20, now_ms=now_ms))
    answer = login(client, "leader-1")
    assert answer.status_code == 429
    assert 30 <= int(answer.headers["retry-after"]) <= 60
    assert f"Hãy thử lại sau {answer.headers['retry-after']} giây" in answer.text


def test_a_person_logs_in_with_a_browser_and_the_desk_says_when_that_is_over(browser: Browser, town: RunningConsole) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="vi-VN")
    page = context.new_page()
    page.goto(town.url)
    page.get_by_label("Tên tài khoản hoặc số điện thoại").fill("00000000001")
    page.get_by_label("Mật khẩu").fill(PASSWORD)
    page.get_by_role("button", name="Đăng nhập").click()
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    expect(page.locator("#over")).to_be_hidden()
    other = context.new_page()
    other.goto(f"{town.url}/account")
    other.get_by_role("button", name="Đăng xuất mọi máy").click()
    expect(other.get_by_role("heading", name="Đăng nhập")).to_be_visible()
    expect(page.locator("#over")).to_contain_text("Bạn đã bị đăng xuất")
    expect(page.locator("html")).to_have_attribute("data-link", "dead")
    context.close()
    log_in(town.own, DUTY, TOKEN)


def test_the_pages_fit_a_narrow_phone_and_need_no_script(browser: Browser, town: RunningConsole) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, java_script_enabled=False, locale="vi-VN")
    context.add_cookies([{"name": "session", "value": ADMIN_TOKEN, "url": town.url}])
    page: Page = context.new_page()
    for path in ("/people", "/audit", "/account", "/invitation"):
        page.goto(town.url + path)
        width = page.locator("html").bounding_box()
        assert width
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    context.close()
