"""A board's configuration: the host's model, the board's reader, and what the board's drivers take."""

import json
import runpy
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from protocol.config import Address, BoardConfig, Point
from protocol.site import Kind

DEVICE = Path(__file__).parents[2] / "firmware/device"
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
