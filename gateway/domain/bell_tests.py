"""Bells that somebody has sound for two seconds, to know that they can: who may, and what each one answered. Pure.

The result is an entry of the maintenance log. A test that a restart of the engine cuts short leaves none.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from gateway.domain import incidents
from gateway.domain.commune import Commune
from gateway.domain.desk import MAY_NOT, old
from gateway.domain.incidents import Incident
from gateway.domain.maintenance import Entry
from gateway.domain.policy import may
from protocol.desk import Command
from protocol.messages import Answer, Order

SECONDS = 2
VALID_S = 10  # a board that comes back later shall not sound out of the blue
ANSWER_S = 20.0  # an order may arrive at the end of its validity, and be repeated by the broker
POINT = "bell"
NO_ANSWER = "no_answer"


class BellTest(NamedTuple):
    """A bell that was asked and has not answered. `order`: the id of the order, which is that of the command."""

    device: str
    order: str
    start_s: float


def bells(command: Command, commune: Commune) -> list[str]:
    """The boards whose bells a command asks: of its home, or of its whole group."""
    known = commune.bells_of(command.group or "")
    return [board for board in known if commune.home_of(board) == command.home] if command.home else known


def refusal(
    command: Command, in_group: Iterable[Incident], running: Mapping[str, BellTest], *, commune: Commune, user: str, now_ms: int
) -> str:
    """What is wrong with a command that tests bells, "" if nothing is. Nobody tests bells where something is going on."""
    person = commune.person(user)
    if person is None:
        return "expected a person of the commune's description"
    if wrong := old(command, now_ms):
        return wrong
    asked = bells(command, commune)
    if not asked:
        return f"expected a group or a home with bells, got {command.home or command.group}"
    own_home = command.home is not None and command.home == person.home
    if not may(person.role, "test_bell", own_group=person.group == command.group, own_home=own_home):
        return MAY_NOT.format(person.role)
    return _busy(asked, in_group, running)


def _busy(asked: list[str], in_group: Iterable[Incident], running: Mapping[str, BellTest]) -> str:
    if unresolved := incidents.unresolved(in_group):
        return f"expected a group without an open incident, got {unresolved[0].id}"
    busy = [board for board in asked if board in running]
    return f"expected bells that are not being tested, got {busy[0]}" if busy else ""


def begun(command: Command, commune: Commune, *, now_s: float) -> list[tuple[BellTest, Order]]:
    """What is asked of which board."""
    order = Order(id=command.id, do="test", what=POINT, seconds=SECONDS, valid_s=VALID_S)
    return [(BellTest(board, command.id, now_s), order) for board in bells(command, commune)]


def answered(test: BellTest, answer: Answer, *, now_ms: int) -> Entry | None:
    """What a board's answer says of its bell; None for an answer to something else."""
    if answer.id != test.order:
        return None
    return Entry(now_ms, test.device, POINT, "bell_test", answer.proof or "commanded" if answer.ok else answer.error or "failed")


def overdue(running: Iterable[BellTest], *, now_s: float) -> list[BellTest]:
    """Those that will not be answered any more. `now_s` is monotonic."""
    return [test for test in running if now_s - test.start_s >= ANSWER_S]


def silent(test: BellTest, *, now_ms: int) -> Entry:
    """What is written of a bell that has not answered."""
    return Entry(now_ms, test.device, POINT, "bell_test", NO_ANSWER)
