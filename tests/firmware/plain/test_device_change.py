# Orders that set the configuration: what is taken and what is refused.
import json

from agent import changes
from reconfigure import Broken, answer, answers, candidates, change, is_on_trial, kept, online, restarted
from virtual_board import Stage


def test_each_reason_to_refuse_is_told_and_changes_nothing():
    stage = online()
    for place, (fields, error) in enumerate(
        (
            ({"verify_s": 91}, "verify_s: expected 0..90, got 91"),
            ({"device": "B2"}, 'device: expected "B1", got "B2"'),
            ({"site": "other"}, 'site: expected "s", got "other"'),
            ({"server_name": "gw.local"}, 'server_name: expected None, got "gw.local"'),
            ({"verfy_s": 30}, "verfy_s: not a key of the configuration"),
            ({"brokers": [{"host": "h", "port": 1, "tsl": True}]}, "brokers.tsl: not a key of the configuration"),
            ({"brokers": []}, "brokers: expected a list of 1 to 8, got 0"),
            ({"kind": "castle"}, 'kind: expected one of household, fire_point, street_light, sos_post, got "castle"'),
            ({"points": {"window": {}}}, "points.window: not a point of household"),
            ({"points": {"heat-1": {"loop": "loop-9"}}}, "household: heat-1: esp32_wroom has no analog input loop-9"),
            ({"points": {"heat-1": {"loop": "loop-1"}}}, "household: heat-1: GPIO 32 of esp32_wroom is taken by button-1"),
            ({"points": {"button-1": {"hold_ms": 5}}}, "points.button-1.hold_ms: expected 10..10000, got 5"),
        )
    ):
        ident = f"o-{place}"
        change(stage, ident, **fields)
        assert answer(stage, ident) == (False, error)
    assert candidates(stage) == []
    stage.live(5_000)
    assert not stage.resets


def test_configuration_that_grows_too_long_is_refused():
    stage = online()
    change(stage, "o-1", brokers=[{"host": "h" * 253, "port": 1}] * 8)
    stage = restarted(stage)
    stage.hello()
    assert answer(stage) == (True, None)
    change(stage, "o-2", wifi=[{"ssid": "\\" * 32, "key": "\\" * 63}] * 8, password="\\" * 128)
    ok, error = answer(stage, "o-2")
    assert (ok, error[:39]) == (False, "expected at most 4096 bytes in all, got")


def test_no_answer_and_no_fault_tells_a_secret():
    stage = online()
    change(stage, "o-1", password="hush\n")
    change(stage, "o-2", wifi=[{"ssid": "lane", "key": ["hush"]}])
    change(stage, "o-3", wifi=[{"ssid": "lane", "hush": "hush"}])
    told = [one["error"] for one in answers(stage)]
    assert told[:2] == [
        "password: expected at most 128 printable characters, got str",
        "wifi.key: expected at most 63 printable characters, got list",
    ]
    assert told[2] == "wifi.key: expected at most 63 printable characters, got NoneType"
    assert "hush" not in "".join(told + stage.parts.faults.texts())


def test_change_is_refused_while_an_alarm_sounds():
    stage = online()
    stage.set("button-1", True)
    stage.live(300)
    change(stage, verify_s=30)
    assert answer(stage) == (False, "the bell sounds")
    assert candidates(stage) == []


def test_second_change_is_refused_and_a_repeated_one_begins_nothing():
    stage = online()
    change(stage, "o-1", verify_s=30)
    change(stage, "o-2", verify_s=20)
    change(stage, "o-1", verify_s=30)
    assert answer(stage, "o-2") == (False, "change o-1 is on trial")
    assert answer(stage, "o-1") is None
    stage = restarted(stage)
    stage.agent.link_up([])
    change(stage, "o-3", verify_s=10)
    change(stage, "o-1", verify_s=30)
    assert answer(stage, "o-3") == (False, "change o-1 is on trial")
    assert candidates(stage) == ["new.1.o-1"]
    stage.hello()
    assert answer(stage, "o-1") == (True, None)
    change(stage, "o-4", verify_s=10)
    stage = restarted(stage)
    assert stage.parts.config.verify_s == 10


def test_set_without_what_asks_what_became_of_an_order_and_changes_nothing():
    stage = online()
    stage.order("o-1", "set")
    assert answer(stage) == (False, "not supported: set"), "it was never heard of"
    change(stage, "o-2", verify_s=30)
    stage.order("o-2", "set")
    assert answer(stage, "o-2") is None, "not decided yet"
    stage = restarted(stage)
    stage.order("o-2", "set")
    stage.hello()
    assert answer(stage, "o-2") == (True, None)
    stage = Stage(folder=stage.folder)
    stage.hello()
    stage.order("o-2", "set")
    assert answer(stage, "o-2") == (True, None)
    assert (kept(stage)["verify_s"], candidates(stage)) == (30, [])
    change(stage, "o-3", verify_s=91)
    refused = answer(stage, "o-3")
    stage.order("o-3", "set")
    assert answer(stage, "o-3") == refused


def test_flash_that_takes_no_change_is_the_answer():
    stage = online()
    stage.parts.files = Broken(stage.files)
    change(stage, verify_s=30)
    ok, error = answer(stage)
    assert (ok, error[:21]) == (False, "journal: not writable")
    stage.parts.files = stage.files
    change(stage, "o-2", verify_s=30)
    assert is_on_trial(restarted(stage))


NASTY = (b"", b'"', b"{", b"}", b"[", b"]", b",", b":", b"0", b"-1", b"1e400", b"null", b"\xff", b"\x00", b"\\u0000", b"\xed\xa0\x80")


def test_any_mutation_of_a_change_is_taken_whole_or_refused_with_a_reason():
    """Every byte of an order, cut out or replaced by something nasty: never an exception, and never half of it."""
    stage = online()
    config = b'{"brokers":[{"host":"h","port":1}],"wifi":[],"verify_s":9,"points":{"heat-1":{"hold_ms":40},"tamper":null}}'
    once = changes.once
    changes.once = lambda module, function, passing, *arguments: getattr(__import__(module, None, None, (function,)), function)(*arguments)
    taken = refused = 0
    try:
        for at in range(len(config)):
            for nasty in NASTY:
                outcome = outcome_of(stage, config[:at] + nasty + config[at + 1 :])
                taken += outcome == "taken"
                refused += outcome == "refused"
    finally:
        changes.once = once
    assert taken > 20, "digits and names can be changed"
    assert refused > 100


def outcome_of(stage, config):
    """ "taken", "refused" with a reason, or "unread" of an order with this config."""
    stage.line.said = []
    unread = stage.agent.mail.refused
    stage.order_bytes(b'{"v":1,"id":"o-1","do":"set","what":"config","valid_s":30,"config":' + config + b"}")
    taken = stage.agent._changes.id is not None
    told = [json.loads(payload) for payload in stage.said("dev/B1/answer")]
    if stage.agent.mail.refused > unread:
        assert not taken
        assert not told
        return "unread"
    if taken:
        assert not told
        stage.agent._changes.id = None
        stage.agent._keeper._jobs.clear()
        return "taken"
    assert len(told) == 1
    assert told[0]["error"]
    stage.parts.orders._answers.clear()
    stage.parts.orders.delivered("o-1")
    return "refused"
