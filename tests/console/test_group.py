"""The page of a group: what it shows to whom, and what its people may say. A real console and broker, a peer in the engine's place."""

import gzip
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from stage import (
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
from starlette.exceptions import HTTPException

from gateway.console import app, composer, group_view
from gateway.console.app import STATIC
from gateway.console.group import PRESSES_MAX, Presses
from gateway.console.people import audit
from gateway.console.people.rights import Who
from protocol.desk import CommandAnswer
from protocol.incident import Incident, LadderPosition, RollCall, TimelineEntry
from protocol.people import Person

IDENT = "2026-000123"
GROUP = "TLG-03"
HOMES = SITE.homes_of(GROUP)
TOKENS = {
    ident: secrets.token_urlsafe(32)
    for ident in ("leader-1", "leader-2", "household-1", "household-2", "team-1", "truc-ban-1", "viewer-1", "administrator-1", "pressed")
}
XSS = '<script>alert(1)</script><img src=x onerror="alert(2)">{{7*7}}'
LEADER = Who("leader-1", "", "leader", GROUP, "H03-02")
NEIGHBOUR = Who("household-1", "", "household", GROUP, "H03-02")
AT_HOME = Who("x", "", "household", GROUP, "H03-07")
OTHER = Who("household-2", "", "household", "DCC-N5", None)
DUTY = Who("truc-ban-1", "", "duty", None, None)


def called(**said: str) -> list[RollCall]:
    """The roll call of the group; `said`: home (with _ for -) -> what it says."""
    says = {home.replace("_", "-"): word for home, word in said.items()}
    return [
        RollCall.model_validate(
            {"home": home, "name": name} | ({"says": says[home], "by": home, "at_ms": NOON_MS + 20_000} if home in says else {})
        )
        for home, name in HOMES
    ]


def fire(ident: str = IDENT, **changes: object) -> Incident:
    return incident(ident, **({"groups": [GROUP], "roll_call": called(H03_04="need_help", H03_01="safe")} | changes))


class Town:
    """A console with somebody of every role logged in."""

    def __init__(self, console: RunningConsole, engine: EnginePeer, database: Database) -> None:
        self.console, self.engine, self.database = console, engine, database

    def client(self, who: str) -> httpx.Client:
        headers = {"Origin": self.console.url, "HX-Request": "true"}
        return httpx.Client(base_url=self.console.url, headers=headers, cookies={"session": TOKENS[who]}, timeout=20)

    def shown(self, who: str, *texts: str) -> str:
        """The group's page, once it has these texts."""
        found = [""]

        def has() -> bool:
            with self.client(who) as client:
                found[0] = client.get(f"/group/{GROUP}").text
            return all(text in found[0] for text in texts)

        until(has, f"{texts} on the page")
        return found[0]

    def calm(self) -> None:
        self.engine.tick()
        self.engine.close(IDENT)
        until(lambda: (self.console.health()["open_incidents"], self.console.health()["engine"]) == (0, "online"), "all is calm")
        self.engine.commands.clear()
        self.engine.users.clear()
        self.engine.verdict = lambda command: CommandAnswer(id=command.id, ok=True)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    engine = EnginePeer(broker.port)
    database = Database(tmp_path_factory.mktemp("data") / "keng.db")
    database.commune()
    database.log("bell_test", device="H03-01", point="bell", detail="commanded")
    database.log("bell_test", device="H03-01", point="bell", detail="measured")
    database.log("bell_test", device="H03-02", point="bell", detail="no_answer")
    at_home = {"id": "pressed", "name": "Chủ hộ 07", "role": "household", "group": GROUP, "home": "H03-07", "phone": "0912345678"}
    with running(broker.port, database.path, site=peopled(Person.model_validate(at_home))) as console:
        for ident, token in TOKENS.items():
            log_in(console.own, ident, token)
        engine.tick()
        until(lambda: console.health()["engine"] == "online", "the engine is heard")
        yield Town(console, engine, database)
    database.db.close()
    engine.die()
    broker.kill()


@pytest.fixture
def town(standing: Town) -> Iterator[Town]:
    """The town with no incident open."""
    standing.calm()
    yield standing
    standing.calm()


# What is for whose eyes


@pytest.mark.parametrize(
    ("changes", "eyes"),
    [
        ({}, "leader neighbour home duty"),
        ({"kind": "smoke", "bells": []}, "leader home duty"),
        ({"late": True, "bells": []}, "leader home duty"),
        ({"kind": "sos"}, "leader neighbour home duty"),
        ({"kind": "sos", "bells": [], "ladder": LadderPosition(cause="silent_sos", round=1, step=1, due_ms=1, next=[])}, "duty"),
        ({"kind": "drill"}, "leader neighbour home duty"),
        ({"groups": ["DCC-N5", GROUP], "group": "DCC-N5"}, "leader neighbour home duty"),
    ],
)
def test_an_alarm_is_for_those_whom_it_concerns(changes: dict[str, object], eyes: str) -> None:
    people = {"leader": LEADER, "neighbour": NEIGHBOUR, "home": AT_HOME, "duty": DUTY}
    assert [name for name, who in people.items() if group_view.visible(fire(**changes), GROUP, who)] == eyes.split()


def test_an_alarm_of_another_group_is_on_no_page_of_this_one() -> None:
    elsewhere = fire(groups=["DCC-N5"], group="DCC-N5")
    assert not any(group_view.visible(elsewhere, GROUP, who) for who in (LEADER, NEIGHBOUR, AT_HOME, DUTY))


def test_the_leader_is_offered_what_the_engine_will_do_and_nothing_else() -> None:
    def offered(who: Who, **changes: object) -> list[str]:
        return [str(do) for do in group_view.alarms([fire(**changes)], GROUP, who, SITE)[0].decides]

    called = [TimelineEntry(at_ms=NOON_MS, what="called_114", who="leader-1")]
    assert offered(LEADER) == ["acknowledge", "on_the_way", "on_scene", "called_114", "silence"]
    assert offered(LEADER, state="on_the_way", sounding=False, timeline=called) == ["on_scene", "alarm_again"]
    assert offered(LEADER, kind="drill", state="on_scene") == ["silence", "alarm_again"]
    assert offered(LEADER._replace(role="team")) == ["acknowledge", "on_the_way", "on_scene", "called_114"]
    assert offered(NEIGHBOUR) == []


def test_only_who_is_responsible_is_offered_the_end_of_an_alarm() -> None:
    def ends(who: Who, **changes: object) -> tuple[str, ...]:
        return group_view.alarms([fire(**changes)], GROUP, who, SITE)[0].outcomes

    assert ends(LEADER) == ends(DUTY) == ("fire", "drill", "test")
    assert ends(LEADER, kind="drill") == ("drill", "test")
    assert ends(LEADER._replace(role="team")) == ends(NEIGHBOUR) == ends(AT_HOME) == ()


def test_who_needs_somebody_comes_first() -> None:
    (alarm,) = group_view.alarms([fire()], GROUP, LEADER, SITE)
    assert [answer.entry.home for answer in alarm.answers][:2] == ["H03-04", "H03-02"]
    assert alarm.answers[-1].entry.home == "H03-01"
    assert alarm.counts == {"need_help": 1, "no_answer": 10, "coming": 0, "safe": 1}


# Over HTTP


def test_a_household_says_how_it_is_under_its_own_name(town: Town) -> None:
    town.engine.publish(fire())
    town.shown("household-1", "CHÁY")
    with town.client("household-1") as client:
        answer = client.post(f"/group/{GROUP}/answer", data={"incident": IDENT, "home": "H03-02", "says": "safe"})
    assert answer.status_code == 200
    assert "Đã ghi: an toàn." in answer.text
    (command,) = town.engine.commands
    assert (command.do, command.incident, command.home, command.says, command.version) == ("roll_call", IDENT, "H03-02", "safe", None)
    assert town.engine.users == ["household-1"]


def test_a_leader_decides_with_the_version_that_was_seen(town: Town) -> None:
    town.engine.publish(fire())
    page = town.shown("leader-1", "Tôi đang đến")
    assert '<input type="hidden" name="version" value="7">' in page
    with town.client("leader-1") as client:
        client.post(f"/group/{GROUP}/decide", data={"incident": IDENT, "version": "7", "do": "on_the_way"})
    assert [(command.do, command.version) for command in town.engine.commands] == [("on_the_way", 7)]
    assert town.engine.users == ["leader-1"]


def test_bells_are_tested_by_command(town: Town) -> None:
    with town.client("leader-1") as client:
        assert "Chuông đang được thử" in client.post(f"/group/{GROUP}/test").text
    with town.client("household-1") as client:
        client.post(f"/group/{GROUP}/test", data={"home": "H03-02"})
    assert [(command.do, command.group, command.home) for command in town.engine.commands] == [
        ("test_bell", GROUP, None),
        ("test_bell", GROUP, "H03-02"),
    ]


def test_the_newest_test_of_each_bell_is_shown(town: Town) -> None:
    page = town.shown("household-1", "kêu, đo được")
    bells = {re.sub(r"<[^>]+>|\s+", " ", item) for item in re.findall(r'<ul class="boards">.*?</ul>', page, re.DOTALL)[0].split("<li")}
    one = next(bell for bell in bells if "03-01" in bell)
    two = next(bell for bell in bells if "03-02" in bell)
    assert "kêu, đo được" in one
    assert "chưa đo được" not in one
    assert "KHÔNG TRẢ LỜI" in two
    assert "Chưa thử lần nào" in next(bell for bell in bells if "03-03" in bell)


def test_the_engines_refusal_is_shown(town: Town) -> None:
    town.engine.verdict = lambda command: CommandAnswer(id=command.id, ok=False, error="expected a home of the roll call, got H03-02")
    with town.client("household-1") as client:
        answer = client.post(f"/group/{GROUP}/answer", data={"incident": IDENT, "home": "H03-02", "says": "safe"})
    assert answer.status_code == 409
    assert "CHƯA LÀM: nhà này không có trong điểm danh." in answer.text


def test_a_leader_ends_an_alarm_and_says_what_it_was(town: Town) -> None:
    town.engine.publish(fire())
    town.shown("leader-1", "Kết thúc báo động…")
    form = {"incident": IDENT, "version": "7", "outcome": "false_alarm"}
    with town.client("leader-1") as client:
        lacking = client.post(f"/group/{GROUP}/resolve", data=form | {"reason": "  "})
        answer = client.post(f"/group/{GROUP}/resolve", data=form | {"reason": "hương khói, hóa vàng"})
    assert (lacking.status_code, answer.status_code) == (422, 200)
    assert "hãy ghi vì sao" in lacking.text
    assert "Đã kết thúc báo động." in answer.text
    (command,) = town.engine.commands
    assert (command.do, command.version, command.outcome, command.reason) == ("resolve", 7, "false_alarm", "hương khói, hóa vàng")
    assert town.engine.users == ["leader-1"]
    noted = [one.detail for one in audit.entries(town.console.book.reading, who="leader-1") if one.what == "ordered"]
    assert noted[0] == "resolve false_alarm hương khói, hóa vàng done:"


def test_who_acknowledges_second_on_a_phone_is_told_who_was_first(town: Town) -> None:
    town.engine.verdict = lambda command: CommandAnswer(
        id=command.id, ok=False, error="expected version 8, got 7: the incident has changed"
    )
    town.engine.publish(fire(state="acknowledged", version=8, acknowledged_ms=NOON_MS, acknowledged_by="truc-ban-1"))
    town.shown("leader-1", "Đã biết: Cán bộ mẫu 01")
    with town.client("leader-1") as client:
        answer = client.post(f"/group/{GROUP}/decide", data={"incident": IDENT, "version": "7", "do": "acknowledge"})
        other = client.post(f"/group/{GROUP}/decide", data={"incident": IDENT, "version": "7", "do": "silence"})
    assert (answer.status_code, other.status_code) == (200, 409)
    assert "Cán bộ mẫu 01 đã xác nhận trước." in answer.text
    assert "báo động vừa thay đổi" in other.text


def test_everybody_of_the_group_sees_whether_114_was_called(town: Town) -> None:
    town.engine.publish(fire())
    town.shown("household-1", "Chưa ai ghi là đã gọi 114")
    called = TimelineEntry(at_ms=NOON_MS + 30_000, what="called_114", who="truc-ban-1")
    town.engine.publish(fire(revision=22, timeline=[called]))
    assert "Chưa ai ghi" not in town.shown("household-1", "Đã gọi 114 lúc 13:13:50, Cán bộ mẫu 01")
    town.engine.publish(fire(revision=23, kind="drill"))
    assert "gọi 114 lúc" not in town.shown("household-1", "DIỄN TẬP")


@pytest.mark.parametrize("who", ["leader-2", "household-2", "administrator-1"])
@pytest.mark.parametrize("way", ["", "/events", "/answer", "/decide", "/resolve", "/test"])
def test_another_group_is_nobodys_business(town: Town, who: str, way: str) -> None:
    """Neither its page nor its events, and whether it has an alarm."""
    town.engine.publish(fire())
    town.shown("leader-1", "CHÁY")
    form = {"incident": IDENT, "home": "H03-02", "says": "safe", "version": "7", "do": "silence", "outcome": "fire"}
    with town.client(who) as client:
        answer = client.get(f"/group/{GROUP}{way}") if way in ("", "/events") else client.post(f"/group/{GROUP}{way}", data=form)
        unknown = client.get("/group/TLG-99")
    assert answer.status_code == unknown.status_code == 403
    assert answer.text == unknown.text, "whether a group exists is told to nobody either"
    for secret in ("CHÁY", "03-07", "Ngõ", "0912345678"):
        assert secret not in answer.text
    assert not town.engine.commands


@pytest.mark.parametrize("who", ["leader-1", "household-1", "team-1", "administrator-1"])
@pytest.mark.parametrize("path", ["/history?before=a", "/log", "/events", f"/incidents/{IDENT}/record", "/nowhere"])
def test_the_desk_is_closed_to_groups_and_shows_nothing_in_its_refusal(town: Town, who: str, path: str) -> None:
    town.engine.publish(fire(place=place_named("Nhà số 99")))
    town.shown("leader-1", "Nhà số 99")
    with town.client(who) as client:
        answer = client.get(path, headers={"HX-Request": ""})
        order = client.post(f"/incidents/{IDENT}/acknowledge", data={"version": "7"})
    assert answer.status_code == (404 if path == "/nowhere" else 403)
    assert order.status_code == 403
    assert "Nhà số 99" not in answer.text
    assert not town.engine.commands


def test_phone_numbers_are_for_who_is_responsible(town: Town) -> None:
    town.engine.publish(fire())
    assert "tel:+84912345678" in town.shown("leader-1", "Điểm danh")
    assert "tel:+84912345678" in town.shown("truc-ban-1", "Điểm danh")
    for who in ("household-1", "team-1", "viewer-1"):
        assert "912345678" not in town.shown(who, "Điểm danh")


def test_a_leader_has_no_phone_numbers_of_the_group_beside_it() -> None:
    """An alarm that has reached two groups: its roll call has the homes of both."""
    both = fire(groups=[GROUP, "DCC-N5"])
    site = peopled(
        Person.model_validate({"id": "x", "name": "X", "role": "household", "group": GROUP, "home": "H03-07", "phone": "0912345678"})
    )
    phones = {}
    for who in (LEADER, LEADER._replace(group="DCC-N5", home=None), DUTY):
        [alarm] = group_view.alarms([both], who.group or GROUP, who, site)
        phones[who.group] = [answer.phones for answer in alarm.answers if answer.entry.home == "H03-07"]
    assert phones == {GROUP: [(("X", "+84912345678"),)], "DCC-N5": [()], None: [(("X", "+84912345678"),)]}


def test_a_silent_sos_is_on_no_phone_of_the_group(town: Town) -> None:
    town.engine.publish(fire(kind="sos", bells=[], sounding=False))
    town.shown("truc-ban-1", "SOS")
    for who in ("leader-1", "household-1", "pressed", "team-1"):
        assert "SOS" not in town.shown(who, "Tổ không có báo động")


@pytest.mark.parametrize(("who", "location"), [("leader-1", f"/group/{GROUP}"), ("household-2", "/group/DCC-N5")])
def test_everybody_is_led_to_the_own_group(town: Town, who: str, location: str) -> None:
    with town.client(who) as client:
        assert client.get("/").headers["location"] == "/group/"
        assert client.get("/group/").headers["location"] == location


def test_who_may_see_all_gets_the_list(town: Town) -> None:
    with town.client("truc-ban-1") as client:
        page = client.get("/group/").text
    assert f'href="/group/{GROUP}"' in page
    assert 'href="/group/DCC-N5"' in page


def test_names_with_markup_are_only_names(town: Town) -> None:
    roll = [entry.model_copy(update={"name": XSS, "by": XSS}) for entry in called(H03_02="safe")]
    place = place_named(XSS).model_copy(update=dict.fromkeys(("address", "landmark", "way_in"), XSS))
    town.engine.publish(fire(place=place, roll_call=roll, acknowledged_by=XSS, acknowledged_ms=1))
    page = town.shown("leader-1", "&lt;script&gt;")
    assert "<script>alert" not in page
    assert "<img" not in page
    assert page.count("&lt;script&gt;alert(1)") > 12
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)", page)


