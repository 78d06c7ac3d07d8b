"""Everything that the engine knows now, and what a batch of decisions changes: to be stored first and sent afterwards. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal, NamedTuple

from gateway.domain import audiences, deadlines, ringing
from gateway.domain.bell_tests import BellTest
from gateway.domain.campaigns import Campaign, Pace, Progress
from gateway.domain.commune import Commune, Person
from gateway.domain.deadlines import Limits, Next
from gateway.domain.deliveries import delivered
from gateway.domain.health import Course
from gateway.domain.incidents import Asked, Incident
from gateway.domain.lines import Line, Log
from gateway.domain.maintenance import Entry, What
from gateway.domain.policy import FAMILY, SPREAD_MS, SPREADING, Kind, is_told
from gateway.domain.ringing import Order
from gateway.domain.rows import Canary, Change, DeliveryRow, EarlyProof, EventRow, Lasting, Listed, Point
from gateway.domain.supervision import Device
from protocol import messages
from protocol.desk import Command, CommandAnswer
from protocol.incident import Delivery
from protocol.messages import Report

if TYPE_CHECKING:
    from gateway.domain.outages import Outage

News = Literal["opened", "re_alarmed", "acknowledged", "on_the_way", "on_scene", "resolved"]

EARLY_MAX = 100  # calls whose event is still under way: see Situation.early


class Unwritten(NamedTuple):
    """What a situation knows and no disk does."""

    listed: dict[tuple[str, str], Listed]
    early: dict[str, tuple[EarlyProof, ...]]
    tests: dict[str, BellTest]


@dataclass
class DeskSeen:
    """When a desk that sounds was heard last, monotonic seconds (of the start at first), and what is wrong with it, if something is."""

    heard_s: float | None = None
    words: str = ""


@dataclass
class Situation:
    """The state. `incidents` holds those that are not settled, in the order of their opening.

    `channels`: programs that are told of every decision; `ways`: channels that lead to people. `faults`: of the gateway itself, key ->
    words; `lasting`: what else is known of each. `outages`: areas that are out, by the key of their fault. `log`: the maintenance log's.
    `told`: when people were told of each fault last, and `notified_ms` of any; `tried`: by which ways each person was,
    the last time. `course`, `desk`: what no disk knows.
    `campaign`: the newest one of updates, `updates`: how far its boards are; `pace`: of it, what no disk knows.
    `changes`: the newest change of each board's configuration.
    `listed`: what births list is waited for a moment, since the event itself says more and may come right behind.
    `tests`: bells that were asked to sound and have not answered, by board.
    `early`: bells hear a call before its sender has written the event into its flash, so their answers may come first: call -> proofs.
    """

    commune: Commune
    limits: Limits
    channels: tuple[str, ...] = ()
    ways: frozenset[str] = frozenset()
    devices: dict[str, Device] = field(default_factory=dict)
    points: dict[tuple[str, str], Point] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    lasting: dict[str, Lasting] = field(default_factory=dict)
    outages: dict[str, "Outage"] = field(default_factory=dict)
    canaries: dict[str, Canary] = field(default_factory=dict)
    log: Log = field(default_factory=Log)
    course: Course = field(default_factory=Course)
    desk: DeskSeen = field(default_factory=DeskSeen)
    told: dict[str, int] = field(default_factory=dict)
    tried: dict[str, frozenset[str]] = field(default_factory=dict)
    notified_ms: int | None = None
    campaign: Campaign | None = None
    updates: dict[str, Progress] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)
    changes: dict[str, Change] = field(default_factory=dict)
    next_incident: int = 1
    next_delivery: int = 1
    next_campaign: int = 1
    listed: dict[tuple[str, str], Listed] = field(default_factory=dict)
    early: dict[str, tuple[EarlyProof, ...]] = field(default_factory=dict)
    tests: dict[str, BellTest] = field(default_factory=dict)
    _of_group: dict[str | None, dict[str, Incident]] = field(default_factory=dict)
    _due: dict[str, Next] = field(default_factory=dict)
    _ladders: dict[str, Next] = field(default_factory=dict)
    _asked: dict[tuple[str, ...], Asked] = field(default_factory=dict)

    def device(self, ident: str) -> Device:
        """The board with this id; an unplaced one is made for an id that was never heard."""
        known = self.devices.get(ident)
        if known is None:
            place = self.commune.place_of(ident)
            known = self.devices[ident] = Device(
                ident, kind="", place=place.name, group=self.commune.group_of(ident), placed=place.id is not None
            )
        return known

    def keep(self, incident: Incident) -> None:
        """The incident as it is from now on."""
        self.incidents[incident.id] = incident
        for group in incident.groups or (None,):
            self._of_group.setdefault(group, {})[incident.id] = incident
        _index(self._due, incident.id, deadlines.next_due(incident, limits=self.limits))
        _index(self._ladders, incident.id, deadlines.next_step(incident))

    def drop(self, incident: Incident) -> None:
        """Forget a settled incident."""
        self.incidents.pop(incident.id, None)
        for group in incident.groups or (None,):
            self._of_group.get(group, {}).pop(incident.id, None)
        self._due.pop(incident.id, None)
        self._ladders.pop(incident.id, None)

    def due(self, now_ms: int) -> list[str]:
        """The incidents that time changes now: asked five times a second."""
        return _passed(self._due, now_ms)

    def due_ladders(self, now_ms: int) -> list[str]:
        """The incidents whose ladder has a step to take now."""
        return _passed(self._ladders, now_ms)

    def of_group(self, group: str | None) -> list[Incident]:
        """The incidents of a group that are not settled, in the order of their opening."""
        return list(self._of_group.get(group, {}).values())

    def unresolved(self, group: str | None, kind: Kind, *, now_ms: int, is_late: bool = False) -> Incident | None:
        """The incident that an alarm of this kind in this group joins: the group's own however old, else a young one of a neighbour; a late
        alarm is no part of that, and rings none of its own bells.
        """
        own = self._of_family(group, kind)
        if own is not None or is_late or group is None or not self.incidents or FAMILY[kind] not in SPREADING:
            return own
        near = (self._of_family(other, kind) for other in sorted(self.commune.neighbours(group)))
        return next((one for one in near if one is not None and not one.late and abs(now_ms - one.alarm_ms) <= SPREAD_MS), None)

    def _of_family(self, group: str | None, kind: Kind) -> Incident | None:
        for incident in self.of_group(group):
            if FAMILY[incident.kind] == FAMILY[kind] and incident.state != "resolved":
                return incident
        return None

    def asked(self, groups: tuple[str, ...]) -> Asked:
        """What an alarm in these groups does."""
        if groups not in self._asked:
            bells = [bell for group in groups for bell in self.commune.bells_of(group)]
            self._asked[groups] = Asked(
                tuple((bell, self.commune.place_of(bell).name) for bell in bells),
                self.limits.verify_ms,
                self.commune.policy.again_s * 1000,
            )
        return self._asked[groups]

    def ways_to(self, person: Person) -> list[str]:
        """The channels that lead to a person, in the person's order; those that are not set up here lead to nobody."""
        return [channel for channel in person.ways if channel in self.ways]

    def incident_id(self, now_ms: int) -> str:
        """The id of the next incident, <year>-<number>; the number never starts again."""
        year = audiences.local(now_ms).year
        ident = f"{year}-{self.next_incident:06d}"
        self.next_incident += 1
        return ident

    def remember_early(self, proof: EarlyProof) -> None:
        """Keep each bell's newest proof for a call that is not known yet; the oldest calls are forgotten."""
        cause = proof.event.cause or ""
        others = (known for known in self.early.get(cause, ()) if known.device != proof.device)
        self.early[cause] = (*others, proof)
        while len(self.early) > EARLY_MAX:
            del self.early[next(iter(self.early))]

    def unwritten(self) -> Unwritten:
        """What no disk knows, to go back to."""
        return Unwritten(dict(self.listed), dict(self.early), dict(self.tests))

    def go_back(self, committed: "Situation", unwritten: Unwritten) -> None:
        """Be as `committed` is. What no disk knows is as it was; when boards were heard, as it is."""
        for ident, device in self.devices.items():
            before = committed.device(ident)
            before.watched_s, before.last_seen_ms, before.shown = device.watched_s, device.last_seen_ms, device.shown
            before.config = device.config
            if before.state == "unknown" and device.state == "online":
                before.state = "online"
        committed.course, committed.desk, committed.pace = self.course, self.desk, self.pace
        for item in fields(self):
            setattr(self, item.name, getattr(committed, item.name))
        self.listed, self.early, self.tests = unwritten


