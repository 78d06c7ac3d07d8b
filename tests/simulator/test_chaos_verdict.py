"""What the judge of a chaos sees: each way to lose or to double a press, and none of them where all is right."""

from collections import Counter
from dataclasses import asdict, replace

import pytest

from simulator.chaos.verdict import Burnt, Button, Found, Row, judge

A, B, OTHER = Button("A", "button-1"), Button("B", "button-1"), Button("O", "button-2")
GROUPS = {"A": "G1", "B": "G1", "O": "G2"}
PRESSES = Counter({A: 2, B: 1, OTHER: 1})
ROWS = [Row("a1", A), Row("o1", OTHER), Row("b1", B), Row("a2", A)]
FIRST = Burnt("1", "G1", True, 2, ("a1", "b1"))
OF_OTHER = Burnt("2", "G2", False, 1, ("o1",))
SECOND = Burnt("3", "G1", False, 1, ("a2",))
TOLD = {"a1", "o1", "b1", "a2"}
RIGHT = Found(ROWS, [FIRST, OF_OTHER, SECOND], {*TOLD, "a3"}, {"a1", "a3"}, {"1"}, TOLD)

# What is wrong, and in which number of the verdict it is counted.
LOST = {
    "a press is not on the disk": (replace(RIGHT, rows=ROWS[:-1], incidents=[FIRST, OF_OTHER]), {"not_stored": 1}),
    "a press is in no incident": (replace(RIGHT, incidents=[FIRST, OF_OTHER]), {"not_activated": 1}),
    "a receipt stands for nothing": (replace(RIGHT, receipts={"a1", "a4"}), {"unbacked": 1}),
    "nobody was told": (replace(RIGHT, told=TOLD - {"b1"}), {"untold": 1}),
}
DOUBLED = {
    "a press is on the disk as two": (replace(RIGHT, rows=[*ROWS, ROWS[0]]), {"stored_twice": 2, "not_activated": 1}),
    "a press that nobody made": (
        replace(
            RIGHT, rows=[*ROWS, Row("b2", B)], incidents=[FIRST, OF_OTHER, SECOND._replace(n=2, events=("a2", "b2"))], told=TOLD | {"b2"}
        ),
        {"stored_twice": 1},
    ),
    "a repeat is an activation": (
        replace(RIGHT, incidents=[FIRST, OF_OTHER, SECOND._replace(n=2, events=("a2", "a2"))]),
        {"activated_twice": 1, "torn": 1},
    ),
    "one fire is two incidents": (
        replace(
            RIGHT, incidents=[FIRST._replace(n=1, events=("a1",), resolved=False), OF_OTHER, SECOND._replace(n=2, events=("b1", "a2"))]
        ),
        {"torn": 1},
    ),
    "an incident ends by itself": (replace(RIGHT, ended=set()), {"torn": 1}),
    "a press lands in the fire before": (
        replace(RIGHT, incidents=[FIRST._replace(events=("a1", "a2")), OF_OTHER, SECOND._replace(events=("b1",))]),
        {"torn": 2},
    ),
    "a fire where nobody pressed": (replace(RIGHT, incidents=[FIRST, OF_OTHER, SECOND, Burnt("4", "G9", False, 1, ("a2",))]), {"torn": 1}),
}


def test_right_is_right() -> None:
    verdict = judge(PRESSES, RIGHT, GROUPS)
    assert (verdict.lost, verdict.doubled, verdict.words) == (0, 0, [])
    assert (verdict.presses, verdict.incidents) == (4, 3)


@pytest.mark.parametrize(("found", "numbers"), (LOST | DOUBLED).values(), ids=(LOST | DOUBLED).keys())
def test_each_wrong_is_counted_and_said(found: Found, numbers: dict[str, int]) -> None:
    verdict = judge(PRESSES, found, GROUPS)
    counted = {name: number for name, number in asdict(verdict).items() if number and name not in ("presses", "incidents", "words")}
    assert counted == numbers
    assert verdict.words


@pytest.mark.parametrize("found", [found for found, _ in LOST.values()], ids=LOST.keys())
def test_lost_is_lost_and_not_doubled(found: Found) -> None:
    verdict = judge(PRESSES, found, GROUPS)
    assert verdict.lost == 1
    assert verdict.doubled == 0


@pytest.mark.parametrize("found", [found for found, _ in DOUBLED.values()], ids=DOUBLED.keys())
def test_doubled_is_doubled(found: Found) -> None:
    assert judge(PRESSES, found, GROUPS).doubled > 0


def long_one() -> Found:
    """An incident of 40 presses that names the first 10 and the newest 20."""
    ids = [f"a{number}" for number in range(40)]
    shown = Burnt("1", "G1", False, 40, (*ids[:10], *ids[-20:]))
    return Found([Row(ident, A) for ident in ids], [shown], set(ids), set(), set(), set(shown.events), {"1": 40})


@pytest.mark.parametrize(("told", "untold"), [(40, 0), (20, 0), (12, 8), (0, 10)])
def test_a_long_incident_tells_the_presses_that_it_does_not_name_by_their_count(told: int, untold: int) -> None:
    verdict = judge(Counter({A: 40}), replace(long_one(), told_n={"1": told}), GROUPS)
    assert (verdict.untold, verdict.doubled, verdict.not_activated) == (untold, 0, 0)


@pytest.mark.parametrize("events", [(), ("a0",), ("a1", "a39"), ("a0", "a38"), ("a0", "a5", "a5", "a39"), ("a0", "b", "a39")])
def test_a_long_incident_that_names_other_presses_is_torn(events: tuple[str, ...]) -> None:
    found = long_one()
    verdict = judge(Counter({A: 40}), replace(found, incidents=[found.incidents[0]._replace(events=events)]), GROUPS)
    assert verdict.torn == 1
