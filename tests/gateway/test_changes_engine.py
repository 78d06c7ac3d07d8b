"""A change of a board's configuration with the real engine, a real mosquitto, and a board that this test plays."""

import sqlite3
import time
from contextlib import closing
from typing import Any

from brokers import wait_until
from engines import Town

from gateway.store import queries

USER, BOARD, OTHER = "ky-thuat-1", "H03-01", "H03-02"
WIFI = [{"ssid": "lane", "key": "hush-hush"}]


def ask(town: Town, do: str, *, user: str = USER, device: str = BOARD, **fields: Any) -> dict[str, Any]:
    """The engine's answer to a command of the bench."""
    ident = str(fields.pop("id", f"b-{len(town.heard)}-{do}"))
    topic = f"bench/{user}/answer"
    before = len(town.of(topic))
    town.send(f"bench/{user}/command", {"id": ident, "t": int(time.time() * 1000), "do": do, "device": device} | fields)
    wait_until(lambda: [one for one in town.of(topic)[before:] if one["id"] == ident], f"an answer to {do}")
    return next(one for one in town.of(topic)[before:] if one["id"] == ident)


def orders(town: Town, device: str = BOARD) -> list[dict[str, Any]]:
    return [one for one in town.of(f"dev/{device}/order") if one["do"] == "set"]


def change(town: Town, device: str = BOARD) -> dict[str, Any]:
    return dict(ask(town, "boards", device=device)["boards"][0].get("change") or {})


def online(town: Town, device: str = BOARD, **fields: Any) -> None:
    town.birth(device, **fields)
    wait_until(lambda: ask(town, "boards", device=device)["boards"][0]["state"] == "online", f"{device} is online")


def decided(town: Town, ident: str, **answer: Any) -> dict[str, Any]:
    """The change, once the engine has what the board answers."""
    town.send(f"dev/{BOARD}/answer", {"id": ident} | answer)
    wait_until(lambda: change(town)["state"] != "ordered", "the end of the change")
    return change(town)


def test_the_order_goes_out_once_and_the_answer_comes_however_late(town: Town) -> None:
    town.start()
    online(town, config="0123abcd")
    assert ask(town, "configure", id="b-1", config={"verify_s": 60, "wifi": WIFI}) == {"v": 1, "id": "b-1", "ok": True, "more": False}
    assert ask(town, "configure", id="b-1", config={"verify_s": 60, "wifi": WIFI})["ok"]
    wait_until(lambda: orders(town), "the order")
    assert [(one["id"], one["what"], one["config"]) for one in orders(town)] == [("b-1", "config", {"verify_s": 60, "wifi": WIFI})]
    known = change(town)
    assert (known["state"], known["keys"], known["by"]) == ("ordered", ["wifi", "verify_s"], USER)
    refused = ask(town, "configure", device=OTHER, config={"verify_s": 60})
    assert "expected H03-02 to be online" in refused["error"]
    assert decided(town, "b-1", ok=True)["state"] == "applied"
    board = ask(town, "boards")["boards"][0]
    assert (board["config"], board["told"]) == ("0123abcd", {"wifi": ["lane"]})
    log = queries.connect(town.database)
    assert [entry.what for entry in reversed(queries.maintenance(log, limit=9))] == ["config_ordered", "config_changed"]
    log.close()


def test_an_answer_that_a_killed_engine_has_not_heard_is_asked_for(town: Town) -> None:
    town.start()
    online(town)
    assert ask(town, "configure", id="b-1", config={"wifi": WIFI})["ok"]
    wait_until(lambda: orders(town), "the order")
    town.kill()
    town.send(f"dev/{BOARD}/answer", {"id": "b-1", "ok": True})
    town.start()
    wait_until(lambda: len(orders(town)) > 1, "the question, at the birth that the broker has kept")
    assert (orders(town)[-1]["id"], orders(town)[-1].get("what"), orders(town)[-1].get("config")) == ("b-1", None, None)
    assert ask(town, "configure", id="b-1", config={"wifi": WIFI})["ok"], "said again to the engine that knows it from its database"
    assert len([one for one in orders(town) if "config" in one]) == 1
    assert decided(town, "b-1", ok=False, error="rolled back: not online within 180 s, tries: 1")["state"] == "rolled_back"
    assert ask(town, "boards")["boards"][0]["faults"] == ["rolled back: not online within 180 s, tries: 1"]


def test_an_order_that_never_reached_the_board_is_told_as_that(town: Town) -> None:
    town.start()
    online(town)
    assert ask(town, "configure", id="b-1", config={"wifi": WIFI})["ok"]
    town.birth(BOARD, boot=2)
    wait_until(lambda: len(orders(town)) > 1, "the question")
    assert decided(town, "b-1", ok=False, error="not supported: set")["state"] == "missed"
    assert ask(town, "configure", config={"wifi": WIFI})["ok"]


def test_no_secret_is_on_the_engines_disk_or_in_its_log(town: Town) -> None:
    """What cannot be read neither."""
    town.paces["gateway.reports.EVERY_S"] = 0.2
    town.start()
    online(town)
    assert ask(town, "configure", config={"wifi": WIFI, "password": "hush-hush"})["ok"]
    assert "wifi" in ask(town, "configure", config={"wifi": [{"ssid": "lane", "key": "hush-hush" * 9}]})["error"]
    town.send(f"bench/{USER}/command", {"id": "b-9", "t": 1, "do": "configure", "config": {"wifi": WIFI}})

    def counted() -> list[queries.RubbishRow]:
        with closing(queries.connect(town.database)) as db:
            return [one for one in queries.rubbish(db) if one.kind == "bench_command"]

    wait_until(counted, "a command of which nobody knows the board is counted")
    assert (counted()[0].first, "a device with configure" in counted()[0].why) == (b"", True)
    town.kill()
    with closing(sqlite3.connect(town.database)) as db:
        assert "hush-hush" not in "\n".join(db.iterdump())
    assert "hush-hush" not in town.log.read_text()
