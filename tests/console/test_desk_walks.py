"""The duty officer from an alarm to its end: real broker, engine and console as processes, boards that press and ring.

One commune for all of them. The console is killed and started again meanwhile, and the officer's own line is lost.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from stage import until
from walks import PATIENCE_MS, WAIT_S, Commune, calmed

DESKTOP, PHONE = (1366, 768), (390, 844)
PAIRS = [
    ("vi", DESKTOP),
    pytest.param("en", PHONE, marks=pytest.mark.long),
    pytest.param("vi", PHONE, marks=pytest.mark.long),
    pytest.param("en", DESKTOP, marks=pytest.mark.long),
]
WORDS = {
    "vi": {
        "open": "CHƯA XÁC NHẬN",
        "acknowledged": "Đã xác nhận",
        "dead": "MẤT KẾT NỐI VỚI BÀN TRỰC",
        "called": "Đã gọi 114 lúc",
        "undone": "Đã hoàn tác: sự cố vẫn mở.",
        "calm": "Không có báo động nào đang mở.",
        "test": "Thử thiết bị",
        "first": "xác nhận trước",
        "safe": "1 / 12 hộ an toàn",
    },
    "en": {
        "open": "NOT ACKNOWLEDGED",
        "acknowledged": "Acknowledged",
        "dead": "NO CONNECTION TO THE CONSOLE",
        "called": "114 called at",
        "undone": "Undone: the incident is still open.",
        "calm": "No alarm is open.",
        "test": "Equipment test",
        "first": "first",
        "safe": "1 / 12 homes safe",
    },
}


@pytest.fixture(scope="module")
def commune(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commune]:
    made = Commune(tmp_path_factory.mktemp("commune"))
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def calm(commune: Commune) -> Iterator[Commune]:
    with calmed(commune):
        yield commune


def sounds(page: Page, what: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-sound", what, timeout=PATIENCE_MS)


def done(commune: Commune, what: str) -> None:
    """The engine has carried out what was pressed: it stands in the timeline."""
    until(lambda: commune.incident and what in [entry.what for entry in commune.incident.timeline], f"{what} is in the timeline", WAIT_S)


@pytest.mark.parametrize(("language", "size"), PAIRS)
def test_the_duty_officer_from_the_alarm_to_its_end(browser: Browser, calm: Commune, language: str, size: tuple[int, int]) -> None:
    words = WORDS[language]
    context, page = calm.desk(browser, language=language, size=size)
    expect(page.locator("#incidents")).to_contain_text(words["calm"])

    calm.press("H03-07")
    card = page.locator(".card")
    expect(card).to_contain_text("Số 13, ngõ Thử 5, thôn Ba, xã Mẫu", timeout=PATIENCE_MS)
    expect(card.locator(".label.strong")).to_contain_text(words["open"])
    sounds(page, "fire")
    ident = str(card.get_attribute("id")).removeprefix("card-")
    expect(page.locator(f"#bells-{ident} .pip.measured")).to_have_count(12, timeout=PATIENCE_MS)
    expect(page.locator(f"#scene-{ident}")).to_contain_text("cụ bà 82 tuổi")
    expect(page.locator(".pin.place")).to_be_visible(timeout=PATIENCE_MS)
    assert not page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")

    calm.kill_console()
    expect(page.locator("#dead")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#dead")).to_contain_text(words["dead"], timeout=PATIENCE_MS)
    sounds(page, "fire")  # an alarm that nobody has acknowledged sounds on, whatever dies
    calm.start_console()
    expect(page.locator("#dead")).to_be_hidden(timeout=PATIENCE_MS)
    expect(page.locator("#strip")).to_have_attribute("data-engine", "online", timeout=PATIENCE_MS)

    page.click(f"#called_114-{ident}")
    expect(page.locator(f"#call-{ident}")).to_contain_text(words["called"], timeout=PATIENCE_MS)
    done(calm, "called_114")
    page.click(f"#acknowledge-{ident}")
    expect(card.locator(".head .label.strong")).to_contain_text(words["acknowledged"], timeout=PATIENCE_MS)
    sounds(page, "quiet")
    page.click(f"#on_the_way-{ident}")
    expect(page.locator(f"#on_the_way-{ident}")).to_have_count(0, timeout=PATIENCE_MS)
    page.click(f"#on_scene-{ident}")
    expect(page.locator(f"#on_scene-{ident}")).to_have_count(0, timeout=PATIENCE_MS)
    done(calm, "on_scene")

    page.click(f"#say-summary-{ident}")
    page.select_option(f"#home-{ident}", "H03-05")
    page.click(f"#say-safe-{ident}")
    expect(page.locator(f"#roll-{ident}")).to_contain_text(words["safe"], timeout=PATIENCE_MS)
    assert calm.says("H03-05") == ("safe", calm.stage.desk.person)

    page.click(f"#silence-{ident}")
    expect(page.locator(f"#silence-{ident}")).to_have_count(0, timeout=PATIENCE_MS)
    until(lambda: not calm.now(lambda: calm.stage.world.is_ringing("H03-03")), "the bells are silent", WAIT_S)
    page.click(f"#alarm_again-{ident}")
    sounds(page, "fire")
    until(lambda: calm.now(lambda: calm.stage.world.is_ringing("H03-03")), "the bells sound again", WAIT_S)
    page.click(f"#acknowledge-{ident}")
    sounds(page, "quiet")

    context.set_offline(True)
    calm.kill_console()  # what is open already stays open when a browser goes offline
    expect(page.locator("#dead")).to_be_visible(timeout=PATIENCE_MS)
    calm.start_console()
    context.set_offline(False)
    expect(page.locator("#dead")).to_be_hidden(timeout=PATIENCE_MS)
    expect(page.locator("#strip")).to_have_attribute("data-engine", "online", timeout=PATIENCE_MS)

    page.click(f"#resolve-summary-{ident}")
    page.click(f"#resolve-test-{ident}")
    page.click("#grace-undo")
    expect(page.locator("#notice")).to_contain_text(words["undone"])
    page.click(f"#resolve-test-{ident}")
    expect(page.locator("#incidents")).to_contain_text(words["calm"], timeout=PATIENCE_MS)
    expect(page.locator(f"#past-{ident}")).to_contain_text(words["test"], timeout=PATIENCE_MS)
    context.close()


def test_two_desks_acknowledge_at_the_same_time_and_it_is_done_once(browser: Browser, calm: Commune) -> None:
    desks = [calm.desk(browser, language="vi") for _ in range(2)]
    calm.press("H03-08")
    for _, page in desks:
        expect(page.locator(".card")).to_be_visible(timeout=PATIENCE_MS)
    ident = str(desks[0][1].locator(".card").get_attribute("id")).removeprefix("card-")
    pressed: list[Route] = []  # held until both have pressed: the second button would else be gone with the first one's order
    for _, page in desks:
        page.route("**/acknowledge", lambda route: pressed.append(route))  # noqa: PLW0108 - a built-in method takes no attribute
        with page.expect_request("**/acknowledge"):
            page.evaluate(f"document.getElementById('acknowledge-{ident}').click()")
    while len(pressed) < len(desks):  # the test's own deadline ends it
        desks[0][1].wait_for_timeout(10)
    for order in pressed:
        order.continue_()
    for _, page in desks:
        expect(page.locator("#notice")).to_contain_text("xác nhận", timeout=PATIENCE_MS)
        expect(page.locator(f"#acknowledge-{ident}")).to_have_count(0, timeout=PATIENCE_MS)
        sounds(page, "quiet")
    said = sorted(page.locator("#notice").inner_text() for _, page in desks)
    assert said == [f"✓ {ident} đã được Cán bộ mẫu 01 xác nhận trước.", f"✓ Đã xác nhận {ident}."]
    found = calm.incident
    assert found
    assert [entry.what for entry in found.timeline].count("acknowledged") == 1
    for context, _ in desks:
        context.close()
