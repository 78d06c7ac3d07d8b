"""Which pages are open and can be heard, and that the engine is told."""

import secrets

import httpx
import pytest
from playwright.sync_api import Page, expect
from stage import EnginePeer, RunningConsole, log_in, post, until

from gateway.console.presence import FORGET_S, PAGES_MAX, Presence
from protocol.desk import DeskAlive


class Watched:
    """A presence with a clock that tests turn."""

    def __init__(self) -> None:
        self.told: list[DeskAlive] = []
        self.now_s = 0.0
        self.presence = Presence(lambda payload: self.told.append(DeskAlive.model_validate_json(payload)), lambda: self.now_s)

    @property
    def last(self) -> tuple[int, int]:
        return self.told[-1].pages, self.told[-1].audible


def test_a_page_that_opens_or_falls_silent_is_told_at_once_and_a_repeat_is_not():
    watched = Watched()
    watched.presence.heard("a", audible=False)
    watched.presence.heard("a", audible=False)
    watched.presence.heard("a", audible=True)
    watched.presence.heard("b", audible=False)
    assert [(one.pages, one.audible) for one in watched.told] == [(1, 0), (1, 1), (2, 1)]


def test_a_page_that_says_nothing_more_is_closed():
    watched = Watched()
    watched.presence.heard("a", audible=True)
    watched.now_s = FORGET_S
    watched.presence.heard("b", audible=False)
    assert watched.last == (1, 0)


def test_pages_without_end_take_no_memory():
    watched = Watched()
    for number in range(PAGES_MAX + 10):
        watched.presence.heard(f"p{number}", audible=True)
    assert watched.last == (PAGES_MAX, PAGES_MAX)


def test_a_real_page_is_live_with_sound_only_when_somebody_has_heard_it(page: Page, console: RunningConsole, engine: EnginePeer) -> None:
    page.goto(console.url)
    until(lambda: engine.desks and (engine.desks[-1].pages, engine.desks[-1].audible) == (1, 0), "open and silent")
    page.locator("#sound-enable").click()
    page.locator("#sound-heard").click()
    expect(page.locator("#sound-ready")).to_be_visible()
    until(lambda: (engine.desks[-1].pages, engine.desks[-1].audible) == (1, 1), "open and audible")


@pytest.mark.parametrize("form", [{}, {"page": "a"}, {"page": "A/", "audible": "yes"}, {"page": "a", "audible": "loud"}])
def test_what_is_no_page_is_refused(console: RunningConsole, form: dict[str, str]) -> None:
    answer = post(f"{console.url}/alive", data=form, headers={"Origin": console.url})
    assert answer.status_code == 422


def test_another_site_cannot_pretend_to_be_a_desk(console: RunningConsole) -> None:
    answer = post(f"{console.url}/alive", data={"page": "a", "audible": "yes"}, headers={"Origin": "http://evil.example"})
    assert (answer.status_code, console.console.presence.now.pages) == (403, 0)


@pytest.mark.parametrize(("account", "status"), [("ky-thuat-1", 204), ("chu-ho-03-08", 403)])
def test_the_page_of_somebody_who_decides_nothing_is_no_desk(console: RunningConsole, account: str, status: int) -> None:
    token = secrets.token_urlsafe(32)
    log_in(console.own, account, token)
    form = {"page": "a", "audible": "yes"}
    answer = httpx.post(f"{console.url}/alive", data=form, headers={"Origin": console.url}, cookies={"session": token})
    assert (answer.status_code, console.console.presence.now.pages) == (status, 0)
