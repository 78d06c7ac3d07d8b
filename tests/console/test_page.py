"""The page in a real browser: real Chromium, real uvicorn, real mosquitto."""

import re
import secrets
import time
import unicodedata

import pytest
from playwright.sync_api import Browser, Page, expect
from stage import BELLS, COOKIES, NOON_MS, SITE, START, Broker, Database, EnginePeer, RunningConsole, incident, log_in, place_named, until

from protocol import topics
from protocol.desk import Command, CommandAnswer
from protocol.incident import LadderPosition
from protocol.messages import Fault, Gateway

IDENT = "2026-000123"
# What a person on duty must be able to read, letter for letter.
WORDS = [
    *("Báo động đang mở", "CHÁY", "CHƯA XÁC NHẬN", "chuông đang kêu", "Hộ mẫu 03-07 (Đặng Văn Lượng)", "Số 13, ngõ Thử 5, thôn Ba, xã Mẫu"),
    *("đối diện giếng làng", "xe chữa cháy dừng ở đầu ngõ", "Tổ liên gia 03, ngõ Thử 5", "9 / 12 đo được là đang kêu", "KHÔNG TRẢ LỜI"),
    *("Hộ mẫu 03-11 (Dương Quốc Khởi)", "Lý Thị Nguyệt", "HỎNG", "nút ấn 1", "02/11/2026 13:13:20", "Xác nhận: tôi đã biết", "Im chuông"),
    *(
        "Kết thúc sự cố…",
        "Sự cố đã kết thúc",
        "Diễn tập",
        "Báo cháy giả",
        "Nhật ký bảo dưỡng",
        "Bình chữa cháy bị lấy đi",
        "Thiết bị mất kết nối",
    ),
    *("Kênh báo tin", "thông lần cuối", "KHÔNG THÔNG"),
    *("MẤT KẾT NỐI", "KHÔNG RÕ", "PIN YẾU, 12 %", "SÓNG YẾU, -86 dBm", "MẤT ĐIỆN", "Gọi 114", "Tài khoản của tôi"),
    "Thiết bị cảnh báo hỗ trợ cộng đồng, không phải hệ thống báo cháy đã kiểm định và không thay cho cuộc gọi 114.",
]


