import io
import json
import os

from agent import config
from virtual_board import Stage

WHOLE = b"""{"v":1,"site":"s","device":"B1","kind":"household","group":"G1","brokers":[{"host":"10.0.0.1","port":1883}],
"wifi":[{"ssid":"Ng\xc3\xb5 5","key":"secret"}],"password":"hush","bell_sense":false,"verify_s":30,
"points":{"heat-1":{"loop":"loop-1"},"button-2":null,"tamper":{}}}"""


def refused(fields):
    try:
        config.build(fields)
    except config.ConfigError as exc:
        return str(exc)
    raise AssertionError("accepted")


def fields(**others):
    whole = config.fields_of(io.BytesIO(WHOLE))
    whole.update(others)
    return whole


def test_config_is_read():
    read = config.build(config.fields_of(io.BytesIO(WHOLE)))
    assert read.networked
    assert (read.site, read.device, read.kind, read.group, read.password) == ("s", "B1", "household", "G1", "hush")
    assert (read.brokers, read.wifi, read.bell_sense, read.verify_s) == ((("10.0.0.1", 1883),), (("Ngõ 5", "secret"),), False, 30)
    assert (read.server_name, config.build(fields(server_name="gw.local")).server_name) == ("", "gw.local")
    assert read.points == {"heat-1": {"loop": "loop-1"}, "button-2": None, "tamper": {}}


def test_each_wrong_field_is_named_with_what_was_expected_and_what_came():
    for wrong, text in (
        ({"v": 2}, "v: expected 1, got 2"),
        ({"site": "a/b"}, 'site: expected 1 to 32 of A-Z a-z 0-9 _ -, got "a/b"'),
        ({"kind": "castle"}, 'kind: expected one of household, fire_point, street_light, sos_post, got "castle"'),
        ({"kind": []}, "kind: expected one of household, fire_point, street_light, sos_post, got list"),
        ({"server_name": None}, "server_name: expected at most 253 printable characters, got None"),
        ({"brokers": []}, "brokers: expected a list of 1 to 8, got 0"),
        ({"brokers": {}}, "brokers: expected a list of 1 to 8, got dict"),
        ({"brokers": [5]}, "brokers: expected objects with host and port, got int"),
        ({"brokers": [{"host": "", "port": 1}]}, 'brokers.host: expected 1 to 253 printable characters, got ""'),
        ({"brokers": [{"host": "h", "port": 65536}]}, "brokers.port: expected 1..65535, got 65536"),
        ({"brokers": [{"host": "h"}]}, "brokers.port: expected 1..65535, got None"),
        ({"brokers": [{"host": "h", "port": True}]}, "brokers.port: expected 1..65535, got True"),
        ({"wifi": [{"ssid": "Ngõ" * 9, "key": "k"}]}, 'wifi.ssid: expected 1 to 32 printable bytes, got "Ng?Ng?Ng?Ng?Ng?Ng?Ng"'),
        ({"wifi": [{"ssid": "lane", "key": "k"}] * 9}, "wifi: expected a list of 0 to 8, got 9"),
        ({"bell_sense": 0}, "bell_sense: expected true or false, got 0"),
        ({"verify_s": 91}, "verify_s: expected 0..90, got 91"),
        ({"verify_s": 1.5}, "verify_s: expected 0..90, got 1.5"),
        ({"points": []}, "points: expected an object of objects or null, got list"),
        ({"points": {"tank": {"low": [[]]}}}, "points: expected an object of objects or null, got dict"),
    ):
        assert refused(fields(**wrong)) == text
    for key in config.NEEDED:
        less = fields()
        del less[key]
        assert refused(less) == key + ": expected, and not there"


def kept(fields):
    """The path of a file with these fields."""
    path = os.getenv("SCRATCH") + "/wrong.json"
    with open(path, "w") as file:
        file.write(json.dumps(fields))
    return path


def test_key_that_is_wrong_and_not_vital_costs_itself_and_no_network():
    for key, wrong, default in (("verify_s", 91, 60), ("bell_sense", 0, True), ("points", [], {})):
        path = kept(fields(**{key: wrong}))
        read, why = config.read(path)
        assert read.networked
        assert getattr(read, key) == default
        assert why.startswith(path + ": " + key + ": expected "), why
        right = fields()
        del right[key]
        assert read.digest == config.digest(right), "it tells what is used"
    read, why = config.read(kept(fields(verify_s=91, bell_sense=0)))
    assert read.networked
    assert why.count("expected") == 2


