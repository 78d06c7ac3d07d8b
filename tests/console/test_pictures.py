"""Pictures of every page, in both languages, by day and by night: made here, looked at by people, kept in docs/pictures.

`make pictures` writes them anew. Without it they are made all the same, into a folder that is thrown away, so that nothing that stops
them goes unseen.
"""

import io
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page
from stage import ROOT, SITE, Broker, Database, EnginePeer, RunningConsole, incident, log_in, peopled, resolved, running, until

from gateway.console.people import book, door
from protocol.incident import Activation, Delivery, Incident, LadderPosition, RollCall, TimelineEntry

KEPT = ROOT / "docs/pictures"
MOST_BYTES = 100_000
COLOURS = 96
DESK, PHONE = (1366, 768), (390, 844)
PAIRS = [(language, theme) for language in ("vi", "en") for theme in ("light", "dark")]
BURNING = "2026-000123"


class Shot(NamedTuple):
    """A page as somebody sees it. `at`: when in the story; `press`: what is pressed before; `ready`: what must be there."""

    name: str
    who: str
    path: str
    at: str
    ready: str
    size: tuple[int, int] = DESK
    press: str = ""


MAP = ".map[data-state=shown]"
SHOTS = (
    Shot("desk-calm", "truc-ban-1", "/", "calm", MAP),
    Shot("log", "truc-ban-1", "/log", "calm", "#device-H03-05"),
    Shot("history", "truc-ban-1", "/history", "calm", ".past"),
    Shot("handover", "truc-ban-1", "/handover", "calm", ".signatures"),
    Shot("record", "truc-ban-1", "/incidents/2026-000121/record", "calm", ".signatures"),
    Shot("login", "", "/login", "calm", "main"),
    Shot("code", "", "/invitation", "calm", "main", PHONE),
    Shot("invitation", "", "/invitation/{code}", "calm", "main", PHONE),
    Shot("invited", "administrator-1", "/people", "calm", "main", (1366, 900), press="#invite-to-truong-03"),
    Shot("message", "truc-ban-1", "/nowhere", "calm", "main"),
    Shot("group-offline", "", "/group/offline/{language}", "calm", "main", PHONE),
    Shot("account", "truc-ban-1", "/account", "calm", "main"),
    Shot("groups", "truc-ban-1", "/group/", "calm", "main"),
    Shot("people", "administrator-1", "/people", "calm", "main"),
    Shot("audit", "administrator-1", "/audit", "calm", "main"),
    Shot("group-calm", "household-1", "/group/TLG-03", "calm", "#state", PHONE),
    Shot("desk-alarm", "truc-ban-1", "/", "alarm", MAP),
    Shot("desk-whole", "truc-ban-1", "/", "alarm", MAP, (1600, 860)),
    Shot("group-household", "household-1", "/group/TLG-03", "alarm", "#state", PHONE),
    Shot("group-own-home", "chu-ho-03-07", "/group/TLG-03", "alarm", "#state", PHONE),
    Shot("group-leader", "leader-1", "/group/TLG-03", "alarm", "#state", (390, 1800)),  # down to the roll call
    Shot("group-end", "leader-1", "/group/TLG-03", "alarm", "#state", (390, 1500), press=f"#end-{BURNING} summary"),
    Shot("desk-end", "truc-ban-1", "/", "taken", MAP, press=f"#false_alarm-summary-{BURNING}"),
    Shot("desk-phone", "truc-ban-1", "/", "taken", MAP, PHONE),
    Shot("desk-queue", "truc-ban-1", f"/?incident={BURNING}", "queue", MAP),
)


