"""The engine as a process, against a real mosquitto: what a board, a desk and a second engine see of it."""

import time
from functools import partial

import pytest
from brokers import wait_until
from engines import LIFE, Town, free_port, mosquitto

from gateway.store import queries


def test_a_press_rings_its_group_is_receipted_and_shown(town):
    town.start()
    event = town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event), "a receipt")
    wait_until(lambda: town.ring().get("pattern") == "fire", "a ring")
    assert (town.ring()["covers"], town.ring()["place"], town.ring()["n"]) == ({"H03-07": event}, "H03-07", 1)
    wait_until(lambda: town.incident().get("state") == "open", "a snapshot")
    assert town.incident()["bells"][0]["state"] == "waiting"
    assert town.ring("DCC-N5")["pattern"] is None


def test_a_silent_bell_is_named_within_three_seconds(town):
    town.start()
    started = time.monotonic()
    call = town.press("H03-07", 1)
    bell = {"point": "bell", "type": "bell", "state": "active", "now": "active", "for": call, "k": 1, "proof": "measured", "age": 1}
    for number in range(1, 12):
        town.send(f"dev/H03-{number:02d}/event", {"id": f"0000000{number:x}-1-1"} | bell)
    wait_until(lambda: town.incident() and "silent" in [bell["state"] for bell in town.incident()["bells"]], "a silent bell")
    assert time.monotonic() - started < 3.5
    assert [bell["device"] for bell in town.incident()["bells"] if bell["state"] == "silent"] == ["H03-12"]


def test_an_event_that_is_repeated_100_times_is_receipted_each_time_and_makes_one_activation(town):
    town.start()
    for _ in range(100):
        event = town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event) == 100, "100 receipts")
    assert [(incident.n, len(incident.activations)) for incident in town.history()] == [(1, 1)]


def test_a_reimaged_board_under_its_old_name_is_heard(town):
    town.start()
    town.press("H03-07", 1)
    town.press("H03-07", 1, id="00c0ffee-1-1")
    wait_until(lambda: town.incident().get("n") == 2, "a second activation")


def test_an_id_that_was_something_else_before_is_acted_on_and_shown(town):
    town.start()
    town.press("H03-07", 1, point="button-2", state="clear", now="clear")
    event = town.press("H03-07", 1)
    wait_until(lambda: town.incident().get("n") == 1, "an incident")
    assert town.receipts("H03-07", event) == 2
    db = queries.connect(town.database)
    assert [(entry.device, entry.what) for entry in queries.maintenance(db, limit=9)] == [("H03-07", "doubled_id")]
    db.close()


def test_an_odd_event_is_kept_receipted_and_shown(town):
    town.start()
    event = town.press("H03-07", 1, v=2)
    wait_until(lambda: town.receipts("H03-07", event), "a receipt")
    event = town.press("H03-07", 1, v=2, age=9)
    wait_until(lambda: town.receipts("H03-07", event) == 2, "a receipt of its repeat")
    db = queries.connect(town.database)
    assert [entry.what for entry in queries.maintenance(db, limit=9)] == ["odd_event"]
    assert db.execute("SELECT count(*) FROM event").fetchone() == (1,)
    db.close()


def test_each_birth_is_answered_also_one_that_was_retained_before_the_start(town):
    town.birth("H03-07")
    town.start()
    wait_until(lambda: len(town.of("dev/H03-07/hello")) == 1, "a hello")
    town.birth("H03-07", boot=2)
    wait_until(lambda: len(town.of("dev/H03-07/hello")) == 2, "a second hello")
    hello = town.of("dev/H03-07/hello")[-1]
    assert (hello["for"], hello["group"], hello["ring"]["pattern"]) == (f"{LIFE}-2", "TLG-03", None)


