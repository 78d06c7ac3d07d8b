"""What a real engine says of areas and of itself, over a kill -9."""

import sqlite3
import time
from datetime import timedelta

import pytest
from brokers import wait_until
from engines import LIFE, Town, free_port, mosquitto

from gateway.domain.audiences import VIETNAM
from gateway.identity import issuing, register
from gateway.identity.authority import Authority
from gateway.identity.validity import HOLDER_YEARS, YEAR
from gateway.store import queries

HOMES = [f"H03-{number:02d}" for number in range(1, 13)]


def lasting(town: Town) -> dict[str, dict[str, object]]:
    return {str(fault["key"]): fault for fault in town.of("gateway")[-1]["lasting"]}


def rows(town: Town, sql: str) -> list[tuple[object, ...]]:
    db = queries.connect(town.database)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


@pytest.mark.parametrize("killed", [False, True])
def test_a_dead_group_is_one_fault_until_it_is_back(town, killed):
    town.start()
    for home in HOMES:
        town.birth(home)
    wait_until(lambda: len(town.of("dev/H03-12/hello")) > 0, "greeted")
    for home in HOMES:
        town.send(f"dev/{home}/state", {"online": False, "life": LIFE, "boot": 1}, retain=True)
    wait_until(lambda: len(lasting(town).get("area:group-TLG-03", {}).get("boards", [])) == 12, "one fault")
    fault = lasting(town)["area:group-TLG-03"]
    assert (fault["kind"], fault["name"]) == ("area", "Tổ liên gia 03, ngõ Thử 5")
    if killed:
        town.kill()
        town.start()
        wait_until(lambda: lasting(town).get("area:group-TLG-03") == fault, "the fault of before, since when it was")
    for home in HOMES:
        town.birth(home, boot=2)
    wait_until(lambda: "area:group-TLG-03" not in lasting(town), "over")
    wait_until(
        lambda: rows(town, "SELECT what FROM maintenance WHERE part_of IS NULL ORDER BY id") == [("area_lost",), ("area_back",)],
        "two lines, and none for each board",
    )


def test_a_boards_certificate_that_is_about_to_end_is_a_fault_until_it_is_renewed_over_a_start_too(town):
    data, now = town.database.parent, register.now()
    authority = Authority.create(data, "xa-mau", now=now)
    _, key = issuing.new_key("H03-07")
    long_ago = now - HOLDER_YEARS * YEAR + timedelta(days=20)
    issuing.issue(data, "H03-07", key, now=long_ago)
    town.start()
    wait_until(lambda: "certificate_boards" in lasting(town), "a fault")
    fault = lasting(town)["certificate_boards"]
    until = f"{authority.end(long_ago).astimezone(VIETNAM):%d/%m/%Y}"
    assert (fault["words"], fault["boards"]) == (f"good until {until}: H03-07", ["H03-07"])
    town.kill()
    issuing.issue(data, "H03-07", key, now=now)
    town.start()
    wait_until(lambda: "certificate_boards" not in lasting(town), "over")
    assert rows(town, "SELECT point, what FROM maintenance WHERE point LIKE 'certificate%' ORDER BY id") == [
        ("certificate_boards", "gateway_fault"),
        ("certificate_boards", "gateway_ok"),
    ]


def test_a_missing_desk_is_known_after_a_start_hurries_the_ladder_and_ends_with_a_live_one(town):
    town.start()
    town.kill()
    db = sqlite3.connect(town.database)
    db.execute("INSERT INTO fault (key, since_ms, words) VALUES ('desk', 1, 'no page is open')")
    db.commit()
    db.close()
    town.start()
    assert lasting(town)["desk"]["words"] == "no page is open"
    town.press("H03-07", 1)
    wait_until(lambda: "desk_missing" in [entry["what"] for entry in town.incident().get("timeline", [])], "the ladder knows it")
    town.send("desk/truc-ban-1/alive", {"pages": 1, "audible": 0}, qos=0)
    wait_until(lambda: lasting(town)["desk"]["words"].startswith("a page is open, but"), "a silent page is no desk")
    town.send("desk/truc-ban-1/alive", {"pages": 2, "audible": 1}, qos=0)
    wait_until(lambda: "desk" not in lasting(town), "over")


def test_while_the_broker_is_gone_no_board_and_no_desk_is_lost_and_then_each_has_its_whole_time(tmp_path):
    port = free_port()
    with mosquitto(tmp_path, port):
        town = Town(tmp_path, port)
        try:
            town.start()
            town.birth("H03-07", sleeping=True, next_s=2)  # so it is watched for 4 s
            town.send("desk/truc-ban-1/alive", {"pages": 1, "audible": 1}, qos=0)
            wait_until(lambda: town.of("dev/H03-07/hello"), "greeted")
        except BaseException:
            town.close()
            raise
    try:
        time.sleep(5.5)
        assert rows(town, "SELECT 1 FROM maintenance WHERE what = 'board_lost'") == []
        back_ms = int(time.time() * 1000)
        with mosquitto(tmp_path, port):
            wait_until(lambda: rows(town, "SELECT 1 FROM maintenance WHERE what = 'board_lost'"), "it is silent still")
        ((at_ms,),) = rows(town, "SELECT at_ms FROM maintenance WHERE what = 'board_lost'")
        assert at_ms >= back_ms + 4000
    finally:
        town.close()


def test_a_link_that_is_back_before_anybody_looks_gives_each_board_its_whole_time_too(tmp_path):
    port = free_port()
    town = None
    try:
        with mosquitto(tmp_path, port):
            town = Town(tmp_path, port)
            town.paces["gateway.engine.CLOCKWORK_S"] = 1.0  # it looks so seldom that it never sees the link down
            town.start()
            town.birth("H03-07", sleeping=True, next_s=1)  # so it is watched for 2 s
            wait_until(lambda: town.of("dev/H03-07/hello"), "greeted")
            time.sleep(1.5)
            back_ms = int(time.time() * 1000)
        with mosquitto(tmp_path, port):
            wait_until(lambda: rows(town, "SELECT 1 FROM maintenance WHERE what = 'board_lost'"), "it is silent still")
        ((at_ms,),) = rows(town, "SELECT at_ms FROM maintenance WHERE what = 'board_lost'")
        assert at_ms >= back_ms + 2000
    finally:
        if town:
            town.close()