class Scene:
    """The story: an ordinary night, a fire, somebody takes it on, and more comes."""

    def __init__(self, broker: Broker, engine: EnginePeer, database: Database, console: RunningConsole) -> None:
        self.broker, self.engine, self.database, self.console = broker, engine, database, console
        self.now_ms = console.console.clock.now_ms()
        self.tokens: dict[str, str] = {}

    def token(self, person: str) -> str:
        if person not in self.tokens:
            self.tokens[person] = secrets.token_urlsafe(32)
            log_in(self.console.own, person, self.tokens[person])
        return self.tokens[person]

    def code(self) -> str:
        """An invitation for somebody who has no account yet."""
        with closing(book.connect(self.console.own)) as db:
            return book.transaction(db, lambda db: door.invitation(db, ident="team-2", by="quan-tri", now_ms=self.now_ms))

    def night(self) -> None:
        for bell in SITE.bells_of("TLG-03") + SITE.bells_of("DCC-N5"):
            kind = "fire_point" if bell.startswith("DCC") else "household"
            self.database.board(bell, kind=kind, last_seen_ms=self.now_ms - 12_000)
        self.database.board("H03-04", "lost", last_seen_ms=self.now_ms - 5_400_000)
        self.database.board("H03-05", battery=12, rssi=-86, mains=0, last_seen_ms=self.now_ms - 8_000)
        self.database.db.execute(
            "INSERT INTO point VALUES ('DCC-018', 'extinguisher-1', 'presence', 'active', '9c41f2aa-17-42', ?)", (self.now_ms - 7_200_000,)
        )
        self.database.log("extinguisher_taken", at_ms=self.now_ms - 7_200_000, device="DCC-018")
        self.database.log("board_lost", at_ms=self.now_ms - 5_400_000, device="H03-04", point="")
        self.database.log("battery_low", at_ms=self.now_ms - 3_600_000, device="H03-05", point="battery")
        day = 86_400_000
        self.database.keep(_over("2026-000121", self.now_ms - 9 * day, "drill"))
        self.database.keep(_over("2026-000122", self.now_ms - 4 * 3_600_000, "false_alarm"))

    def until(self, at: str) -> None:
        """Bring the story so far."""
        if at == "calm":
            return
        self.engine.publish(burning(self.now_ms, at))
        if at == "queue":
            self.engine.publish(burning(self.now_ms, "alarm", "2026-000124", kind="sos", home="H03-02"))
            self.engine.publish(burning(self.now_ms, "alarm", "2026-000125", kind="smoke", home="H03-12"))
        wanted = 3 if at == "queue" else 1
        until(lambda: self.console.health()["open_incidents"] == wanted, "the console knows of it")


def burning(now_ms: int, at: str, ident: str = BURNING, *, kind: str = "fire", home: str = "H03-07") -> Incident:
    """A fire 40 s old, with everything that the desk can show; `at` "taken": somebody has acknowledged."""
    began = now_ms - 40_000
    place = SITE.place_of(home)
    says = {"H03-01": "safe", "H03-02": "safe", "H03-05": "need_help", "H03-08": "coming"} if kind == "fire" else {}
    roll = [
        RollCall.model_validate(
            {"home": one, "name": name} | ({"says": says[one], "by": one, "at_ms": began + 25_000} if one in says else {})
        )
        for one, name in SITE.homes_of("TLG-03")
    ]
    sent = [
        {"id": 1, "channel": "sms", "what": "opened", "person": "truc-ban-1", "step": 1, "state": "delivered", "tries": 1},
        {"id": 2, "channel": "sms", "what": "opened", "person": "to-truong-03", "step": 1, "state": "failed", "tries": 3},
        {"id": 3, "channel": "voice", "what": "opened", "person": "to-truong-03", "step": 1, "state": "handed", "tries": 1},
        {"id": 4, "channel": "webhook:city", "what": "opened", "person": "", "step": 0, "state": "delivered", "tries": 1},
    ]
    timeline = [
        TimelineEntry(at_ms=began, what="opened", who=home, detail="button-1"),
        TimelineEntry(at_ms=began + 3000, what="bell_silent", who="H03-11"),
    ]
    taken = (
        {"state": "acknowledged", "acknowledged_ms": began + 18_000, "acknowledged_by": "truc-ban-1", "version": 8} if at == "taken" else {}
    )
    if taken:
        timeline += [
            TimelineEntry(at_ms=began + 18_000, what="acknowledged", who="truc-ban-1"),
            TimelineEntry(at_ms=began + 30_000, what="called_114", who="truc-ban-1"),
        ]
    pressed = Activation(n=1, event="9c41f2aa-17-42", device=home, place=place, point="button-1", type="button", at_ms=began, at_from="age")
    due_ms = None if taken else now_ms + 50_000
    changes = {
        "kind": kind,
        "place": place,
        "groups": ["TLG-03"],
        "opened_ms": began,
        "roll_call": roll,
        "deliveries": [Delivery.model_validate(one | {"at_ms": began + 4000}) for one in sent],
        "ladder": LadderPosition(cause="fire", round=1, step=2, due_ms=due_ms, next=["truc-ban-1", "to-truong-03"]),
        "timeline": timeline,
        "activations": [pressed],
    }
    return incident(ident, **(changes | taken))