def test_a_board_that_comes_back_learns_of_the_fire_from_its_hello(town):
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: town.ring().get("pattern") == "fire", "a ring")
    town.birth("H03-08", life="00c0ffee")
    wait_until(lambda: town.of("dev/H03-08/hello"), "a hello")
    assert town.of("dev/H03-08/hello")[0]["ring"]["pattern"] == "fire"


def test_an_alarm_that_a_birth_lists_is_no_second_one_if_it_is_known(town):
    town.start()
    event = town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event), "a receipt")
    town.birth("H03-07", boot=2, active={"button-1": event, "button-2": f"{LIFE}-1-2"})
    wait_until(lambda: town.incident().get("n") == 2, "the one that is not known")
    assert town.incident()["activations"][-1]["point"] == "button-2"


def test_the_desk_acknowledges_silences_and_resolves(town):
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: town.incident().get("n") == 1, "an incident")
    assert town.command("acknowledge", id="c-1")["ok"] is True
    assert town.ring()["pattern"] == "fire"
    assert town.command("silence", id="c-2", version=2)["ok"] is True
    wait_until(lambda: town.ring()["pattern"] is None, "a quiet ring")
    assert town.command("resolve", id="c-3", version=3, outcome="fire")["ok"] is True
    topic = f"incident/{town.incident()['id']}"
    wait_until(lambda: (topic, None, False) in town.heard, "an empty retained snapshot")
    assert town.of(topic)[-1]["state"] == "resolved"
    assert town.heard.index((topic, None, False)) > max(index for index, heard in enumerate(town.heard) if heard[0] == topic and heard[1])


def test_d08_a_desk_command_is_done_once_and_answered_again_over_a_restart(town):
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: town.incident().get("n") == 1, "an incident")
    first = town.command("silence", id="c-1")
    town.kill()
    town.start()
    town.press("H03-08", 2)
    wait_until(lambda: town.incident().get("n") == 2, "a new activation")
    assert town.command("silence", id="c-1", version=1) == first
    assert town.history()[0].sounding


def test_d02_rings_repeat_with_the_same_rev(town):
    town.paces = {"gateway.domain.ringing.SOUNDING_EVERY_S": 1}
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: sum(ring["rev"] == 1 for ring in town.of("group/TLG-03/ring")) == 2, "a repeated ring")
    first, again = [ring for ring in town.of("group/TLG-03/ring") if ring["rev"] == 1]
    assert first == again


def test_d34_presses_of_many_homes_within_milliseconds_make_one_incident(town):
    town.start()
    homes = [f"H03-{number:02}" for number in range(1, 13)]
    presses = {home: town.press(home, seq) for seq, home in enumerate(homes, 1)}
    for seq, home in enumerate(homes, 1):
        town.press(home, seq)  # and each of them comes twice
    wait_until(lambda: all(town.receipts(home, event) == 2 for home, event in presses.items()), "a receipt for each of both")
    assert [(incident.n, incident.state) for incident in town.history()] == [(12, "open")]
    assert {activation["event"] for activation in town.incident()["activations"]} == set(presses.values())


def test_d31_after_kill_9_everything_goes_on(town):
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: town.ring().get("pattern") == "fire", "a ring")
    wait_until(town.incident, "a snapshot")
    assert town.command("acknowledge", id="c-1")["ok"]
    wait_until(lambda: town.incident()["state"] == "acknowledged", "it is acknowledged")
    revision = town.incident()["revision"]
    life, boot = town.ring()["engine"].split("-")
    town.kill()
    wait_until(lambda: not town.of("gateway")[-1]["online"], "the last will")
    started = time.monotonic()
    town.start()
    wait_until(lambda: town.ring()["engine"] == f"{life}-{int(boot) + 1}", "a ring of the new start")
    assert (town.ring()["pattern"], town.ring()["rev"]) == ("fire", 1)
    print(f"rings again {time.monotonic() - started:.2f} s after the start")
    event = town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event) == 2, "a receipt for the repeat")
    assert town.incident()["revision"] >= revision
    assert (town.incident()["n"], town.incident()["state"]) == (1, "acknowledged")


