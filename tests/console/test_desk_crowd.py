"""Fifty alarms at once in one commune: real broker, engine and console as processes, fifty boards, real Chromium, by keyboard.

A storm has torn down the line, or a market burns: the desk must name them all, the most urgent first, and stay usable.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from stage import until
from walks import PATIENCE_MS, WAIT_S, Commune

from protocol.incident import Incident

N = 50
SMOKES, POSTS = 4, 2
GRAVEST_FIRST = ("fire", "smoke", "sos")
LONG = "nhà trong hẻm, ngách sâu, qua đình, rẽ trái ở giếng làng, cổng sắt xanh; " * 2
SIZES = {"desktop": (1366, 768), "phone": (360, 740)}


def site_file(path: Path) -> Path:
    """Fifty groups with one board each: homes with long names and addresses, and two SOS posts."""
    parts = ['[site]\nid = "xa-mau"\nname = "Xã Mẫu"\n[policy]\nneighbours_m = 0\n']
    parts.append('[[people]]\nid = "truc-ban-1"\nname = "Cán bộ mẫu 01"\nrole = "duty"\nphone = "+840000000001"\n')
    for n in range(N):
        place = {"lat": 20.97 + n / 2000, "lon": 105.91 + n % 7 / 2000}
        where = f"lat = {place['lat']:.6f}\nlon = {place['lon']:.6f}\n"
        kind, table = ("sos_post", "posts") if n < POSTS else ("household", "homes")
        parts.append(f'[[groups]]\nid = "T-{n:02}"\nname = "Tổ liên gia {n:02}"\n')
        parts.append(f'[[{table}]]\nid = "P-{n:02}"\ngroup = "T-{n:02}"\nname = "{name(n)}"\naddress = "Số {n}, {LONG}xã Mẫu"\n{where}')
        parts.append(f'[[boards]]\nid = "B-{n:02}"\nkind = "{kind}"\nplace = "P-{n:02}"\n')
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def name(n: int) -> str:
    return f"Hộ mẫu {n:02} (Nguyễn Thị Ngọc Ánh Nguyệt, Đặng Văn Lượng)"


def point(n: int) -> str:
    return "sos-1" if n < POSTS else "smoke-1" if n < POSTS + SMOKES else "button-1"


def urgency(one: Incident) -> tuple[bool, int, int]:
    """As the requirements say: unanswered, then the gravest, then the newest."""
    return (one.state != "open", GRAVEST_FIRST.index(one.kind), -one.activations[-1].at_ms)


@pytest.fixture(scope="module")
def burning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commune]:
    """The commune a minute into it."""
    folder = tmp_path_factory.mktemp("commune")
    made = Commune(folder, site_file(folder / "site.toml"))
    try:
        for n in range(N):
            made.now(lambda n=n: made.stage.world.press(f"B-{n:02}", point(n)))  # type: ignore[misc]
        until(lambda: len(of(made)) == N, "the engine has fifty incidents", 60)
        yield made
    finally:
        made.end()


def of(commune: Commune) -> dict[str, Incident]:
    """The open incidents as the engine publishes them."""
    return {ident: one for ident, one in list(commune.stage.observer.incidents.items()) if one.state != "resolved"}


def rows(page: Page) -> list[str]:
    """Ids of the incidents in the queue, from its top."""
    return [str(ident).removeprefix("row-") for ident in page.evaluate("[...document.querySelectorAll('.row')].map((row) => row.id)")]


def reach(page: Page, ident: str, *, back: bool = False) -> None:
    """Go there with Tab alone."""
    for _ in range(2 * N + 60):
        if page.evaluate("document.activeElement.id") == ident:
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"Tab does not lead to {ident}")


@pytest.mark.long
@pytest.mark.parametrize("size", SIZES)
def test_fifty_alarms_are_named_in_order_and_taken_on_by_keyboard(browser: Browser, burning: Commune, size: str) -> None:
    width, height = SIZES[size]
    context, page = burning.desk(browser, language="vi", size=(width, height))
    expect(page.locator("#strip")).to_have_attribute("data-engine", "online", timeout=PATIENCE_MS)
    expect(page.locator(".row")).to_have_count(N, timeout=PATIENCE_MS)

    known = of(burning)
    text = page.locator("#queue").inner_text()
    assert [one for one in range(N) if name(one) not in text] == [], "nothing is lost"
    assert {one.place.name for one in known.values()} == {name(n) for n in range(N)}
    assert {kind: sum(one.kind == kind for one in known.values()) for kind in GRAVEST_FIRST} == {"fire": 44, "smoke": 4, "sos": 2}
    until(lambda: rows(page) == sorted(of(burning), key=lambda ident: urgency(of(burning)[ident])), "the most urgent stands first", WAIT_S)

    # It fits: the queue scrolls in itself, the card begins on the first screen, and nothing scrolls sideways.
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    queue = page.locator("#queue").bounding_box()
    card = page.locator(".card .head").bounding_box()
    assert queue
    assert card
    assert queue["height"] <= height / 2
    assert card["y"] < height
    shown = str(page.locator(".card").get_attribute("id")).removeprefix("card-")

    # The fifth is acknowledged in the queue by keyboard alone; what is looked at stays where it is.
    fifth = [ident for ident in rows(page) if known[ident].state == "open"][4]
    began = time.monotonic()
    reach(page, f"acknowledge-row-{fifth}")
    assert page.evaluate(
        "(() => { const at = document.activeElement.getBoundingClientRect(); return at.top >= 0 && at.bottom <= innerHeight; })()"
    )
    page.keyboard.press("Enter")
    until(lambda: of(burning)[fifth].state == "acknowledged", "the engine has it", WAIT_S)
    print(f"{size}: by keyboard to the fifth and acknowledged: {time.monotonic() - began:.1f} s")
    assert of(burning)[fifth].acknowledged_by == "truc-ban-1"
    expect(page.locator(f"#row-{fifth} .label.strong")).to_contain_text("Đã xác nhận", timeout=PATIENCE_MS)
    expect(page.locator(f"#card-{shown}")).to_be_visible()
    until(lambda: rows(page) == sorted(of(burning), key=lambda ident: urgency(of(burning)[ident])), "it has made room", WAIT_S)
    expect(page.locator(".row")).to_have_count(N)

    # The last of the queue is opened by keyboard, and its card acknowledged.
    last = [ident for ident in rows(page) if of(burning)[ident].state == "open"][-1]
    page.focus("#queue")
    reach(page, f"open-{last}")
    page.keyboard.press("Enter")
    expect(page.locator(f"#card-{last}")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(f"#title-{last}")).to_contain_text(of(burning)[last].place.name)
    reach(page, f"acknowledge-{last}")
    page.keyboard.press("Enter")
    until(lambda: of(burning)[last].state == "acknowledged", "the engine has it", WAIT_S)
    expect(page.locator("html")).to_have_attribute("data-sound", "fire")  # the others still wait for somebody

    # The console is killed and comes back: all fifty are there again.
    burning.kill_console()
    expect(page.locator("#dead")).to_be_visible(timeout=PATIENCE_MS)
    burning.start_console()
    expect(page.locator("#dead")).to_be_hidden(timeout=PATIENCE_MS)
    expect(page.locator(".row")).to_have_count(N, timeout=PATIENCE_MS)
    until(lambda: rows(page) == sorted(of(burning), key=lambda ident: urgency(of(burning)[ident])), "in their order", WAIT_S)
    context.close()