def test_after_an_alarm_the_page_tells_how_it_ended(town: Town) -> None:
    town.database.keep(resolved("2026-000130", outcome="false_alarm", groups=[GROUP]))
    assert "Báo cháy giả" in town.shown("household-1", "Tổ không có báo động", "Lần cuối")


def test_what_rang_no_bell_is_told_to_its_own_home_also_when_it_is_over(town: Town) -> None:
    """Whoever of the group looks first: what one household is shown is not kept for the next."""
    town.database.keep(resolved("2026-000131", kind="smoke", outcome="false_alarm", groups=[GROUP], bells=[]))
    town.shown("pressed", "KHÓI – BÁO CHÁY")
    assert "KHÓI" not in town.shown("household-1", "Tổ không có báo động")
    assert "KHÓI" in town.shown("pressed", "Lần cuối")


def test_bells_that_were_only_told_to_ring_are_not_counted_with_those_that_were_measured(town: Town) -> None:
    town.engine.publish(fire())
    page = town.shown("household-1", "9/12 chuông đo được là đang kêu", "1/12 chuông đã được lệnh kêu, chưa đo được")
    assert "10/12" not in page
    commanded = [bell.model_copy(update={"state": "commanded"}) for bell in fire().bells]
    town.engine.publish(fire(revision=22, bells=commanded))
    assert "0/12" not in town.shown("household-1", "12/12 chuông đã được lệnh kêu")


