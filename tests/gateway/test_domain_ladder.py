"""Who is told, in which order, until somebody acknowledges."""

import itertools
import json
from typing import Any

import pytest
from commune import START_MS, World, with_people

from gateway.domain import facts, replies, snapshots, telling, wording
from gateway.domain.replies import Reply
from gateway.domain.rows import DeliveryRow
from protocol.incident import Place
from protocol.site import Site

DUTY = {"id": "duty", "name": "Trực ban", "role": "duty", "phone": "+840000000001"}
SECOND = {"id": "second", "name": "Trực ban 2", "role": "duty", "phone": "+840000000002"}
LEADER = {"id": "leader", "name": "Tổ trưởng", "role": "leader", "group": "TLG-03", "phone": "+840000000003"}
OTHER_LEADER = {"id": "other", "name": "Tổ trưởng khác", "role": "leader", "group": "DCC-N5", "phone": "+840000000004"}
OWNER = {"id": "owner", "name": "Chủ hộ", "role": "household", "group": "TLG-03", "home": "H03-07", "phone": "+840000000005"}
NEIGHBOUR = {"id": "neighbour", "name": "Hàng xóm", "role": "household", "group": "TLG-03", "home": "H03-08", "phone": "+840000000006"}
CHIEF = {"id": "chief", "name": "Lãnh đạo", "role": "chief", "phone": "+840000000007", "channels": ["apprise:telegram", "sms"]}
EVERYBODY = (DUTY, SECOND, LEADER, OTHER_LEADER, OWNER, NEIGHBOUR, CHIEF)
TWO_STEPS = {"cause": "fire", "steps": [{"to": ["on_duty"], "wait_s": 30}, {"to": ["leader"], "wait_s": 40}], "repeat_s": 60}


def told(world: World) -> list[tuple[str, str]]:
    """(person, channel) of the last turn."""
    return [(row.delivery.person, row.delivery.channel) for row in world.effects.deliveries]


