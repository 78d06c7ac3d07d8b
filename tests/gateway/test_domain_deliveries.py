import pytest
from commune import START_MS, World
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import deliveries, facts
from gateway.domain.deliveries import RANK
from gateway.domain.rows import DeliveryRow
from protocol.incident import Delivery

WAITING = Delivery(id=1, channel="sms", what="opened", person="p", state="waiting", tries=0, at_ms=1)


def said(state: str, at_ms: int) -> Delivery:
    times = {"handed": "handed_ms", "delivered": "delivered_ms", "acknowledged": "acknowledged_ms"}
    fields = {times[state]: at_ms} if state in times else {}
    return WAITING.model_copy(update={"state": state, "tries": 1, "at_ms": at_ms, **fields})


def test_an_answer_that_overtakes_the_report_stays():
    answered = deliveries.acknowledged(said("handed", 5), now_ms=9)
    after = deliveries.merged(answered, said("delivered", 12))
    assert (after.state, after.handed_ms, after.delivered_ms, after.acknowledged_ms) == ("acknowledged", 5, 12, 9)


def test_a_message_given_up_that_arrives_all_the_same_has_arrived():
    assert deliveries.merged(said("failed", 5), said("delivered", 6)).state == "delivered"


@given(st.lists(st.tuples(st.sampled_from(list(RANK)), st.integers(1, 99)), min_size=1))
def test_words_in_any_order_end_at_the_furthest_state_with_the_first_time_of_each(words):
    found = WAITING
    for state, at_ms in words:
        found = deliveries.merged(found, said(state, at_ms))
    assert RANK[found.state] == max(RANK[state] for state, _ in words)
    handed = [at_ms for state, at_ms in words if state == "handed"]
    assert found.handed_ms == min(handed, default=None)


@pytest.mark.parametrize(("state", "written"), [("waiting", 0), ("failed", 1), ("delivered", 1)])
def test_nothing_of_a_settled_incident_waits_for_the_next_start(state, written):
    world = World()
    delivery = Delivery(id=1, channel="sms", what="opened", person="p", state=state, tries=1, at_ms=START_MS)
    with world.turn() as turn:
        facts.delivery(turn, DeliveryRow("2026-000001", delivery, "+84900000001", START_MS))
        assert len(turn.effects.tried) == written
