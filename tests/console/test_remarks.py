"""Whatever a board or the engine can say is wrong has words in both languages: found in their sources, so that none is forgotten."""

import ast
import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
from stage import ROOT, SITE, START, Database, EnginePeer, RunningConsole, get, incident, resolved, until

from gateway.console import remarks, words
from gateway.delivery.sms.calls import End
from gateway.delivery.sms.refusals import _CME, _CMS
from gateway.domain.maintenance import What
from gateway.domain.supervision import what_of
from protocol import topics
from protocol.incident import Delivery
from protocol.messages import Fault, Gateway

DEVICE = ROOT / "firmware/device"
LANGUAGES = [words.load("vi"), words.load("en")]
VI = LANGUAGES[0]
WHATS = get_args(What)


def trees(folder: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def filled(text: str, first: str = "") -> str:
    """A format of % with something in each place, `first` in the first."""
    if first:
        text = text.replace("%s", first, 1)
    return text.replace("%+d", "+7").replace("%d", "7").replace("%s", "x").replace("%%", "%")


def sayings(node: ast.expr, module: ast.Module, first: str = "") -> list[str] | None:
    """What an expression can be: texts with something in each place; None if its source does not say."""
    match node:
        case ast.Constant(value=None):
            return []
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(part.value if isinstance(part, ast.Constant) else "7" for part in parts)]  # type: ignore[misc]  # text
        case ast.BinOp(left=ast.Constant(value=str(text)), op=ast.Mod()) if first or text.replace("%s", "").strip(": "):
            return [filled(text, first)]
        case ast.IfExp(body=body, orelse=orelse):
            both = [sayings(one, module, first) for one in (body, orelse)]
            return None if None in both else [text for found in both for text in found or ()]
        case ast.Name(id=name):
            for one in module.body:
                if isinstance(one, ast.Assign) and ast.unparse(one.targets[0]) == name:
                    return sayings(one.value, module)
    return None


def calls(module: ast.Module, wanted: Callable[[str], bool]) -> Iterator[ast.Call]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and wanted(ast.unparse(node.func)):
            yield node


def turned_away() -> list[str]:
    """Why a board says that it is turned away, or trusts nobody."""
    found = []
    for _, module in trees(DEVICE):
        for call in calls(module, lambda name: name in ("Refused", "TurnedAway") or name.endswith("else TurnedAway)")):
            argument = call.args[0]
            argument = argument.left if isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.Add) else argument
            text = sayings(argument, module, "/tls/" if "FOLDER" in ast.unparse(argument) else "")
            if text is not None:
                found += text
    return found


def of_points() -> list[str]:
    """What is wrong with a point, beside its state."""
    found = ["chatters"]
    for _, module in trees(DEVICE):
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and node.name == "fault":
                for one in ast.walk(node):
                    if isinstance(one, ast.Return) and one.value:
                        found += sayings(one.value, module) or []
    return found


def misfits() -> list[str]:
    """What does not fit a board."""
    module = ast.parse((DEVICE / "agent/fit.py").read_text(encoding="utf-8"))
    found = []
    for call in calls(module, lambda name: name == "found.append"):
        argument = call.args[0].elts[1] if isinstance(call.args[0], ast.Tuple) else call.args[0]
        said = sayings(argument, module, "household" if "kind_name, " in ast.unparse(argument) else "")
        assert said, ast.unparse(argument)
        found += said
    return found


def of_start() -> list[str]:
    """Why a life was not continued."""
    module = ast.parse((DEVICE / "agent/identity.py").read_text(encoding="utf-8"))
    return [filled(one.value) for one in ast.walk(module) if isinstance(one, ast.Constant) and str(one.value).startswith("journal: ")]


