"""Webhooks: a real web server, and an engine killed between commit and delivery."""

import hmac
import time
from base64 import b64decode

import pytest
from brokers import wait_until
from engines import Receiver, Town
from pydantic import ValidationError

from gateway.delivery.http import address
from gateway.settings import Webhook
from gateway.store import queries


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def town(town, receiver):
    town.settings = {"webhooks": [{"name": "city", "url": receiver.url, "timeout_s": 5}]}
    return town


def deliveries(town: Town) -> list[tuple[str, str, int]]:
    return [(delivery.what, delivery.state, delivery.tries) for incident in town.history() for delivery in incident.deliveries]


def test_each_decision_is_posted_once_with_the_incident(town, receiver):
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: len(receiver.posted) == 1, "opened")
    town.press("H03-08", 2)
    wait_until(lambda: len(receiver.posted) == 2, "re-alarmed")
    wait_until(lambda: town.incident()["n"] == 2, "a snapshot of the second press")
    assert town.command("acknowledge", id="c-1")["ok"]
    assert town.command("resolve", id="c-2", outcome="fire", version=3)["ok"]
    wait_until(lambda: len(deliveries(town)) == 4 and {state for _, state, _ in deliveries(town)} == {"delivered"}, "all delivered")
    assert [body["event"] for _, body in receiver.posted] == ["opened", "re_alarmed", "acknowledged", "resolved"]
    assert [body["incident"]["n"] for _, body in receiver.posted] == [1, 2, 2, 2]
    assert len({key for key, _ in receiver.posted}) == 4


def test_killed_between_commit_and_delivery_it_is_delivered_after_the_start(town, receiver):
    receiver.gate.clear()
    town.start()
    event = town.press("H03-07", 1)
    wait_until(lambda: town.receipts("H03-07", event) and receiver.posted, "on the disk, and under way")
    town.kill()
    assert deliveries(town) == [("opened", "waiting", 0)]
    receiver.gate.set()
    town.start()
    wait_until(lambda: deliveries(town) == [("opened", "delivered", 1)], "delivered")
    assert len({key for key, _ in receiver.posted}) == 1
    assert len(receiver.posted) == 2


def test_a_refused_message_is_tried_again_and_each_try_is_recorded(town, receiver):
    receiver.status = 503
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: deliveries(town)[:1] == [("opened", "waiting", 1)], "one try")
    assert town.history()[0].deliveries[0].error == "status 503"
    receiver.status = 200
    wait_until(lambda: deliveries(town)[0][1] == "delivered", "delivered")


def test_a_message_is_signed_with_the_secret_of_the_file(town, receiver, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("con gà gáy\n", encoding="utf-8")
    town.settings["webhooks"][0]["secret_file"] = str(secret)
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: receiver.raw, "posted")
    headers, body = receiver.raw[0]
    at_s, digest = (part.partition("=")[2] for part in headers["Keng-Signature"].split(","))
    assert hmac.new("con gà gáy".encode(), f"{at_s}.".encode() + body, "sha256").hexdigest() == digest
    assert abs(int(at_s) - time.time()) < 60


def test_a_webhook_that_hangs_delays_neither_bells_nor_another_webhook(town, receiver):
    other = Receiver()
    try:
        town.settings["webhooks"].append({"name": "other", "url": other.url})
        receiver.gate.clear()
        town.start()
        for seq, device in enumerate(("H03-07", "DCC-017"), 1):
            town.press(device, seq)
        wait_until(lambda: len(other.posted) == 2, "the other webhook has both")
        assert town.ring()["pattern"] == town.ring("DCC-N5")["pattern"] == "fire"
        assert not any(
            delivery.state == "delivered"
            for incident in town.history()
            for delivery in incident.deliveries
            if delivery.channel == "webhook:city"
        )
    finally:
        other.close()


def test_the_table_says_how_far_each_message_has_come(town, receiver):
    town.start()
    town.press("H03-07", 1)
    wait_until(lambda: receiver.posted, "posted")
    wait_until(lambda: town.incident()["deliveries"][0]["state"] == "delivered", "shown")
    db = queries.connect(town.database)
    assert db.execute("SELECT channel, what, state, tries, error FROM delivery").fetchall() == [
        ("webhook:city", "opened", "delivered", 1, "")
    ]
    db.close()


def test_an_address_goes_out_in_ascii_and_its_password_in_a_header():
    found = address("https://xã:b%C3%AD@cảnhsát.example:8443/tiếp nhận?kênh=1#x")
    assert (found.host, found.port, found.is_secure) == ("xn--cnhst-0qa6344c.example", 8443, True)
    assert found.target == b"/ti%E1%BA%BFp%20nh%E1%BA%ADn?k%C3%AAnh=1"
    assert dict(found.headers)[b"Host"] == b"xn--cnhst-0qa6344c.example:8443"
    assert b64decode(dict(found.headers)[b"Authorization"].removeprefix(b"Basic ")).decode() == "xã:bí"


def test_an_address_of_numbers_keeps_its_brackets_only_in_the_header():
    found = address("http://[::1]:80")
    assert (found.host, found.target, dict(found.headers)[b"Host"]) == ("::1", b"/", b"[::1]:80")


@pytest.mark.parametrize("url", ["http://", "http://:80/", "http://h:99999/", "http://h:0/", "http://a..b/", "http://[x/"])
def test_an_address_that_leads_nowhere_is_refused_at_the_start(url):
    with pytest.raises(ValidationError, match="expected an address"):
        Webhook(name="city", url=url)
