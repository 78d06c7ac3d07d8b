"""A whole commune for the walks of people: real broker, engine and console as processes, light boards that press and ring."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Browser, BrowserContext, Page, expect
from stage import PASSWORD, until

from protocol.incident import Incident
from simulator.stage import COMMUNES, Stage

GROUP = "TLG-03"
PATIENCE_MS = 30_000
WAIT_S = 30.0

T = TypeVar("T")


class Commune:
    """A stage in an event loop of its own: Playwright has the test's thread."""

    def __init__(self, directory: Path, site_file: Path = COMMUNES / "ngo-thu-5.toml") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.stage = self.do(self._build(directory, site_file))
        self.url = self.stage.desk.address

    async def _build(self, directory: Path, site_file: Path) -> Stage:
        stage = await Stage(site_file, directory, light=True).__aenter__()
        await stage.ready(60)
        return stage

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def now(self, deed: Callable[[], T]) -> T:
        """Something of the stage that is no coroutine."""

        async def done() -> T:
            return deed()

        return self.do(done())

    def end(self) -> None:
        self.do(self.stage.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def incident(self) -> Incident | None:
        open_now = [one for one in self.stage.observer.incidents.values() if one.state != "resolved"]
        return open_now[-1] if open_now else None

    def says(self, home: str) -> tuple[str, str]:
        found = self.incident
        return next(((one.says, one.by) for one in found.roll_call if one.home == home), ("", "")) if found else ("", "")

    def press(self, device: str) -> None:
        self.now(lambda: self.stage.world.press(device, "button-1"))
        until(lambda: self.incident and len(self.incident.roll_call) == 12, "the engine has opened an incident and called the roll", WAIT_S)

    def resolve(self) -> None:
        """The desk ends what is open."""
        for board in self.stage.site.boards:
            if board.kind == "household":
                self.now(lambda board=board: self.stage.world.release(board.id, "button-1"))  # type: ignore[misc]
        while found := self.incident:
            self.do(self.stage.desk.order("resolve", found.id, found.version, "test"))
            until(lambda found=found: self.incident is None or self.incident.id != found.id, "the incident is closed", WAIT_S)  # type: ignore[misc]

    def phone(self, browser: Browser, person: str, *, language: str, size: tuple[int, int] = (390, 844)) -> tuple[BrowserContext, Page]:
        """Somebody takes up the invitation on a phone, or a screen of another size, and sees the own group's page."""
        code = self.do(self.stage.invite(person))
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, has_touch=width < 600, locale="vi-VN")
        context.add_cookies([{"name": "language", "value": language, "url": self.url}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{self.url}/invitation/{code}")
        page.locator("#password").fill(PASSWORD)
        page.locator("#again").fill(PASSWORD)
        page.locator("button.main").click()
        expect(page).to_have_url(f"{self.url}/group/{GROUP}", timeout=PATIENCE_MS)
        expect(page.locator("html")).to_have_attribute("data-link", "live")
        return context, page

    def desk(self, browser: Browser, *, language: str, size: tuple[int, int] = (1366, 768)) -> tuple[BrowserContext, Page]:
        """The duty officer logs in at a computer, turns the sound on and hears it."""
        width, height = size
        context = browser.new_context(viewport={"width": width, "height": height}, locale="vi-VN")
        context.add_cookies([{"name": "language", "value": language, "url": self.url}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{self.url}/login")
        page.locator("#name").fill(self.stage.desk.person)
        page.locator("#password").fill(self.stage.desk.password)
        page.locator("button.main").click()
        expect(page.locator("html")).to_have_attribute("data-stream", "open", timeout=PATIENCE_MS)
        page.locator("#sound-enable:visible, #sound-heard:visible").first.wait_for()  # a browser may let a page sound after a login
        if page.locator("#sound-enable").is_visible():
            page.click("#sound-enable")
        page.click("#sound-heard")
        return context, page

    def kill_console(self) -> None:
        self.do(self.stage.parts["console"].kill())

    def start_console(self) -> None:
        self.do(self.stage.parts["console"].start())


@contextmanager
def calmed(commune: Commune) -> Iterator[Commune]:
    """The commune without an incident, before and after."""
    commune.resolve()
    yield commune
    commune.start_console()  # if a test has left it dead
    until(lambda: commune.now(lambda: commune.stage.desk.connected), "the desk is back", WAIT_S)
    commune.resolve()
