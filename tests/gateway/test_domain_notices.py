"""Who is told of a fault, and when."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from commune import World, with_people

from gateway.console import words
from gateway.domain import notices, wording
from gateway.domain.audiences import VIETNAM
from gateway.domain.rows import DeliveryRow
from gateway.domain.situation import Now

ROOT = Path(__file__).parents[2]
TECHNICIAN = {"id": "ky-thuat", "name": "Kỹ thuật", "role": "technician", "phone": "+840000000001", "channels": ["apprise:zalo", "sms"]}
DUTY = {"id": "duty", "name": "Trực ban", "role": "duty", "phone": "+840000000002"}
NOON = int(datetime(2026, 11, 23, 12, tzinfo=VIETNAM).timestamp() * 1000)
NIGHT = int(datetime(2026, 11, 23, 1, tzinfo=VIETNAM).timestamp() * 1000)


class Told(World):
    """A commune with a technician, at noon."""

    def __init__(self, at_ms: int = NOON, **faults: object) -> None:
        super().__init__(commune=with_people(DUTY, TECHNICIAN, policy={"faults": faults}))
        self.now = Now(at_ms, 1000.0)
        self.rows: list[DeliveryRow] = []

    def wrong(self, key: str, words: str = "no signal", name: str = "") -> None:
        with self.turn() as turn:
            turn.fault(key, words, name=name)

    def right(self, key: str) -> None:
        with self.turn() as turn:
            turn.fault_over(key)

    def minutes(self, count: int) -> list[tuple[str, str]]:
        """(person, channel) of what is told in these minutes."""
        found = []
        for _ in range(count):
            self.later(60)
            with self.turn() as turn:
                notices.tell(turn)
            found += [(row.delivery.person, row.delivery.channel) for row in self.effects.deliveries if row.delivery.what == notices.FAULT]
            self.rows += self.effects.deliveries
        return found

    @property
    def text(self) -> str:
        return str(json.loads(self.rows[-1].body).get("text") or json.loads(self.rows[-1].body)["title"])


def test_who_must_know_is_told_once_a_fault_has_lasted():
    world = Told()
    world.wrong("sms")
    assert world.minutes(4) == []
    assert world.minutes(1) == [("ky-thuat", "apprise:zalo")]
    assert world.minutes(120) == []
    body = json.loads(world.rows[0].body)
    assert body == {"title": "Kẻng báo lỗi: modem SMS hỏng. 12:05", "body": "- modem SMS hỏng: no signal"}
    assert (world.rows[0].incident, world.rows[0].delivery.what, world.situation.incidents) == ("", "fault", {})


def test_a_fault_that_is_over_soon_tells_nobody():
    world = Told()
    world.wrong("sms")
    world.minutes(4)
    world.right("sms")
    assert world.minutes(60) == []


def test_d36_many_faults_are_one_message_with_a_count():
    world = Told()
    for number in range(200):
        world.wrong(f"sia:r{number}")
    assert world.minutes(10) == [("ky-thuat", "apprise:zalo")]
    assert "(+" in world.text
    assert len(world.text) <= wording.SMS_PLAIN_MAX


def test_d36_one_that_comes_and_goes_all_day_is_six_messages_at_most():
    world = Told(after_s=0, quiet_start="00:00", quiet_end="00:00")
    told = []
    for _ in range(12 * 60):
        world.wrong("sms")
        told += world.minutes(1)
        world.right("sms")
        told += world.minutes(1)
    assert len(told) == 6


def test_d36_different_faults_one_after_the_other_are_a_message_in_a_quarter_of_an_hour():
    world = Told(after_s=0)
    told = []
    for number in range(60):
        world.wrong(f"sia:r{number}")
        told += world.minutes(1)
    assert len(told) == 4


def test_what_lasts_is_told_again_after_a_day():
    world = Told(quiet_start="00:00", quiet_end="00:00")
    world.wrong("sms")
    assert len(world.minutes(5)) == 1
    assert world.minutes(24 * 60 - 1) == []
    assert len(world.minutes(1)) == 1


def test_a_certificate_that_ends_in_weeks_is_told_once_a_week():
    world = Told(quiet_start="00:00", quiet_end="00:00")
    world.wrong("certificate_boards", "good until 20/01/2027: H03-07")
    assert world.minutes(5) == [("ky-thuat", "apprise:zalo")]
    assert json.loads(world.rows[-1].body)["body"] == "- chứng thư thiết bị sắp hết hạn: good until 20/01/2027: H03-07"
    assert world.minutes(7 * 24 * 60 - 1) == []
    assert len(world.minutes(1)) == 1


def test_at_night_it_waits_until_the_morning():
    world = Told(NIGHT)
    world.wrong("sms")
    assert world.minutes(4 * 60) == []
    assert world.minutes(61) == [("ky-thuat", "apprise:zalo")]


@pytest.mark.parametrize("key", notices.URGENT)
def test_without_which_an_alarm_reaches_nobody_is_told_at_night_and_to_those_on_duty(key):
    world = Told(NIGHT)
    world.wrong(key)
    assert world.minutes(6) == [("ky-thuat", "apprise:zalo"), ("duty", "sms")]


def test_during_an_alarm_people_have_other_things_to_read():
    world = Told()
    world.press("H03-07")
    world.wrong("temperature")
    assert world.minutes(20) == []
    assert world.command("resolve", user="duty") == ""
    assert world.minutes(1) == [("ky-thuat", "apprise:zalo")]


def test_an_incident_that_nobody_resolves_holds_it_up_for_an_hour_and_not_for_ever():
    world = Told()
    world.press("H03-07")
    world.wrong("temperature")
    told = [one for one in world.minutes(70) if one == ("ky-thuat", "apprise:zalo")]
    assert len(told) == 1


def test_the_way_that_is_broken_is_not_the_way():
    world = Told()
    world.wrong("canary:apprise:zalo", name="apprise:zalo")
    assert world.minutes(5) == [("ky-thuat", "sms")]
    assert world.text == "Kẻng báo lỗi: kênh apprise:zalo chưa thử thông. 12:05"


def test_a_way_that_fails_is_followed_by_the_next_and_then_by_none():
    world = Told()
    world.wrong("temperature", "82 °C")
    world.minutes(5)
    failed = world.rows[-1]._replace(delivery=world.rows[-1].delivery.model_copy(update={"state": "failed"}))
    with world.turn() as turn:
        notices.again(turn, failed)
    (row,) = world.effects.deliveries
    assert (row.delivery.channel, row.address, row.delivery.step) == ("sms", "+840000000001", 2)
    with world.turn() as turn:
        notices.again(turn, row._replace(delivery=row.delivery.model_copy(update={"state": "failed"})))
    assert world.effects.deliveries == []


def test_a_message_about_no_incident_is_something_to_store():
    world = Told()
    with world.turn() as turn:
        turn.fault("sms", "no signal")
        notices.tell(turn)
    world.later(600)
    with world.turn() as turn:
        notices.tell(turn)
    (row,) = world.effects.deliveries
    with world.turn() as turn:
        notices.again(turn, row)
    assert len(world.effects.deliveries) == 1
    assert world.effects.has_rows


def test_a_way_that_has_failed_and_is_faulty_now_is_not_tried_again():
    world = Told()
    world.wrong("temperature", "82 °C")
    world.minutes(5)
    row, channels = world.rows[-1], []
    while row is not None:
        channels.append(row.delivery.channel)
        world.wrong(row.delivery.channel)  # the channel itself is a fault: the ways are in another order now
        with world.turn() as turn:
            notices.again(turn, row._replace(delivery=row.delivery.model_copy(update={"state": "failed"})))
        row = next(iter(world.effects.deliveries), None)
    assert channels == ["apprise:zalo", "sms"]


def test_where_nobody_of_them_can_be_told_those_on_duty_are():
    world = Told(to=["chief"])
    world.wrong("temperature")
    assert world.minutes(10) == [("duty", "sms")]


def test_that_the_clock_was_set_is_shown_and_sends_nobody():
    world = Told()
    world.set_clock(3600)
    assert "clock_stepped" in world.situation.faults
    assert world.minutes(30) == []


def test_where_nobody_can_be_told_it_stays_untold_and_the_desk_shows_it():
    world = Told()
    world.situation.ways = frozenset()
    world.wrong("temperature")
    assert world.minutes(10) == []
    assert world.situation.lasting["temperature"].told_ms is None


@pytest.mark.parametrize("longest", [wording.SMS_MAX, wording.SMS_PLAIN_MAX])
def test_the_text_fits_whatever_is_wrong(longest):
    every = [(kind, "một khu có tên thật dài, ngõ Thử 5, thôn Ba, xã Mẫu") for kind in wording._FAULTS]
    for count in range(1, len(every)):
        for found in (every[:count], every[-count:]):
            assert len(wording.faults(found, now_ms=NOON, longest=longest)) <= longest


def test_every_kind_of_fault_has_its_words_in_both_languages_and_its_page():
    page = (ROOT / "docs/faults.md").read_text(encoding="utf-8").partition("## Kinds")[2]
    documented = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert documented == set(wording._FAULTS)
    for language in words.LANGUAGES:
        catalogue = words.load(language).texts
        assert {key.removeprefix("fault.") for key in catalogue if key.startswith("fault.")} == documented
    assert set(notices.URGENT + notices.SHOWN + notices.SELDOM) <= documented
