"""Server-sent events: the whole state at connect, then only what differs, and a beat."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import httpx
from stage import BELLS, COOKIES, Broker, Database, EnginePeer, RunningConsole, get, incident, until

from gateway.console.events import BEAT_S


class Stream:
    """Reads events as a browser does."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.id = ""

    def next(self) -> tuple[str, str]:
        name, data = "", []
        for line in self._lines:
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("id: "):
                self.id = line.removeprefix("id: ")
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
def streaming(console: RunningConsole, show: str = "desk", *, last: str = "") -> Iterator[Stream]:
    """`last`: the id of the newest event that the browser got before it lost the link."""
    headers = {"Last-Event-ID": last} if last else {}
    with httpx.stream("GET", f"{console.url}/events?show={show}", timeout=10, cookies=COOKIES, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response.iter_lines())


def ids(html: str) -> set[str]:
    """The ids of the outermost fragments that htmx is to swap."""
    return set(re.findall(r'id="([^"]+)" hx-swap-oob', html))


def test_the_whole_state_comes_first(console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    with streaming(console) as stream:
        assert {"strip", "incidents", "history", "upkeep"} <= ids(stream.page())


def test_a_bells_proof_sends_the_bells_of_its_card_and_no_button(console: RunningConsole, engine: EnginePeer) -> None:
    with streaming(console) as stream:
        stream.page()
        engine.publish(incident())
        while "card-2026-000123" not in stream.page():
            pass
        bells = [bell.model_copy(update={"state": "measured"}) for bell in incident().bells]
        engine.publish(incident(revision=22, bells=bells))
        sent = stream.page()
    assert ids(sent) == {"bells-2026-000123", "scene-2026-000123"}  # the map shows them too
    assert f"{len(BELLS)} / {len(BELLS)} đo được" in sent


def test_one_boards_report_sends_one_tile(console: RunningConsole, engine: EnginePeer, database: Database) -> None:
    database.commune()
    with streaming(console, "log") as stream:
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


def test_a_log_that_is_filtered_is_sent_faults_and_boards_and_no_line(
    console: RunningConsole, engine: EnginePeer, database: Database
) -> None:
    database.commune()
    with streaming(console, "boards") as stream:
        while "device-H03-04" not in (sent := stream.page()):
            pass
    assert "fault-H03-04" in sent
    assert "maintenance" not in ids(sent)


def test_what_a_desk_shows_whole_stays_while_something_more_urgent_comes(console: RunningConsole, engine: EnginePeer) -> None:
    engine.publish(incident(state="acknowledged"))
    with streaming(console) as stream:
        while 'id="card-2026-000123"' not in stream.page():
            pass
        engine.publish(incident("2026-000124"))
        while 'id="row-2026-000124"' not in (sent := stream.page()):
            pass
        assert 'id="card-2026-000123"' in sent
        assert 'id="card-2026-000124"' not in sent
        engine.close("2026-000123")
        while 'id="card-2026-000124"' not in stream.page():
            pass


def test_a_desk_shows_the_incident_that_was_asked_for(console: RunningConsole, engine: EnginePeer) -> None:
    engine.publish(incident())
    engine.publish(incident("2026-000124", state="acknowledged"))
    with streaming(console, "desk&incident=2026-000124") as stream:
        while 'id="card-2026-000124"' not in (sent := stream.page()):
            pass
    assert 'id="card-2026-000123"' not in sent


def test_a_page_that_has_everything_is_sent_nothing_until_something_changes(console: RunningConsole, engine: EnginePeer) -> None:
    html = get(console.url).text
    seen = re.search(r"seen=([0-9a-f]{16})", html)
    assert seen
    with streaming(console, f"desk&seen={seen[1]}") as stream:
        assert [stream.next()[0] for _ in range(2)] == ["beat", "beat"]
        engine.publish(incident())
        assert "card-2026-000123" in stream.page()


def test_a_page_that_comes_back_is_not_taken_for_what_it_was_when_it_was_loaded(console: RunningConsole, engine: EnginePeer) -> None:
    """Loaded in calm, it showed an alarm, lost its link, and the alarm is over: it must be told so."""
    seen = re.search(r"seen=([0-9a-f]{16})", get(console.url).text)
    assert seen
    with streaming(console, f"desk&seen={seen[1]}") as stream:
        engine.publish(incident())
        while "card-2026-000123" not in stream.page():
            pass
        last = stream.id
    engine.close("2026-000123")
    until(lambda: not console.console.feed.incidents, "the alarm is over")
    with streaming(console, f"desk&seen={seen[1]}", last=last) as stream:
        assert 'data-alarms="0"' in stream.page()


def test_what_a_desk_shows_whole_is_still_there_after_the_console_has_started_anew(
    console: RunningConsole, engine: EnginePeer, broker: Broker
) -> None:
    """Loaded in calm; then an alarm, and a graver one. The console that starts knows of neither yet."""
    with streaming(console) as stream:
        stream.page()
        engine.publish(incident(state="acknowledged"))
        while 'id="card-2026-000123"' not in stream.page():
            pass
        engine.publish(incident("2026-000124"))
        while 'id="row-2026-000124"' not in stream.page():
            pass
        last = stream.id
    engine.close("2026-000123")
    engine.close("2026-000124")
    until(lambda: not console.console.feed.incidents, "nothing is known")
    with streaming(console, last=last) as stream:
        assert "card-" not in stream.page()
        engine.publish(incident("2026-000124"))
        while 'id="card-2026-000124"' not in stream.page():
            pass
        engine.publish(incident(state="acknowledged"))
        while 'id="row-2026-000123"' not in stream.page():
            pass
    for ident in ("2026-000124", "2026-000123"):
        engine.publish(incident(ident, state="open" if ident == "2026-000124" else "acknowledged"))
    until(lambda: len(console.console.feed.incidents) == 2, "both are known")
    with streaming(console, last=last) as stream:
        engine.publish(incident(state="acknowledged", revision=22, version=8, n=2))
        assert 'id="actions-2026-000123"' in stream.page(), "what is shown whole can be acted on"
