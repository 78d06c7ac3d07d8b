"""The ladder of a real engine: people are told over a real service, and a kill -9 forgets nobody and tells nobody twice."""

import time

import pytest
from brokers import DEMO, wait_until
from engines import Receiver, Town

from gateway.store import queries

PEOPLE = """
[[people]]
id = "truc-ban-1"
name = "Cán bộ mẫu 01"
role = "duty"
channels = ["apprise:duty"]

[[people]]
id = "to-truong-03"
name = "Tổ trưởng mẫu 03"
role = "leader"
group = "TLG-03"
channels = ["apprise:leader"]

[[policy.ladders]]
cause = "fire"
steps = [{ to = ["on_duty"], wait_s = 4 }, { to = ["leader"], wait_s = 3600 }]
"""


@pytest.fixture
def receivers():
    found = {name: Receiver() for name in ("duty", "leader")}
    yield found
    for receiver in found.values():
        receiver.close()


@pytest.fixture
def town(town, tmp_path, receivers):
    town.site = tmp_path / "site.toml"
    town.site.write_text(DEMO.read_text(encoding="utf-8").partition("[[people]]")[0] + PEOPLE, encoding="utf-8")
    town.settings = {"apprise": []}
    for name, receiver in receivers.items():
        file = tmp_path / name
        file.write_text(receiver.url.replace("http://", "json://"), encoding="utf-8")
        town.settings["apprise"].append({"name": name, "url_file": str(file)})
    return town


def told(town: Town) -> list[tuple[str, str, int]]:
    db = queries.connect(town.database)
    try:
        return db.execute("SELECT person, state, step FROM delivery ORDER BY id").fetchall()
    finally:
        db.close()


def test_step_after_step_over_a_kill_and_nobody_after_an_acknowledgement(town, receivers):
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: told(town) == [("truc-ban-1", "handed", 1)], "the officer is told")
    position = town.incident()["ladder"]
    assert (position["step"], position["next"]) == (2, ["to-truong-03"])
    town.kill()
    town.start()
    wait_until(lambda: told(town)[1:] == [("to-truong-03", "handed", 2)], "the leader is told")
    assert (len(receivers["duty"].posted), len(receivers["leader"].posted)) == (1, 1)
    assert town.command("acknowledge", id="c-1")["ok"]
    wait_until(lambda: town.incident()["state"] == "acknowledged", "acknowledged")
    assert town.incident()["ladder"]["due_ms"] is None
    deliveries = {one["person"]: one for one in town.incident()["deliveries"]}
    assert deliveries["truc-ban-1"]["handed_ms"] >= deliveries["truc-ban-1"]["decided_ms"]


def test_killed_before_the_message_went_out_it_goes_out_after_the_start(town, receivers):
    receivers["duty"].gate.clear()
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: told(town)[:1] == [("truc-ban-1", "waiting", 1)], "decided and on the disk")
    town.kill()
    receivers["duty"].gate.set()
    town.start()
    wait_until(lambda: told(town)[0] == ("truc-ban-1", "handed", 1), "told")


def test_a_service_that_hangs_neither_delays_the_bells_nor_the_next_step(town, receivers):
    receivers["duty"].gate.clear()
    town.start()
    at_s = time.monotonic()
    town.press("H03-07", 1)
    wait_until(lambda: town.ring().get("pattern") == "fire", "the bells ring")
    assert time.monotonic() - at_s < 3
    wait_until(lambda: ("to-truong-03", "handed", 2) in told(town), "the leader is told in time")
    assert told(town)[0] == ("truc-ban-1", "waiting", 1)


def test_what_waits_for_a_channel_that_was_taken_out_goes_by_the_next_and_ends_with_its_incident(town, receivers):
    people = PEOPLE.replace('["apprise:duty"]', '["apprise:duty", "apprise:leader"]')
    town.site.write_text(DEMO.read_text(encoding="utf-8").partition("[[people]]")[0] + people, encoding="utf-8")
    receivers["duty"].status = 503
    town.settings["webhooks"] = [{"name": "city", "url": "http://127.0.0.1:9/"}]
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: receivers["duty"].posted and told(town)[:1], "tried")
    town.kill()
    del town.settings["webhooks"], town.settings["apprise"][0]
    town.start()
    wait_until(lambda: ("truc-ban-1", "handed") in {(person, state) for person, state, _ in told(town)}, "the officer's next channel")
    assert receivers["leader"].posted
    wait_until(lambda: {state for _, state, _ in told(town)} == {"failed", "handed"}, "nothing waits for ever")
    assert town.command("resolve", id="c-1", outcome="fire")["ok"]
    wait_until(lambda: {state for _, state, _ in told(town)} == {"failed", "handed"}, "nor what is told of its end")
