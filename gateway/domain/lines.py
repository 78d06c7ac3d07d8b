"""The lines of the maintenance log as people see them: what flaps, floods or belongs to a greater fault is one line with a count. Pure.

An alarm is no entry of this log, so nothing here can hold one back or hide it. Entries that a line takes in are written too, for who wants
to know exactly, up to KEPT of them; beyond that they are only counted. Seconds are monotonic.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.domain.maintenance import Entry, family, is_onset

FLAPS = 3  # the same fault for the third time ...
FLAP_S = 600.0  # ... with never so long without it: one line
CROWD = 20  # more lines about boards than this ...
CROWD_S = 60.0  # ... in so long: one line, until it is a quarter of that
KEPT = 100
_NAMED = 10  # boards that a crowd's line names

Key = tuple[str, str, str]


class Line(NamedTuple):
    """One line. `times`: how often, `last_ms`: when last, for one that stands for many; `part_of`: the line that stands for this one."""

    id: int
    entry: Entry
    times: int = 1
    last_ms: int | None = None
    part_of: int | None = None


@dataclass(slots=True)
class Series:
    """The same fault of the same point, again and again. `head` stands for all of it once there are too many."""

    lines: list[Line] = field(default_factory=list)
    head: int | None = None
    onsets: int = 0
    last_s: float = 0.0


@dataclass
class Log:
    """What decides where the next entries go. `of_fault`: the line of each fault of the gateway that lasts."""

    next_id: int = 1
    of_fault: dict[str, int] = field(default_factory=dict)
    _lines: dict[int, Line] = field(default_factory=dict)  # those that may still change
    _series: dict[Key, Series] = field(default_factory=dict)
    _recent: deque[tuple[float, int]] = field(default_factory=deque)
    _crowd: int | None = None
    _parts: dict[int, int] = field(default_factory=dict)  # of lines that stand for others
    _forgot_s: float = 0.0

    def write(self, entries: Iterable[Entry], parts_of: Mapping[str, str], now_s: float) -> list[Line]:
        """Every line that these entries make or change. `parts_of`: board -> the fault of the gateway that its own loss belongs to."""
        changed: dict[int, None] = {}
        entries = list(entries)
        for entry in entries:
            if not entry.device:
                self._one(entry, now_s, changed)
        for entry in entries:
            if entry.device:
                greater = self.of_fault.get(parts_of.get(entry.device, "")) if family(entry.what) == "board_lost" else None
                self._one(entry, now_s, changed, greater)
        for board, fault in parts_of.items():
            self._absorb_known(board, self.of_fault.get(fault), changed)
        found = [self._lines[ident] for ident in changed if ident in self._lines]
        if now_s - self._forgot_s >= CROWD_S:
            self._forgot_s = now_s
            self._forget(now_s)
        return found

    def _one(self, entry: Entry, now_s: float, changed: dict[int, None], greater: int | None = None) -> None:
        key = (entry.device, entry.point, family(entry.what))
        series = self._series.get(key)
        if series is None or now_s - series.last_s >= FLAP_S:
            series = self._series[key] = Series()
        series.last_s = now_s
        series.onsets += is_onset(entry.what)
        if series.head is None and series.lines and series.onsets >= FLAPS:
            series.head = series.lines[0].id
            for line in series.lines[1:]:
                self._absorb(line.id, series.head, changed)
        if series.head is not None:
            if self._takes(series.head):
                self._new(entry, changed, part_of=series.head)
            self._count(series.head, entry.at_ms, changed, to=series.onsets)
            if not entry.device and is_onset(entry.what):
                self.of_fault[entry.point] = series.head
            return
        line = self._new(entry, changed, part_of=greater)
        series.lines.append(line)
        if not entry.device and is_onset(entry.what):
            self.of_fault[entry.point] = line.id
        elif entry.device and greater is None:
            self._crowded(line, now_s, changed)

    def _crowded(self, line: Line, now_s: float, changed: dict[int, None]) -> None:
        """Take in what comes faster than anybody reads, the lines before it too."""
        self._recent.append((now_s, line.id))
        while now_s - self._recent[0][0] >= CROWD_S:
            self._recent.popleft()
        if self._crowd is not None and len(self._recent) <= CROWD // 4:
            self._crowd = None
        if self._crowd is None and len(self._recent) > CROWD:
            self._crowd = self._new(Entry(line.entry.at_ms, "", "", "flood"), changed).id
            for _, ident in self._recent:
                self._gather(ident, changed)
        elif self._crowd is not None:
            self._gather(line.id, changed)

    def _gather(self, ident: int, changed: dict[int, None]) -> None:
        crowd, line = self._crowd, self._lines.get(ident)
        if crowd is None or line is None or line.part_of is not None:
            return
        named = [board for board in self._lines[crowd].entry.detail.split(", ") if board]
        if line.entry.device not in named and len(named) <= _NAMED:
            named.append(line.entry.device if len(named) < _NAMED else "…")
        self._lines[crowd] = self._lines[crowd]._replace(entry=self._lines[crowd].entry._replace(detail=", ".join(named)))
        before = self._parts.get(crowd, 0)
        if self._takes(crowd):
            self._absorb(ident, crowd, changed)
        else:
            changed.pop(ident, None)  # only counted
            self._parts[crowd] = before + 1
        self._count(crowd, line.entry.at_ms, changed, to=self._parts[crowd])

    def _absorb_known(self, board: str, greater: int | None, changed: dict[int, None]) -> None:
        """The loss of a board was a line of its own before it was known that it is part of something greater."""
        series = self._series.get((board, "", "board_lost"))
        for line in series.lines if series and greater is not None else ():
            known = self._lines.get(line.id)
            if known is not None and known.part_of != greater:
                self._absorb(known.id, greater or 0, changed)

    def _absorb(self, ident: int, head: int, changed: dict[int, None]) -> None:
        if ident != head and ident in self._lines:
            self._lines[ident] = self._lines[ident]._replace(part_of=head)
            self._parts[head] = self._parts.get(head, 0) + 1
            changed[ident] = None

    def _count(self, head: int, at_ms: int, changed: dict[int, None], *, to: int) -> None:
        if head in self._lines:
            self._lines[head] = self._lines[head]._replace(times=to, last_ms=at_ms)
            changed[head] = None

    def _takes(self, head: int) -> bool:
        return self._parts.get(head, 0) < KEPT

    def _new(self, entry: Entry, changed: dict[int, None], *, part_of: int | None = None) -> Line:
        line = self._lines[self.next_id] = Line(self.next_id, entry, part_of=part_of)
        if part_of is not None:
            self._parts[part_of] = self._parts.get(part_of, 0) + 1
        changed[self.next_id] = None
        self.next_id += 1
        return line

    def _forget(self, now_s: float) -> None:
        """What cannot change any more, so that a year of faults takes no memory."""
        for key in [key for key, series in self._series.items() if now_s - series.last_s >= FLAP_S]:
            del self._series[key]
        kept = {line.id for series in self._series.values() for line in series.lines} | {ident for _, ident in self._recent}
        kept |= {series.head for series in self._series.values() if series.head is not None}
        kept |= {self._crowd} if self._crowd is not None else set()
        self._lines = {ident: self._lines[ident] for ident in kept if ident in self._lines}
        self._parts = {head: count for head, count in self._parts.items() if head in self._lines or head in self.of_fault.values()}
