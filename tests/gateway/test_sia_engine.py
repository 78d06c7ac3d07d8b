"""From the press to the police receiver, with the real engine; and keng sia test."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from brokers import wait_until
from engines import Receiver as WebServer
from engines import Town, free_port
from sia_receivers import ACCOUNT, FaultyReceiver, in_a_thread

from gateway.store import queries

KEY = bytes(range(16))
FA7, FA8, OVER = "#1001|Nri3/FA007", "#1001|Nri3/FA008", "#1001|Nri3/FR000"


def receiver(peer: FaultyReceiver, name: str = "police", **more: object) -> dict[str, object]:
    return {"name": name, "host": "127.0.0.1", "port": peer.port, "account": ACCOUNT, "timeout_s": 2} | more


def key_file(folder: Path) -> str:
    path = folder / "police.key"
    path.write_text(KEY.hex())
    path.chmod(0o600)
    return str(path)


def deliveries(town: Town) -> list[tuple[str, str, str]]:
    return [(one.channel, one.what, one.state) for incident in town.history() for one in incident.deliveries]


def faults(town: Town) -> list[tuple[str, str]]:
    db = queries.connect(town.database)
    try:
        return [(entry.point, entry.what) for entry in queries.maintenance(db, limit=100) if entry.what.startswith("gateway")]
    finally:
        db.close()


def test_a_fire_is_told_from_its_first_press_to_its_end(town, tmp_path):
    with in_a_thread("ack", key=KEY) as police:
        town.settings = {"receivers": [receiver(police, key_file=key_file(tmp_path))]}
        town.start()
        town.press("H03-07", 1)
        wait_until(lambda: police.events == [FA7], "the first press")
        town.press("H03-08", 2)
        wait_until(lambda: police.events == [FA7, FA8], "the second press")
        wait_until(lambda: town.incident()["n"] == 2, "a snapshot of the second press")
        assert town.command("acknowledge", id="c-1")["ok"]
        assert town.command("resolve", id="c-2", outcome="fire", version=3)["ok"]
        wait_until(lambda: police.events == [FA7, FA8, OVER], "the end")
        wait_until(lambda: len(deliveries(town)) == 3 and {state for _, _, state in deliveries(town)} == {"delivered"}, "all delivered")
        assert deliveries(town) == [("sia:police", what, "delivered") for what in ("opened", "re_alarmed", "resolved")]
        assert all(heard.encrypted for heard in police.heard)


def test_killed_before_the_acknowledgement_it_is_sent_again_under_the_same_number(town):
    with in_a_thread("mute") as police:
        town.settings = {"receivers": [receiver(police, supervision_s=0, timeout_s=30)]}
        town.start()
        town.press("H03-07", 1)
        wait_until(lambda: police.events == [FA7], "sent, and not acknowledged")
        town.kill()
        police.script[:] = ["ack"]
        town.start()
        wait_until(lambda: deliveries(town) == [("sia:police", "opened", "delivered")], "delivered")
        assert police.events == [FA7, FA7]
        assert {heard.seq for heard in police.heard} == {1}


def test_a_mute_receiver_is_a_fault_and_delays_neither_bells_nor_webhook_nor_its_fallback(town):
    web = WebServer()
    try:
        with in_a_thread("mute") as police, in_a_thread("ack") as centre:
            town.settings = {
                "receivers": [receiver(police, fallback="centre", supervision_s=1, timeout_s=0.5), receiver(centre, "centre")],
                "webhooks": [{"name": "city", "url": web.url}],
            }
            town.start()
            town.press("H03-07", 1)
            wait_until(lambda: web.posted, "the webhook has it")
            wait_until(lambda: centre.events == [FA7], "the fallback has it")
            assert town.ring()["pattern"] == "fire"
            wait_until(lambda: ("sia:police", "gateway_fault") in faults(town), "the fault")
            police.script[:] = ["ack"]
            wait_until(lambda: ("sia:police", "gateway_ok") in faults(town), "its end")
    finally:
        web.close()


def test_of_two_receivers_each_is_told_and_a_fallback_only_what_is_left(town):
    with in_a_thread("ack") as police, in_a_thread("ack") as centre, in_a_thread("ack") as spare:
        rows = [receiver(police, fallback="spare"), receiver(centre, "centre"), receiver(spare, "spare")]
        town.settings = {"receivers": rows}
        town.start()
        town.press("H03-07", 1)
        wait_until(lambda: police.events == centre.events == [FA7], "both have it")
        assert spare.events == []


def keng_sia_test(folder: Path, rows: list[dict[str, object]], *arguments: str) -> subprocess.CompletedProcess[str]:
    file = folder / "keng.toml"
    file.write_text("".join("[[receivers]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in row.items()) for row in rows))
    command = [sys.executable, "-c", "import keng; keng.main()", "sia", "test", "police", "--settings", str(file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_shows_the_dialogue(tmp_path):
    with in_a_thread("ack", key=KEY) as police:
        done = keng_sia_test(tmp_path, [receiver(police, key_file=key_file(tmp_path))])
        assert (done.returncode, done.stderr) == (0, "")
        lines = done.stdout.splitlines()
        assert [line.split(" account")[0].rpartition(" ")[0] for line in lines[:4]] == [
            "to police: NULL",
            "from police: ACK",
            "to police: SIA-DCS",
            "from police: ACK",
        ]
        assert lines[4] == "police: both were acknowledged"
        assert [heard.idtoken for heard in police.heard] == ["NULL", "SIA-DCS"]
        assert police.events == ["#1001|Nri0/RX000"]
        assert KEY.hex() not in done.stdout


def test_the_command_as_json_says_what_is_wrong(tmp_path):
    with in_a_thread("duh") as police:
        done = keng_sia_test(tmp_path, [receiver(police)], "--code", "FA", "--json")
        assert done.returncode == 1
        answer = json.loads(done.stdout)
        assert (answer["ok"], answer["receiver"], answer["code"]) == (False, "police", "FA")
        assert answer["error"] == "answers that it cannot use this message (DUH)"


def test_the_command_says_in_plain_words_that_nobody_is_there(tmp_path):
    rows = [{"name": "police", "host": "127.0.0.1", "port": free_port(), "account": ACCOUNT}]
    done = keng_sia_test(tmp_path, rows)
    assert done.returncode == 1
    assert done.stderr == f"keng sia test: police cannot be reached at 127.0.0.1 port {rows[0]['port']}: Connection refused\n"


@pytest.mark.parametrize(
    ("rows", "arguments", "words"),
    [
        ([], [], "expected [[receivers]] with the name 'police', got: none"),
        ([{"name": "police", "host": "h", "port": 1, "account": "1001"}], ["--code", "ZZ"], "--code: expected one of FA, KA"),
        ([{"name": "police", "host": "h", "port": 1, "account": "1001", "key_file": "/nowhere"}], [], "/nowhere: expected a file"),
    ],
)
def test_wrong_input_is_told_with_exit_code_2(tmp_path, rows, arguments, words):
    done = keng_sia_test(tmp_path, rows, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
