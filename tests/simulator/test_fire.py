"""What the demonstration calls a success."""

import pytest

from simulator.fire import Outcome


def good() -> Outcome:
    return Outcome(
        12, "micropython", "mosquitto", own_bell_ms=40, all_bells_ms=300, console_ms=90, webhook_ms=20, bells_confirmed=12, incidents=1,
        extinguisher_logged=True, lost_board_shown_s=0.4,
    )  # fmt: skip


def test_everything_as_promised_is_a_success() -> None:
    outcome = good()
    outcome.judge()
    assert outcome.as_it_should_be
    assert outcome.summary()["ok"] is True


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("own_bell_ms", 151, "own bell"),
        ("own_bell_ms", None, "own bell"),
        ("all_bells_ms", 1001, "all bells"),
        ("console_ms", 1001, "console"),
        ("webhook_ms", None, "webhook"),
        ("bells_confirmed", 11, "bells confirmed"),
        ("incidents", 2, "incidents"),
        ("events_lost", 1, "events lost"),
        ("extinguisher_logged", False, "extinguisher"),
        ("lost_board_shown_s", None, "H03-09"),
    ],
)
def test_each_broken_promise_is_named(field: str, value: object, named: str) -> None:
    outcome = good()
    setattr(outcome, field, value)
    outcome.judge()
    assert len(outcome.failures) == 1
    assert named in outcome.failures[0]
