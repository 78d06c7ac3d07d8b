"""Both catalogues say everything that the page may have to say."""

import re
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest
from stage import NOON_MS

from gateway.console import words
from gateway.domain import incidents, maintenance
from gateway.domain.policy import Kind
from protocol.messages import UpdateState

CONSOLE = Path(words.__file__).parent
VI, EN = words.load("vi"), words.load("en")
TIMELINE = get_args(incidents.What)
LOG = get_args(maintenance.What)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys() -> None:
    assert VI.texts.keys() == EN.texts.keys()


def test_both_languages_fill_in_the_same_fields() -> None:
    assert {key: fields(text) for key, text in VI.texts.items()} == {key: fields(text) for key, text in EN.texts.items()}


def test_no_text_is_empty_or_left_in_the_other_language() -> None:
    same = {key for key in VI.texts if VI.texts[key] == EN.texts[key]}
    numbers_and_names = {"page.brand", "health.battery", "health.signal", "incidents.id"}
    assert all(VI.texts.values())
    assert same <= numbers_and_names


@pytest.mark.parametrize("what", TIMELINE)
def test_every_word_of_the_timeline_is_translated(what: str) -> None:
    assert VI.of("timeline", what) != what


@pytest.mark.parametrize("what", LOG)
def test_every_word_of_the_maintenance_log_is_translated(what: str) -> None:
    assert VI.of("what", what) != what


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_of_incident_has_a_name(kind: str) -> None:
    assert f"kind.{kind}" in VI.texts


def test_every_key_that_code_and_templates_name_exists_and_every_text_is_used() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("", "templates", "templates/people", "templates/group")
        for path in (CONSOLE / folder).glob("*.*")
    )
    named = set(re.findall(r"""\bt\(f?["']([a-z_.0-9]+)["'](?! ~)[,)]""", source)) | set(
        re.findall(r"""t\(["'](state\.\w+)["'] if""", source)
    )
    areas = ("state", "engine", "broker", "kind", "outcome", "bell", "script", "timeline", "what", "device.state", "device.kind", "health")
    areas += ("point", "delivery", "verdict", "expected", "nav", "history", "maintenance", "record.do", "fault")
    areas += ("role", "refused", "audited", "says", "said", "tested", "roll", "decide", "not_done", "ready", "channel", "water", "reason")
    areas += ("log_column", "remark", "point_state", "deed", "updating")
    unused = {key for key in VI.texts if key not in named and not key.startswith(tuple(f"{area}." for area in areas))}
    assert named <= VI.texts.keys()
    assert not unused


def test_point_is_named_with_its_number() -> None:
    assert (VI.point("button-1"), EN.point("button-1"), VI.point("bell"), VI.point("strange-2")) == (
        "nút ấn 1",
        "button 1",
        "chuông",
        "strange 2",
    )


def test_time_is_the_villages_and_not_the_machines() -> None:
    assert words.stamp(NOON_MS) == "02/11/2026 13:13:20"
    assert words.iso(0) == "1970-01-01T07:00:00+07:00"


def test_a_wild_clock_is_shown_and_does_not_break_the_page() -> None:
    assert words.stamp(2**53 - 1)[6:10] == "9998"


def test_seconds_are_written_as_the_language_writes_them() -> None:
    assert (VI.seconds(410), EN.seconds(410)) == ("0,4 s", "0.4 s")


def test_the_record_of_who_did_what_speaks_the_language_of_its_reader() -> None:
    assert VI.deed("ordered", "resolve false_alarm nấu ăn v2: done") == "Kết thúc Báo cháy giả nấu ăn v2: đã làm"
    assert EN.deed("ordered", "roll_call H03-02 need_help refused: expected").startswith("Roll call H03-02 Needs help refused:")
    assert VI.deed("looked", "handover 12 h") == "biên bản bàn giao ca 12 h"
    assert VI.deed("login", "record done") == "record done", "what a browser calls itself stays as it is"


def test_what_a_point_said_is_said_in_words() -> None:
    assert (VI.point_state("bell", "active"), VI.point_state("button-1", "active"), VI.point_state("bell", "open")) == (
        "kêu",
        "báo",
        "đứt dây",
    )
    assert VI.point_state("button-1", "strange") == "strange"


@pytest.mark.parametrize("state", get_args(UpdateState))
def test_every_state_of_an_update_that_is_shown_has_its_word(state: str) -> None:
    assert (VI.of("updating", state) != state) == (state != "kept"), "what is kept is shown as the version alone"
