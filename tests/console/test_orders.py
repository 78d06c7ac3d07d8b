"""What a browser may ask over HTTP, and what then goes over the wire: a real uvicorn, a real broker."""

import re
import threading
from collections.abc import Iterator

import httpx
import pytest
from stage import (
    COOKIES,
    NOON_MS,
    SITE,
    Broker,
    Database,
    EnginePeer,
    RunningConsole,
    get,
    incident,
    place_named,
    post,
    resolved,
    running,
    until,
)

from gateway.settings import Console as ConsoleSettings
from gateway.settings import Settings
from protocol.desk import Command, CommandAnswer

XSS = '<script>alert(1)</script><img src=x onerror="alert(2)">{{7*7}}'


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningConsole, EnginePeer]]:
    """One console for all tests that change nothing on it, and the engine that would hear of it if they did."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    engine = EnginePeer(broker.port)
    database = Database(tmp_path_factory.mktemp("data") / "keng.db")
    database.commune()
    with running(broker.port, database.path) as console:
        until(lambda: console.health()["engine"] == "online", "the engine is heard")
        yield console, engine
    assert not engine.commands
    database.db.close()
    engine.die()
    broker.kill()


@pytest.fixture
def browser_like(console: RunningConsole) -> Iterator[httpx.Client]:
    """A client that says what a browser says on our own page."""
    headers = {"Origin": console.url, "Sec-Fetch-Site": "same-origin", "HX-Request": "true"}
    with httpx.Client(cookies=COOKIES, base_url=console.url, headers=headers, timeout=10) as client:
        yield client


def shows(client: httpx.Client, ident: str) -> None:
    until(lambda: f"card-{ident}" in client.get("/").text, f"{ident} is on the page")


@pytest.mark.parametrize(
    ("do", "form", "expected"),
    [
        ("acknowledge", {"version": "7"}, ("acknowledge", 7, None)),
        ("silence", {"version": "7"}, ("silence", 7, None)),
        ("on_the_way", {"version": "7"}, ("on_the_way", 7, None)),
        ("on_scene", {"version": "7"}, ("on_scene", 7, None)),
        ("alarm_again", {"version": "7"}, ("alarm_again", 7, None)),
        ("called_114", {}, ("called_114", None, None)),
        ("resolve", {"version": "8", "outcome": "false_alarm", "reason": "nấu ăn"}, ("resolve", 8, "false_alarm")),
    ],
)
def test_an_order_goes_out_as_the_person_on_duty_with_the_version_that_was_seen(
    browser_like: httpx.Client, engine: EnginePeer, do: str, form: dict[str, str], expected: tuple[str, int, str | None]
) -> None:
    answer = browser_like.post(f"/incidents/2026-000123/{do}", data=form)
    command = engine.commands[0]
    assert answer.status_code == 200
    assert (command.do, command.version, command.outcome) == expected
    assert command.incident == "2026-000123"
    assert engine.users == ["truc-ban-1"]
    assert NOON_MS <= command.t < NOON_MS + 60_000


def test_a_false_alarm_carries_its_reason_and_a_roll_call_its_home(browser_like: httpx.Client, engine: EnginePeer) -> None:
    form = {"version": "7", "outcome": "false_alarm", "reason": "  hương khói,\n hóa vàng "}
    assert browser_like.post("/incidents/2026-000123/resolve", data=form).status_code == 200
    assert browser_like.post("/incidents/2026-000123/roll_call", data={"home": "H03-05", "says": "need_help"}).status_code == 200
    resolve, roll = engine.commands
    assert (resolve.outcome, resolve.reason) == ("false_alarm", "hương khói, hóa vàng")
    assert (roll.do, roll.home, roll.says, roll.version) == ("roll_call", "H03-05", "need_help", None)


@pytest.mark.parametrize(
    ("do", "form"),
    [
        ("roll_call", {"home": "../x", "says": "safe"}),
        ("roll_call", {"home": "H03-05", "says": "maybe"}),
        ("resolve", {"version": "7", "outcome": "fire", "reason": "x" * 201}),
        ("alarm_again", {}),
    ],
)
def test_a_wrong_form_is_told_and_orders_nothing(browser_like: httpx.Client, engine: EnginePeer, do: str, form: dict[str, str]) -> None:
    answer = browser_like.post(f"/incidents/2026-000123/{do}", data=form)
    assert answer.status_code == 422
    assert "Biểu mẫu sai" in answer.text
    assert not engine.commands


@pytest.mark.parametrize("reason", [{}, {"reason": " \n "}])
def test_a_false_alarm_without_its_reason_is_refused(browser_like: httpx.Client, engine: EnginePeer, reason: dict[str, str]) -> None:
    answer = browser_like.post("/incidents/2026-000123/resolve", data={"version": "7", "outcome": "false_alarm"} | reason)
    assert (answer.status_code, engine.commands) == (422, [])
    assert "hãy ghi vì sao là báo cháy giả" in answer.text


def test_every_command_has_an_id_of_its_own(browser_like: httpx.Client, engine: EnginePeer) -> None:
    for _ in range(3):
        browser_like.post("/incidents/2026-000123/acknowledge", data={"version": "7"})
    assert len({command.id for command in engine.commands}) == 3


def test_a_refusal_that_we_do_not_know_is_shown_in_the_engines_own_words(browser_like: httpx.Client, engine: EnginePeer) -> None:
    engine.verdict = lambda command: CommandAnswer(id=command.id, ok=False, error="expected a full moon")
    answer = browser_like.post("/incidents/2026-000123/acknowledge", data={"version": "7"})
    assert answer.status_code == 409
    assert "từ chối" in answer.text
    assert "expected a full moon" in answer.text


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("expected version 8, got 7: the incident has changed", "CHƯA LÀM: 2026-000123 vừa thay đổi"),
        ("expected a command of the last 30 s, got one 31 s old", "quá cũ"),
        ("expected somebody who may do this in this group, got role viewer", "không được quyết định"),
        ("expected an incident that is not resolved", "đã kết thúc"),
        ("expected an incident that one can on_the_way, got one that is on_scene", "không làm được"),
    ],
)
def test_a_refusal_is_told_in_words_for_people(browser_like: httpx.Client, engine: EnginePeer, error: str, words: str) -> None:
    engine.verdict = lambda command: CommandAnswer(id=command.id, ok=False, error=error)
    answer = browser_like.post("/incidents/2026-000123/silence", data={"version": "7"})
    assert answer.status_code == 409
    assert words in answer.text
    assert "expected" not in answer.text


def test_who_acknowledges_second_is_told_who_was_first(console: RunningConsole, browser_like: httpx.Client, engine: EnginePeer) -> None:
    engine.verdict = lambda command: CommandAnswer(id=command.id, ok=False, error="expected version 8, got 7: the incident has changed")
    engine.publish(incident(state="acknowledged", version=8, acknowledged_ms=1, acknowledged_by="to-truong-03"))
    shows(browser_like, "2026-000123")
    answer = browser_like.post("/incidents/2026-000123/acknowledge", data={"version": "7"})
    assert answer.status_code == 200
    assert "đã được Tổ trưởng mẫu 03 xác nhận trước" in answer.text


def test_an_engine_that_does_not_answer_is_said_plainly(broker: Broker, engine: EnginePeer, database: Database) -> None:
    engine.verdict = lambda _command: None
    with running(broker.port, database.path, answer_s=0.2) as console:
        until(lambda: console.health()["broker"] == "connected", "connected")
        answer = post(f"{console.url}/incidents/a/acknowledge", data={"version": "1"}, headers={"Origin": console.url, "HX-Request": "1"})
    assert answer.status_code == 504
    assert "KHÔNG TRẢ LỜI" in answer.text


def test_an_order_without_a_broker_is_said_not_to_be_sent(console: RunningConsole, broker: Broker, browser_like: httpx.Client) -> None:
    broker.kill()
    until(lambda: console.health()["broker"] == "lost", "lost")
    answer = browser_like.post("/incidents/2026-000123/acknowledge", data={"version": "7"})
    assert answer.status_code == 503
    assert "KHÔNG GỬI ĐƯỢC" in answer.text


def test_a_link_lost_while_waiting_is_said_at_once(broker: Broker, engine: EnginePeer, browser_like: httpx.Client) -> None:
    came = threading.Event()

    def keep_silent(_command: Command) -> None:
        came.set()

    engine.verdict = keep_silent
    answers: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: answers.append(browser_like.post("/incidents/a/acknowledge", data={"version": "1"})))
    asking.start()
    assert came.wait(5)
    broker.kill()
    asking.join(4)
    assert [answer.status_code for answer in answers] == [502]


def test_an_answer_to_another_command_is_not_ours(broker: Broker, engine: EnginePeer, database: Database) -> None:
    engine.verdict = lambda _command: CommandAnswer(id="c-somebody-elses", ok=True)
    with running(broker.port, database.path, answer_s=0.2) as console:
        until(lambda: console.health()["broker"] == "connected", "connected")
        answer = post(f"{console.url}/incidents/a/acknowledge", data={"version": "1"}, headers={"Origin": console.url})
    assert answer.status_code == 504


@pytest.mark.parametrize(
    ("path", "form", "expected"),
    [
        ("/incidents/a/acknowledge", {}, "version: cần số nguyên từ 0 đến 2147483647, nhận được không có gì"),
        ("/incidents/a/acknowledge", {"version": "seven"}, "version: cần số nguyên"),
        ("/incidents/a/acknowledge", {"version": "-1"}, "version: cần số nguyên"),
        ("/incidents/a/acknowledge", {"version": "2147483648"}, "version: cần số nguyên"),
        ("/incidents/a%20b/acknowledge", {"version": "1"}, "incident: cần mã sự cố"),
        ("/incidents/a/resolve", {"version": "1"}, "outcome: cần fire, false_alarm, drill hoặc test"),
        ("/incidents/a/resolve", {"version": "1", "outcome": "fire", "reason": "\x07"}, "reason: cần lý do không quá 200 ký tự in được"),
        ("/incidents/a/resolve", {"version": "x", "outcome": "boredom"}, "outcome: cần fire, false_alarm, drill hoặc test"),
        ("/language", {"language": "fr"}, "language: cần vi hoặc en"),
    ],
)
def test_a_wrong_form_is_told_what_was_expected_and_sends_nothing(
    standing: tuple[RunningConsole, EnginePeer], path: str, form: dict[str, str], expected: str
) -> None:
    console, engine = standing
    answer = post(console.url + path, data=form, headers={"Origin": console.url, "HX-Request": "true"})
    assert answer.status_code == 422
    assert expected in answer.text
    assert not engine.commands


@pytest.mark.parametrize(
    "path",
    [
        *("/history?before=../../x", "/log?before=x", "/log?before=-1", "/log?first=yesterday", "/log?what=<b>", "/log.csv?last=1"),
        *("/events?show=all", "/?incident=../x", "/handover?hours=0"),
    ],
)
def test_a_wrong_address_is_told_what_was_expected(standing: tuple[RunningConsole, EnginePeer], path: str) -> None:
    answer = get(standing[0].url + path)
    assert answer.status_code == 422
    assert "cần" in answer.text


def test_a_page_that_is_not_there_is_said_in_words(standing: tuple[RunningConsole, EnginePeer]) -> None:
    answer = get(standing[0].url + "/nowhere")
    assert answer.status_code == 404
    assert "Không có trang này" in answer.text
    assert "Gọi 114" in answer.text


@pytest.mark.parametrize("path", ["/incidents/a/acknowledge", "/incidents/a/silence", "/incidents/a/resolve", "/language"])
@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
def test_another_sites_form_is_refused_and_sends_nothing(
    standing: tuple[RunningConsole, EnginePeer], path: str, headers: dict[str, str]
) -> None:
    console, engine = standing
    own = {"Origin": console.url} if "Sec-Fetch-Site" in headers else {}
    answer = post(console.url + path, data={"version": "1", "outcome": "fire", "language": "en"}, headers=own | headers)
    assert answer.status_code == 403
    assert not engine.commands
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/events", "/healthz", "/static/console.js", "/history?before=a", "/nowhere"])
def test_a_name_that_was_made_to_lead_here_sees_nothing(standing: tuple[RunningConsole, EnginePeer], path: str) -> None:
    answer = get(standing[0].url + path, headers={"Host": "evil.example:8480"})
    assert answer.status_code == 403
    assert "Host: expected localhost" in answer.text


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/console.js", "/nowhere", "/history"])
def test_every_answer_carries_the_strict_policy(standing: tuple[RunningConsole, EnginePeer], path: str) -> None:
    policy = get(standing[0].url + path).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_no_page_asks_for_anything_from_elsewhere(console: RunningConsole, engine: EnginePeer) -> None:
    engine.publish(incident())
    with httpx.Client(cookies=COOKIES, base_url=console.url) as client:
        shows(client, "2026-000123")
        html = client.get("/").text
    assert not re.findall(r"""(?:src|href|action|hx-post|sse-connect)=["'](?!/|\#|tel:114)""", html)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", html)


