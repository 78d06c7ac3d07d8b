"""Server-sent events: the whole state at connect, then only what differs, and a beat."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import httpx
from stage import BELLS, COOKIES, Database, EnginePeer, RunningConsole, incident

from gateway.console.events import BEAT_S


class Stream:
    """Reads events as a browser does."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def next(self) -> tuple[str, str]:
        name, data = "", []
        for line in self._lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data.append(line.removeprefix("data: "))
            elif not line and name:
                return name, "\n".join(data)
        raise AssertionError("the stream ended")

    def page(self) -> str:
        while True:
            name, data = self.next()
            if name == "page":
                return data


@contextmanager
def streaming(console: RunningConsole, show: str = "desk") -> Iterator[Stream]:
    with httpx.stream("GET", f"{console.url}/events?show={show}", timeout=10, cookies=COOKIES) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response.iter_lines())


def ids(html: str) -> set[str]:
    """The ids of the outermost fragments that htmx is to swap."""
    return set(re.findall(r'id="([^"]+)" hx-swap-oob', html))


def test_the_whole_state_comes_first(console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    with streaming(console) as stream:
        assert {"strip", "incidents", "history", "maintenance", "devices"} <= ids(stream.page())


def test_a_bells_proof_sends_the_bells_of_its_card_and_no_button(console: RunningConsole, engine: EnginePeer) -> None:
    with streaming(console) as stream:
        stream.page()
        engine.publish(incident())
        while "card-2026-000123" not in stream.page():
            pass
        bells = [bell.model_copy(update={"state": "measured"}) for bell in incident().bells]
        engine.publish(incident(revision=22, bells=bells))
        sent = stream.page()
    assert ids(sent) == {"bells-2026-000123"}
    assert f"{len(BELLS)} / {len(BELLS)} đo được" in sent


def test_one_boards_report_sends_one_tile(console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    database.commune()
    with streaming(console) as stream:
        while 'id="device-H03-01"' not in stream.page():
            pass
        database.board("H03-01", battery=85)
        sent = stream.page()
    assert ids(sent) == {"device-H03-01"}
    assert "85 %" in sent


def test_a_page_that_shows_no_desk_is_sent_no_desk(console: RunningConsole, engine: EnginePeer) -> None:
    with streaming(console, "strip") as stream:
        assert ids(stream.page()) == {"strip"}
        engine.publish(incident())
        sent = stream.page()
    assert ids(sent) == {"strip"}
    assert 'data-alarms="1"' in sent


def test_twelve_bells_at_once_travel_as_few_events(console: RunningConsole, engine: EnginePeer) -> None:
    with streaming(console) as stream:
        stream.page()
        for count in range(13):
            states = ["measured"] * count + ["waiting"] * (12 - count)
            bells = [bell.model_copy(update={"state": state}) for bell, state in zip(incident().bells, states, strict=True)]
            engine.publish(incident(revision=count, bells=bells))
        events = 1
        while "12 / 12 đo được" not in stream.page():
            events += 1
    assert events < 13


def test_a_beat_comes_every_two_seconds(console: RunningConsole) -> None:
    with streaming(console) as stream:
        times = []
        while len(times) < 3:
            if stream.next()[0] == "beat":
                times.append(time.monotonic())
    gaps = [after - before for before, after in pairwise(times)]
    assert all(BEAT_S - 0.5 < gap < BEAT_S + 0.8 for gap in gaps), gaps