def test_a_bell_with_something_wrong_says_what(town: Town) -> None:
    row = re.search(r"<strong>Hộ mẫu 03-05.*?</li>", town.shown("household-1", "CÓ LỖI"), re.DOTALL)
    assert row
    assert "PIN YẾU, 12 %" in row[0]
    assert "MẤT ĐIỆN" in row[0]


def test_an_answer_that_a_newer_one_has_overtaken_is_not_taken(town: Town) -> None:
    """A bad link may deliver what was pressed first after what was pressed last."""
    town.engine.publish(fire())
    town.shown("household-1", "CHÁY")
    answer = {"incident": IDENT, "home": "H03-02", "page": "0123456789abcdef"}
    with town.client("household-1") as client:
        assert client.post(f"/group/{GROUP}/answer", data=answer | {"says": "need_help", "press": "2"}).status_code == 200
        assert client.post(f"/group/{GROUP}/answer", data=answer | {"says": "safe", "press": "1"}).status_code == 409
        assert client.post(f"/group/{GROUP}/answer", data=answer | {"says": "need_help", "press": "2"}).status_code == 200  # sent again
        newer = answer | {"says": "coming", "page": "fedcba9876543210", "press": "1"}  # of a page that was opened since
        assert client.post(f"/group/{GROUP}/answer", data=newer).status_code == 200
    assert [command.says for command in town.engine.commands] == ["need_help", "need_help", "coming"]