def climbed(world: World, seconds: int, *, every_s: int = 5) -> list[tuple[int, str, str]]:
    """(second, person, channel) of all that people are told in this time; each message leaves at once."""
    found = []
    start_ms = world.now.ms
    for _ in range(0, seconds, every_s):
        sent(world)
        world.later(every_s)
        found += [((world.now.ms - start_ms) // 1000, person, channel) for person, channel in told(world)]
    return found


def sent(world: World) -> None:
    """Let every channel hand over what it has."""
    for incident in list(world.situation.incidents.values()):
        for one in incident.deliveries:
            if one.state == "waiting":
                with world.turn() as turn:
                    facts.delivery(turn, DeliveryRow(incident.id, one.model_copy(update={"state": "handed"})))


def commune(*people: dict[str, Any], ladder: dict[str, Any] | None = TWO_STEPS, **policy: Any) -> Site:
    return with_people(*people, policy={"ladders": [ladder] if ladder else []} | policy)


def test_the_first_step_is_told_at_once_and_the_bells_did_not_wait_for_it():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    assert (world.order.pattern, told(world)) == ("fire", [])
    world.later(0)
    assert told(world) == [("duty", "sms")]
    (row,) = world.effects.deliveries
    assert (row.address, row.delivery.step, row.delivery.decided_ms) == ("+840000000001", 1, world.now.ms)
    assert json.loads(row.body)["to"] == "+840000000001"


def test_each_step_follows_when_the_one_before_has_had_no_answer_in_its_time():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    world.later(0)
    assert climbed(world, 75) == [(30, "leader", "sms")]


def test_d38_the_ladder_is_begun_again_until_somebody_acknowledges_and_each_one_is_told_by_their_next_channel():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    world.later(0)
    assert climbed(world, 400) == [
        (30, "leader", "sms"),
        (130, "duty", "voice"),
        (160, "leader", "voice"),
        (320, "duty", "sms"),
        (350, "leader", "sms"),
    ]
    assert world.command("acknowledge", "duty") == ""
    assert climbed(world, 2000) == []


def test_rounds_wait_longer_and_longer_but_never_more_than_a_quarter_of_an_hour():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    world.later(0)
    rounds = [second for second, person, _ in climbed(world, 20_000) if person == "duty"]
    pauses = [after - before for before, after in itertools.pairwise(rounds)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 900 + 30 + 40


def test_an_acknowledged_incident_that_alarms_again_is_climbed_again():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    world.later(0)
    world.command("acknowledge", "duty")
    world.later(300)
    world.press("H03-08")
    world.later(0)
    assert [(row.delivery.person, row.delivery.what) for row in world.effects.deliveries] == [("duty", "re_alarmed")]


def test_d36_forty_boards_in_one_fire_are_one_message_a_person():
    world = World(commune=commune(DUTY, LEADER))
    found = []
    for _ in range(4):
        for number in range(1, 11):
            world.press(f"H03-{number:02d}")
            world.later(0.2)
            found += told(world)
    assert found == [("duty", "sms")]
    assert world.only.n == 40


def test_presses_that_cross_an_acknowledgement_do_not_flood_those_who_were_just_told():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    world.later(0)
    world.command("acknowledge", "duty")
    world.press("H03-08")
    assert climbed(world, 25) == []
    assert climbed(world, 10) == [(5, "duty", "sms")]


@pytest.mark.parametrize(("after_s", "state"), [(20, "open"), (30, "acknowledged")])
def test_an_answer_to_what_was_told_before_does_not_take_on_what_has_come_since(after_s, state):
    world = World(commune=commune(DUTY, SECOND))
    world.press("H03-07")
    world.later(0)
    world.command("acknowledge", "duty")
    world.press("H03-08")
    climbed(world, after_s)
    with world.turn() as turn:
        replies.take(turn, Reply("second", "sms", "acknowledge"))
    assert (world.only.state, world.only.climbs) == (state, state == "open")
    assert ("second" in {person for _, person, _ in climbed(world, 30)}) == (state == "open")


def test_nobody_waits_longer_to_be_told_because_the_clock_went_back_between_two_starts():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    world.later(0)
    world.command("acknowledge", "duty")
    world.now = world.now._replace(ms=world.now.ms - 3_600_000)  # a machine without a clock of its own, after a power cut
    world.press("H03-08")
    assert climbed(world, 30)[0] == (5, "duty", "sms")


def test_a_step_that_leads_to_nobody_is_not_waited_for():
    ladder = {"cause": "fire", "steps": [{"to": ["technician"], "wait_s": 600}, {"to": ["leader"], "wait_s": 40}]}
    world = World(commune=commune(DUTY, LEADER, ladder=ladder))
    world.press("H03-07")
    world.later(0)
    assert told(world) == [("leader", "sms")]


def test_nobody_to_tell_is_a_fault_until_somebody_is_told():
    ladder = {"cause": "fire", "steps": [{"to": ["technician"], "wait_s": 10}], "repeat_s": 30}
    world = World(commune=commune(DUTY, ladder=ladder))
    assert world.situation.ways == {"sms", "voice"}
    world.press("H03-07")
    world.later(0)
    assert world.situation.faults == {"ladder": f"nobody to tell of {world.only.id}"}
    assert [entry.what for entry in world.only.timeline].count("nobody_to_tell") == 1
    climbed(world, 200)
    assert [entry.what for entry in world.only.timeline].count("nobody_to_tell") == 1
    world.situation.commune.policy.ladders[0].steps[0].to.append("on_duty")
    climbed(world, 300)
    assert world.situation.faults == {}


def test_a_channel_that_is_not_set_up_leads_to_nobody():
    world = World(commune=commune(DUTY, LEADER))
    world.situation.ways = frozenset({"voice"})
    world.press("H03-07")
    world.later(0)
    assert told(world) == [("duty", "voice")]


def test_a_message_that_failed_is_followed_by_the_next_channel_of_the_same_person_at_once():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    world.later(0)
    fail(world, world.effects.deliveries[0])
    assert told(world) == [("duty", "voice")]
    fail(world, world.effects.deliveries[0])
    assert told(world) == []
    assert [(one.channel, one.state) for one in world.only.deliveries] == [("sms", "failed"), ("voice", "failed")]


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_that_is_set_between_alarm_and_message_keeps_the_next_channel_and_the_answers(years):
    ladder = {"cause": "fire", "steps": [{"to": ["household", "leader"], "wait_s": 10}], "repeat_s": 30}
    world = World(commune=commune(OWNER, LEADER, ladder=ladder))
    world.press("H03-07")
    world.set_clock(years * 366 * 86400)
    world.later(0)
    fail(world, next(row for row in world.effects.deliveries if row.delivery.person == "leader"))
    assert told(world) == [("leader", "voice")]
    with world.turn() as turn:
        replies.take(turn, Reply("owner", "sms", "acknowledge"))
    world.set_clock(-years * 366 * 86400)
    assert {person for _, person, _ in climbed(world, 120)} == {"leader"}


def test_nobody_is_reminded_by_a_channel_that_has_not_sent_the_first_message_yet():
    """A modem that is dead for hours would send one for each round when it is back, before what is about the next fire."""
    ladder = {"cause": "fire", "steps": [{"to": ["on_duty"], "wait_s": 10}], "repeat_s": 30}
    world = World(commune=commune(DUTY | {"channels": ["sms"]}, ladder=ladder))
    world.press("H03-07")
    for _ in range(200):
        world.later(10)
    (waiting,) = (one for one in world.only.deliveries if one.state == "waiting")
    with world.turn() as turn:
        facts.delivery(turn, DeliveryRow(world.only.id, waiting.model_copy(update={"state": "handed"})))
    assert ("duty", "sms") in {(person, channel) for _, person, channel in climbed(world, 1000)}


def test_an_alarm_after_an_acknowledgement_is_told_though_the_message_before_still_waits():
    world = World(commune=commune(DUTY))
    world.press("H03-07")
    world.later(0)
    world.command("acknowledge", "duty")
    world.press("H03-08")
    world.later(30)
    waiting = [one.id for one in world.only.deliveries if one.state == "waiting"]
    assert len(waiting) == 2
    world.command("resolve", "duty", outcome="fire")
    assert sorted(world.effects.withdrawn) == waiting


def fail(world: World, row: DeliveryRow) -> None:
    with world.turn() as turn:
        facts.delivery(turn, row._replace(delivery=row.delivery.model_copy(update={"state": "failed", "tries": 3, "error": "no network"})))


def test_who_has_answered_without_the_right_to_take_it_on_is_not_told_again():
    ladder = {"cause": "fire", "steps": [{"to": ["household", "leader"], "wait_s": 10}], "repeat_s": 30}
    world = World(commune=commune(OWNER, LEADER, ladder=ladder))
    world.press("H03-07")
    world.later(0)
    with world.turn() as turn:
        replies.take(turn, Reply("owner", "sms", "acknowledge"))
    assert world.only.state == "open"
    assert {person for _, person, _ in climbed(world, 120)} == {"leader"}


def test_what_was_not_sent_when_the_incident_was_resolved_is_withdrawn():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    world.later(0)
    (row,) = world.effects.deliveries
    world.command("resolve", "duty", outcome="false_alarm")
    assert world.effects.withdrawn == [row.delivery.id]
    assert [(one.delivery.state, one.delivery.error) for one in world.effects.tried] == [("failed", "resolved before it was sent")]
    assert world.situation.incidents == {}


def test_the_snapshot_says_who_was_told_how_and_who_is_next_when():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    world.later(0)
    shown = snapshots.snapshot(world.only, engine="5be07711-1", group_name="Tổ")
    assert [(one.person, one.channel, one.state, one.step) for one in shown.deliveries] == [("duty", "sms", "waiting", 1)]
    assert shown.ladder.model_dump(exclude={"v"}) == {
        "cause": "fire",
        "round": 1,
        "step": 2,
        "due_ms": world.now.ms + 30_000,
        "next": ["leader"],
    }
    world.command("acknowledge", "duty")
    assert snapshots.snapshot(world.only, engine="5be07711-1", group_name="Tổ").ladder.due_ms is None


def test_a_clock_that_is_set_does_not_hurry_the_ladder():
    world = World(commune=commune(DUTY, LEADER))
    world.press("H03-07")
    world.later(0)
    world.set_clock(366 * 86400)
    assert climbed(world, 25) == []
    assert climbed(world, 10) == [(5, "leader", "sms")]


def test_a_lone_smoke_contact_is_told_to_household_and_leader_and_a_fire_to_all():
    world = World(commune=commune(*EVERYBODY, ladder=None))
    world.event("H03-07", "smoke-1")
    world.later(0)
    assert told(world) == [("owner", "sms"), ("leader", "sms")]
    world.press("H03-08")
    world.later(0)
    assert {person for person, _ in told(world)} == {"duty", "second", "leader", "owner", "neighbour"}


def test_a_silent_sos_is_told_to_nobody_of_the_group():
    world = World(commune=commune(*EVERYBODY, ladder=None))
    world.event("H03-07", "sos-1", calling=False)
    assert world.only.sounding is False
    found = {person for _, person, _ in climbed(world, 1000)}
    assert found == {"duty", "second", "chief"}


def test_a_late_alarm_is_told_once_and_rings_nobody():
    world = World(commune=commune(*EVERYBODY, ladder=None))
    world.event("H03-07", "button-1", now="clear", age=3 * 3_600_000)
    assert (world.only.late, world.only.sounding) == (True, False)
    assert {person for _, person, _ in climbed(world, 4000)} == {"duty", "second", "leader"}


def test_quiet_hours_hold_back_what_may_wait_and_never_a_fire():
    quiet = {"causes": ["late"], "start": "22:00", "end": "06:00"}
    world = World(commune=commune(*EVERYBODY, ladder=None, quiet=[quiet]))
    world.later((20 * 3600 + 1800) - (START_MS // 1000 + 7 * 3600) % 86400 + 3 * 3600)  # 23:30 in Vietnam
    world.event("H03-07", "button-1", now="clear", age=3 * 3_600_000)
    world.later(0)
    due = {(row.next_ms - world.now.ms) / 3_600_000 for row in world.effects.deliveries}
    assert due == {6.5}
    world.press("H03-08")
    world.later(0)
    assert {row.next_ms for row in world.effects.deliveries} == {world.now.ms}


def test_an_sms_carries_everything_in_one_segment():
    world = World(commune=commune(DUTY))
    world.press("H03-07")
    text = wording.sms(world.only, "fire", now_ms=world.now.ms)
    assert len(text) <= 70
    assert text.startswith("CHÁY! Hộ mẫu 03-07, ")
    assert "Gọi 114." in text
    long = Place(id="x", name="Hộ " + "rất dài " * 20, address="ngõ " * 40)
    for cause in ("fire", "smoke", "sos", "silent_sos", "late", "drill"):
        incident = world.only.__class__(id="2026-1", kind="fire", group=None, place=long, opened_ms=world.now.ms)
        assert len(wording.sms(incident, cause, now_ms=world.now.ms)) <= 70


def test_an_apprise_target_gets_a_title_and_a_body():
    ladder = {"cause": "fire", "steps": [{"to": ["chief"], "by": "all"}]}
    world = World(commune=commune(CHIEF, ladder=ladder))
    world.press("H03-07")
    world.later(0)
    assert told(world) == [("chief", "apprise:telegram"), ("chief", "sms")]
    row = world.effects.deliveries[0]
    assert row.address == "telegram"
    assert set(json.loads(row.body)) == {"title", "body"}


def roster(world: World) -> list[str]:
    """Who answers a fire now."""
    world.press("H03-07")
    world.later(0)
    found = [person for person, _ in told(world)]
    world.command("resolve", "admin")
    return found


def at_hour(world: World, hour: int) -> None:
    """Move to this hour of the same day in Vietnam, or of the next."""
    now = (world.now.ms // 1000 + 7 * 3600) % 86400
    world.later((hour * 3600 - now) % 86400)


ADMIN = {"id": "admin", "name": "Quản trị", "role": "chief"}


def test_who_is_on_duty_changes_with_the_shift():
    shifts = [{"start": "07:00", "end": "19:00", "people": ["duty"]}, {"start": "19:00", "end": "07:00", "people": ["second"]}]
    world = World(commune=with_people(DUTY, SECOND, ADMIN, policy={"ladders": [TWO_STEPS]}, shifts=shifts))
    for hour, person in ((8, "duty"), (18, "duty"), (19, "second"), (3, "second"), (7, "duty")):
        at_hour(world, hour)
        assert roster(world) == [person], hour


def test_a_stand_in_takes_over_from_who_is_away():
    shifts = [{"people": ["duty"], "stand_ins": ["second"]}]
    absences = [{"person": "duty", "first": "2026-01-01", "last": "2027-12-31"}]
    world = World(commune=with_people(DUTY, SECOND, ADMIN, policy={"ladders": [TWO_STEPS]}, shifts=shifts, absences=absences))
    assert roster(world) == ["second"]


def test_who_is_away_is_told_of_nothing_and_waited_for_by_nobody():
    absences = [{"person": "leader", "first": "2026-01-01", "last": "2027-12-31"}]
    ladder = {"cause": "fire", "steps": [{"to": ["leader"], "wait_s": 30}, {"to": ["on_duty"], "wait_s": 40}], "repeat_s": 60}
    world = World(commune=with_people(DUTY, LEADER, policy={"ladders": [ladder]}, absences=absences))
    world.press("H03-07")
    world.later(0)
    assert told(world) == [("duty", "sms")]
    assert {person for _, person, _ in climbed(world, 300)} == {"duty"}


def test_nobody_on_duty_is_a_fault_until_somebody_is():
    shifts = [{"start": "07:00", "end": "19:00", "people": ["duty"]}]
    world = World(commune=with_people(DUTY, shifts=shifts))

    def look() -> None:
        with world.turn() as turn:
            telling.roster(turn)

    at_hour(world, 20)
    look()
    assert world.situation.faults == {"roster": "nobody is on duty"}
    assert world.logged() == [("", "roster", "gateway_fault")]
    look()
    assert world.logged() == []
    at_hour(world, 8)
    look()
    assert (world.situation.faults, world.logged()) == ({}, [("", "roster", "gateway_ok")])