def test_key_that_is_wrong_and_vital_leaves_the_board_without_a_network():
    for wrong in (
        {"v": 2},
        {"site": ""},
        {"device": 5},
        {"kind": "castle"},
        {"group": None},
        {"brokers": []},
        {"server_name": 5},
        {"password": ["hush"]},
        {"wifi": "lane"},
    ):
        read, why = config.read(kept(fields(**wrong)))
        assert not read.networked, wrong
        assert (read.site, read.device, read.server_name, read.brokers, read.wifi, read.digest) == ("", "", "", (), (), None), wrong
        assert [key for key in wrong if key + ": expected" in why], why
    assert config.read(kept(fields()))[1] is None


def test_board_that_cannot_use_its_configuration_keeps_its_kind_and_points():
    for wrong in ({"brokers": []}, {"wifi": "lane"}, {"v": 2}, {"site": ""}, {"password": 5, "verify_s": 600}):
        fitted = {"pump": {"low": 300}, "extinguisher-2": None, "strobe": {}}
        stage = Stage("fire_point", fitted)
        with open(stage.folder + "/config.json") as file:
            whole = json.loads(file.read())
        with open(stage.folder + "/config.json", "w") as file:
            file.write(json.dumps(dict(whole, **wrong)))
        alone = Stage("fire_point", fitted, folder=stage.folder)
        alone.analog["pump"] = 900  # a home has button-2 there, and takes this for a press
        assert not alone.parts.config.networked
        assert [point.name for point in alone.parts.panel] == ["button-1", "door", "extinguisher-1", "tamper", "battery", "pump"]
        alone.live(2_000)
        assert alone.parts.bell.sound == "fault"
        alone.set("button-1", True)
        alone.live(1_000)
        assert alone.parts.bell.sound == "fire"
        assert alone.beats("strobe")


def test_board_with_a_wrong_key_says_so_in_its_birth_and_rings_and_calls():
    stage = Stage()
    with open(stage.folder + "/config.json") as file:
        whole = json.loads(file.read())
    with open(stage.folder + "/config.json", "w") as file:
        file.write(json.dumps(dict(whole, verify_s=600)))
    stage = Stage(folder=stage.folder)
    stage.agent.link_up([])
    stage.live(300)
    told = json.loads(stage.said("dev/B1/state")[-1])["faults"]
    assert len(told) == 1
    assert told[0].endswith("/config.json: verify_s: expected 0..90, got 600"), told
    stage.set("button-1", True)
    stage.live(300)
    assert stage.bell
    assert len(stage.said("group/G1/call/B1")) == 1


def test_no_error_tells_a_secret():
    for wrong in ({"password": "hush\n"}, {"wifi": [{"ssid": "lane", "key": "hush" * 16}]}, {"wifi": [{"ssid": "lane", "key": ["hush"]}]}):
        text = refused(fields(**wrong))
        assert "hush" not in text
        assert "expected at most" in text


def test_text_that_is_no_configuration_says_so():
    for data in (b"", b"{", b"[]", b"null", b"\xff", b"[" * 4000, b'{"v":1e400', b"{[]:1}", b"{1:2}"):
        try:
            refused(config.fields_of(io.BytesIO(data)))
        except config.ConfigError as exc:
            assert "expected" in str(exc)
            continue
        assert data == b"{1:2}"  # MicroPython reads it


def test_keys_that_no_configuration_has_are_named_and_do_not_matter_at_a_start():
    odd = fields(verfy_s=30, brokers=[{"host": "h", "port": 1, "tsl": True}])
    assert config.unknown(odd) == ["verfy_s", "brokers.tsl"]
    assert config.unknown(fields()) == []
    assert config.build(odd).brokers == (("h", 1),)