def test_presses_of_pages_without_end_take_no_memory() -> None:
    presses = Presses()
    for page in range(PRESSES_MAX + 10):
        presses.take(f"page {page}", 2)
    with pytest.raises(HTTPException):
        presses.take(f"page {PRESSES_MAX}", 1)
    presses.take("page 0", 1)  # of the oldest nothing is known any more


def test_it_is_light_on_a_slow_link(town: Town) -> None:
    """What a phone loads the first time, and in an alarm: about a second of EDGE (100 kbit/s)."""
    town.engine.publish(fire())
    page = town.shown("leader-1", "Điểm danh")
    first = [page.encode(), *((STATIC / "group" / name).read_bytes() for name in ("group.css", "group.js"))]
    print("bytes:", weight := sum(len(gzip.compress(part)) for part in first))
    assert weight < 12_000
    alarm = re.findall(r'<section id="state".*?</section>', page, re.DOTALL)[0]
    assert len(alarm) < 3000


# In a browser, the size of a phone


def phone(browser: Browser, town: Town, who: str, *, language: str = "vi", **more: object) -> BrowserContext:
    context = browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, **more)  # type: ignore[arg-type]
    context.add_cookies(
        [{"name": name, "value": value, "url": town.console.url} for name, value in (("session", TOKENS[who]), ("language", language))]
    )
    return context


