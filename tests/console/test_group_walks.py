"""The walks of a household and a leader on their phones: real broker, engine and console as processes, boards that press and ring.

One commune for all of them. The console is killed and started again meanwhile.
"""

import asyncio
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from stage import SITE, until
from walks import GROUP, PATIENCE_MS, WAIT_S, Commune, calmed

from protocol import topics
from protocol.desk import Command, CommandAnswer
from protocol.messages import decode
from simulator.mqtt import Client, Message
from simulator.terminals import BELL

LEADER, HOUSEHOLD = "to-truong-03", "chu-ho-03-08"
PHONE, SMALL, DESKTOP = (390, 844), (360, 640), (1366, 768)
PAIRS = [
    ("vi", PHONE),
    pytest.param("en", PHONE, marks=pytest.mark.long),
    pytest.param("vi", DESKTOP, marks=pytest.mark.long),
    pytest.param("en", SMALL, marks=pytest.mark.long),
]


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


@pytest.mark.parametrize(("language", "size"), PAIRS)
def test_a_household_from_the_alarm_to_safe(browser: Browser, calm: Commune, language: str, size: tuple[int, int]) -> None:
    words = {
        "vi": ("Tổ không có báo động", "CHÁY", "Tôi an toàn", "Cần trợ giúp", "Đang gửi…", "Đã ghi: an toàn.", "kêu, đo được"),
        "en": ("No alarm in the group", "FIRE", "I am safe", "I need help", "Sending…", "Noted: safe.", "rings, measured"),
    }
    quiet, burning, safe, help_, sending, noted, rings = words[language]
    context, page = calm.phone(browser, HOUSEHOLD, language=language, size=size)
    expect(page.locator("#state")).to_contain_text(quiet)

    began = time.monotonic()
    page.locator("#test-own").click()
    until(lambda: calm.now(lambda: calm.stage.world.first_on("H03-08", BELL, began)), "its bell sounds", WAIT_S)
    expect(page.locator("#bells li", has_text="03-08")).to_contain_text(rings, timeout=PATIENCE_MS)
    assert not calm.now(lambda: calm.stage.world.first_on("H03-07", BELL, began)), "and no other"

    calm.press("H03-07")
    expect(page.locator("#state h2")).to_contain_text(burning, timeout=PATIENCE_MS)
    page.get_by_role("button", name=help_).click()
    until(lambda: calm.says("H03-08") == ("need_help", HOUSEHOLD), "the engine has the answer", WAIT_S)
    expect(page.get_by_role("button", name=help_)).to_have_attribute("aria-pressed", "true", timeout=PATIENCE_MS)

    calm.kill_console()
    page.get_by_role("button", name=safe).click()
    expect(page.locator("#notice")).to_contain_text(sending)
    assert calm.says("H03-08") == ("need_help", HOUSEHOLD)
    calm.start_console()
    until(lambda: calm.says("H03-08") == ("safe", HOUSEHOLD), "what was said meanwhile has arrived", WAIT_S)
    expect(page.locator("#notice")).to_contain_text(noted, timeout=PATIENCE_MS)
    expect(page.get_by_role("button", name=safe)).to_have_attribute("aria-pressed", "true", timeout=PATIENCE_MS)

    calm.resolve()
    expect(page.locator("#state")).to_contain_text(quiet, timeout=PATIENCE_MS)
    context.close()


