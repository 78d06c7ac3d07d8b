"""The brake on guessing passwords: how long the next try must wait. Pure; milliseconds.

A wait is never longer than LONGEST_MS, so that nobody is locked out for ever, and a browser in which the person has logged in before
waits for its own wrong tries alone: who guesses elsewhere cannot keep the officer from an alarm (OWASP, "device cookies").
"""

from typing import Literal, NamedTuple

Kind = Literal["account", "address", "browser"]

FREE: dict[Kind, int] = {"account": 5, "address": 20, "browser": 5}  # wrong tries that cost nothing
LONGEST_MS: dict[Kind, int] = {"account": 60_000, "address": 600_000, "browser": 60_000}
FORGOTTEN_MS: dict[Kind, int] = {"account": 86_400_000, "address": 3_600_000, "browser": 86_400_000}


class Failures(NamedTuple):
    """Wrong tries on one account, from one address, or in one browser, and when the last was."""

    kind: Kind
    tries: int
    last_ms: int


def counted(failures: Failures, *, now_ms: int) -> int:
    """How many of them still count: none when the last is long ago."""
    return 0 if now_ms - failures.last_ms > FORGOTTEN_MS[failures.kind] else failures.tries


def wait_ms(failures: Failures, *, now_ms: int) -> int:
    """How long from now no password is looked at; 0 if one may try. A clock that was set back makes nobody wait longer than the rule."""
    over = counted(failures, now_ms=now_ms) - FREE[failures.kind]
    if over < 0:
        return 0
    pause_ms = min(LONGEST_MS[failures.kind], 1000 << min(over, 20))
    return max(0, min(pause_ms, failures.last_ms + pause_ms - now_ms))