# Where the text of a fault comes from elsewhere: (file, expression) -> all that it can be.
ENDS: dict[tuple[str, str], Callable[[], list[str]]] = {
    ("agent.py", "'%s: %s' % (point.name, fault) if fault else None"): lambda: [f"button-1: {text}" for text in of_points()],
    ("agent.py", "'link: ' + why"): lambda: [f"link: {text}" for text in turned_away()],
    ("candidate.py", "problem"): lambda: ["/config.json: expected an object", "/journal/new.1.c-1: [Errno 2] ENOENT"],
    ("groundwork.py", "problem"): lambda: ["/tls/ca.der: expected tag 0x30 at byte 0 of a certificate, got 0x31"],
    ("groundwork.py", "who.fault"): of_start,
    ("groundwork.py", "wires.problems"): misfits,
}


def faults_of_boards() -> tuple[list[str], set[tuple[str, str]]]:
    """Everything that firmware/device sets or appends as a fault, and where its source does not say what it is."""
    found: list[str] = []
    ends: set[tuple[str, str]] = set()
    for path, module in trees(DEVICE):
        arguments = [call.args[1] for call in calls(module, lambda name: name.endswith("faults.set"))]
        arguments += [call.args[0] for call in calls(module, lambda name: name.split(".")[-2:] == ["faults", "append"])]
        arguments += [one.value for one in ast.walk(module) if isinstance(one, ast.AugAssign) and ast.unparse(one.target) == "faults"]
        for argument in arguments:
            said = sayings(argument, module)
            if said is None:
                ends.add((path.name, ast.unparse(argument)))
            else:
                found += said
    return found, ends


def test_every_fault_that_a_board_can_say_has_words() -> None:
    found, ends = faults_of_boards()
    assert ends == set(ENDS), "a fault whose text comes from elsewhere: say in ENDS what it can be"
    for enumerate_all in ENDS.values():
        said = enumerate_all()
        assert said
        found += said
    assert len(found) >= 30
    assert [text for text in found if remarks.of("board_fault", text) is None] == []


@pytest.mark.parametrize(
    ("what", "said", "shown"),
    [
        ("board_fault", "button-2: chatters", "nút ấn 2 đóng ngắt liên tục: kiểm tra đầu dây, công tắc"),
        ("board_fault", "battery: weak, sags by 420 mV under the bell", "pin yếu: tụt 420 mV khi chuông kêu, cần thay"),
        ("board_fault", "link: taken away again and again, perhaps by another board of this id", "hai bo mạch dùng chung một mã"),
        ("board_fault", "link: refused by the broker, CONNACK 5", "máy chủ không nhận thiết bị này"),
        ("board_fault", "link: /tls/key.der: not readable ([Errno 2] ENOENT)", "chứng thư trên bo mạch thiếu hoặc sai"),
        ("board_fault", "group TLG-04 expected, configured for TLG-03", "khai tổ TLG-03, nhưng thuộc tổ TLG-04"),
        ("board_fault", "household: smoke-1: esp32 has no input smoke-1", "cấu hình điểm đo không hợp với bo mạch"),
        ("board_fault", "something of a later firmware", "Thiết bị tự báo hỏng"),
        ("board_crash", "OSError: 28", "Lỗi phần mềm trên thiết bị"),
        ("group_fault", "configured for group TLG-03, belongs to TLG-04", "Thiết bị khai sai tổ: khai tổ TLG-03, nhưng thuộc tổ TLG-04"),
        ("clock_fault", "its clock is 86400 s ahead", "Đồng hồ thiết bị sai: nhanh 86400 s"),
    ],
)
def test_a_fault_is_said_in_words_and_what_the_board_said_stands_beside_it(what: str, said: str, shown: str) -> None:
    assert shown in VI.ailment(what, said)
    assert said not in VI.ailment(what, said)


