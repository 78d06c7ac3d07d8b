"""What messages of the broker say: each is read, and becomes a fact of the turn; what cannot be read is counted."""

from collections import Counter
from collections.abc import Callable
from functools import lru_cache, partial
from typing import NoReturn

from gateway.domain import desks, facts, orders
from gateway.domain.situation import Effects, Turn
from gateway.parts import Parts
from gateway.store import journal
from protocol import boards, messages, topics
from protocol.boards import BoardCommand
from protocol.desk import Command, DeskAlive
from protocol.messages import Answer, Birth, Event, Gateway, Report, Tick
from protocol.wire import DecodeError

TOPICS_KEPT = 1024  # of a commune all; of fifty, whose boards report in turn, none would be met again


class Reader:
    """`message` and `report` are the acts of a turn. `taken`: messages by kind since the start. `parse`: protocol.topics.parse of this
    site.
    """

    def __init__(
        self,
        parts: Parts,
        site: str,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        on_denied: Callable[[], None],
        on_bench: Callable[[str, BoardCommand], None],
    ) -> None:
        self.taken: Counter[str] = Counter()
        self.parse = lru_cache(maxsize=TOPICS_KEPT)(partial(topics.parse, site))
        self._parts = parts
        self._clock = clock
        self._monotonic = monotonic
        self._on_denied = on_denied
        self._on_bench = on_bench
        self._take = {
            "event": self._event,
            "state": self._state,
            "answer": self._answer,
            "desk_command": self._command,
            "bench_command": self._bench,
            "desk_alive": self._alive,
            "incident": self._retained,
        }

    def message(self, topic: str, payload: bytes, retained: bool, turn: Turn) -> None:
        """Anything but a report. What cannot be read is counted."""
        if self._parts.rivals.keep_still(turn.now.s):
            return
        name, owner, _ = self.parse(topic) or ("topic", "", "")
        try:
            self._take.get(name, _no_topic)(owner, payload, retained, turn)
        except DecodeError as exc:
            # What a bench says may hold the key of a Wi-Fi, and what is kept is in every backup.
            kept = b"" if name == "bench_command" else payload
            self._parts.rubbish.count(owner, name, why=str(exc), payload=kept, now_ms=turn.now.ms)
        else:
            self.taken[name] += 1
            if owner in self._parts.situation.devices:
                self._parts.reports.heard.add(owner)

    def report(self, topic: str, payload: bytes, _retained: bool, turn: Turn) -> None:
        """A report of a board. What cannot be read is counted."""
        if self._parts.rivals.keep_still(turn.now.s):
            return
        name, device, _ = self.parse(topic) or ("topic", "", "")
        try:
            report = messages.decode(Report, payload) if name == "report" else _refuse_topic()
        except DecodeError as exc:
            self._parts.rubbish.count(device, name, why=str(exc), payload=payload, now_ms=turn.now.ms)
            return
        self.taken["report"] += 1
        facts.report(turn, device, report)
        turn.effects.reports.append((device, report))
        self._parts.reports.heard.add(device)

    def rival(self, topic: str, payload: bytes, retained: bool) -> None:
        """At once, and not in a turn: whether another engine is there is asked before the first turn."""
        name = topic.rpartition("/")[2]
        try:
            if name == "gateway":
                message = messages.decode(Gateway, payload)
                self._parts.rivals.gateway(message)
                if self._parts.rivals.denies(message):
                    self._on_denied()
            elif not retained:  # what a broker keeps proves nothing, and would silence us at each connection
                self._parts.rivals.tick(messages.decode(Tick, payload), self._monotonic())
        except DecodeError as exc:
            self._parts.rubbish.count("", name, why=str(exc), payload=payload, now_ms=int(self._clock() * 1000))

    def _answer(self, device: str, payload: bytes, _retained: bool, turn: Turn) -> None:
        facts.answer(turn, device, messages.decode(Answer, payload))

    def _event(self, device: str, payload: bytes, retained: bool, turn: Turn) -> None:
        event = messages.decode_event(payload)
        if retained and isinstance(event, Event):
            event = event.model_copy(update={"age": None})  # boards retain none; how long a broker has had it, nobody knows
        same = facts.identity(device, event)
        known = self._known(event.id, turn.effects)
        turn.effects.receipts.append((device, event.id))
        if same in known:
            facts.message(turn, device)
        elif isinstance(event, Event):
            facts.event(turn, device, event, payload, is_doubled=bool(known))
        else:
            facts.odd_event(turn, device, event)

    def _known(self, event_id: str, effects: Effects) -> list[facts.Identity]:
        """Every event with this id: of the journal, on its way to it, and of this turn."""
        here = [facts.Identity(*row[:5]) for row in self._parts.backlog.event_rows(event_id) + effects.event_rows(event_id)]
        return here + journal.identities(self._parts.store.reading, event_id)

    def _state(self, device: str, payload: bytes, retained: bool, turn: Turn) -> None:
        state = messages.decode_state(payload)
        if not isinstance(state, Birth):
            facts.will(turn, device, state)
            return
        unknown = []
        for point, event in state.active.items():
            if not any((known.device, known.point) == (device, point) for known in self._known(event, turn.effects)):
                unknown.append(point)
        facts.birth(turn, device, state, retained=retained, unknown=unknown)

    def _command(self, user: str, payload: bytes, _retained: bool, turn: Turn) -> None:
        command = messages.decode(Command, payload)
        here = [answer for person, _, before, answer in turn.effects.commands if (person, before.id) == (user, command.id)]
        answer = here[0] if here else journal.answer(self._parts.store.reading, user, command.id)
        turn.effects.answers.append((user, answer or orders.command(turn, user, command)))

    def _bench(self, user: str, payload: bytes, _retained: bool, _turn: Turn) -> None:
        self._on_bench(user, boards.decode_command(payload))

    def _alive(self, _user: str, payload: bytes, retained: bool, turn: Turn) -> None:
        said = messages.decode(DeskAlive, payload)
        if not retained:  # what a broker keeps proves nothing
            desks.alive(turn, said)

    def _retained(self, ident: str, _payload: bytes, _is_retained: bool, turn: Turn) -> None:
        """An incident that the broker keeps: one of another database, or of a start that was killed before it could clear it, must go."""
        incident = turn.situation.incidents.get(ident)
        if incident is None or incident.state == "resolved":
            turn.effects.gone.append(ident)


def _no_topic(_owner: str, _payload: bytes, _retained: bool, _turn: Turn) -> None:
    _refuse_topic()


def _refuse_topic() -> NoReturn:
    raise DecodeError("topic", "a topic of this site", "another")
