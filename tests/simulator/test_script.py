"""Scenario files: each mistake is named with its line, and those that come with the simulator have none."""

from pathlib import Path

import pytest

from protocol import site as site_files
from protocol.tomlfile import FileMistakes
from simulator import script
from simulator.script import Step

GOOD = """title = "t"
[[steps]]
at_s = 1
do = "press"
device = "H03-02"
point = "button-1"
"""


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(FileMistakes) as caught:
        script.load(path)
    return [line.removeprefix(str(path)) for line in caught.value.mistakes]


@pytest.mark.parametrize("name", script.names())
def test_scenario_of_the_simulator_is_right(name: str) -> None:
    scenario, site = script.load(script.find(name))
    assert scenario.steps
    assert site.exists()


def test_every_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    found = mistakes(
        tmp_path,
        """title = "t"
[[steps]]
at_s = -1
do = "press"
device = "H99-99"
[[steps]]
at_s = 2
do = "dance"
[[steps]]
at_s = 3
do = "kill"
part = "engine"
device = "H03-02"
[[steps]]
at_s = 3
do = "expect"
[[steps]]
at_s = 4
do = "press"
device = "DCC-017"
point = "button-2"
""",
    )
    starts = [line.split(": ")[0] + ": " + line.split(": ")[1] for line in found]
    assert starts == [
        ":2: steps[1].point",
        ":3: steps[1].at_s",
        ":5: steps[1].device",
        ":8: steps[2].do",
        ":13: steps[3].device",
        ":14: steps[4]",
        ":21: steps[5].point",
    ]


def test_unknown_site_is_named(tmp_path: Path) -> None:
    assert mistakes(tmp_path, 'site = "nowhere"\n' + GOOD) == [
        ":1: site: expected the name of a commune in simulator/communes or the path of a site file, got 'nowhere'"
    ]


def test_unknown_scenario_names_those_there_are() -> None:
    with pytest.raises(FileMistakes, match="one-press"):
        script.find("no-such")


def test_step_from_outside_is_checked_like_one_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(GOOD)
    site = site_files.load(script.load(path)[1])
    assert script.check(Step(at_s=0, do="press", device="H03-02", point="button-1"), site, {}) == []
    assert script.check(Step(at_s=0, do="press", device="H03-02", point="door"), site, {}) == [
        "point: expected one of button-1, button-2, smoke-1, extinguisher-1, silence, got 'door'"
    ]


TURN = """title = "t"
fitted = {"DCC-017" = ["tank"]}
[[steps]]
at_s = 1
do = "turn"
device = "DCC-017"
point = "tank"
value = 20
"""


def test_gauge_that_is_fitted_can_be_turned(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(TURN)
    scenario, _ = script.load(path)
    assert scenario.steps[0].value == 20


def test_what_is_not_fitted_or_no_gauge_is_named_with_what_there_is(tmp_path: Path) -> None:
    found = mistakes(tmp_path, TURN.replace('["tank"]', '["siren"]').replace("value = 20", ""))
    assert [line.partition(" ")[2] for line in found] == [
        "fitted.DCC-017: expected some of extinguisher-3, extinguisher-4, extinguisher-5, extinguisher-6, extinguisher-7, extinguisher-8, "
        "tank, pump, mains, strobe, got 'siren'",
        "steps[1].value: expected to be there with do = turn, got nothing",
        "steps[1].point: expected one of battery, got 'tank'",
    ]
    found = mistakes(tmp_path, TURN.replace('point = "tank"', 'point = "door"'))
    assert [line.partition(" ")[2] for line in found] == ["steps[1].point: expected one of battery, tank, got 'door'"]


def test_change_that_no_board_would_take_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    step = 'title = "t"\n[[steps]]\nat_s = 1\ndo = "set"\ndevice = "H03-02"\nconfig = {%s}\n'
    assert "verfy_s: expected one of kind, group" in mistakes(tmp_path, step % "verfy_s = 30")[0]
    assert "device: expected one of kind, group" in mistakes(tmp_path, step % 'device = "H03-03"')[0]
    path = tmp_path / "right.toml"
    path.write_text(step % "verify_s = 30")
    assert script.load(path)[0].steps[0].config == {"verify_s": 30}


def test_change_may_come_as_json_from_a_terminal() -> None:
    assert Step.model_validate({"at_s": 0, "do": "set", "device": "H03-02", "config": '{"verify_s": 30}'}).config == {"verify_s": 30}
