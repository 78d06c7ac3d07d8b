"""Whether somebody can see and hear an alarm at a desk. No live desk page is a fault that the ladder knows. Pure; seconds are monotonic."""

from functools import partial

from gateway.domain.incidents import Incident, climbing, noted, unresolved
from gateway.domain.ladder import Climb
from gateway.domain.situation import Act, Situation, Turn, put
from protocol.desk import DeskAlive
from protocol.policy import MUTABLE

DESK = "desk"  # the key of the fault
_SILENT = "a page is open, but its sound is off"
_CLOSED = "no page is open"
_UNHEARD = "the console is not heard"


def alive(turn: Turn, said: DeskAlive) -> None:
    """A console says how many pages are open there, and how many of them sound."""
    situation = turn.situation
    if said.audible:
        situation.desk.heard_s = turn.now.s
        turn.fault_over(DESK)
    situation.desk.words = "" if said.audible else _SILENT if said.pages else _CLOSED
    if DESK in situation.faults:
        turn.fault(DESK, situation.desk.words)


def due(situation: Situation, *, now_s: float) -> list[Act]:
    """What time alone does: a desk that was not heard for so long as the policy says is missing."""
    longest_s = situation.commune.policy.desk_s
    if not longest_s or DESK in situation.faults:
        return []
    heard_s = situation.desk.heard_s
    return [] if heard_s is not None and now_s - heard_s < longest_s else [partial(_missing, longest_s=longest_s)]


def hurries(situation: Situation, climb: Climb) -> bool:
    """True if a ladder's second step does not wait for the first: nobody sits where the first would be seen. Never for a drill."""
    return DESK in situation.faults and climb.cause not in MUTABLE and (climb.round, climb.step) == (1, 1)


def hurried(turn: Turn, incident: Incident) -> Incident:
    """The incident with a line about why its ladder does not wait."""
    return noted(incident, turn.now.ms, "desk_missing")


def _missing(turn: Turn, *, longest_s: int) -> None:
    situation, desk = turn.situation, turn.situation.desk
    if desk.heard_s is None:
        desk.heard_s = turn.now.s  # the start: a page that is open has as long as any other
        return
    if turn.now.s - desk.heard_s < longest_s:
        return
    turn.fault(DESK, desk.words or _UNHEARD)
    for incident in unresolved(situation.incidents.values()):
        if incident.climbs and incident.climb and hurries(situation, incident.climb):
            put(turn, hurried(turn, climbing(incident, incident.climb._replace(wait_ms=0))))