@pytest.mark.parametrize(("language", "size"), PAIRS)
def test_a_leader_sees_who_has_not_answered_and_ends_it(browser: Browser, calm: Commune, language: str, size: tuple[int, int]) -> None:
    words = {
        "vi": ("Chưa trả lời: 12", "Chưa trả lời: 11", "An toàn", "Tôi đang đến", "Đang đến: Tổ trưởng mẫu 03", "Nhà này an toàn"),
        "en": ("No answer yet: 12", "No answer yet: 11", "Safe", "I am on the way", "On the way: Tổ trưởng mẫu 03", "They are safe"),
    }
    nobody, eleven, safe, going, on_the_way, they_are_safe = words[language]
    rings, undone, false_alarm, over = {
        "vi": ("kêu, đo được", "Đã hoàn tác", "Báo cháy giả", "Tổ không có báo động"),
        "en": ("rings, measured", "Undone", "False alarm", "No alarm in the group"),
    }[language]
    context, page = calm.phone(browser, LEADER, language=language, size=size)
    began = time.monotonic()
    page.locator("#test-all").click()
    for home in SITE.bells_of(GROUP):
        until(lambda home=home: calm.now(lambda: calm.stage.world.first_on(home, BELL, began)), f"the bell of {home} sounds", WAIT_S)  # type: ignore[misc]
    expect(page.locator("#bells li", has_text=rings)).to_have_count(12, timeout=PATIENCE_MS)
    calm.press("H03-05")
    expect(page.locator(".count.no_answer")).to_contain_text(nobody, timeout=PATIENCE_MS)
    expect(page.locator(".homes > li")).to_have_count(12)
    calm.kill_console()
    calm.start_console()
    incident = calm.incident
    assert incident
    page.locator(f"#for-{incident.id}-H03-05 summary").click()
    page.locator(f"#for-{incident.id}-H03-05").get_by_role("button", name=they_are_safe).click()
    until(lambda: calm.says("H03-05") == ("safe", LEADER), "the engine has the answer", WAIT_S)
    expect(page.locator(".count.no_answer")).to_contain_text(eleven, timeout=PATIENCE_MS)
    expect(page.locator(".homes > li").last).to_contain_text(safe)
    page.get_by_role("button", name=going).click()
    expect(page.locator("#state")).to_contain_text(on_the_way, timeout=PATIENCE_MS)
    until(lambda: calm.incident and calm.incident.on_the_way_by == LEADER, "the engine says who", WAIT_S)

    page.locator(f"#end-{incident.id} summary").click()
    page.locator(f"#reason-{incident.id}").fill("nấu ăn")
    page.locator(f"#false-{incident.id}").get_by_role("button", name=false_alarm).click()
    page.locator("#grace-undo").click()
    expect(page.locator("#notice")).to_contain_text(undone)
    assert calm.incident, "it is open still"
    page.locator(f"#false-{incident.id}").get_by_role("button", name=false_alarm).click()
    expect(page.locator("#state")).to_contain_text(over, timeout=PATIENCE_MS)
    until(lambda: calm.incident is None, "the engine has ended it", WAIT_S)
    ended = calm.stage.observer.incidents[incident.id]
    assert (ended.resolved_by, ended.outcome) == (LEADER, "false_alarm")
    assert [one.detail for one in ended.timeline if one.what == "resolved"] == ["nấu ăn"]
    context.close()


def test_the_engine_refuses_what_the_console_should_never_have_sent(calm: Commune) -> None:
    """Somebody who has got at the console, or a console that hung: a command that is old, of another version, of another's territory."""
    calm.press("H03-07")
    found = calm.incident
    assert found
    site, now_ms = SITE.id, time.time_ns() // 1_000_000
    fields = {"do": "silence", "incident": found.id, "version": found.version, "t": now_ms}
    commands = {
        "old": ("truc-ban-1", fields | {"t": now_ms - 31_000}, "30 s"),
        "early": ("truc-ban-1", fields | {"t": now_ms + 31_000}, "30 s"),
        "version": ("truc-ban-1", fields | {"version": found.version - 1}, "expected version"),
        "household": (HOUSEHOLD, fields, "got role household"),
        "technician": ("ky-thuat-1", fields, "got role technician"),
        "nobody": ("quan-tri", fields, "expected a person"),
        "neighbour": (
            HOUSEHOLD,
            {"do": "roll_call", "incident": found.id, "home": "H03-07", "says": "safe", "t": now_ms},
            "got role household",
        ),
        "bells": (HOUSEHOLD, {"do": "test_bell", "group": GROUP, "t": now_ms}, "got role household"),
        "drill": (LEADER, {"do": "drill", "group": "DCC-N5", "t": now_ms}, "got role leader"),
    }
    answers: dict[str, CommandAnswer] = {}

    def hear(message: Message) -> None:
        answer = decode(CommandAnswer, message.payload)
        answers[answer.id] = answer

    async def ask() -> None:
        client = Client(hear)
        await client.connect(calm.stage.accounts["console"], client_id="console-test")
        async with client:
            await client.subscribe(topics.desk(site, "+", "answer"))
            for ident, (user, wanted, _) in commands.items():
                command = Command.model_validate({"id": f"c-{ident}", **wanted})
                await client.publish(topics.desk(site, user, "command"), command.payload())
            async with asyncio.timeout(WAIT_S):
                while len(answers) < len(commands):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    calm.do(ask())
    for ident, (_, _, why) in commands.items():
        answer = answers[f"c-{ident}"]
        assert not answer.ok, ident
        assert why in str(answer.error), ident
    assert calm.incident == found or (calm.incident and calm.incident.version == found.version)
    assert calm.incident
    assert calm.incident.sounding
    assert calm.says("H03-07") == ("no_answer", "")