def test_the_engine_finds_nothing_for_which_there_are_no_words() -> None:
    """supervision.found(device, what, words ...): `what` is of the log's vocabulary, and the words are known where the source has them."""
    free = {"words", "birth.crash", "fact.why", "placed.clock"}
    clocks = ["its clock was never set", "its clock is 7 s ahead", "its clock and its age differ by 7 s"]
    source = (ROOT / "gateway/domain/placing.py").read_text(encoding="utf-8")
    assert source.count('"its clock') == len(clocks)
    known = [("clock_fault", text) for text in clocks]
    for _, module in trees(ROOT / "gateway/domain"):
        for call in calls(module, lambda name: name in ("found", "supervision.found")):
            what, said = call.args[1], call.args[2]
            assert isinstance(what, ast.Constant)
            assert what.value in WHATS
            texts = sayings(said, module)
            assert texts is not None or ast.unparse(said) in free, ast.unparse(said)
            known += [(str(what.value), text) for text in texts or ()]
    assert len(known) == len(clocks) + 3, "a new remark of the engine: see that it has words"
    assert [one for one in known if remarks.of(*one) is None] == []


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("[Errno 111] Connection refused", "nơi nhận không chạy"),
        ("backup [Errno 111] Connect call failed ('127.0.0.1', 6801)", "nơi nhận không chạy"),
        ("[Errno 101] Network is unreachable", "không có đường mạng đến nơi nhận"),
        ("[Errno -3] Temporary failure in name resolution", "không tìm được địa chỉ nơi nhận: mất Internet hoặc sai tên"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired (_ssl.c:1007)", "không tin được chứng thư"),
        ("TimeoutError", "nơi nhận không trả lời kịp"),
        ("no answer within 20 s", "nơi nhận không trả lời kịp"),
        ("[Errno 104] Connection reset by peer", "đứt đường truyền đến nơi nhận"),
        ("status 401", "nơi nhận từ chối: sai khóa hoặc không có quyền (mã 401)"),
        ("status 503", "nơi nhận đang bị lỗi (mã 503)"),
        ("status 422", "nơi nhận không nhận (mã 422)"),
        ("rang: NO ANSWER", "đổ chuông, không ai nghe máy"),
        ("unreachable: NO CARRIER", "không liên lạc được số này"),
        ("no answer to AT+CMGS in 60 s: it may have gone out", "không rõ tin đã đi hay chưa"),
        ("the network could not deliver it (status 0x45)", "mạng di động không nhận"),
        ("the network does not know this SIM card (+CMS ERROR: 28)", "SIM có vấn đề"),
        ("the network refused the message: often no credit (+CMS ERROR: 21)", "có thể hết tiền"),
        ("police refuses (NAK): does it know this account and its key, and is its clock right?", "trung tâm từ chối"),
        ("something that nobody has thought of", "something that nobody has thought of"),
    ],
)
def test_why_a_message_did_not_get_through_is_said_in_words(said: str, shown: str) -> None:
    assert shown in VI.remark("delivery", said)


# What the gateway finds wrong with itself, where its source does not say the words; and what reads alike in every language.
OF_GATEWAY = {
    "f'on battery{charge}'": ["on battery", "on battery, battery 40 %"],
    "situation.desk.words": ["a page is open, but its sound is off", "no page is open"],
    "desk.words or _UNHEARD": ["the console is not heard"],
    "words": ["good until 01/12/2026: H03-01, H03-02", "good until 01/12/2026", "ended on 01/12/2026: H03-01"],
}
NUMBERS = ["7 MB", "7 °C"]


def test_whatever_the_gateway_finds_wrong_with_itself_has_words() -> None:
    found: list[str] = []
    for name in ("health.py", "telling.py", "desks.py"):
        module = ast.parse((ROOT / "gateway/domain" / name).read_text(encoding="utf-8"))
        said = [call.args[1] for call in calls(module, lambda name: name == "turn.fault")]
        said += [call.args[2] for call in calls(module, lambda name: name == "_say")]
        for argument in said:
            found += OF_GATEWAY.get(ast.unparse(argument)) or sayings(argument, module) or [f"?{ast.unparse(argument)}"]
    assert len(found) >= 20
    assert sorted(text for text in found if remarks.of("gateway_fault", text) is None) == NUMBERS


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no clock of its own, and not synchronised", "không có đồng hồ riêng, và chưa chỉnh giờ theo mạng"),
        ("ended on 01/12/2026: H03-01, H03-02", "đã hết hạn ngày 01/12/2026: H03-01, H03-02"),
        ("nothing has arrived within 60 min; last proof: never", "trong 60 phút chưa có tin nào đến nơi; chưa lần nào thông"),
        ("status 503; last proof: 29/11/2026 08:00", "nơi nhận đang bị lỗi (mã 503); thông lần cuối 29/11/2026 08:00"),
        ("2/3: H03-01, H03-02", "2/3: H03-01, H03-02"),
    ],
)
def test_what_is_wrong_with_the_gateway_is_said_in_words(said: str, shown: str) -> None:
    assert VI.remark("gateway_fault", said) == shown