def opened(context: BrowserContext, town: Town) -> Page:
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{town.console.url}/group/")
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    return page


def test_from_the_alarm_to_safe_without_reload(browser: Browser, town: Town) -> None:
    context = phone(browser, town, "household-1")
    page = opened(context, town)
    expect(page.locator("#state")).to_contain_text("Tổ không có báo động")
    page.evaluate("window.sameDocument = true")
    town.engine.publish(fire())
    expect(page.locator("#state h2")).to_contain_text("CHÁY")
    expect(page).to_have_title(re.compile("BÁO ĐỘNG"))
    page.get_by_role("button", name="Tôi an toàn").click()
    expect(page.locator("#notice")).to_contain_text("Đã ghi: an toàn.")
    assert [(command.home, command.says) for command in town.engine.commands] == [("H03-02", "safe")]
    expect(page.get_by_role("button", name="Tôi an toàn")).to_have_attribute("aria-pressed", "false")
    town.engine.publish(fire(revision=22, roll_call=called(H03_02="safe")))
    expect(page.get_by_role("button", name="Tôi an toàn")).to_have_attribute("aria-pressed", "true")
    town.engine.close(IDENT)
    expect(page.locator("#state")).to_contain_text("Tổ không có báo động")
    assert page.evaluate("window.sameDocument")
    context.close()


def test_the_leader_sees_who_has_not_answered_and_answers_for_them(browser: Browser, town: Town) -> None:
    town.engine.publish(fire())
    town.shown("leader-1", "CHÁY")
    context = phone(browser, town, "leader-1", language="en")
    page = opened(context, town)
    expect(page.locator(".count.no_answer")).to_contain_text("No answer yet: 10")
    expect(page.locator(".homes > li").first).to_contain_text("Needs help")
    page.locator(f"#for-{IDENT}-H03-07 summary").click()
    town.engine.publish(fire(revision=22, roll_call=called(H03_04="need_help", H03_01="safe", H03_03="safe")))
    expect(page.locator(".count.no_answer")).to_contain_text("9")
    page.locator(f"#for-{IDENT}-H03-07").get_by_role("button", name="They are safe").click()  # still open: nothing closes under a thumb
    expect(page.locator("#notice")).to_contain_text("Noted: safe.")
    assert [(command.home, command.says) for command in town.engine.commands] == [("H03-07", "safe")]
    assert town.engine.users == ["leader-1"]
    context.close()


def test_over_a_slow_link_it_opens_and_the_alarm_comes(browser: Browser, town: Town) -> None:
    """EDGE at the edge of its cell: 100 kbit/s down, half of it up, 400 ms there and back."""
    context = phone(browser, town, "household-1")
    page = context.new_page()
    page.set_default_timeout(30_000)
    line = context.new_cdp_session(page)
    came: list[int] = []
    line.on("Network.loadingFinished", lambda event: came.append(int(event["encodedDataLength"])))
    line.send("Network.enable")
    slow = {"offline": False, "latency": 400, "downloadThroughput": 12_500, "uploadThroughput": 6_250}
    line.send("Network.emulateNetworkConditions", slow)
    began = time.monotonic()
    page.goto(f"{town.console.url}/group/")
    expect(page.locator("#state")).to_contain_text("Tổ không có báo động")
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    print(f"over a slow link: {sum(came)} bytes, {time.monotonic() - began:.1f} s")
    assert 3_000 < sum(came) < 20_000
    town.engine.publish(fire())
    expect(page.locator("#state h2")).to_contain_text("CHÁY", timeout=20_000)
    page.get_by_role("button", name="Tôi an toàn").click()
    expect(page.locator("#notice")).to_contain_text("Đã ghi: an toàn.", timeout=20_000)
    assert [command.says for command in town.engine.commands] == ["safe"]
    context.close()


