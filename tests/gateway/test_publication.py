"""What the engine says of itself on the topic `gateway`, however much is wrong."""

import json

import pytest
from commune import START_MS, World

from gateway.domain.rows import Lasting
from gateway.domain.situation import Situation
from gateway.publication import BOARDS_MAX, FAULTS_MAX, gateway
from protocol.messages import Gateway, decode

WHO = {"engine": "5be07711-204", "version": "0.1.0"}


def faulty(areas: int, boards: int, *, words: str = "out", name: str = "Ngõ 12") -> Situation:
    """Whose areas are out, each with its boards, and whose disk is full."""
    situation = World().situation
    for area in range(areas):
        key, names = f"area:group:TLG-{area:03d}", tuple(f"DEVICE-WITH-A-LONG-NAME-{area:03d}-{number:03d}" for number in range(boards))
        situation.faults[key], situation.lasting[key] = words, Lasting(START_MS, name, names)
    situation.faults["disk"], situation.lasting["disk"] = "full", Lasting(START_MS)
    return situation


@pytest.mark.parametrize(
    ("areas", "boards", "words"),
    [(0, 0, ""), (5, 60, "out"), (300, 10, "out"), (60, 50, "mất điện " * 40), (3000, 3000, "báo động " * 400)],
)
def test_it_fits_its_topic_whatever_is_wrong_and_says_what_it_leaves_out(areas, boards, words):
    situation = faulty(areas, boards, words=words, name="Hộ mẫu " * 300)
    said = decode(Gateway, gateway(situation, **WHO).payload())  # raises for a byte too many
    assert said.lasting[0].key == "disk", "the gateway's own faults are told whatever else there is"
    assert len(said.lasting) + said.left_out == areas + 1
    assert {len(fault.boards) + fault.boards_left_out for fault in said.lasting[1:]} <= {boards}
    assert bool(said.left_out) == any("left out" in line for line in said.faults)


def test_what_fits_is_told_whole():
    said = gateway(faulty(FAULTS_MAX - 1, 5), **WHO)
    assert (len(said.lasting), said.left_out, {fault.boards_left_out for fault in said.lasting}) == (FAULTS_MAX, 0, {0})
    few = gateway(faulty(1, BOARDS_MAX + 7), **WHO).lasting[1]
    assert (len(few.boards), few.boards_left_out) == (BOARDS_MAX, 7)


def test_an_engine_of_before_that_counts_nothing_is_understood():
    message = json.loads(gateway(faulty(1, 2), **WHO).payload())
    del message["left_out"], message["lasting"][1]["boards_left_out"]
    assert decode(Gateway, json.dumps(message).encode()).left_out == 0