def test_d07_events_that_nobody_receipted_are_repeated_until_the_engine_is_back(town):
    town.start()
    town.kill()
    for seq in range(1, 21):
        town.press("H03-07", seq)
    town.start()
    events = [town.press("H03-07", seq) for seq in range(1, 21)]
    wait_until(lambda: all(town.receipts("H03-07", event) for event in events), "20 receipts")
    assert [incident.n for incident in town.history()] == [20]


def test_events_that_are_on_the_disk_without_a_receipt_are_known_after_a_kill(town):
    town.start()
    events = [town.press("H03-07", seq) for seq in (1, 2, 3)]
    wait_until(lambda: all(town.receipts("H03-07", event) for event in events), "three receipts")
    town.kill()
    town.start()
    for seq in (1, 3, 2, 4):
        town.press("H03-07", seq)
    wait_until(lambda: all(town.receipts("H03-07", event) == 2 for event in events), "three more, for the repeats")
    wait_until(lambda: town.incident()["n"] == 4, "one that is new")
    assert town.engine.poll() is None


def test_d09_a_broker_that_forgot_everything_is_told_again(tmp_path):
    port = free_port()
    with mosquitto(tmp_path, port):
        town = Town(tmp_path, port)
        town.paces = {"gateway.domain.ringing.SOUNDING_EVERY_S": 1}
        town.start()
        town.press("H03-07", 1)
        wait_until(lambda: town.incident().get("n") == 1, "an incident")
    try:
        with mosquitto(tmp_path, port):
            town.heard.clear()
            town.reconnect()
            wait_until(lambda: town.incident().get("n") == 1, "the incident again")
            wait_until(lambda: town.ring().get("pattern") == "fire", "the ring again")
            assert town.of("gateway")[-1]["online"]
            town.birth("H03-07")
            wait_until(lambda: town.of("dev/H03-07/hello"), "a hello")
    finally:
        town.close()


def test_a_second_engine_ends_with_code_1_having_sent_nothing(town, tmp_path):
    town.paces = {"gateway.engine.TICK_S": 1}
    town.start()
    second = Town(tmp_path, town.port)
    second.database = tmp_path / "other" / "keng.db"
    try:
        second.start(wait=False)
        assert second.engine.wait(30) == 1
        assert len({message["engine"] for message in town.of("gateway") + town.of("tick")}) == 1
        assert "expected no other engine" in second.log.read_text()
    finally:
        second.close()


def test_an_engine_that_hears_one_with_a_smaller_life_keeps_still(town):
    town.settings = {"engine": {"verify_s": 3}}
    town.paces = {"gateway.engine.TICK_S": 1, "gateway.rivals.FORGET_S": 8}
    town.start()
    wait_until(town.ring, "rings of the start")
    smoke = town.press("H03-09", 1, point="smoke-1", type="smoke", id="00c0ffee-1-1", calling=False)
    wait_until(lambda: town.receipts("H03-09", smoke), "a smoke contact that is to be believed in 3 s")
    other = partial(town.send, "tick", {"engine": "00000000-1", "t": 1}, qos=0)
    other()
    wait_until(lambda: "another engine, 00000000-1" in town.log.read_text(), "it says so")
    event = town.press("H03-07", 1)

    def said() -> tuple[int, int, int]:
        ticks = sum(tick["engine"] != "00000000-1" for tick in town.of("tick"))
        return ticks, len(town.of("group/TLG-03/ring")), town.receipts("H03-07", event)

    # An engine that does not keep still has ticked by then, since it ticks every second, and has believed the smoke.
    until, before = time.monotonic() + 4, said()
    while time.monotonic() < until:
        other()
        time.sleep(0.5)
    assert said() == before
    assert before[2] == 0
    wait_until(lambda: said()[0] > before[0], "a tick, once the other is silent for 8 s")
    town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event) == 1, "a receipt")
    assert town.ring()["pattern"] == "fire"


