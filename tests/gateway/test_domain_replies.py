"""What people answer to a message, and by the keys of their homes."""

from commune import World

from gateway.domain import deliveries, replies
from gateway.domain.replies import Reply
from gateway.domain.rows import DeliveryRow
from gateway.domain.situation import put
from protocol.incident import Delivery


def told(world: World, person: str, ident: int = 1, *, incident: str | None = None) -> None:
    """Let this person have been handed a message about an incident."""
    known = world.situation.incidents[incident] if incident else world.only
    delivery = Delivery(
        id=ident, channel="sms", what="opened", person=person, state="handed", tries=1, at_ms=1, decided_ms=ident, handed_ms=1
    )
    with world.turn() as turn:
        put(turn, deliveries.delivered(known, delivery, now_ms=world.now.ms))


def reply(world: World, person: str, says: str, **fields: object) -> list[DeliveryRow]:
    with world.turn() as turn:
        replies.take(turn, Reply(person, "sms", says, **fields))
    return world.effects.tried


def says(world: World) -> dict[str, str]:
    return {entry.home: entry.says for entry in world.only.roll_call}


def test_a_reply_of_the_duty_officer_acknowledges_the_incident_and_the_message():
    world = World(channels=("webhook:city",))
    world.press("H03-07")
    told(world, "truc-ban-1", 99)
    (row,) = reply(world, "truc-ban-1", "acknowledge")
    assert (row.delivery.id, row.delivery.state, row.delivery.acknowledged_ms) == (99, "acknowledged", world.now.ms)
    assert (world.only.state, world.only.acknowledged_by) == ("acknowledged", "truc-ban-1")
    assert [sent.delivery.what for sent in world.effects.deliveries] == ["acknowledged"]


def test_a_reply_of_who_has_no_right_says_only_that_it_was_read():
    world = World()
    world.press("H03-07")
    told(world, "ky-thuat-1")
    (row,) = reply(world, "ky-thuat-1", "acknowledge")
    assert (row.delivery.state, world.only.state) == ("acknowledged", "open")


def test_a_reply_means_the_incident_that_the_person_was_told_of_last():
    world = World()
    world.press("H03-07")
    world.press("DCC-017")
    first, second = world.situation.incidents
    told(world, "truc-ban-1", 1, incident=first)
    told(world, "truc-ban-1", 2, incident=second)
    reply(world, "truc-ban-1", "acknowledge")
    assert [incident.state for incident in world.situation.incidents.values()] == ["open", "acknowledged"]
    reply(world, "truc-ban-1", "acknowledge")
    assert [incident.state for incident in world.situation.incidents.values()] == ["acknowledged", "acknowledged"]


def test_a_reply_of_somebody_who_was_not_told_or_is_unknown_changes_nothing():
    world = World()
    world.press("H03-07")
    before = world.only
    assert reply(world, "truc-ban-1", "acknowledge") == []
    assert reply(world, "nobody", "safe") == []
    assert world.only is before


def test_every_home_of_the_group_is_called_and_has_not_answered():
    world = World()
    world.press("H03-07")
    world.later(0)
    assert len(says(world)) == 12
    assert set(says(world).values()) == {"no_answer"}


def test_keys_of_a_home_answer_the_roll_call_and_the_newest_word_counts():
    world = World()
    world.press("H03-07")
    world.event("H03-08", "safe", type="key")
    world.event("H03-09", "coming", type="key")
    assert (says(world)["H03-08"], says(world)["H03-09"]) == ("safe", "coming")
    world.event("H03-08", "need-help", type="key")
    assert says(world)["H03-08"] == "need_help"
    assert [entry.what for entry in world.only.timeline][-3:] == ["roll_call"] * 3
    assert world.only.sounding


def test_a_reply_answers_for_the_home_of_who_sent_it():
    world = World()
    world.press("H03-07")
    reply(world, "chu-ho-03-08", "need_help")
    answer = next(entry for entry in world.only.roll_call if entry.home == "H03-08")
    assert (answer.says, answer.by, answer.at_ms) == ("need_help", "chu-ho-03-08", world.now.ms)


def test_a_new_alarm_keeps_what_homes_have_answered():
    world = World()
    world.press("H03-07")
    world.event("H03-08", "safe", type="key")
    world.press("H03-09")
    assert says(world)["H03-08"] == "safe"
    assert len(says(world)) == 12
