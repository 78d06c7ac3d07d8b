"""The pages for other eyes, hands and machines: axe-core, the keyboard alone, and what a slow office line has to carry."""

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from stage import (
    COOKIES,
    NOON_MS,
    SITE,
    Broker,
    Database,
    EnginePeer,
    RunningConsole,
    incident,
    log_in,
    peopled,
    place_named,
    resolved,
    running,
    until,
)

from gateway.console.people import book, door
from protocol.desk import Command, CommandAnswer
from protocol.incident import Delivery, LadderPosition, RollCall

IDENT = "2026-000123"
DESK_KB = 150
GRAVE = ("serious", "critical")
PAGES = {
    **{"desk": "/", "two": f"/?incident={IDENT}", "log": "/log", "filtered": "/log?what=board_lost", "history": "/history"},
    **{"handover": "/handover", "record": "/incidents/2026-000100/record", "account": "/account", "message": "/nowhere"},
    **{"groups": "/group/", "group": "/group/TLG-03", "code": "/invitation", "offline": "/group/offline/vi"},
}
OF_ADMINISTRATOR = {"people": "/people", "audit": "/audit"}
OF_GROUP = {"own group": "/group/TLG-03"}
OF_NOBODY = {"login": "/login"}


def busy(ident: str = IDENT, **more: object) -> object:
    """An incident in which everything that the desk can show is there."""
    says = ["safe", "need_help", "coming"]
    roll = [
        RollCall.model_validate({"home": home, "name": name, "says": says[number] if number < 3 else "no_answer", "at_ms": NOON_MS})
        for number, (home, name) in enumerate(SITE.homes_of("TLG-03"))
    ]
    sent = [
        Delivery.model_validate(
            {"id": n, "channel": channel, "what": "opened", "person": "to-truong-03", "state": state, "tries": 2, "at_ms": NOON_MS}
        )
        for n, (channel, state) in enumerate([("sms", "failed"), ("voice", "handed"), ("apprise:zalo", "acknowledged")])
    ]
    ladder = LadderPosition(cause="fire", round=1, step=2, due_ms=NOON_MS + 60_000, next=["truc-ban-1"])
    return incident(ident, roll_call=roll, deliveries=sent, ladder=ladder, groups=["TLG-03"], **more)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """One console in the middle of two alarms, for all tests that only look."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    engine = EnginePeer(broker.port)
    database = Database(tmp_path_factory.mktemp("data") / "keng.db")
    database.commune()
    database.keep(resolved("2026-000100"))
    with running(broker.port, database.path, site=peopled()) as console:
        engine.publish(busy())
        engine.publish(incident("2026-000124", kind="sos", place=place_named("Trụ SOS")))
        until(lambda: console.health()["open_incidents"] == 2, "both are known")
        yield console
    database.db.close()
    engine.die()
    broker.kill()


@pytest.fixture(scope="module")
def administrator(standing: RunningConsole) -> str:
    token = secrets.token_urlsafe(32)
    log_in(standing.own, "administrator-1", token)
    return token


@pytest.fixture(scope="module")
def group(standing: RunningConsole) -> tuple[str, str]:
    """Tokens of a leader and of a household."""
    tokens = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    for person, token in zip(("leader-1", "household-1"), tokens, strict=True):
        log_in(standing.own, person, token)
    return tokens


def all_pages(
    browser: Browser, console: RunningConsole, administrator: str, group: tuple[str, str], language: str, theme: str
) -> dict[str, list[str]]:
    """What is wrong on any page, as whom it is for."""
    with closing(book.connect(console.own)) as db:
        code = book.transaction(db, lambda db: door.invitation(db, ident="team-2", by="", now_ms=time.time_ns() // 1_000_000))
    wrong = look(browser, console, COOKIES["session"], PAGES, language, theme)
    wrong |= look(browser, console, administrator, OF_ADMINISTRATOR, language, theme, press="#invite-household-2")
    wrong |= look(browser, console, "", OF_NOBODY | {"invitation": f"/invitation/{code}"}, language, theme)
    for token in group:
        wrong |= look(browser, console, token, OF_GROUP, language, theme)
    return wrong


def context_of(browser: Browser, token: str, language: str, theme: str) -> BrowserContext:
    context = browser.new_context(viewport={"width": 1366, "height": 768}, color_scheme=theme, locale=language)  # type: ignore[arg-type]
    cookies = {"session": token, "language": language} if token else {"language": language}
    context.add_cookies([{"name": name, "value": value, "url": "http://127.0.0.1"} for name, value in cookies.items()])
    return context


def grave(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical: rule, and the first place."""
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in GRAVE]