def test_names_with_markup_are_only_names(console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    engine.publish(incident(place=place_named(XSS), group_name=XSS, acknowledged_by=XSS, acknowledged_ms=1))
    database.keep(resolved("2026-000100", place=place_named(XSS), resolved_by=XSS))
    database.log("odd_event", detail=XSS)
    database.board("H03-01", faults={"odd": XSS})
    with httpx.Client(cookies=COOKIES, base_url=console.url) as client:
        shows(client, "2026-000123")
        until(lambda: "past-2026-000100" in client.get("/").text, "the history is shown")
        html = client.get("/").text + client.get("/log").text
    assert "<script>alert" not in html
    assert "<img" not in html
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img") >= 7
    assert "{{7*7}}" in html


def test_without_javascript_an_order_leads_back_to_the_desk(browser_like: httpx.Client, engine: EnginePeer) -> None:
    answer = browser_like.post("/incidents/2026-000123/acknowledge", data={"version": "7"}, headers={"HX-Request": ""})
    assert answer.status_code == 200
    del browser_like.headers["HX-Request"]
    answer = browser_like.post("/incidents/2026-000123/acknowledge", data={"version": "7"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_without_javascript_a_failed_order_is_a_whole_page(browser_like: httpx.Client, engine: EnginePeer) -> None:
    engine.verdict = lambda command: CommandAnswer(id=command.id, ok=False, error="over already")
    del browser_like.headers["HX-Request"]
    answer = browser_like.post("/incidents/2026-000123/acknowledge", data={"version": "7"})
    assert answer.status_code == 409
    assert answer.text.startswith("<!doctype html>")
    assert "over already" in answer.text


def test_language_is_chosen_by_a_form_and_kept_in_a_cookie(browser_like: httpx.Client) -> None:
    assert '<html lang="vi"' in browser_like.get("/").text
    answer = browser_like.post("/language", data={"language": "en"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert '<html lang="en"' in browser_like.get("/").text
    assert "Call 114" in browser_like.get("/").text


def test_the_settings_choose_the_first_language(broker: Broker, database: Database) -> None:
    settings = Settings(console=ConsoleSettings(language="en"))
    with running(broker.port, database.path, settings) as console:
        assert '<html lang="en"' in get(console.url).text


@pytest.mark.parametrize("path", ["/", "/history?before=2026-000122", "/log", "/log?before=2", "/log?place=%3Cscript%3E", "/nowhere"])
def test_every_page_names_114_and_says_what_it_is_not(standing: tuple[RunningConsole, EnginePeer], path: str) -> None:
    html = get(standing[0].url + path).text
    assert "Gọi 114" in html
    assert 'href="tel:114"' in html
    assert "không phải hệ thống báo cháy đã kiểm định" in html


def test_older_records_are_pages_of_their_own(console: RunningConsole, database: Database) -> None:
    database.commune()
    history = get(f"{console.url}/history?before=2026-000122").text
    log = get(f"{console.url}/log?before=2").text
    assert "past-2026-000121" in history
    assert "past-2026-000122" not in history
    assert 'id="entry-1"' in log
    assert 'id="entry-2"' not in log


def test_an_open_incident_is_not_among_those_that_are_over(console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    database.keep(resolved("2026-000122"))
    database.keep(incident())
    engine.publish(incident())
    until(lambda: "card-2026-000123" in get(console.url).text, "it is open")
    history = get(f"{console.url}/history").text
    assert "past-2026-000122" in history
    assert "past-2026-000123" not in history


def test_older_records_that_cannot_be_read_are_said(console: RunningConsole, database: Database) -> None:
    database.db.execute("DROP TABLE maintenance")
    answer = get(f"{console.url}/log?before=2")
    assert answer.status_code == 503
    assert "Chưa đọc được cơ sở dữ liệu: no such table: maintenance" in answer.text


def test_health_says_what_the_console_sees(console: RunningConsole, engine: EnginePeer) -> None:
    engine.publish(incident())
    until(lambda: console.health()["open_incidents"] == 1, "the incident is known")
    assert console.health() | {"since_ms": 0, "database_written_ms": 0} == {
        "engine": "online",
        "broker": "connected",
        "since_ms": 0,
        "open_incidents": 1,
        "database": "readable",
        "database_written_ms": 0,
    }
    engine.die()
    until(lambda: console.health()["engine"] == "offline", "the engine's end is known")


def test_the_page_names_who_is_logged_in(standing: tuple[RunningConsole, EnginePeer]) -> None:
    assert SITE.people[0].name in get(standing[0].url).text
