"""What must be true after a chaos, computed from the presses alone and compared with what is on the engine's disk. Pure.

The rules are those of docs/wire.md (Activations), not those of the engine's code: a press is one event and one activation; presses of
one group join its unresolved incident however old it is, so that its incidents follow each other in the order of the journal; only
the desk ends one; what was receipted is on the disk; and everybody who listens to the gateway is told of every press.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

WORDS_MAX = 20


class Button(NamedTuple):
    """A button of a board."""

    device: str
    point: str


class Row(NamedTuple):
    """A press in the engine's journal."""

    id: str
    button: Button


class Burnt(NamedTuple):
    """An incident as it lies on the disk. `events`: of its activations, oldest first; of a long one the first and the newest."""

    id: str
    group: str
    resolved: bool
    n: int
    events: tuple[str, ...]


@dataclass
class Found:
    """What is on the disk, and what the world has heard. `rows` in the order of the journal, `incidents` in that of their numbers.

    `kept`: the id of every event on the disk; `receipts`: those that the engine has receipted; `ended`: incidents that the desk has
    resolved; `told`: events that came with a webhook; `told_n`: of an incident too long to name all of its presses, the highest count.
    """

    rows: Sequence[Row]
    incidents: Sequence[Burnt]
    kept: Collection[str]
    receipts: Collection[str]
    ended: Collection[str]
    told: Collection[str]
    told_n: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Verdict:
    """How many presses went wrong in which way; `words` says what is wrong, the first WORDS_MAX of it."""

    presses: int = 0
    incidents: int = 0
    not_stored: int = 0
    stored_twice: int = 0
    not_activated: int = 0
    activated_twice: int = 0
    torn: int = 0
    unbacked: int = 0
    untold: int = 0
    words: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Presses that are not on the disk, in no incident, or that nobody was told of; and receipts that stand for nothing."""
        return self.not_stored + self.not_activated + self.unbacked + self.untold

    @property
    def doubled(self) -> int:
        """Presses that are on the disk or in incidents more than once; incidents that should be one."""
        return self.stored_twice + self.activated_twice + self.torn

    def say(self, words: str) -> None:
        """Something is wrong."""
        if len(self.words) < WORDS_MAX:
            self.words.append(words)


def judge(presses: Counter[Button], found: Found, groups: Mapping[str, str]) -> Verdict:
    """Compare. `groups`: board -> group."""
    verdict = Verdict(presses=presses.total(), incidents=len(found.incidents))
    _journal(verdict, presses, found)
    for group in sorted(set(groups.values())):
        rows = [row for row in found.rows if groups.get(row.button.device) == group]
        _group(verdict, group, rows, found)
    for incident in found.incidents:
        if incident.group not in set(groups.values()):
            verdict.torn += 1
            verdict.say(f"{incident.id} is of the group {incident.group!r}, where nobody pressed")
    return verdict


def _journal(verdict: Verdict, presses: Counter[Button], found: Found) -> None:
    stored = Counter(row.button for row in found.rows)
    for button, count in (presses - stored).items():
        verdict.not_stored += count
        verdict.say(f"{button.device} {button.point}: pressed {presses[button]} times, {stored[button]} on the disk")
    for button, count in (stored - presses).items():
        verdict.stored_twice += count
        verdict.say(f"{button.device} {button.point}: pressed {presses[button]} times, {stored[button]} on the disk")
    for ident, count in Counter(row.id for row in found.rows).items():
        if count > 1:
            verdict.stored_twice += count - 1
            verdict.say(f"{ident} is {count} times on the disk")
    for ident in sorted(set(found.receipts) - set(found.kept)):
        verdict.unbacked += 1
        verdict.say(f"{ident} was receipted and is not on the disk")


def _group(verdict: Verdict, group: str, rows: list[Row], found: Found) -> None:
    """The presses of a group, in the order of the journal, fill its incidents one after the other and leave nothing over."""
    start = 0
    incidents = [incident for incident in found.incidents if incident.group == group]
    for incident in incidents:
        segment = [row.id for row in rows[start : start + incident.n]]
        start += incident.n
        for event in segment[found.told_n.get(incident.id, 0) :]:
            if event not in found.told:
                verdict.untold += 1
                verdict.say(f"{event} of {incident.id} came with no webhook")
        if not _is_of(incident.events, segment, incident.n):
            verdict.torn += 1
            verdict.say(f"{incident.id} of {group}: expected the presses {segment}, got {list(incident.events)}")
        if not incident.resolved and incident is not incidents[-1]:
            verdict.torn += 1
            verdict.say(f"{incident.id} of {group} is not resolved, and another was opened after it")
        if incident.resolved and incident.id not in found.ended:
            verdict.torn += 1
            verdict.say(f"{incident.id} of {group} is resolved, and nobody resolved it")
    if start < len(rows):
        verdict.not_activated += len(rows) - start
        verdict.say(f"{group}: {len(rows)} presses, {start} activations")
    elif start > len(rows):
        verdict.activated_twice += start - len(rows)
        verdict.say(f"{group}: {len(rows)} presses, {start} activations")


def _is_of(events: Sequence[str], segment: list[str], n: int) -> bool:
    """Whether these are the presses: all of them, or of many the first and the newest."""
    if len(events) == n:
        return list(events) == segment
    rest = iter(segment)
    return 0 < len(events) < n and events[0] == segment[0] and events[-1] == segment[-1] and all(event in rest for event in events)