def _over(ident: str, began: int, outcome: str) -> Incident:
    over = {"opened_ms": began, "resolved_ms": began + 600_000, "outcome": outcome}
    timeline = [
        TimelineEntry(at_ms=began, what="opened", who="H03-07", detail="button-1"),
        TimelineEntry(at_ms=began + 20_000, what="acknowledged", who="truc-ban-1"),
        TimelineEntry(at_ms=began + 600_000, what="resolved", who="truc-ban-1", detail=outcome),
    ]
    press = incident().activations[0].model_copy(update={"at_ms": began})
    return resolved(ident, timeline=timeline, activations=[press], deliveries=[], **over)


@pytest.fixture
def scene(broker: Broker, engine: EnginePeer, database: Database) -> Iterator[Scene]:
    own = SITE.people[0].model_copy(
        update={"id": "chu-ho-03-07", "name": "Chủ hộ mẫu 03-07", "role": "household", "group": "TLG-03", "home": "H03-07", "phone": None}
    )
    with running(broker.port, database.path, site=peopled(own), address="https://keng.example") as console:
        until(lambda: console.health()["engine"] == "online", "the engine is heard")
        made = Scene(broker, engine, database, console)
        made.night()
        yield made


def shoot(page: Page, scene: Scene, shot: Shot, language: str) -> bytes:
    """The picture as PNG of few colours, for it lies in the repository."""
    scene.engine.tick()
    page.goto(scene.console.url + shot.path.format(code=scene.code() if "{code}" in shot.path else "", language=language))
    page.wait_for_selector(shot.ready)
    if page.locator("#sound-enable").count():
        page.locator("#sound-enable:visible, #sound-heard:visible").first.wait_for()
        if page.locator("#sound-enable").is_visible():
            page.click("#sound-enable")
        page.click("#sound-heard")
    if shot.press:
        page.click(shot.press)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(700)  # what moves has come to rest
    out = io.BytesIO()
    with Image.open(io.BytesIO(page.screenshot(caret="initial"))) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


@pytest.mark.long
@pytest.mark.parametrize(("language", "theme"), PAIRS)
def test_every_page_has_its_picture(browser: Browser, scene: Scene, tmp_path: Path, language: str, theme: str) -> None:
    folder = Path(os.environ.get("KENG_PICTURES", tmp_path))
    folder.mkdir(exist_ok=True)
    at = ""
    for shot in SHOTS:
        if shot.at != at:
            at = shot.at
            scene.until(at)
        width, height = shot.size
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme, locale="vi-VN")  # type: ignore[arg-type]
        cookies = {"language": language} | ({"session": scene.token(shot.who)} if shot.who else {})
        context.add_cookies([{"name": name, "value": value, "url": "http://127.0.0.1"} for name, value in cookies.items()])
        picture = shoot(context.new_page(), scene, shot, language)
        context.close()
        assert 3_000 < len(picture) < MOST_BYTES, f"{shot.name}: {len(picture)} bytes"
        (folder / f"{shot.name}.{language}.{theme}.png").write_bytes(picture)
    assert len(list(folder.glob(f"*.{language}.{theme}.png"))) == len(SHOTS)


def test_the_pictures_that_are_kept_are_those_that_are_made_and_every_one_that_is_shown_is_there() -> None:
    made = {f"{shot.name}.{language}.{theme}.png" for shot in SHOTS for language, theme in PAIRS}
    assert {path.name for path in KEPT.iterdir()} == made, "run: make pictures"
    shown = [
        (page.name, name)
        for page in (ROOT / "docs").glob("*.md")
        for name in re.findall(r"\]\(pictures/([^)]+)\)", page.read_text("utf-8"))
    ]
    assert len(shown) >= 10
    assert [(page, name) for page, name in shown if name not in made] == []
    assert all(path.stat().st_size < MOST_BYTES for path in KEPT.iterdir())