def test_a_leader_takes_back_the_end_of_an_alarm_and_ends_it_for_good(browser: Browser, town: Town) -> None:
    town.engine.publish(fire())
    town.shown("leader-1", "CHÁY")
    context = phone(browser, town, "leader-1")
    page = opened(context, town)
    page.locator(f"#end-{IDENT} summary").click()
    page.locator(f"#resolve-{IDENT}").get_by_role("button", name="Thử thiết bị").click()
    expect(page.locator("#grace")).to_contain_text("Sắp kết thúc")
    page.locator("#grace-undo").click()
    expect(page.locator("#notice")).to_contain_text("Đã hoàn tác")
    page.locator(f"#false-{IDENT}").get_by_role("button", name="Báo cháy giả").click()
    expect(page.locator("#grace")).to_be_hidden()  # it lacks its reason
    page.locator(f"#reason-{IDENT}").fill("nấu ăn")
    town.engine.publish(fire(revision=22, roll_call=called(H03_03="safe")))  # something comes in while somebody types
    expect(page.locator(".count.safe")).to_contain_text("1")
    expect(page.locator(f"#reason-{IDENT}")).to_have_value("nấu ăn")
    expect(page.locator(f"#reason-{IDENT}")).to_be_focused()
    page.locator(f"#false-{IDENT}").get_by_role("button", name="Báo cháy giả").click()
    town.engine.publish(fire(revision=23, roll_call=called(H03_03="safe", H03_04="safe")))  # an answer is no reason to stop
    expect(page.locator(".count.safe")).to_contain_text("2")
    expect(page.locator("#notice")).to_contain_text("Đã kết thúc báo động.", timeout=20_000)
    assert [(command.do, command.outcome, command.reason) for command in town.engine.commands] == [("resolve", "false_alarm", "nấu ăn")]
    context.close()


def test_an_alarm_that_changes_while_it_is_about_to_be_ended_is_not_ended(browser: Browser, town: Town) -> None:
    town.engine.publish(fire())
    town.shown("leader-1", "CHÁY")
    context = phone(browser, town, "leader-1")
    page = opened(context, town)
    page.locator(f"#end-{IDENT} summary").click()
    page.locator(f"#resolve-{IDENT}").get_by_role("button", name="Thử thiết bị").click()
    expect(page.locator("#grace")).to_be_visible()
    town.engine.publish(fire(revision=22, version=8, n=2))
    expect(page.locator("#notice")).to_contain_text("CHƯA kết thúc: sự cố vừa thay đổi")
    expect(page.locator("#grace")).to_be_hidden()
    assert town.engine.commands == []
    context.close()


def test_what_somebody_says_is_sent_until_it_has_arrived(browser: Browser, town: Town) -> None:
    town.engine.publish(fire())
    town.shown("household-1", "CHÁY")
    context = phone(browser, town, "household-1")
    page = opened(context, town)
    context.set_offline(True)
    page.get_by_role("button", name="Cần trợ giúp").click()
    expect(page.locator("#notice")).to_contain_text("Đang gửi…")
    assert not town.engine.commands
    context.set_offline(False)
    expect(page.locator("#notice")).to_contain_text("Đã báo: CẦN TRỢ GIÚP.")
    assert [(command.home, command.says) for command in town.engine.commands] == [("H03-02", "need_help")]
    context.close()


def test_who_says_something_newer_while_it_cannot_be_sent_has_said_that(browser: Browser, town: Town) -> None:
    """ "I am safe", and a moment later "I need help", both without a connection: the older one must not come last."""
    town.engine.publish(fire())
    town.shown("household-1", "CHÁY")
    context = phone(browser, town, "household-1")
    page = opened(context, town)
    tried: list[str] = []
    page.on("requestfailed", lambda request: tried.append(request.post_data or ""))
    context.set_offline(True)
    page.get_by_role("button", name="Tôi an toàn").click()
    until(lambda: page.evaluate("1") and [data for data in tried if "says=safe" in data], "it was tried")
    page.get_by_role("button", name="Cần trợ giúp").click()
    until(lambda: page.evaluate("1") and [data for data in tried if "says=need_help" in data], "and the newer, too")
    context.set_offline(False)
    expect(page.locator("#notice")).to_contain_text("Đã báo: CẦN TRỢ GIÚP.")
    page.wait_for_timeout(2500)  # longer than until the next try
    assert [command.says for command in town.engine.commands] == ["need_help"]
    context.close()


def test_what_a_link_swallows_is_sent_anew(browser: Browser, town: Town) -> None:
    """A link that takes everything and delivers nothing breaks no request off: the page does."""
    town.engine.publish(fire())
    town.shown("leader-1", "CHÁY")
    context = phone(browser, town, "leader-1")
    context.clock.install()
    page = opened(context, town)
    swallowed: list[Route] = []

    def swallow(route: Route) -> None:
        swallowed.append(route)

    for order in ("decide", "answer"):
        page.route(f"**/{order}", swallow)
    page.get_by_role("button", name="Tôi đang đến").click()
    until(lambda: page.evaluate("1") and len(swallowed) == 1, "the decision is on its way")
    page.clock.fast_forward(11_000)
    expect(page.locator("#notice")).to_contain_text("KHÔNG CÓ TRẢ LỜI")
    page.locator("#own").get_by_role("button", name="Cần trợ giúp").click()
    until(lambda: page.evaluate("1") and len(swallowed) == 2, "the answer is on its way")
    page.unroute("**/answer")
    page.clock.fast_forward(11_000)
    expect(page.locator("#notice")).to_contain_text("Đang gửi…")
    page.clock.fast_forward(3_000)
    expect(page.locator("#notice")).to_contain_text("Đã báo: CẦN TRỢ GIÚP.")
    assert [command.do for command in town.engine.commands] == ["roll_call"]
    context.close()


