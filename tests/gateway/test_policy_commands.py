"""`keng policy explain`, and the policy's own mistakes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from brokers import DEMO, ROOT

from protocol import site as sites
from protocol.tomlfile import FileMistakes

LEADERS_PHONE = 'phone = "+840000000003"\n'


def keng(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "keng", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.toml"
    file.write_text(DEMO.read_text(encoding="utf-8").replace(LEADERS_PHONE, ""), encoding="utf-8")
    return file


def explain(*arguments: object) -> list[dict[str, object]]:
    done = keng("policy", "explain", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["lines"]


def test_a_smoke_contact_is_told_as_a_pre_alarm_and_then_as_a_fire(site: Path) -> None:
    lines = explain("H03-08/smoke-1", "--site", site, "--for", 70)
    assert [(line["after_s"], line["what"], line["by"], line["who"], line["step"]) for line in lines] == [
        (0, "incident", "smoke", lines[0]["who"], 0),
        (0, "message", "sms", "Chủ hộ mẫu 03-08", 1),
        (60, "confirmed", "fire", lines[0]["who"], 0),
        (60, "bells", "fire", "Tổ liên gia 03, ngõ Thử 5", 0),
        (60, "message", "sms", "Cán bộ mẫu 01", 1),
        (60, "message", "sms", "Chủ hộ mẫu 03-08", 1),
    ]


def test_only_channels_that_are_set_up_are_used(site: Path, tmp_path: Path) -> None:
    settings = tmp_path / "keng.toml"
    settings.write_text("", encoding="utf-8")
    lines = explain("H03-08/button-1", "--site", site, "--settings", settings)
    assert [line["what"] for line in lines] == ["incident", "bells"]


def test_it_is_a_table_for_people(site: Path) -> None:
    done = keng("policy", "explain", "DCC-017/extinguisher-1", "--site", site)
    assert (done.returncode, done.stdout.split()) == (0, ["0", "s", "entry", "extinguisher_taken", "DCC-017"])
    done = keng("policy", "explain", "H03-08/safe", "--site", site)
    assert "recorded, nobody is told" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("H99-01/button-1",), "expected a board of the site, got 'H99-01'"),
        (("button-1",), "expected BOARD/POINT"),
        (("H03-08/button-1", "--at", "tomorrow"), "--at: expected a time such as 2026-11-22T23:30, got 'tomorrow'"),
    ],
)
def test_wrong_input_is_told_with_exit_code_2(site: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = keng("policy", "explain", *arguments, "--site", site)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr


WRONG = """
[policy]
neighbours_m = 9000
[[policy.meanings]]
type = "button"
means = "nothing"
[[policy.ladders]]
cause = "fire"
repeat_s = 0
steps = [{ to = ["everybody", "person:nobody"] }]
[[policy.quiet]]
causes = ["fire"]
start = "22:00"
end = "06:00"
[[shifts]]
people = ["nobody"]
[[absences]]
person = "truc-ban-1"
first = 2026-12-02
last = 2026-12-01
"""


def test_every_mistake_of_a_policy_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    text = DEMO.read_text(encoding="utf-8").replace("\n[policy]\nneighbours_m = 0", "")
    file.write_text(text.replace("  # the fire points beside the homes have incidents of their own", "") + WRONG, encoding="utf-8")
    with pytest.raises(FileMistakes) as caught:
        sites.load(file)
    told = "\n".join(caught.value.mistakes)
    for expected in (
        "policy.neighbours_m: expected less than or equal to 500, got 9000",
        "policy.meanings[1]: expected that a button means fire",
        "policy.ladders[1].steps[1].to[1]: expected on_duty, stand_ins,",
        "policy.ladders[1].steps[1].to: expected the id of a person in this file, got 'nobody'",
        "policy.quiet[1].causes: expected late or drill, since fire cannot be muted",
        "shifts[1].people: expected the id of a person in this file, got 'nobody'",
        "absences[1]: expected a last day that is not before the first",
    ):
        assert expected in told, told