def test_the_band_of_the_desk_says_why_in_words(console: RunningConsole, engine: EnginePeer) -> None:
    clock = Fault(key="clock", kind="clock", words="not synchronised", since_ms=1)
    engine.say(topics.gateway(SITE.id), Gateway(online=True, engine=START, version="0.1.0", lasting=[clock]).payload(), retain=True)
    until(lambda: "Đồng hồ của máy chủ không đáng tin" in get(console.url).text, "the fault is shown")
    page = html.unescape(get(console.url).text)
    assert "chưa chỉnh giờ theo mạng" in page
    assert "not synchronised" not in page


def test_whatever_a_modem_a_call_an_app_or_a_receiver_refuses_has_words() -> None:
    refusals = [f"{text} (+CMS ERROR: 1)" for table in (_CMS, _CME) for _, text in table.values()]
    calls_end = [end for end in get_args(End) if end != "answered"]
    sources = [(ROOT / "gateway/delivery" / name).read_text(encoding="utf-8") for name in ("courier.py", "targets.py")]
    apps = ["the service did not take it", "the service's plugin failed: KeyError", "expected an address that Apprise knows, got another"]
    apps.append("the process for Apprise is gone")
    assert [text for text in apps if not any(text.partition(": ")[0] in source for source in sources)] == []
    assert [text for text in (*refusals, *calls_end, *apps) if remarks.of("delivery", text) is None] == []