def look(
    browser: Browser, console: RunningConsole, token: str, pages: dict[str, str], language: str, theme: str, *, press: str = ""
) -> dict[str, list[str]]:
    """`press`: what leads from the first of the pages to one more."""
    wrong = {}
    context = context_of(browser, token, language, theme)
    page = context.new_page()
    for name, path in pages.items():
        page.goto(console.url + path)
        page.wait_for_load_state("load")
        if page.locator(".mapbox").count():
            page.wait_for_selector(".map[data-state=shown]")
        for summary in page.locator("summary:visible").all()[:6]:
            summary.click()
        if found := grave(page):
            wrong[name] = found
    if press:
        page.goto(console.url + next(iter(pages.values())))
        page.click(press)
        page.wait_for_load_state("load")
        if found := grave(page):
            wrong[press] = found
    context.close()
    return wrong


@pytest.mark.parametrize(("language", "theme"), [("vi", "dark")])
def test_axe_finds_nothing_grave_on_any_page(
    browser: Browser, standing: RunningConsole, administrator: str, group: tuple[str, str], language: str, theme: str
) -> None:
    assert all_pages(browser, standing, administrator, group, language, theme) == {}


@pytest.mark.long
@pytest.mark.parametrize(("language", "theme"), [("vi", "light"), ("en", "light"), ("en", "dark")])
def test_axe_finds_nothing_grave_in_the_other_pairs(
    browser: Browser, standing: RunningConsole, administrator: str, group: tuple[str, str], language: str, theme: str
) -> None:
    assert all_pages(browser, standing, administrator, group, language, theme) == {}


def test_axe_would_find_something(browser: Browser, standing: RunningConsole) -> None:
    """The proof that the tests above can fail."""
    context = context_of(browser, COOKIES["session"], "vi", "light")
    page = context.new_page()
    page.goto(standing.url + "/log")
    page.evaluate("document.querySelector('label[for=filter-what]').remove()")
    assert any(line.startswith("select-name") for line in grave(page))
    context.close()


def weigh(console: RunningConsole) -> dict[str, int]:
    """Bytes over the line for the desk and everything that it loads, gzipped, without the map's own."""
    with httpx.Client(base_url=console.url, cookies=COOKIES, headers={"Accept-Encoding": "gzip"}) as client:

        def size(path: str) -> tuple[int, str]:
            with client.stream("GET", path) as answer:
                raw = b"".join(answer.iter_raw())
                assert answer.headers.get("content-encoding") == "gzip" or len(raw) < 1000, f"{path} travels unpacked"
            return len(raw), client.get(path).text

        weight, html = size("/")
        paths = re.findall(r'(?:src|href)="(/static/[^"]+)"', html)
        return {"/": weight} | {path: size(path)[0] for path in {*paths, "/static/ticker.js"}}


def test_the_desk_weighs_less_than_150_kb_in_calm_and_with_50_incidents_open(
    console: RunningConsole, engine: EnginePeer, database: Database
) -> None:
    database.commune()
    calm = weigh(console)
    for number in range(50):
        engine.publish(busy(f"2026-{number:06}"))  # type: ignore[arg-type]  # an incident
    until(lambda: console.health()["open_incidents"] == 50, "all are known")
    burning = weigh(console)
    print({"calm": sum(calm.values()), "burning": sum(burning.values())})
    assert len(calm) > 8
    assert sum(calm.values()) < DESK_KB * 1000
    assert sum(burning.values()) < DESK_KB * 1000
    assert not [path for path in burning if "leaflet" in path or "pmtiles" in path]