def test_a_stream_that_died_without_a_word_is_opened_anew(browser: Browser, town: Town) -> None:
    """From Wi-Fi to the phone's own network: the old connection is told of nothing."""
    context = phone(browser, town, "household-1")
    context.clock.install()
    page = opened(context, town)
    page.evaluate(
        """source = Object.assign(new EventTarget(), {readyState: EventSource.OPEN, close() { window.left = true; }}); heard = 0"""
    )
    expect(page.locator("#dead")).to_be_visible()
    page.clock.fast_forward(11_000)
    expect(page.locator("#dead")).to_be_hidden()
    assert page.evaluate("window.left")
    town.engine.publish(fire())
    expect(page.locator("#state h2")).to_contain_text("CHÁY")
    context.close()


HIDDEN = """state => { Object.defineProperty(document, "visibilityState", {configurable: true, get: () => state});
  document.dispatchEvent(new Event("visibilitychange")); }"""


def test_many_pages_of_groups_take_no_connection_from_the_desk_beside_them(browser: Browser, town: Town) -> None:
    """A browser opens six connections to one host for all its pages, and every page that is looked at holds one."""
    context = phone(browser, town, "truc-ban-1")
    desk = context.new_page()
    desk.set_default_timeout(20_000)
    desk.goto(town.console.url)
    expect(desk.locator("html")).to_have_attribute("data-stream", "open")
    groups = []
    for _ in range(7):
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.goto(f"{town.console.url}/group/{GROUP}")
        expect(page.locator("html")).to_have_attribute("data-link", "live")
        page.evaluate(HIDDEN, "hidden")  # the next tab lies before it
        groups.append(page)
    town.engine.publish(fire())
    desk.locator(f"#acknowledge-{IDENT}").click()
    until(lambda: [command.do for command in town.engine.commands] == ["acknowledge"], "the order is on the wire")
    groups[0].evaluate(HIDDEN, "visible")
    expect(groups[0].locator("#state h2")).to_contain_text("CHÁY")
    context.close()


def test_a_household_that_looks_away_goes_on_listening(browser: Browser, town: Town) -> None:
    context = phone(browser, town, "household-1")
    page = opened(context, town)
    page.evaluate(HIDDEN, "hidden")
    town.engine.publish(fire())
    expect(page).to_have_title(re.compile("BÁO ĐỘNG"))
    context.close()


def test_a_page_without_news_says_so_and_comes_back(browser: Browser, town: Town) -> None:
    context = phone(browser, town, "household-1")
    context.clock.install()
    page = opened(context, town)
    with town.console.frozen(60):
        page.clock.fast_forward(11_000)
        expect(page.locator("#dead")).to_be_visible(timeout=20_000)
        expect(page.locator("#dead")).to_contain_text("gọi 114")
    expect(page.locator("#dead")).to_be_hidden()
    context.close()


def test_logging_out_elsewhere_ends_the_page(browser: Browser, town: Town) -> None:
    token = secrets.token_urlsafe(32)
    log_in(town.console.own, "team-1", token)
    context = phone(browser, town, "team-1")
    page = opened(context, town)
    with httpx.Client(base_url=town.console.url, headers={"Origin": town.console.url}, cookies={"session": token}) as client:
        client.post("/logout/everywhere")
    expect(page.get_by_role("heading", name="Đăng nhập")).to_be_visible(timeout=20_000)
    context.close()
    log_in(town.console.own, "team-1", TOKENS["team-1"])


