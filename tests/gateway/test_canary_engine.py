"""Canaries of a real engine over real channels: a web server, a receiver that is not ours, a modem, Apprise; and over a kill -9."""

import hashlib
import hmac
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from brokers import wait_until
from engines import Receiver, Town
from sia_receivers import ACCOUNT, in_a_thread
from test_sms_engine import modem_in_a_thread

from gateway.store import queries
from simulator.modem.device import VirtualModem

DUTY = "+840000000001"  # of the demo site, whose technician has no phone
WORDS = "Kẻng: thử kênh hằng ngày, không phải báo động. "


@pytest.fixture
def modem(tmp_path: Path) -> Iterator[VirtualModem]:
    with modem_in_a_thread(tmp_path) as modem:
        yield modem


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def vietnam(minutes: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=7, minutes=minutes)).strftime("%H:%M:%S")


def query(town: Town, sql: str) -> list[Any]:
    db = queries.connect(town.database)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def proved(town: Town) -> set[str]:
    return {channel for (channel,) in query(town, "SELECT channel FROM canary WHERE proved_ms IS NOT NULL AND asked_ms IS NULL")}


def a_day_later(town: Town) -> None:
    """The engine starts as if all of yesterday's had been decided on, and none of today's."""
    town.start()
    wait_until(lambda: query(town, "SELECT count(*) FROM canary")[0][0] > 0, "the channels are watched")
    town.kill()
    db = sqlite3.connect(town.database)
    db.execute("UPDATE canary SET slot_ms = ?", (int(time.time() * 1000) - 86_400_000,))
    db.commit()
    db.close()
    town.start()


def lasting(town: Town) -> dict[str, str]:
    return {fault["key"]: fault["words"] for fault in town.of("gateway")[-1]["lasting"]}


def test_every_channel_proves_itself_and_a_start_repeats_none(town, tmp_path, modem, receiver):
    (tmp_path / "secret").write_text("s3cret")
    (tmp_path / "address").write_text(receiver.url.replace("http://", "json://"))
    with in_a_thread("ack") as police:
        town.settings = {
            "webhooks": [{"name": "city", "url": receiver.url, "secret_file": str(tmp_path / "secret")}],
            "apprise": [{"name": "zalo", "url_file": str(tmp_path / "address")}],
            "receivers": [{"name": "police", "host": "127.0.0.1", "port": police.port, "account": ACCOUNT, "timeout_s": 2}],
            "sms": {"port": str(modem.path), "send_s": 10, "ring_s": 5},
            "canary": {"at": vietnam(-1)},
        }
        a_day_later(town)
        channels = {"webhook:city", "apprise:zalo", "sia:police", "sms", "voice"}
        wait_until(lambda: proved(town) == channels, "all have proved themselves")
        assert lasting(town) == {key: words for key, words in lasting(town).items() if not key.startswith("canary")}
        (posted,) = [(headers, raw) for headers, raw in receiver.raw if b'"event": "canary"' in raw]
        at, _, digest = posted[0]["Keng-Signature"].partition(",v1=")
        assert hmac.new(b"s3cret", at.removeprefix("t=").encode() + b"." + posted[1], hashlib.sha256).hexdigest() == digest
        assert [event for event in police.events if "RP" in event] == ["#1001|Nri0/RP000"]
        ((number, text),) = modem.messages
        assert (number, text[: len(WORDS)]) == (DUTY, WORDS)
        assert town.incident() == {}
        before = query(town, "SELECT count(*) FROM delivery")
        town.kill()
        town.start()
        event = town.press("H03-07", 1)
        wait_until(lambda: town.receipts("H03-07", event), "a receipt")
        assert query(town, "SELECT count(*) FROM delivery WHERE what = 'canary'") == before
        town.kill()  # it shall not be asking the receiver while that ends


def test_a_number_that_takes_no_message_is_a_fault_and_a_real_message_that_arrives_ends_it(town, modem):
    modem.faults.refuse_numbers = {DUTY: 1}  # unassigned number
    town.settings = {"sms": {"port": str(modem.path), "send_s": 10, "ring_s": 5}, "canary": {"at": vietnam(-1)}}
    a_day_later(town)
    wait_until(lambda: "canary:sms" in lasting(town), "the fault")
    assert lasting(town)["canary:sms"].endswith("; last proof: never")
    town.press("H03-07", 1)  # the leader's number takes it
    wait_until(lambda: "canary:sms" not in lasting(town), "it is over when somebody's phone has an alarm")


def test_a_canary_to_the_own_number_comes_back(town, modem):
    own = "+840000000042"
    canary = {"at": vietnam(-1), "sms_to": own, "sms_returns": True}
    town.settings = {"sms": {"port": str(modem.path), "send_s": 10, "ring_s": 5}, "canary": canary}
    a_day_later(town)
    wait_until(lambda: modem.messages, "it is sent")
    ((number, text),) = modem.messages
    assert number == own
    assert "sms" not in proved(town)
    modem.own_loop.call_soon_threadsafe(modem.receive, own, text)
    wait_until(lambda: "sms" in proved(town), "its return proves both ways")
