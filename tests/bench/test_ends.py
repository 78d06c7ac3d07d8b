"""How a change of a configuration ends, in words for the technician: what is, and what to do."""

import io
import re

import pytest

from firmware.bench import configuring
from firmware.bench.configuring import End, State, agree
from firmware.bench.run import CannotBegin


@pytest.mark.parametrize(
    ("end", "words", "remedy_words"),
    [
        (End("H1", "applied", "14 s"), "✓ H1: applied and back online, 14 s", ""),
        (End("H1", "had"), "✓ H1: has it already", ""),
        (
            End("H1", "refused", "points.window: not a point of household"),
            "✕ H1: refused by the board: points.window",
            "mend what the board",
        ),
        (End("H1", "refused", "the bell sounds"), "✕ H1: refused by the board: the bell sounds", "not now; .* later"),
        (End("H1", "refused", "change o-1 is on trial"), "✕ H1: refused by the board: change o-1 is on trial", "not now; .* later"),
        (End("H1", "refused", "an update is under way"), "✕ H1: refused by the board: an update is under way", "not now; .* later"),
        (End("H1", "refused", "not enough memory"), "✕ H1: refused by the board: not enough memory", "in parts: --set"),
        (
            End("H1", "rolled_back", "rolled back: not online within 180 s, tries: 1"),
            "✕ H1: rolled back: not online",
            "runs with what it had",
        ),
        (End("H1", "missed"), "✕ H1: the order did not reach the board", "nothing has changed"),
        (End("H1", "waits", "waited 600 s"), "✕ H1: no answer yet: waited 600 s", "keng device show ... H1"),
        (End("H1", "not_sent", "engine: no"), "✕ H1: not sent: engine: no", ""),
        (End("H1", "offline", "lost"), "✕ H1: left out, since it is lost: only a board that is online", ""),
    ],
)
def test_each_end_says_what_is_and_what_to_do(end: End, words: str, remedy_words: str) -> None:
    first, *remedy = end.lines()
    assert first.startswith(words)
    assert len(remedy) == bool(remedy_words)
    assert re.search(remedy_words, "".join(remedy))
    assert end.is_good == first.startswith("✓")


def test_every_end_has_its_words() -> None:
    assert set(State.__args__) == set(configuring._ENDS)  # type: ignore[attr-defined]  # of typing.Literal


def test_where_nobody_can_agree_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(CannotBegin, match="--yes if it is agreed already"):
        agree("Send it?", lambda: False)