def test_a_new_release_of_the_gateway_is_there_at_the_next_load_and_without_a_connection(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "console"
    for place in ("static", "templates/group", "locale"):
        shutil.copytree(STATIC.parent / place, folder / place)
    monkeypatch.setattr(app, "STATIC", folder / "static")
    monkeypatch.setattr(composer, "STATIC", folder / "static")
    script = folder / "static/group/group.js"
    plain = script.read_text(encoding="utf-8")

    def release(number: int) -> None:
        script.write_text(f"{plain}\ndocument.documentElement.dataset.release = {number};\n", encoding="utf-8")

    broker = Broker(tmp_path)
    broker.start()
    database = Database(tmp_path / "keng.db")
    database.commune()
    try:
        release(1)
        with running(broker.port, database.path, site=peopled()) as console:
            log_in(console.own, "household-1", TOKENS["household-1"])
            before = Town(console, cast(EnginePeer, None), database)
            context = phone(browser, before, "household-1", locale="vi-VN")
            page = opened(context, before)
            page.evaluate("navigator.serviceWorker.ready")
            page.reload()
            assert page.evaluate("navigator.serviceWorker.controller !== null"), "from now on it comes out of the cache"
            expect(page.locator("html")).to_have_attribute("data-release", "1")
            port = int(console.url.rpartition(":")[2])
        names = page.evaluate("caches.keys()")
        release(2)
        with running(broker.port, database.path, site=peopled(), at=port):
            page.reload()
            expect(page.locator("html")).to_have_attribute("data-release", "2")
            worker = "navigator.serviceWorker.ready.then(one => [one.active.state, one.active == navigator.serviceWorker.controller])"
            until(lambda: not set(names) & set(page.evaluate("caches.keys()")), "nothing is left of the former worker")
            until(lambda: page.evaluate(worker) == ["activated", True], "the new one")
            assert len(page.evaluate("caches.keys()")) == 1
            context.set_offline(True)
            page.reload()
            expect(page.locator("body")).to_contain_text("Không với tới máy chủ của xã")
            expect(page.locator("a.call"), "with its style").to_have_css("font-weight", "700")
            context.close()
    finally:
        database.db.close()
        broker.kill()


def test_it_can_be_installed_and_says_what_to_do_without_a_connection(browser: Browser, town: Town) -> None:
    context = phone(browser, town, "household-1", locale="vi-VN")
    page = opened(context, town)
    page.evaluate("navigator.serviceWorker.ready")
    manifest = context.request.get(town.console.url + str(page.locator("link[rel=manifest]").get_attribute("href"))).json()
    line = context.new_cdp_session(page)
    errors = [one["errorId"] for one in line.send("Page.getInstallabilityErrors")["installabilityErrors"]]
    assert errors == ["in-incognito"], "but for this window Chromium itself would install it"
    assert (manifest["display"], manifest["start_url"], manifest["scope"]) == ("standalone", "/group/", "/group/")
    for icon in manifest["icons"]:
        assert context.request.get(town.console.url + icon["src"]).headers["content-type"] == "image/png"
    context.set_offline(True)
    page.reload()
    expect(page.locator("body")).to_contain_text("Không với tới máy chủ của xã")
    expect(page.locator("body")).to_contain_text("Thoát ra lối gần nhất")
    assert page.locator("a.call").get_attribute("href") == "tel:114"
    assert page.evaluate("getComputedStyle(document.querySelector('.call')).fontWeight") == "700", "with its style"
    kept = page.evaluate(
        "caches.keys().then(names => caches.open(names[0])).then(cache => cache.keys()).then(keys => keys.map(key => key.url))"
    )
    assert all(url.removeprefix(town.console.url).startswith(("/static/", "/group/offline/")) for url in kept), (
        "nothing that is about anybody is kept"
    )
    context.set_offline(False)
    page.get_by_role("link", name="Thử kết nối lại").click()
    expect(page.locator("#state")).to_contain_text("Tổ không có báo động")
    context.close()


def test_without_scripts_the_page_still_takes_an_answer(browser: Browser, town: Town) -> None:
    town.engine.publish(fire())
    town.shown("household-1", "CHÁY")
    context = phone(browser, town, "household-1", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{town.console.url}/group/")
    page.get_by_role("button", name="Đang đến").click()
    until(lambda: [command.says for command in town.engine.commands] == ["coming"], "the command is on the wire")
    expect(page.locator("#state")).to_contain_text("CHÁY")
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_buttons_are_large_and_nothing_scrolls_sideways(browser: Browser, town: Town, theme: str) -> None:
    long_name = "Hộ bà Nguyễn Thị Ngọc Ánh Nguyệt, nhà trong ngách 12/34/56 sau đình làng, " * 2
    town.engine.publish(fire(place=place_named(long_name), roll_call=[one.model_copy(update={"name": long_name}) for one in called()]))
    town.shown("leader-1", "CHÁY")
    context = phone(browser, town, "leader-1", color_scheme=theme)
    page = opened(context, town)
    for summary in page.locator("#roll summary").all()[:2]:
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
    small = page.evaluate(
        "[...document.querySelectorAll('button, summary, a.call, a.phone')].filter(one => one.offsetParent && one.offsetHeight < 44)"
        ".map(one => one.textContent)"
    )
    assert small == []
    context.close()


def test_at_200_percent_on_a_phone_nothing_is_cut(browser: Browser, town: Town) -> None:
    """WCAG 2.2, 1.4.4, 1.4.10 and 2.4.11: letters twice as large on 360 pixels."""
    town.engine.publish(fire())
    town.shown("leader-1", "CHÁY")
    context = phone(browser, town, "leader-1")
    page = opened(context, town)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    page.evaluate("document.querySelectorAll('main details').forEach((one) => (one.open = true))")
    hidden = page.evaluate("""() => [...document.querySelectorAll("main button, main summary, main input[type=text]")].filter((one) => {
        one.focus();
        const at = one.getBoundingClientRect();
        return !one.contains(document.elementFromPoint(at.x + at.width / 2, at.y + Math.min(at.height, 40) / 2));
    }).map((one) => one.outerHTML.slice(0, 100))""")
    assert hidden == [], "what has the focus is not hidden behind the header"
    cut = page.evaluate("""() => [...document.querySelectorAll("button, p, li, h1, h2, h3, summary, label")]
        .filter((one) => one.checkVisibility() && getComputedStyle(one).display !== "inline" && one.scrollWidth > one.clientWidth + 1)
        .map((one) => one.outerHTML.slice(0, 100))""")
    assert cut == []
    assert page.evaluate("document.documentElement.scrollWidth <= 360")
    context.close()


def test_the_catalogue_of_icons_is_there() -> None:
    for language in ("vi", "en"):
        manifest = json.loads((STATIC / "group" / f"{language}.webmanifest").read_text(encoding="utf-8"))
        for icon in manifest["icons"]:
            assert (STATIC.parent / Path(icon["src"].lstrip("/"))).read_bytes().startswith(b"\x89PNG")