def test_the_desk_and_the_paper_say_why_and_keep_what_was_said(console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    failed = Delivery(channel="webhook:city", what="opened", state="failed", tries=8, at_ms=1, error="[Errno 111] Connection refused")
    engine.publish(incident(deliveries=[failed]))
    database.keep(resolved("2026-000122", deliveries=[failed]))
    database.channel("webhook:city", failed="status 503")
    until(lambda: "2026-000122" in get(console.url).text and "card-2026-000123" in get(console.url).text, "both are on the desk")
    page = html.unescape(get(console.url).text)
    assert page.count("nơi nhận không chạy") == 2
    assert page.count("[Errno 111] Connection refused") == 2, "for who repairs it"
    assert "nơi nhận đang bị lỗi (mã 503)" in html.unescape(get(f"{console.url}/log").text)


def test_every_remark_has_words_in_both_languages_and_every_word_is_used() -> None:
    for language in LANGUAGES:
        assert {key.removeprefix("remark.") for key in language.texts if key.startswith("remark.")} == remarks.keys()


# Who passes on the key of a fault, in which file ("" for any), and as which argument.
PASS_ON = (
    ("", "turn.fault", 0),
    ("", "self._on_fault", 0),
    ("health.py", "_say", 1),
    ("housekeeping.py", "self._tell", 0),
    ("", "ties.fault", 0),
)
# What such a key is where its source does not say it.
KEYS = {"area.key": {"area"}, "_key(channel)": {"canary"}, "self.queue.channel": {"apprise"}}
PASSED = ("key", "fault")


def constant(name: str) -> list[str] | None:
    """A text constant of the gateway, wherever it stands."""
    for _, module in trees(ROOT / "gateway"):
        for one in module.body:
            if not isinstance(one, ast.Assign):
                continue
            names, values = (one.targets[0], one.value)
            if isinstance(names, ast.Tuple) and isinstance(values, ast.Tuple):
                pairs = [*zip(names.elts, values.elts, strict=True)]
            else:
                pairs = [(names, values)]
            for target, value in pairs:
                if ast.unparse(target) == name:
                    return sayings(value, module)
    return None


def kinds_of_faults() -> set[str]:
    """The kinds of faults of the gateway and of areas: what the engine passes to Turn.fault, directly or through PASS_ON."""
    found: set[str] = set()
    for path, module in trees(ROOT / "gateway"):
        for file, function, at in PASS_ON:
            for call in calls(module, lambda name, function=function: name == function) if file in ("", path.name) else ():  # type: ignore[misc]
                argument = call.args[at]
                said = constant(argument.id) if isinstance(argument, ast.Name) and argument.id.isupper() else sayings(argument, module)
                if said is not None:
                    found |= {text.partition(":")[0] for text in said}
                    continue
                assert ast.unparse(argument) in (*KEYS, *PASSED), (path.name, ast.unparse(argument))
                found |= KEYS.get(ast.unparse(argument), set())
    return found


def test_every_kind_of_fault_of_the_gateway_has_words_in_both_languages() -> None:
    kinds = kinds_of_faults()
    assert {
        "area",
        "canary",
        "sia",
        "sms",
        "apprise",
        "disk",
        "database",
        "desk",
        "roster",
        "ladder",
        "temperature",
        "mains",
        "ups",
    } <= kinds
    for language in LANGUAGES:
        assert [kind for kind in sorted(kinds) if f"fault.{kind}" not in language.texts] == []


@pytest.mark.parametrize(
    ("key", "what"),
    [("board_crash: OSError", "board_crash"), ("safe_mode", "safe_mode"), ("button-1: chatters", "board_fault"), ("odd", "board_fault")],
)
def test_the_key_of_a_fault_tells_who_found_it(key: str, what: str) -> None:
    assert what_of(key) == what


@pytest.mark.parametrize(
    ("detail", "key"),
    [
        ("rolled back: not online within 180 s, tries: 1", "rolled_back"),
        ("wifi, verify_s, by ky-thuat-1: rolled back: not online within 180 s, tries: 3", "rolled_back"),
        ("points, by ky-thuat-1: the order did not reach the board", "order_missed"),
        ("points, by ky-thuat-1: household: heat-1: GPIO 32 of esp32_wroom is taken by button-1", "change_refused"),
    ],
)
def test_a_change_of_the_configuration_that_failed_has_words(detail: str, key: str) -> None:
    found = remarks.of("config_failed", detail)
    assert found is not None
    assert found.key == key
    assert what_of("config_failed") == "config_failed"


def test_the_pages_say_faults_in_words_and_keep_what_the_board_said(
    console: RunningConsole, engine: EnginePeer, database: Database
) -> None:
    chatters, crash = "button-1: chatters", "OSError: 28 main.py:12"
    database.board("H03-05", faults={chatters: chatters, f"board_crash: {crash}": crash})
    now_ms = console.console.clock.now_ms()
    database.log("board_fault", at_ms=now_ms, device="H03-05", point="", detail=chatters)
    database.log("board_lost", at_ms=now_ms, device="H03-06", point="", detail="80 s without a message")
    row = (now_ms, "", "", "disk_space", "gateway_fault", "12 MB free")
    database.db.execute("INSERT INTO maintenance (at_ms, device, place, point, what, detail) VALUES (?, ?, ?, ?, ?, ?)", row)
    shown = {
        "vi": ("nút ấn 1 đóng ngắt liên tục", "không có tin nào trong 80 s", "Ổ đĩa của máy chủ sắp đầy", "Lỗi phần mềm trên thiết bị"),
        "en": ("button 1 opens and closes", "no message for 80 s", "The gateway's disk is nearly full", "Software of the device failed"),
    }
    until(lambda: "fault-H03-05" in get(f"{console.url}/log").text, "the log is read")
    for language, wanted in shown.items():
        for path, texts in (("/log", wanted), ("/handover", wanted), ("/log.csv", wanted[:3])):
            page = html.unescape(get(console.url + path, cookies={"language": language}).text)
            assert [text for text in texts if text not in page] == [], path
            assert "button-1: chatters" in page, "what the board said, for who repairs it"
            assert ("OSError" in page) == (path != "/log.csv")