@dataclass
class Effects:
    """What a batch of decisions stores (in one commit) and then sends. `gone`: incidents that nobody shall be shown any more; `faults`:
    of the gateway itself, None for one that is over; `withdrawn`: ids of messages that are not to be sent any more. `lines`: of the
    maintenance log, made of `entries` at the end; `parts_of`: board -> the fault of the gateway that its own loss is part of; `moved`:
    boards that have left a group for another, so that they lose their rights there.
    """

    events: list[EventRow] = field(default_factory=list)
    reports: list[tuple[str, Report]] = field(default_factory=list)
    points: dict[tuple[str, str], Point] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    parts_of: dict[str, str] = field(default_factory=dict)
    devices: set[str] = field(default_factory=set)
    canaries: dict[str, Canary | None] = field(default_factory=dict)
    commands: list[tuple[str, int, Command, CommandAnswer]] = field(default_factory=list)
    faults: dict[str, str | None] = field(default_factory=dict)
    deliveries: list[DeliveryRow] = field(default_factory=list)
    tried: list[DeliveryRow] = field(default_factory=list)
    withdrawn: list[int] = field(default_factory=list)
    receipts: list[tuple[str, str]] = field(default_factory=list)
    hellos: list[tuple[str, str]] = field(default_factory=list)
    answers: list[tuple[str, CommandAnswer]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    campaign: Campaign | None = None
    updates: dict[str, Progress] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    errands: list[tuple[str, messages.Order]] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    news: dict[str, list[News]] = field(default_factory=dict)
    clock_set: bool = False
    _by_id: dict[str, list[EventRow]] = field(default_factory=dict)

    def keep(self, row: EventRow) -> None:
        """Journal this event."""
        self.events.append(row)
        self._by_id.setdefault(row.id, []).append(row)

    def event_rows(self, ident: str) -> list[EventRow]:
        """The events of this batch with this id."""
        return self._by_id.get(ident, [])

    def note(self, entries: list[Entry]) -> None:
        """Log these, and store the boards that they are about."""
        self.entries += entries
        self.devices.update(entry.device for entry in entries if entry.device)

    def announce(self, incident: str, news: News) -> None:
        """Tell the channels once in a batch; a re-alarm beside its own opening says nothing new."""
        known = self.news.setdefault(incident, [])
        if news not in known and not (news == "re_alarmed" and "opened" in known):
            known.append(news)

    @property
    def has_rows(self) -> bool:
        """True if there is something to commit."""
        written = (self.events, self.points, self.incidents, self.orders, self.entries, self.devices, self.commands, self.tried)
        said = (self.deliveries, self.faults, self.canaries, self.updates, self.changes)
        return any(written) or any(said) or self.campaign is not None


class Now(NamedTuple):
    """Unix milliseconds, and monotonic seconds."""

    ms: int
    s: float


class Turn(NamedTuple):
    """One batch of decisions: what is known, what changes, and the moment on both clocks."""

    situation: Situation
    effects: Effects
    now: Now

    def fault(self, key: str, words: str, *, name: str = "", names: Sequence[str] = ()) -> None:
        """Something of the gateway itself is not well: `key` says what (sms, sia:police, roster), `words` why. Logged once.

        `name`: of what, where the key does not say it in words people know; `names`: the boards that it is about.
        """
        known = self.situation.faults
        if key not in known:
            what: What = "area_lost" if key.startswith("area:") else "gateway_fault"
            self.effects.note([Entry(self.now.ms, "", key, what, f"{name} {words}".strip())])
            self.situation.lasting[key] = Lasting(self.now.ms)
        if known.get(key) != words:
            self.situation.lasting[key] = self.situation.lasting[key]._replace(name=name, names=tuple(names))
            known[key] = self.effects.faults[key] = words

    def fault_over(self, key: str, words: str = "") -> None:
        """It is well again; `words` if there is more to say."""
        if self.situation.faults.pop(key, None) is not None:
            self.effects.faults[key] = None
            was = self.situation.lasting.pop(key, Lasting(0))
            what: What = "area_back" if key.startswith("area:") else "gateway_ok"
            self.effects.note([Entry(self.now.ms, "", key, what, f"{was.name} {words}".strip())])


Act = Callable[[Turn], None]


def put(turn: Turn, incident: Incident) -> None:
    """The incident has changed."""
    turn.situation.keep(incident)
    turn.effects.incidents[incident.id] = incident


def conclude(turn: Turn) -> None:
    """End a batch: deliveries for its news, ring orders for its incidents; what is settled is not kept."""
    situation, effects, now = turn
    for ident, news in effects.news.items():
        for what in news:
            for channel in situation.channels:
                if is_told(channel, situation.incidents[ident].kind, what, is_late=situation.incidents[ident].late):
                    _order_delivery(turn, ident, channel, what)
    for group in {group for incident in effects.incidents.values() for group in incident.groups}:
        before = situation.orders.get(group, Order())
        members = {ident for one in situation.of_group(group) for ident in one.events if situation.device(ident).group == group}
        after = ringing.order(before, situation.of_group(group), members)
        if after is not before:
            situation.orders[group] = effects.orders[group] = after
    if effects.entries:
        effects.lines = situation.log.write(effects.entries, effects.parts_of, now.s)
    for incident in effects.incidents.values():
        if incident.settled:
            situation.drop(incident)


def _order_delivery(turn: Turn, ident: str, channel: str, what: News) -> None:
    number = turn.situation.next_delivery
    turn.situation.next_delivery += 1
    delivery = Delivery(id=number, channel=channel, what=what, state="waiting", tries=0, at_ms=turn.now.ms, decided_ms=turn.now.ms)
    put(turn, delivered(turn.situation.incidents[ident], delivery, now_ms=turn.now.ms))
    turn.effects.deliveries.append(DeliveryRow(ident, delivery, next_ms=turn.now.ms))


def _index(dues: dict[str, Next], ident: str, due: Next | None) -> None:
    if due:
        dues[ident] = due
    else:
        dues.pop(ident, None)


def _passed(dues: dict[str, Next], now_ms: int) -> list[str]:
    return [ident for ident, (due_ms, started_ms) in dues.items() if now_ms >= due_ms or started_ms > now_ms]