def test_a_burning_commune_sends_a_desk_only_what_it_shows(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    """Fifty incidents, and one bell of one that is not shown: nothing but its row could change, and it does not."""
    for number in range(50):
        engine.publish(busy(f"2026-{number:06}", opened_ms=NOON_MS - number))  # type: ignore[arg-type]  # an incident
    page.goto(console.url)
    expect(page.locator(".row")).to_have_count(50)
    expect(page.locator(".card")).to_have_count(1)
    page.evaluate("""() => {
        window.swapped = new Set();
        document.body.addEventListener("htmx:oobBeforeSwap", (event) => window.swapped.add(event.detail.target.id));
    }""")
    hidden = "2026-000049"
    assert not page.locator(f"#card-{hidden}").count()
    engine.publish(busy(hidden, opened_ms=NOON_MS - 49, revision=22, bells=[]))  # type: ignore[arg-type]
    engine.publish(busy(hidden, opened_ms=NOON_MS - 49, revision=23, version=8, state="acknowledged"))  # type: ignore[arg-type]
    expect(page.locator(f"#row-{hidden} .label.strong")).to_contain_text("Đã xác nhận")
    assert set(page.evaluate("[...window.swapped]")) == {"strip", f"row-{hidden}"}


def test_the_whole_walk_by_keyboard_alone(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    """Sound on, acknowledge, called 114, on the way, on scene, roll call, silence, false alarm with its reason, undo, and for good."""
    state = {"version": 7, "state": "open", "sounding": True}
    after = {"acknowledge": "acknowledged", "on_the_way": "on_the_way", "on_scene": "on_scene"}

    def carry_out(command: Command) -> CommandAnswer:
        if command.do in after:
            state.update(version=int(state["version"]) + 1, state=after[command.do])
        if command.do == "silence":
            state.update(version=int(state["version"]) + 1, sounding=False)
        return CommandAnswer(id=command.id, ok=True, incident=IDENT)

    engine.verdict = carry_out
    page.goto(console.url)
    expect(page.locator("html")).to_have_attribute("data-stream", "open")
    press(page, "sound-enable")
    press(page, "sound-heard")
    engine.publish(busy())  # type: ignore[arg-type]
    expect(page.locator(f"#card-{IDENT}")).to_be_visible()
    for done, button in enumerate(("acknowledge", "called_114", "on_the_way", "on_scene", "silence"), 1):
        press(page, f"{button}-{IDENT}")
        until(lambda done=done: len(engine.commands) == done, f"{button} is on the wire")  # type: ignore[misc]
        engine.publish(busy(revision=30 + done, **state))  # type: ignore[arg-type]
        if button != "called_114":
            expect(page.locator(f"#{button}-{IDENT}")).to_have_count(0)
    press(page, f"say-summary-{IDENT}")
    reach(page, f"home-{IDENT}")
    page.keyboard.press("ArrowDown")
    chosen = page.locator(f"#home-{IDENT}").input_value()
    press(page, f"say-safe-{IDENT}")
    until(lambda: len(engine.commands) == 6, "the roll call is on the wire")
    press(page, f"false_alarm-summary-{IDENT}")
    reach(page, f"reason-{IDENT}")
    page.keyboard.type("hương khói")
    page.keyboard.press("Enter")
    expect(page.locator("#grace-undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("Đã hoàn tác")
    press(page, f"resolve-false_alarm-{IDENT}")
    until(lambda: len(engine.commands) == 7, "the end is on the wire", 15)
    said = [(command.do, command.home or command.reason) for command in engine.commands[5:]]
    assert said == [("roll_call", chosen), ("resolve", "hương khói")]


def reach(page: Page, ident: str) -> None:
    """Tab until the focus is there, and see it."""
    for _ in range(80):
        if page.evaluate("document.activeElement.id") == ident:
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style != "none", f"nothing shows that {ident} has the focus"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {ident}")


def press(page: Page, ident: str) -> None:
    expect(page.locator(f"#{ident}")).to_be_visible()
    reach(page, ident)
    page.keyboard.press("Enter")


def test_at_200_percent_on_a_small_screen_everything_is_there_and_nothing_is_cut(
    page: Page, console: RunningConsole, engine: EnginePeer
) -> None:
    """WCAG 2.2, 1.4.4 and 1.4.10."""
    engine.publish(busy(place=place_named("Hộ có tên rất dài, ở rất xa, " * 6)))  # type: ignore[arg-type]
    page.set_viewport_size({"width": 640, "height": 768})
    page.goto(console.url)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    expect(page.locator(f"#card-{IDENT}")).to_be_visible()
    cut = page.evaluate("""() => [...document.querySelectorAll("main button, main p, main li, main h3, main dd")]
        .filter((one) => one.checkVisibility() && !one.closest(".map") && getComputedStyle(one).display !== "inline")
        .filter((one) => one.scrollWidth > one.clientWidth + 1)
        .map((one) => one.outerHTML.slice(0, 100))""")
    assert cut == []
