"""A broker, an engine's peer, a database, a console and a browser, as real as they can be had."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from stage import COOKIES, Broker, Database, EnginePeer, RunningConsole, running, until

CHROMIUM = Path("/usr/bin/chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    started = Broker(tmp_path)
    started.start()
    yield started
    started.kill()


@pytest.fixture
def engine(broker: Broker) -> Iterator[EnginePeer]:
    peer = EnginePeer(broker.port)
    yield peer
    peer.die()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "keng.db")
    yield made
    made.db.close()


@pytest.fixture
def console(broker: Broker, engine: EnginePeer, database: Database) -> Iterator[RunningConsole]:
    """A console that has heard the engine."""
    with running(broker.port, database.path) as started:
        until(lambda: started.health()["broker"] == "connected", "the console reaches the broker")
        engine.tick()
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module: while it runs, Playwright's event loop forbids asyncio.run() to every other test."""
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium on this machine ({CHROMIUM})")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in a fresh context; fails on any error of its scripts and any violation of its policy.

    What the browser says about connections and answers that a test means to fail is left out.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="vi-VN")
    context.add_cookies([{"name": name, "value": value, "url": "http://127.0.0.1"} for name, value in COOKIES.items()])
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    meant = (
        "Failed to load resource",
        "net::ERR",
        "[object Event]",
        "Response Status Error Code",
        "htmx:sendError",
        "htmx:timeout",
        "htmx:afterRequest",
    )
    assert not [error for error in errors if not any(part in error for part in meant)]