def opened(page: Page, console: RunningConsole, path: str = "/") -> None:
    """The page is open and its event stream runs."""
    page.goto(console.url + path)
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    expect(page.locator("#strip")).to_have_attribute("data-engine", "online")
    expect(page.locator("html")).to_have_attribute("data-stream", "open")


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def test_an_alarm_appears_without_reload(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    expect(page.locator("#incidents")).to_contain_text("Không có báo động nào đang mở.")
    page.evaluate("window.sameDocument = true")
    engine.publish(incident())
    page.wait_for_selector(f"#card-{IDENT}")  # how soon: press_to_console_ms of `make bench`
    expect(page.locator(f"#card-{IDENT}")).to_contain_text("CHÁY: Hộ mẫu 03-07")
    expect(page).to_have_title(re.compile("BÁO ĐỘNG"))
    assert page.evaluate("window.sameDocument")


def test_the_words_are_there_in_nfc(page: Page, console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    database.commune()
    opened(page, console)
    engine.publish(incident())
    expect(page.locator(f"#card-{IDENT}")).to_be_visible()
    page.locator(f"#timeline-summary-{IDENT}").click()
    text = page.locator("body").inner_text()
    page.click("#tab-log")
    expect(page.locator("#device-H03-05")).to_be_visible()
    text += page.locator("body").inner_text()
    assert [word for word in WORDS if word not in text] == []
    assert unicodedata.is_normalized("NFC", text)
    assert all(unicodedata.is_normalized("NFC", word) for word in WORDS)


def test_what_is_wrong_with_the_gateway_is_said_in_the_language_of_the_page(
    page: Page, console: RunningConsole, engine: EnginePeer
) -> None:
    opened(page, console)
    area = Fault(key="area:lane-L5", kind="area", name="ngõ Thử 5", words="2/12: H03-01, H03-02", since_ms=NOON_MS, boards=["H03-01"])
    strange = Fault(key="strange:x", kind="strange", name="x", words="why", since_ms=NOON_MS)
    message = Gateway(online=True, engine=START, version="0.1.0", faults=["area: 2/12"], lasting=[area, strange])
    engine.say(topics.gateway(SITE.id), message.payload(), retain=True)
    strip = page.locator("#strip")
    expect(strip).to_contain_text("Mất điện hoặc mất mạng tại ngõ Thử 5")
    expect(strip).to_contain_text("2/12: H03-01, H03-02")
    expect(strip).to_contain_text("MÁY CHỦ BÁO LỖI: strange x")
    page.locator("#language").click()
    expect(strip).to_contain_text("Power or network lost at ngõ Thử 5")


def test_what_is_read_to_114_sends_nobody_to_the_wrong_house(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    """Two houses press: who needs help at the second is said with that house's name, and not as if it were the first."""
    known = incident()
    places = [SITE.place_of(home) for home in ("H03-05", "H03-09")]
    again = [known.activations[0].model_copy(update={"n": n, "place": place}) for n, place in enumerate(places, 1)]
    engine.publish(known.model_copy(update={"place": places[0], "n": 2, "activations": again}))
    opened(page, console)
    script = page.locator(f"#call-{IDENT} .script")
    expect(script).to_contain_text("Cháy tại Hộ mẫu 03-05 (Hoàng Đình Quý)")
    expect(script).to_contain_text("Cũng báo động tại: Hộ mẫu 03-09 (Đỗ Xuân Trường).")
    expect(script).to_contain_text("Trong nhà có cụ bà 82 tuổi, không tự đi được.")
    expect(script).to_contain_text("Tại Hộ mẫu 03-09 (Đỗ Xuân Trường) có cháu nhỏ 3 tuổi, thường ở nhà với ông.")
    many = [places[0], *(SITE.place_of(f"H03-{n:02d}") for n in (1, 2, 3, 4, 6, 9, 1))]
    again = [known.activations[0].model_copy(update={"n": n, "place": place}) for n, place in enumerate(many, 1)]
    engine.publish(known.model_copy(update={"place": places[0], "n": 8, "revision": 22, "activations": again}))
    expect(script).to_contain_text("Hộ mẫu 03-04 (Phạm Thị Ngọc Ánh) và 2 nơi khác.")


def test_no_fault_pushes_an_alarm_off_a_small_screen(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    opened(page, console)
    kinds = ("area", "disk_space", "temperature", "clock", "mains", "canary")
    lasting = [Fault(key=f"{kind}:sms", kind=kind, name="sms", words="why", since_ms=NOON_MS) for kind in kinds]
    message = Gateway(online=True, engine=START, version="0.1.0", faults=["x"], lasting=lasting)
    engine.say(topics.gateway(SITE.id), message.payload(), retain=True)
    expect(page.locator("#strip .bad")).to_have_count(len(kinds))
    expect(page.locator("#strip")).to_contain_text("Kênh SMS chưa chứng tỏ hoạt động")
    engine.publish(incident())
    expect(page.locator("#strip .bad")).to_have_count(1)
    expect(page.locator("#strip .bad")).to_contain_text("và 5 lỗi khác")
    click_away(page)
    alarm, bad, title = (page.locator(one).bounding_box() for one in (".alarms", "#strip .bad", f"#title-{IDENT}"))
    assert alarm
    assert bad
    assert title
    assert alarm["y"] < bad["y"]
    assert title["y"] < 740


def click_away(page: Page) -> None:
    """The sound is on and heard, so that its band is gone."""
    page.click("#sound-enable")
    page.click("#sound-heard")
    page.evaluate("scrollTo(0, 0)")


def test_proof_of_ring_comes_in_bell_by_bell(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    for count in (0, 5, 12):
        states = ["measured"] * count + ["waiting"] * (12 - count)
        bells = [bell.model_copy(update={"state": state}) for bell, state in zip(incident().bells, states, strict=True)]
        engine.publish(incident(revision=count, bells=bells))
        expect(page.locator(f"#bells-{IDENT}")).to_contain_text(f"{count} / 12 đo được là đang kêu")
    expect(page.locator(".pip.measured")).to_have_count(len(BELLS))


def test_acknowledge_goes_over_the_wire_and_the_button_goes_away(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    def carry_out(command: Command) -> CommandAnswer:
        return CommandAnswer(id=command.id, ok=True, incident=IDENT, version=8)

    engine.verdict = carry_out
    opened(page, console)
    engine.publish(incident())
    page.click(f"#acknowledge-{IDENT}")
    expect(page.locator("#notice")).to_contain_text(f"Đã xác nhận {IDENT}.")
    assert [(command.do, command.incident, command.version) for command in engine.commands] == [("acknowledge", IDENT, 7)]
    expect(page.locator(f"#acknowledge-{IDENT}")).to_be_visible()  # until the engine itself says so
    engine.publish(incident(state="acknowledged", version=8, acknowledged_ms=1, acknowledged_by="truc-ban-1"))
    expect(page.locator(f"#acknowledge-{IDENT}")).to_have_count(0)
    expect(page.locator(f"#card-{IDENT}")).to_contain_text("bởi Cán bộ mẫu 01")


def test_the_desk_has_one_number_to_call_and_the_words_to_say(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    place = SITE.place_of("H03-05")
    engine.publish(incident(place=place, activations=[incident().activations[0].model_copy(update={"place": place})]))
    call = page.locator(f"#call-{IDENT}")
    assert call.locator("a.call.big").get_attribute("href") == "tel:114"
    said = (
        "Đọc cho 114: Cháy tại Hộ mẫu 03-05",
        place.address,
        "Mốc: đối diện giếng làng.",
        "Lối vào: Vào từ đường Đê",
        "Trong nhà có cụ bà 82 tuổi",
    )
    for words in said:
        expect(call.locator(".script")).to_contain_text(words)
    engine.publish(incident(kind="sos", revision=22))
    expect(call.locator(".script")).to_contain_text("Có người cần giúp tại Hộ mẫu 03-07")
    engine.publish(incident(kind="drill", revision=23))
    expect(call).to_contain_text("DIỄN TẬP: không gọi 114.")
    expect(call.locator("a")).to_have_count(0)


def test_one_thing_is_next_and_it_is_filled(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    """Acknowledge, on the way, on scene: design.md promises one for each card."""
    opened(page, console)
    steps = [("open", "acknowledge"), ("acknowledged", "on_the_way"), ("on_the_way", "on_scene"), ("on_scene", None)]
    for version, (state, wanted) in enumerate(steps, 8):
        engine.publish(incident(state=state, version=version, acknowledged_ms=1, acknowledged_by="truc-ban-1"))
        expect(page.locator(f"#actions-{IDENT} [name=version]").first).to_have_value(str(version))
        main = page.locator(f"#actions-{IDENT} button.main")  # asked again while the page is still being changed
        expect(main).to_have_count(1 if wanted else 0)
        if wanted:
            expect(main).to_have_id(f"{wanted}-{IDENT}")


def test_a_ladder_that_reaches_nobody_is_said(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    at = LadderPosition(cause="fire", round=1, step=1, due_ms=NOON_MS + 60_000, next=["truc-ban-1"])
    engine.publish(incident(deliveries=[], ladder=at))
    expect(page.locator(f"#ladder-{IDENT}")).to_contain_text("Cán bộ mẫu 01")
    expect(page.locator(f"#ladder-{IDENT}")).not_to_contain_text("CHƯA BÁO ĐƯỢC CHO AI")
    engine.publish(incident(deliveries=[], ladder=at.model_copy(update={"next": []}), revision=22))
    expect(page.locator(f"#ladder-{IDENT}")).to_contain_text("CHƯA BÁO ĐƯỢC CHO AI")


def test_what_was_said_of_an_order_stays_on_the_page_that_it_was_said_on(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    engine.publish(incident())
    page.click(f"#acknowledge-{IDENT}")
    expect(page.locator("#notice")).to_contain_text(f"Đã xác nhận {IDENT}.")
    page.click("#tab-log")
    expect(page.locator("#filter")).to_be_visible()
    expect(page.locator("#notice")).to_be_empty()


def test_a_refused_order_is_said_on_the_page(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    engine.verdict = lambda command: CommandAnswer(id=command.id, ok=False, error="expected version 8, got 7")
    opened(page, console)
    engine.publish(incident())
    page.click(f"#silence-{IDENT}")
    expect(page.locator("#notice .bad")).to_contain_text("CHƯA LÀM: 2026-000123 vừa thay đổi")


def test_the_keyboard_can_acknowledge(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    engine.publish(incident())
    expect(page.locator(f"#acknowledge-{IDENT}")).to_be_visible()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == f"acknowledge-{IDENT}":
            break
    page.keyboard.press("Enter")
    until(lambda: [command.do for command in engine.commands] == ["acknowledge"], "the command is on the wire")


def test_resolving_takes_two_steps_and_names_the_outcome(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    engine.publish(incident())
    expect(page.locator(f"#resolve-drill-{IDENT}")).to_be_hidden()
    page.click(f"#resolve-summary-{IDENT}")
    assert not engine.commands
    page.click(f"#resolve-drill-{IDENT}")
    expect(page.locator("#grace")).to_contain_text(f"Sắp kết thúc {IDENT}.")
    assert not engine.commands
    expect(page.locator("#notice")).to_contain_text(f"Đã kết thúc {IDENT}.", timeout=15_000)
    assert [(command.do, command.outcome) for command in engine.commands] == [("resolve", "drill")]
    engine.close(IDENT)
    expect(page.locator(f"#card-{IDENT}")).to_have_count(0)


def test_an_opened_question_and_the_focus_survive_what_comes_in(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    engine.publish(incident())
    page.click(f"#resolve-summary-{IDENT}")
    page.focus(f"#resolve-fire-{IDENT}")
    engine.publish(incident(revision=22, version=8, n=2))
    engine.publish(incident("2026-000124"))
    expect(page.locator("#row-2026-000124")).to_be_visible()
    expect(page.locator(f"#resolve-fire-{IDENT}")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == f"resolve-fire-{IDENT}"


def test_what_is_about_to_be_ended_can_be_taken_back(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    engine.publish(incident())
    page.click(f"#false_alarm-summary-{IDENT}")
    page.fill(f"#reason-{IDENT}", "hương khói, hóa vàng")
    page.click(f"#resolve-false_alarm-{IDENT}")
    expect(page.locator("#grace-undo")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("Đã hoàn tác: sự cố vẫn mở.")
    expect(page.locator("#grace")).to_be_hidden()
    page.wait_for_timeout(5500)  # past the moment at which it would have gone out
    assert not engine.commands


def test_what_changes_while_it_is_about_to_be_ended_is_not_ended(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    engine.publish(incident())
    page.click(f"#resolve-summary-{IDENT}")
    page.click(f"#resolve-test-{IDENT}")
    expect(page.locator("#grace")).to_be_visible()
    engine.publish(incident(version=8, n=2))
    expect(page.locator("#notice")).to_contain_text("CHƯA kết thúc: sự cố vừa thay đổi")
    page.wait_for_timeout(5500)
    assert not engine.commands


def test_a_false_alarm_needs_a_reason(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    engine.publish(incident())
    page.click(f"#false_alarm-summary-{IDENT}")
    page.click(f"#resolve-false_alarm-{IDENT}")
    expect(page.locator("#grace")).to_be_hidden()
    assert page.evaluate(f"document.getElementById('reason-{IDENT}').validity.valueMissing")
    page.fill(f"#reason-{IDENT}", "nấu ăn")
    engine.publish(incident(revision=22, bells=[]))  # something comes in while somebody types
    expect(page.locator(f"#bells-{IDENT}")).to_contain_text("Chưa gọi chuông nào.")
    expect(page.locator(f"#reason-{IDENT}")).to_have_value("nấu ăn")
    page.click(f"#resolve-false_alarm-{IDENT}")
    until(lambda: engine.commands, "the command is on the wire")
    assert (engine.commands[0].outcome, engine.commands[0].reason) == ("false_alarm", "nấu ăn")


def test_an_order_that_cannot_be_sent_is_shown_at_once(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    engine.publish(incident())
    page.wait_for_selector(f"#acknowledge-{IDENT}")
    page.route("**/acknowledge", lambda route: route.abort("connectionrefused"))
    page.evaluate("""window.dead = []; new MutationObserver(() => window.dead.push(document.getElementById('dead').hidden))
        .observe(document.getElementById('dead'), {attributes: true, attributeFilter: ['hidden']})""")
    page.click(f"#acknowledge-{IDENT}")
    until(lambda: page.evaluate("window.dead.includes(false)"), "the page says that it is cut off")
    assert engine.commands == []


def test_an_order_that_a_link_swallows_is_said_to_be_without_answer(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    engine.publish(incident())
    page.wait_for_selector(f"#acknowledge-{IDENT}")
    page.evaluate("htmx.config.timeout = 300")
    page.route("**/acknowledge", lambda _route: None)
    page.click(f"#acknowledge-{IDENT}")
    expect(page.locator("#notice")).to_contain_text("KHÔNG CÓ TRẢ LỜI cho lệnh vừa bấm")
    expect(page.locator(f"#acknowledge-{IDENT}")).to_be_enabled()
    assert engine.commands == []


def test_a_stream_that_died_without_a_word_is_opened_anew(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    """Through a tunnel, or over a network that came and went, the browser is told of nothing: its stream stays open and says nothing."""
    engine.publish(incident(state="acknowledged"))
    opened(page, console)
    expect(page.locator(f"#card-{IDENT}")).to_be_visible()
    engine.publish(incident("2026-000124"))
    expect(page.locator("#row-2026-000124")).to_be_visible()
    before = page.evaluate_handle("source")
    page.evaluate("""() => { source.removeEventListener("beat", beat); heard = openedAt = performance.now() - 60_000; }""")
    page.wait_for_function("before => source !== before && before.readyState === EventSource.CLOSED", arg=before)
    expect(page.locator("html")).to_have_attribute("data-link", "live")
    engine.publish(incident("2026-000125"))
    expect(page.locator("#row-2026-000125")).to_be_visible()
    expect(page.locator(f"#card-{IDENT}")).to_be_visible()  # and what one looks at stands where it stood


def test_whoever_only_looks_on_is_asked_for_no_sound(browser: Browser, console: RunningConsole, engine: EnginePeer) -> None:
    token = secrets.token_urlsafe(32)
    log_in(console.own, "ky-thuat-1", token)
    context = browser.new_context(locale="vi-VN")
    context.add_cookies([{"name": "session", "value": token, "url": console.url}])
    page = context.new_page()
    opened(page, console)
    engine.publish(incident())
    expect(page.locator(f"#card-{IDENT}")).to_be_visible()
    page.click(f"#title-{IDENT}")  # a click lets a browser sound
    expect(page.locator("#sound")).to_be_hidden()
    expect(page.locator("#sound-ask")).to_be_hidden()
    expect(page.locator("#sound-ready")).to_be_hidden()
    expect(page.locator(".status")).to_contain_text("Chỉ xem: Kỹ thuật viên mẫu 01. Trang này không kêu.")
    assert page.evaluate("sound.source") is None
    assert [one for one in engine.desks if one.pages] == []
    context.close()


def test_a_killed_engine_is_shown_as_dead_within_5_s(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    engine.publish(incident())
    expect(page.locator(f"#card-{IDENT}")).to_be_visible()
    began = time.monotonic()
    engine.die()
    page.wait_for_selector("#strip[data-engine=offline]", timeout=5000)
    took = time.monotonic() - began
    expect(page.locator("#strip .bad")).to_contain_text("MÁY CHỦ NGỪNG")
    expect(page.locator("#incidents .old")).to_be_visible()  # the card stays, marked as old
    expect(page.locator(f"#card-{IDENT}")).to_be_visible()
    assert took < 5


def test_a_killed_broker_is_shown_within_5_s(page: Page, console: RunningConsole, broker: Broker) -> None:
    opened(page, console)
    broker.kill()
    page.wait_for_selector("#strip[data-broker=lost]", timeout=5000)
    expect(page.locator("#strip .bad")).to_contain_text("MẤT ĐƯỜNG TRUYỀN MQTT")
    expect(page.locator("#incidents")).to_contain_text("Không rõ có báo động hay không")


@pytest.mark.parametrize("frozen", [False, True])
def test_a_console_that_is_gone_or_says_nothing_is_shown_as_dead_within_5_s(
    page: Page, console: RunningConsole, engine: EnginePeer, frozen: bool
) -> None:
    opened(page, console)
    with console.frozen() if frozen else console.stopped():
        began = time.monotonic()
        page.wait_for_selector("html[data-link=dead]", timeout=5000)
        took = time.monotonic() - began
        expect(page.locator("#dead")).to_be_visible()
        expect(page).to_have_title("MẤT KẾT NỐI")
    assert took < 5


def test_with_the_engine_dead_history_log_and_devices_are_there_and_old(
    page: Page, console: RunningConsole, engine: EnginePeer, database: Database
) -> None:
    database.commune()
    opened(page, console, "/log")
    expect(page.locator("#device-H03-01")).to_contain_text("Trực tuyến")
    engine.die()
    expect(page.locator("#device-H03-01")).to_contain_text("KHÔNG RÕ")
    old = re.compile(r"SỐ LIỆU CŨ.*Ghi lần cuối lúc \d\d/\d\d/\d{4} \d\d:\d\d:\d\d")
    for area in ("#faults", "#maintenance", "#devices"):
        expect(page.locator(f"{area} .old")).to_contain_text(old)
    expect(page.locator("#maintenance")).to_contain_text("Bình chữa cháy bị lấy đi")
    page.click("#tab-incidents")
    expect(page.locator("#past-2026-000121")).to_contain_text("Diễn tập")
    for area in ("#history", "#upkeep"):
        expect(page.locator(f"{area} .old")).to_contain_text(old)
    expect(page.locator("#scene-all")).not_to_contain_text("✓")


def test_the_maintenance_log_grows_without_reload(page: Page, console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    opened(page, console, "/log")
    database.log("extinguisher_taken", device="DCC-018")
    expect(page.locator("#maintenance li")).to_contain_text("Bình chữa cháy bị lấy đi · bình chữa cháy 1 · Điểm chữa cháy nhà văn hóa")


def test_names_with_markup_run_nothing(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    wicked = '<img src=x onerror="document.title=\'owned\';window.owned=1"><script>window.owned=1</script>" onmouseover="window.owned=1'
    opened(page, console)
    bells = [incident().bells[10].model_copy(update={"place": wicked})]
    engine.publish(incident(place=place_named(wicked), group_name=wicked, bells=bells))
    expect(page.locator(f"#title-{IDENT}")).to_contain_text("<img src=x onerror=")
    page.hover(f"#bells-{IDENT} .pip")
    page.hover(".alarms")
    assert page.evaluate("window.owned") is None
    assert page.locator("#strip img, #main img, #main script").count() == 0


LETTERS = "aàáảãạ ăằắẳẵặ âầấẩẫậ eèéẻẽẹ êềếểễệ iìíỉĩị oòóỏõọ ôồốổỗộ ơờớởỡợ uùúủũụ ưừứửữự yỳýỷỹỵ đ"


def test_every_vietnamese_letter_arrives_on_page_and_paper_as_it_was_written(
    page: Page, console: RunningConsole, engine: EnginePeer, database: Database
) -> None:
    name = f"{LETTERS} {LETTERS.upper()}"
    address = "Số 12/34/56, hẻm nhỏ, ngách sâu, " * 5 + "xã Mẫu"
    place = place_named(name).model_copy(update={"address": address, "landmark": name, "way_in": name})
    opened(page, console)
    engine.publish(incident(place=place))
    expect(page.locator(f"#title-{IDENT}")).to_contain_text(name)
    expect(page.locator(f"#head-{IDENT} .where")).to_have_text(address)
    expect(page.locator(f"#call-{IDENT}")).to_contain_text(f"Mốc: {name}.")
    expect(page).to_have_title(re.compile(re.escape(name)))
    database.keep(incident(place=place))
    page.goto(f"{console.url}/incidents/{IDENT}/record")
    expect(page.locator("body")).to_contain_text(name)
    expect(page.locator("body")).to_contain_text(address)


def test_the_language_switches_and_stays(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    opened(page, console)
    page.click("#language")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    engine.publish(incident())
    expect(page.locator(f"#card-{IDENT}")).to_contain_text("FIRE: Hộ mẫu 03-07")
    page.reload()
    expect(page.locator("#language")).to_have_text("Tiếng Việt")
    page.click("#language")
    expect(page.locator(f"#card-{IDENT}")).to_contain_text("CHÁY: Hộ mẫu 03-07")


def test_nothing_scrolls_sideways_on_a_phone_or_in_large_letters(
    page: Page, console: RunningConsole, engine: EnginePeer, database: Database
) -> None:
    database.commune()
    database.log("odd_event", detail="w" * 200)
    engine.publish(incident(place=place_named("h" * 190)))
    engine.publish(incident("2026-000124", place=place_named("Hộ ở ngõ " * 20)))
    page.set_viewport_size({"width": 360, "height": 740})
    wide = []
    for path, ready in (("/", "#row-2026-000124"), ("/log", "#device-H03-01"), ("/history", ".past")):
        opened(page, console, path)
        expect(page.locator(ready).first).to_be_visible()
        for width in (360, 640, 1280):
            page.set_viewport_size({"width": width, "height": 740})
            for percent in (100, 200):
                page.evaluate(f"document.documentElement.style.fontSize = '{percent}%'")
                if scrolls_sideways(page):
                    wide.append((path, width, percent))
        page.evaluate("document.documentElement.style.fontSize = '100%'")
    assert wide == []


def test_in_large_letters_on_a_phone_the_alarm_can_still_be_acknowledged(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    """What stays in sight while the page scrolls must not cover the buttons."""
    engine.publish(incident(place=place_named("Hộ có tên rất dài " * 10)))
    page.set_viewport_size({"width": 360, "height": 640})
    opened(page, console)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    page.click(f"#acknowledge-{IDENT}")
    until(lambda: engine.commands, "the command is on the wire")


def test_buttons_are_large_enough_for_a_thumb(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    engine.publish(incident())
    opened(page, console)
    page.click(f"#resolve-summary-{IDENT}")
    for button in page.locator("button:visible, .button:visible, .call").all():
        box = button.bounding_box()
        assert box
        assert box["height"] >= 44, button.inner_text()


def test_every_word_stands_out_from_its_ground(page: Page, console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1 between letters and what is behind them, by day and by night."""
    database.commune()
    engine.publish(incident())
    engine.publish(incident("2026-000124", kind="sos"))
    faint = []
    for path, ready in (("/", "#row-2026-000124"), ("/log", "#device-H03-05"), ("/login", "main")):
        page.goto(console.url + path)
        expect(page.locator(ready)).to_be_visible()
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            expect(page.locator("html")).to_have_attribute("data-theme", theme)
            faint += page.evaluate(CONTRAST)
    assert faint == []


def test_the_page_loads_nothing_from_elsewhere(browser: Browser, console: RunningConsole, engine: EnginePeer) -> None:
    context = browser.new_context()
    context.add_cookies([{"name": name, "value": value, "url": console.url} for name, value in COOKIES.items()])
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    opened(page, console)
    context.close()
    assert len(asked) >= 7
    assert [url for url in asked if not url.startswith(console.url + "/")] == []


def test_a_form_on_another_page_changes_nothing(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    """As an attacker would: a page of another origin posts a form to us with a real browser."""
    engine.publish(incident())
    form = f"<form id=f method=post action={console.url}/incidents/{IDENT}/acknowledge><input name=version value=7></form>"
    page.route("http://evil.example/", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto("http://evil.example/")
    with page.expect_response("**/acknowledge") as answered:
        page.evaluate("document.getElementById('f').submit()")
    assert answered.value.status == 403
    assert not engine.commands


CONTRAST = """() => {
    const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
    const linear = (c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
    const light = ({ r, g, b }) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    const ground = (node) => {
        for (let at = node; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour.a === 1) return colour;
        }
        return { r: 255, g: 255, b: 255 };
    };
    const faint = [];
    for (const node of document.querySelectorAll("body *")) {
        const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
        if (!own || !node.checkVisibility()) continue;
        const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} ${node.className} ${node.textContent.trim().slice(0, 30)}`);
    }
    return faint;
}"""