@pytest.mark.parametrize("who", ["its own", "its older start", "another that has ended"])
def test_a_last_will_that_comes_late_is_contradicted(town, who):
    town.start()
    town.kill()
    wait_until(lambda: not town.of("gateway")[-1]["online"], "the last will")
    town.start()
    life, boot = town.of("gateway")[-1]["engine"].split("-")
    assert boot == "2"
    engine = {"its own": f"{life}-{boot}", "its older start": f"{life}-1", "another that has ended": "00c0ffee-7"}[who]
    before = len(town.of("gateway"))
    town.send("gateway", {"online": False, "engine": engine, "version": "1"}, retain=True)
    wait_until(lambda: len(town.of("gateway")) >= before + 2, "a contradiction")
    assert (town.of("gateway")[-1]["online"], town.of("gateway")[-1]["engine"]) == (True, f"{life}-{boot}")


def test_an_incident_that_only_the_broker_knows_is_cleared(town):
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: town.incident().get("n") == 1, "an incident")
    ours = f"incident/{town.incident()['id']}"
    town.kill()
    town.send("incident/2020-000009", {"id": "2020-000009"}, retain=True)
    town.start()
    wait_until(lambda: ("incident/2020-000009", None, False) in town.heard, "an empty payload")
    assert (ours, None, False) not in town.heard


def test_an_engine_that_hears_one_with_a_greater_life_goes_on(town):
    town.start()
    town.send("tick", {"engine": "ffffffff-1", "t": 1}, qos=0)
    wait_until(lambda: "another engine, ffffffff-1" in town.log.read_text(), "it says so")
    event = town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event) == 1, "a receipt")


def test_rubbish_is_counted_and_disturbs_nothing(town):
    town.paces = {"gateway.reports.EVERY_S": 0.2}
    town.start()
    town.send("dev/H03-07/event", b"\xff")
    town.send("dev/H03-07/event", b"{}")
    town.send("dev/H03-07/state", b"[" * 2000)
    town.send("dev/H03-07/report", b'{"v":1,"up":1e400}', qos=0)
    town.send("desk/truc-ban-1/command", b"x" * 70_000)
    town.send("gateway", b"null")
    event = town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event), "a receipt")

    def counted():
        db = queries.connect(town.database)
        rows = {(row.device, row.kind): row.total for row in queries.rubbish(db)}
        db.close()
        return rows

    wait_until(lambda: sum(counted().values()) == 6, "six counted")
    assert counted()["H03-07", "event"] == 2


def test_reports_are_stored_and_keep_the_devices_fresh(town):
    town.paces = {"gateway.reports.EVERY_S": 0.2}
    town.start()
    report = {"up": 1, "heap": 61200, "rssi": -67, "battery": 86, "waiting": 0, "dropped": 0, "refused": 3, "values": {"lamp": 0.42}}
    for _ in range(3):
        town.send("dev/DCC-017/report", report, qos=0)

    def stored():
        db = queries.connect(town.database)
        rows = db.execute("SELECT count(*), min(measured) FROM report").fetchone()
        device = next((row for row in queries.devices(db) if row.id == "DCC-017"), None)
        db.close()
        return rows, device

    wait_until(lambda: stored()[0][0] == 3 and stored()[1], "three rows and their board")
    rows, device = stored()
    assert rows == (3, '{"lamp": 0.42}')
    assert (device.state, device.rssi, device.battery, device.refused) == ("online", -67, 86, 3)


def test_a_topic_that_is_none_of_ours_is_counted(town):
    town.paces = {"gateway.reports.EVERY_S": 0.2}
    town.start()
    town.send("dev/H 03/event", {"id": f"{LIFE}-1-1"})

    def counted():
        db = queries.connect(town.database)
        rows = queries.rubbish(db)
        db.close()
        return rows

    wait_until(counted, "a row")
    assert (counted()[0].kind, counted()[0].total) == ("topic", 1)
