"""A board's configuration: the host's model, the board's reader, and what the board's drivers take."""

import json
import re
import runpy
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from protocol.config import Address, BoardConfig, Network, Point, amended, change, digest
from protocol.site import Kind
from protocol.topics import LIMITS

ROOT = Path(__file__).parents[2]
DEVICE = ROOT / "firmware/device"
FIT = runpy.run_path(str(DEVICE / "agent/fit.py"))


def config(**fields: object) -> BoardConfig:
    address = Address(host="gw.local", port=1883)
    return BoardConfig.model_validate({"site": "xa", "device": "B-1", "kind": "household", "group": "G-1", "brokers": [address], **fields})


def test_points_are_written_with_what_is_set_and_nothing_else() -> None:
    written = json.loads(config(points={"heat-1": {"loop": "loop-1", "normal_mv": 2300}, "tamper": {}, "button-2": None}).model_dump_json())
    assert written["points"] == {"heat-1": {"loop": "loop-1", "normal_mv": 2300}, "tamper": {}, "button-2": None}


@pytest.mark.parametrize("points", [{"tank": {"hight": 3}}, {"tank": {"low": "3"}}, {"button 1": {}}, {"sos-1": {"call": "now"}}])
def test_point_with_a_mistake_is_refused(points: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        config(points=points)


def test_model_knows_every_parameter_of_every_driver_and_no_other() -> None:
    of_drivers = {parameter for limits in FIT["LIMITS"].values() for parameter in limits}
    assert set(Point.model_fields) == of_drivers | {"call", "loop"}


def test_board_has_a_file_for_every_kind_of_the_site() -> None:
    assert {path.stem for path in (DEVICE / "kinds").glob("*.py")} - {"__init__"} == set(get_args(Kind))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "at least one key"),
        ({"device": "B-2"}, "device: expected one of kind, group, brokers"),
        ({"server_name": ""}, "server_name: expected one of kind, group, brokers"),
        ({"verfy_s": 30}, "verfy_s: expected one of kind, group, brokers"),
        ({"verify_s": 91}, "verify_s"),
        ({"wifi": [{"ssid": "Ngõ" * 9, "key": ""}]}, "32 printable bytes"),
    ],
)
def test_order_with_a_mistake_is_refused_before_it_is_sent(fields: dict[str, object], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        change("o-1", fields)


def test_error_of_an_order_tells_no_secret() -> None:
    for fields in ({"password": "hush\n"}, {"wifi": [{"ssid": "lane", "key": "hush" * 16}]}):
        with pytest.raises(ValueError, match=r"password|wifi") as refused:
            change("o-1", fields)
        assert "hush" not in str(refused.value)


def test_order_longer_than_its_topic_is_refused() -> None:
    points = {f"{'extinguisher' * 2}-{number}": {"hold_ms": 10_000, "stuck_s": 604_800} for number in range(80)}
    with pytest.raises(ValueError, match="order of at most 4096 bytes"):
        change("o-1", {"points": points})
    assert len(change("o-1", {"points": dict(list(points.items())[:50])}).payload()) <= LIMITS["order"]


def test_digest_knows_what_was_told_and_no_secret() -> None:
    plain = config(site="s", device="B1", group="G1", brokers=[{"host": "h", "port": 1}])
    assert (
        plain.digest() == "10df323a"
    )  # sha256sum of {"brokers":[{"host":"h","port":1}],"device":"B1","group":"G1","kind":"household","site":"s"}
    secret = plain.model_copy(update={"password": "p", "verify_s": 60})
    assert secret.digest() == plain.digest()
    assert config(verify_s=30).digest() != config().digest()


def test_what_an_order_makes_of_a_configuration_has_the_digest_that_the_board_will_tell() -> None:
    before = config(verify_s=30, points={"heat-1": {}}, wifi=[{"ssid": "lane", "key": "hush"}])
    changes: tuple[dict[str, object], ...] = (
        {"points": {"button-2": None, "heat-1": {"hold_ms": 60}}},
        {"verify_s": 60},
        {"points": {}, "bell_sense": False},
        {"wifi": [{"ssid": "market", "key": "hush"}], "password": "hush"},
        {"group": "G-2", "brokers": [{"host": "h", "port": 2}]},
    )
    for fields in changes:
        after = config(**{**before.model_dump(), **fields})
        told = amended(before.told(), change("o-1", fields))
        assert (told, digest(told)) == (after.told(), after.digest())
        assert "hush" not in json.dumps(told)
    assert amended({}, change("o-1", {"verify_s": 30, "bell_sense": True})) == {"verify_s": 30}


def test_docs_explain_each_key_and_no_other() -> None:
    told = re.findall(r"^\| `([a-z_.\[\]]+)` \|", (ROOT / "docs/board-config.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    rows = {"brokers[]": Address, "wifi[]": Network, "points": Point}
    keys = [*BoardConfig.model_fields, *(f"{name}.{key}" for name, model in rows.items() for key in model.model_fields)]
    assert sorted(told) == sorted(keys)


def test_docs_say_the_ranges_that_the_drivers_take() -> None:
    rows = re.findall(
        r"^\| `points\.([a-z_]+)` \| ([^|]+) \|", (ROOT / "docs/board-config.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    told = {
        key: {int(number.replace(",", "")) for number in re.findall(r"-?[\d,]*\d", cell)}
        for key, cell in rows
        if key not in ("call", "loop")
    }
    taken: dict[str, set[int]] = {}
    for limits in FIT["LIMITS"].values():
        for key, ends in limits.items():
            taken.setdefault(key, set()).update(ends)
    assert told == taken


def test_example_in_the_docs_is_a_right_configuration() -> None:
    text = (ROOT / "docs/board-config.md").read_text(encoding="utf-8").partition("```json\n")[2].partition("```")[0]
    assert BoardConfig.model_validate_json(text).kind == "household"
