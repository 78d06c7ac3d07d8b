"""What a police receiver is told of an incident, and in which letters."""

from pathlib import Path

import pytest
from commune import World
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.sia import codes
from gateway.delivery.sia.codes import Event
from gateway.domain import snapshots

DOCS = Path(__file__).parents[2] / "docs/police-receiver.md"
PLACE = "So 13, ngo Thu 5, thon Ba, xa Mau; doi dien gieng lang; "


def told(world: World, news: str) -> Event | None:
    return codes.of_incident(snapshots.snapshot(world.only, engine="5be07711-1", group_name="Tổ liên gia 03"), news)


def test_a_button_is_a_fire_raised_by_hand_with_place_and_way_in():
    world = World()
    world.press("H03-07")
    event = told(world, "opened")
    assert event[:5] == ("FA", 3, 7, "CHAY, bam nut: Ho mau 03-07 (Dang Van Luong)", world.now.ms)
    assert event.trigger == "M"
    assert event.location.startswith(PLACE)
    assert codes.data(event, "1001") == "#1001|Nri3/FA007"
    assert codes.extended(event)[-3:-1] == ("X105E55.007", "Y20N58.748")


@pytest.mark.parametrize(
    ("point", "code", "trigger"), [("button-1", "FA", "M"), ("heat-1", "KA", "F"), ("gas-1", "GA", "G"), ("sos-1", "PA", "M")]
)
def test_each_alarm_has_its_code(point, code, trigger):
    world = World()
    world.event("H03-07", point, calling=True)
    assert told(world, "opened")[0] == code
    assert told(world, "opened").trigger == trigger


def test_a_lone_smoke_contact_is_told_when_it_is_believed():
    world = World()
    world.event("H03-07", "smoke-1")
    assert told(world, "opened") is None
    world.later(61)
    assert (told(world, "re_alarmed").code, told(world, "re_alarmed").trigger) == ("FA", "F")


def test_another_press_tells_its_own_place():
    world = World()
    world.press("H03-07")
    world.press("H03-11")
    assert told(world, "re_alarmed").point == 11


@pytest.mark.parametrize(("point", "code"), [("button-1", "FR"), ("sos-1", "PR")])
def test_the_end_is_told_for_the_whole_area(point, code):
    world = World()
    world.event("H03-07", point, calling=True)
    assert told(world, "resolved")[:4] == (code, 3, 0, "KET THUC: To lien gia 03")


def test_an_acknowledgement_is_the_desk_s_own_affair():
    world = World()
    world.press("H03-07")
    assert told(world, "acknowledged") is None


def test_faults_have_codes_too():
    assert codes.of_fault("cabinet_open", group="DCC-N5", place="DCC-017", name="Điểm chữa cháy đầu ngõ", at_ms=1) == Event(
        "FS", 5, 17, "cabinet_open: Diem chua chay dau ngo", 1
    )
    assert codes.of_fault("self_test", group=None, place="", name="", at_ms=1) is None


@pytest.mark.parametrize(("ident", "expected"), [("TLG-03", 3), ("H03-07", 7), ("DCC-017", 17), ("X-12345", 345), ("BEN-A", 0), (None, 0)])
def test_the_number_of_a_place_is_the_last_in_its_id(ident, expected):
    assert codes.number(ident, 999) == expected


@given(st.text(max_size=300))
def test_any_text_becomes_ascii_without_the_marks_of_a_frame(text):
    plain = codes.plain(text, 100)
    assert plain.isascii()
    assert not plain or plain.isprintable()
    assert len(plain) <= 100
    assert not set(plain) & set('[]|"')


def test_vietnamese_stays_legible():
    assert codes.plain("Đường Đê, cổng làng; ngõ rộng 2,5 m", 100) == "Duong De, cong lang; ngo rong 2,5 m"


def test_a_delivery_s_body_becomes_the_event_again():
    event = Event("FA", 3, 7, "CHAY", 1, "M", "x", 20.9, 105.9)
    assert codes.event_of(event._asdict()) == event


@pytest.mark.parametrize("body", [{}, {"code": "FA"}, {"code": "ZZ", "area": 1, "point": 1, "text": "", "at_ms": 1}, {"x": 1}])
def test_a_body_that_is_no_event_is_refused(body):
    with pytest.raises((TypeError, ValueError)):
        codes.event_of(body)


def test_docs_list_each_code_with_its_meaning_and_no_other():
    rows = [line.split("|") for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `") and line[4:6].isupper()]
    assert {row[1].strip(" `"): row[2].strip() for row in rows if len(row[1].strip(" `")) == 2} == codes.MEANING
