"""The gateway's clock is set by a year, forward or back, in the middle of everything: nothing is reordered, repeated or forgotten. The
engine's clock is stepped by a signal; this machine's is left alone.
"""

import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from brokers import DEMO, wait_until
from engines import Receiver, Town
from test_ladder_engine import PEOPLE, told

YEAR_S = 365 * 86_400
# SIGUSR1 sets the clock forward by a year, SIGUSR2 back; the first argument is how it stands at the start.
STEPPED = """
import signal, sys, time
_, at_start, _, _, engine, *arguments = sys.argv
class Clock:
    set_by_s = float(at_start)
true = time.time
time.time = lambda: true() + Clock.set_by_s
time.time_ns = lambda: int(time.time() * 1e9)
def step(by_s):
    def handle(*_):
        Clock.set_by_s += by_s
    return handle
signal.signal(signal.SIGUSR1, step(365 * 86400))
signal.signal(signal.SIGUSR2, step(-365 * 86400))
sys.argv = ["-c", *arguments]
exec(engine)
"""


@pytest.fixture
def web() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def services() -> Iterator[dict[str, Receiver]]:
    found = {name: Receiver() for name in ("duty", "leader")}
    yield found
    for receiver in found.values():
        receiver.close()


@pytest.fixture
def stepped(town: Town, tmp_path: Path, web: Receiver, services: dict[str, Receiver]) -> Town:
    """The officer is told, and 4 s later the leader; a webhook hears everything."""
    town.site = tmp_path / "site.toml"
    town.site.write_text(DEMO.read_text(encoding="utf-8").partition("[[people]]")[0] + PEOPLE, encoding="utf-8")
    town.settings = {"apprise": [], "webhooks": [{"name": "city", "url": web.url}]}
    for name, receiver in services.items():
        (tmp_path / name).write_text(receiver.url.replace("http://", "json://"), encoding="utf-8")
        town.settings["apprise"].append({"name": name, "url_file": str(tmp_path / name)})
    town.within = [sys.executable, "-c", STEPPED, "0"]
    return town


def step(town: Town, years: int) -> int:
    """Set the engine's clock, and wait until it says so; by how many ms it stands wrong."""
    assert town.engine is not None
    ticks = len(town.of("tick"))
    town.engine.send_signal(signal.SIGUSR1 if years > 0 else signal.SIGUSR2)
    wait_until(lambda: any(off_years(message["t"]) == years for message in town.of("tick")[ticks:]), "a tick with the new time")
    return years * YEAR_S * 1000


def off_years(at_ms: int) -> int:
    return round((at_ms / 1000 - time.time()) / YEAR_S)


def order(town: Town, do: str, ident: str, **fields: object) -> dict[str, object]:
    """As a desk, whose time is that of the last tick."""
    return town.command(do, id=ident, t=town.of("tick")[-1]["t"], **fields)


@pytest.mark.parametrize("years", [1, pytest.param(-1, marks=pytest.mark.long)])
def test_an_open_incident_goes_on_in_its_order_and_tells_nobody_twice(
    stepped: Town, web: Receiver, services: dict[str, Receiver], years: int
) -> None:
    town = stepped
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: told(town) and ("truc-ban-1", "handed", 1) in told(town), "the officer is told")
    step(town, years)
    wait_until(lambda: ("to-truong-03", "handed", 2) in told(town), "the leader is told at the time that was set before, not in a year")
    assert (len(services["duty"].posted), len(services["leader"].posted)) == (1, 1)
    town.press("H03-08", 2)
    wait_until(lambda: town.incident()["n"] == 2, "another house joins the same incident")
    assert order(town, "roll_call", "c-0", home="H03-08", says="safe")["ok"]
    assert order(town, "acknowledge", "c-1")["ok"]
    assert order(town, "acknowledge", "c-1")["ok"], "the desk repeats what it has no answer for"
    step_back = -years
    assert town.engine is not None
    town.engine.send_signal(signal.SIGUSR1 if step_back > 0 else signal.SIGUSR2)
    wait_until(lambda: off_years(town.of("tick")[-1]["t"]) == 0, "the clock is right again")
    assert order(town, "resolve", "c-2", outcome="false_alarm")["ok"]
    wait_until(lambda: [body["event"] for _, body in web.posted] == ["opened", "re_alarmed", "acknowledged", "resolved"], "in their order")
    (incident,) = town.history()
    happened = [one.what for one in incident.timeline if one.what in ("opened", "activated", "acknowledged", "resolved")]
    assert [one.says for one in incident.roll_call if one.home == "H03-08"] == ["safe"]
    assert happened == ["opened", "activated", "acknowledged", "resolved"]
    assert [row[0] for row in _rows(town, "SELECT id FROM event WHERE type = 'button' ORDER BY seq")] == ["9c41f2aa-1-1", "9c41f2aa-1-2"]
    assert max(Counter(key for key, _ in web.posted).values()) == 1


@pytest.mark.parametrize("years", [-1, pytest.param(1, marks=pytest.mark.long)])
def test_messages_that_wait_go_out_once_although_the_engine_is_killed_beside_the_step(stepped: Town, web: Receiver, years: int) -> None:
    town = stepped
    web.status = 500
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: len(web.posted) >= 2, "tried, and tried again")
    step(town, years)
    before = len(web.posted)
    wait_until(lambda: len(web.posted) > before, "tried again although its time lies in another year")
    town.kill()
    town.within[3] = "0"  # somebody has set the clock right while it was off
    web.status = 204
    town.start()
    wait_until(lambda: ("", "delivered", 0) in told(town), "delivered")
    assert len({key for key, _ in web.posted}) == 1, "the same message"
    assert [one.state for one in town.history()] == ["open"]

    town.press("H03-07", 1)  # the board repeats its press: its receipt was lost
    wait_until(lambda: town.receipts("H03-07", "9c41f2aa-1-1") >= 2, "a receipt")
    assert [one.n for one in town.history()] == [1]


def test_incidents_of_a_wrong_year_stay_in_their_order_and_no_number_comes_twice(stepped: Town) -> None:
    town = stepped
    town.start()
    for seq, years in ((1, 1), (2, -1), (3, -1), (4, 1)):
        town.press("H03-07", seq)
        wait_until(lambda seq=seq: town.receipts("H03-07", f"9c41f2aa-1-{seq}"), "a receipt")
        wait_until(lambda: town.history()[0].state == "open", "an incident")
        newest = town.history()[0]
        answer = order(town, "resolve", f"c-{seq}", outcome="test", incident=newest.id, version=newest.version)
        assert answer["ok"], answer
        town.press("H03-07", 100 + seq, state="clear", now="clear", calling=False)
        wait_until(lambda seq=seq: town.receipts("H03-07", f"9c41f2aa-1-{100 + seq}"), "a receipt")
        before = len(town.of("tick"))
        town.engine.send_signal(signal.SIGUSR1 if years > 0 else signal.SIGUSR2)
        wait_until(lambda before=before: len(town.of("tick")) > before, "a tick")
    numbers = [int(one.id.rpartition("-")[2]) for one in town.history()]
    assert numbers == [4, 3, 2, 1]
    assert {one.state for one in town.history()} == {"resolved"}


def _rows(town: Town, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(town.database)) as db:
        return db.execute(query).fetchall()