def test_digest_is_of_what_was_told_and_not_of_defaults_or_secrets():
    plain = {"site": "s", "device": "B1", "kind": "household", "group": "G1", "brokers": [{"host": "h", "port": 1}]}
    # sha256sum of {"brokers":[{"host":"h","port":1}],"device":"B1","group":"G1","kind":"household","site":"s"}
    assert config.digest(plain) == "10df323a"
    same = dict(plain)
    same.update({"v": 1, "password": "p", "wifi": [], "bell_sense": True, "verify_s": 60, "points": {}, "odd": 1})
    assert config.digest(same) == config.digest(plain)
    assert config.digest(fields(password="p", wifi=[{"ssid": "Ngõ 5", "key": "k"}])) == config.digest(fields())
    for other in ({"verify_s": 0}, {"bell_sense": True}, {"wifi": []}, {"points": {}}, {"group": "G2"}):
        assert config.digest(fields(**other)) != config.digest(fields())
    # {"bell_sense":false,"brokers":[{"host":"a\"b\\","port":1}],"device":"B1","group":"G1","kind":"household",
    #  "points":{"a":null,"b":{"loop":"x","low":2}},"site":"s","verify_s":30,"wifi":["Ngõ 5"]}
    odd = fields(brokers=[{"port": 1, "host": 'a"b\\'}], points={"b": {"low": 2, "loop": "x"}, "a": None})
    assert config.digest(odd) == "d6f49bbd"


def test_file_that_is_too_long_is_not_read():
    path = os.getenv("SCRATCH") + "/config.json"
    for blanks, network in ((config.LONGEST - len(WHOLE), True), (config.LONGEST - len(WHOLE) + 1, False)):
        with open(path, "wb") as file:
            file.write(WHOLE + b" " * blanks)
        read, problem = config.read(path)
        assert read.networked == network
        assert network or problem == path + ": expected at most 4096 bytes"


def spoiled(stage, content):
    """The next start of a board whose configuration holds this, or is missing (None)."""
    path = stage.folder + "/config.json"
    if content is None:
        os.remove(path)
    else:
        with open(path, "wb") as file:
            file.write(content)
    alone = Stage(stage.parts.config.kind, folder=stage.folder)
    assert not alone.parts.config.networked
    return alone


def unreadable(stage):
    """Five files that tell nothing: none, an empty one, rubbish, the first half, and JSON that is no object."""
    with open(stage.folder + "/config.json", "rb") as file:
        whole = file.read()
    return None, b"", bytes(range(256)), whole[: len(whole) // 2], b"[" + whole + b"]"


def told_faults(alone):
    """Of the birth that it would publish."""
    alone.agent.link_up([])
    alone.live(300)
    birth = json.loads(alone.said("dev//state")[-1])
    return birth["kind"], birth["faults"]


def test_fire_point_whose_configuration_tells_nothing_stays_one_and_takes_no_pump_for_a_button():
    for content in unreadable(Stage("fire_point")):
        stage = Stage("fire_point", {"pump": {}})
        for _ in range(2):  # and does not forget it at the start after that
            stage = spoiled(stage, content) if stage.parts.config.networked else Stage("fire_point", folder=stage.folder)
            assert [point.name for point in stage.parts.panel][:3] == ["button-1", "door", "extinguisher-1"]
            stage.set("button-2", True)  # where a fire point has its pump, a home has this
            stage.live(2_000)
            assert stage.parts.bell.sound == "fault"
        kind, faults = told_faults(stage)
        assert kind == "fire_point"
        assert "config.json: " in faults[0]
        stage.set("button-1", True)
        stage.live(1_000)
        assert stage.parts.bell.sound == "fire"


def test_board_of_each_kind_keeps_it_without_its_file_and_where_the_file_has_none():
    for kind in config.KINDS:
        stage = Stage(kind)
        assert spoiled(stage, None).parts.config.kind == kind
        for content in (b"{}", b'{"kind":"castle"}', b'{"kind":null}'):
            assert spoiled(stage, content).parts.config.kind == kind
        other = config.KINDS[config.KINDS.index(kind) - 1]
        assert spoiled(stage, b'{"kind":"%s"}' % other.encode()).parts.config.kind == other, "the file knows it better"


def test_kind_that_is_none_or_cannot_be_read_makes_a_household():
    for words in (b"9c41f2aa 7", b"9c41f2aa 7 castle", b"9c41f2aa 7 agent", b"9c41f2aa 7 \xff", b""):
        stage = Stage("fire_point")
        stage.files.write("start", words)
        assert spoiled(stage, None).parts.config.kind == "household", words


def test_board_without_a_config_is_a_household_without_network():
    read, problem = config.read("/not/there.json")
    assert (read.kind, read.networked, read.digest) == ("household", False, None)
    assert "/not/there.json" in problem
    assert config.read("/not/there.json", "castle")[0].kind == "household"
