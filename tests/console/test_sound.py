"""The desk can be heard: sound until somebody acknowledges, proven on, and never stopped by a slow timer."""

from playwright.sync_api import Page, expect
from stage import NOON_MS, Broker, EnginePeer, RunningConsole, incident, until

IDENT = "2026-000123"
EAR = """() => {
    window.ear = sound.context.createAnalyser();
    sound.output.connect(window.ear);
    window.loudest = () => {
        const heard = new Float32Array(ear.fftSize);
        ear.getFloatTimeDomainData(heard);
        return Math.max(...heard);
    };
}"""


def opened(page: Page, console: RunningConsole) -> None:
    page.goto(console.url)
    expect(page.locator("#strip")).to_have_attribute("data-engine", "online")


def heard(page: Page) -> None:
    """Somebody turns the sound on and hears the chime."""
    page.click("#sound-enable")
    page.click("#sound-heard")


def sound(page: Page, state: str) -> None:
    expect(page.locator("html")).to_have_attribute("data-sound", state, timeout=15_000)


def test_sound_is_loudly_off_until_somebody_clicks_then_follows_the_alarm(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    sound(page, "blocked")
    expect(page.locator("#sound")).to_contain_text("ÂM THANH CHƯA BẬT")
    page.click("#sound-enable")
    sound(page, "quiet")
    expect(page.locator("#sound")).to_be_hidden()
    expect(page.locator("#sound-ask")).to_contain_text("Anh/chị có nghe thấy không?")
    page.click("#sound-heard")
    expect(page.locator("#sound-ask")).to_be_hidden()
    expect(page.locator("#sound-ready")).to_be_visible()
    engine.publish(incident())
    sound(page, "fire")
    page.wait_for_function("() => sound.source !== null && sound.source.loop")
    engine.publish(incident(state="acknowledged", version=8))
    sound(page, "quiet")
    page.wait_for_function("() => sound.source === null")
    engine.publish(incident(state="open", version=9, n=2))
    sound(page, "fire")


def test_an_alarm_that_nobody_has_acknowledged_flashes_in_title_and_icon(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    heard(page)
    engine.publish(incident())
    page.wait_for_function("() => document.title.startsWith('● BÁO ĐỘNG (1) CHÁY') && icon.href.endsWith('icon-alarm.svg')")
    page.wait_for_function("() => document.title.startsWith('BÁO ĐỘNG (1) CHÁY') && icon.href.endsWith('icon.svg')")
    engine.publish(incident(state="acknowledged", version=8))
    page.wait_for_function("() => document.title.startsWith('Kẻng') && icon.href.endsWith('icon.svg')")


def test_the_desk_hears_what_leaves_the_loudspeaker(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    """The samples themselves: a chime to be heard, loud in an alarm, nothing but zeros when it is acknowledged."""
    opened(page, console)
    page.evaluate(EAR)
    page.click("#sound-enable")
    page.wait_for_function("() => loudest() > 0.1")
    page.click("#sound-heard")
    page.wait_for_function("() => loudest() === 0")
    engine.publish(incident())
    sound(page, "fire")
    page.wait_for_function("() => loudest() > 0.1")
    engine.publish(incident(state="acknowledged", version=8))
    sound(page, "quiet")
    page.wait_for_function("() => loudest() === 0")


def test_an_alarm_sounds_on_while_the_page_is_busy(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    """The browser plays the pattern by itself: a page that does nothing for seconds is no reason to fall silent."""
    opened(page, console)
    heard(page)
    engine.publish(incident())
    sound(page, "fire")
    page.evaluate(EAR)
    loud = page.evaluate("""() => {
        const end = performance.now() + 5000;
        let loud = 0;
        while (performance.now() < end) if (loudest() > 0.1) loud = performance.now();
        return end - loud;
    }""")
    assert loud < 2500  # temporal-3 pauses for 1.5 s


def test_who_does_not_hear_the_chime_is_told_what_to_do_and_asked_again(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    page.click("#sound-enable")
    page.click("#sound-unheard")
    expect(page.locator("#sound-advice")).to_contain_text("Tăng âm lượng")
    expect(page.locator("#sound-ready")).to_be_hidden()
    page.click("#sound-heard")
    expect(page.locator("#sound-ready")).to_be_visible()


def test_the_engine_is_told_of_a_desk_only_when_somebody_has_heard_it(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    presence = console.console.presence
    opened(page, console)
    until(lambda: (presence.now.pages, presence.now.audible) == (1, 0), "open, and silent")
    page.click("#sound-enable")
    expect(page.locator("#sound-ask")).to_be_visible()
    assert presence.now.audible == 0
    page.click("#sound-heard")
    until(lambda: presence.now.audible == 1, "heard")
    page.evaluate("sound.context.suspend()")
    until(lambda: presence.now.audible == 0, "silent again")
    sound(page, "blocked")


def test_a_page_that_gets_nothing_any_more_is_no_desk(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    presence = console.console.presence
    opened(page, console)
    heard(page)
    until(lambda: presence.now.audible == 1, "heard")
    page.evaluate("""() => { source.removeEventListener("beat", beat); heard -= 4000; }""")
    until(lambda: (presence.now.pages, presence.now.audible) == (1, 0), "its orders arrive, but no alarm would reach it")


def test_the_sound_stays_on_from_tab_to_tab_and_after_a_reload_needs_no_second_proof(
    page: Page, console: RunningConsole, engine: EnginePeer
) -> None:
    opened(page, console)
    heard(page)
    engine.publish(incident())
    sound(page, "fire")
    page.click("#tab-log")
    expect(page.locator("#faults")).to_be_visible()
    sound(page, "fire")
    page.go_back()
    expect(page.locator(f"#card-{IDENT}")).to_be_visible()
    sound(page, "fire")
    page.reload()
    if page.locator("#sound-enable").is_visible():
        page.click("#sound-enable")
    sound(page, "fire")
    expect(page.locator("#sound-ready")).to_be_visible()


def test_a_dead_engine_has_a_sound_of_its_own_and_an_alarm_goes_before_it(
    page: Page, console: RunningConsole, broker: Broker, engine: EnginePeer
) -> None:
    opened(page, console)
    heard(page)
    engine.publish(incident())
    sound(page, "fire")
    engine.die()
    expect(page.locator("#strip")).to_have_attribute("data-engine", "offline")
    sound(page, "fire")
    again = EnginePeer(broker.port)
    again.close(IDENT)
    sound(page, "quiet")
    again.die()
    sound(page, "fault")


def test_a_dead_page_sounds_and_its_title_and_icon_flash(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    heard(page)
    with console.stopped():
        sound(page, "fault")
        expect(page.locator("#dead")).to_be_visible()
        page.wait_for_function("() => document.title.startsWith('●') && icon.href.endsWith('icon-alarm.svg')")
        page.wait_for_function("() => !document.title.startsWith('●') && icon.href.endsWith('icon.svg')")


def test_the_seconds_count_down_to_the_next_step(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    due_ms = console.console.clock.now_ms() + 60_000
    ladder = {"cause": "fire", "round": 1, "step": 2, "due_ms": due_ms, "next": ["to-truong-03"]}
    engine.publish(incident().model_validate(incident().model_dump() | {"ladder": ladder, "opened_ms": NOON_MS}))
    opened(page, console)
    due = page.locator(f"#ladder-{IDENT} .due")
    page.wait_for_function("() => /^00:5\\d$/.test(document.querySelector('.due').textContent)")
    before = due.inner_text()
    expect(due).not_to_have_text(before)
    expect(page.locator(f"#ladder-{IDENT}")).to_contain_text("Tổ trưởng mẫu 03")
