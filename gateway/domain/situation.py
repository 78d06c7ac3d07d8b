"""Everything that the engine knows now, and what a batch of decisions changes: to be stored first and sent afterwards. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta, timezone
from typing import Literal, NamedTuple

from gateway.domain import deadlines, ringing
from gateway.domain.commune import Commune
from gateway.domain.deadlines import Next
from gateway.domain.incidents import Asked, Incident, delivered
from gateway.domain.maintenance import Entry
from gateway.domain.placing import AtFrom
from gateway.domain.policy import FAMILY, Kind, is_told
from gateway.domain.ringing import Order
from gateway.domain.supervision import Device
from protocol.messages import Command, CommandAnswer, Delivery, Event, Report

News = Literal["opened", "re_alarmed", "acknowledged", "resolved"]

VIETNAM = timezone(timedelta(hours=7))  # no summer time
EARLY_MAX = 100  # calls whose event is still under way: see Situation.early


class Limits(NamedTuple):
    """From the settings, in ms."""

    ring_max_ms: int
    verify_ms: int


class Point(NamedTuple):
    """The last known state of a point; `event` brought it."""

    type: str
    state: str
    event: str
    since_ms: int


class EventRow(NamedTuple):
    """One row of the journal."""

    id: str
    device: str
    point: str
    type: str
    state: str
    received_ms: int
    at_ms: int
    at_from: AtFrom
    raw: str


class DeliveryRow(NamedTuple):
    """One message by one channel, as the table `delivery` has it but for its body. `incident` is "" for a message about none.

    `address`: where the channel sends it (a phone number, the name of a target), "" if the channel knows. `next_ms`: no try before.
    `reference`: what the channel calls the message it was handed, so that a report that comes after a restart finds it.
    """

    incident: str
    delivery: Delivery
    address: str = ""
    next_ms: int = 0
    reference: str = ""


class Listed(NamedTuple):
    """A point that a birth lists, with an event that the journal does not have."""

    event: str
    since_ms: int


class EarlyProof(NamedTuple):
    """A bell's answer to a call whose event the engine does not know yet."""

    device: str
    event: Event
    at_ms: int


@dataclass
class Situation:
    """The state. `incidents` holds those that are not settled, in the order of their opening.

    `faults`: what is wrong with the gateway itself, key -> words.
    `listed`: what births list is waited for a moment, since the event itself says more and may come right behind.
    `early`: bells hear a call before its sender has written the event into its flash, so their answers may come first: call -> proofs.
    """

    commune: Commune
    limits: Limits
    channels: tuple[str, ...] = ()
    devices: dict[str, Device] = field(default_factory=dict)
    points: dict[tuple[str, str], Point] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    next_incident: int = 1
    next_delivery: int = 1
    listed: dict[tuple[str, str], Listed] = field(default_factory=dict)
    early: dict[str, tuple[EarlyProof, ...]] = field(default_factory=dict)
    _of_group: dict[str | None, dict[str, Incident]] = field(default_factory=dict)
    _due: dict[str, Next] = field(default_factory=dict)
    _asked: dict[str | None, Asked] = field(default_factory=dict)

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
        self._of_group.setdefault(incident.group, {})[incident.id] = incident
        due = deadlines.next_due(incident, ring_max_ms=self.limits.ring_max_ms)
        if due:
            self._due[incident.id] = due
        else:
            self._due.pop(incident.id, None)

    def drop(self, incident: Incident) -> None:
        """Forget a settled incident."""
        self.incidents.pop(incident.id, None)
        self._of_group.get(incident.group, {}).pop(incident.id, None)
        self._due.pop(incident.id, None)

    def due(self, now_ms: int) -> list[str]:
        """The incidents that time changes now: asked five times a second."""
        return [ident for ident, (due_ms, started_ms) in self._due.items() if now_ms >= due_ms or started_ms > now_ms]

    def of_group(self, group: str | None) -> list[Incident]:
        """The incidents of a group that are not settled, in the order of their opening."""
        return list(self._of_group.get(group, {}).values())

    def unresolved(self, group: str | None, kind: Kind) -> Incident | None:
        """The incident that an alarm of this kind in this group joins."""
        for incident in self.of_group(group):
            if FAMILY[incident.kind] == FAMILY[kind] and incident.state != "resolved":
                return incident
        return None

    def asked(self, group: str | None) -> Asked:
        """Whom an alarm in this group rings."""
        if group not in self._asked:
            bells = self.commune.bells_of(group) if group else []
            homes = tuple(self.commune.homes_of(group)) if group else ()
            self._asked[group] = Asked(tuple((bell, self.commune.place_of(bell).name) for bell in bells), self.limits.verify_ms, homes)
        return self._asked[group]

    def incident_id(self, now_ms: int) -> str:
        """The id of the next incident, <year>-<number>; the number never starts again."""
        year = datetime.fromtimestamp(now_ms / 1000, VIETNAM).year
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

    def go_back(self, committed: "Situation", listed: dict[tuple[str, str], Listed], early: dict[str, tuple[EarlyProof, ...]]) -> None:
        """Be as `committed` is. What no disk knows, `listed`, `early` and when boards were heard, is as it was or as it is."""
        for ident, device in self.devices.items():
            before = committed.device(ident)
            before.watched_s, before.last_seen_ms = device.watched_s, device.last_seen_ms
            if before.state == "unknown" and device.state == "online":
                before.state = "online"
        for item in fields(self):
            setattr(self, item.name, getattr(committed, item.name))
        self.listed, self.early = listed, early


@dataclass
class Effects:
    """What a batch of decisions stores (in one commit) and then sends. `gone`: incidents that nobody shall be shown any more; `faults`:
    of the gateway itself, None for one that is over.
    """

    events: list[EventRow] = field(default_factory=list)
    reports: list[tuple[str, Report]] = field(default_factory=list)
    points: dict[tuple[str, str], Point] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)
    commands: list[tuple[str, int, Command, CommandAnswer]] = field(default_factory=list)
    faults: dict[str, str | None] = field(default_factory=dict)
    deliveries: list[DeliveryRow] = field(default_factory=list)
    tried: list[DeliveryRow] = field(default_factory=list)
    receipts: list[tuple[str, str]] = field(default_factory=list)
    hellos: list[tuple[str, str]] = field(default_factory=list)
    answers: list[tuple[str, CommandAnswer]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
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
        return any(written) or bool(self.faults)


class Now(NamedTuple):
    """Unix milliseconds, and monotonic seconds."""

    ms: int
    s: float


class Turn(NamedTuple):
    """One batch of decisions: what is known, what changes, and the moment on both clocks."""

    situation: Situation
    effects: Effects
    now: Now


Act = Callable[[Turn], None]


def put(turn: Turn, incident: Incident) -> None:
    """The incident has changed."""
    turn.situation.keep(incident)
    turn.effects.incidents[incident.id] = incident


def conclude(turn: Turn) -> None:
    """End a batch: deliveries for its news, ring orders for its incidents; what is settled is not kept."""
    situation, effects, _ = turn
    for ident, news in effects.news.items():
        for what in news:
            for channel in situation.channels:
                if is_told(channel, situation.incidents[ident].kind, what):
                    _order_delivery(turn, ident, channel, what)
    for group in {incident.group for incident in effects.incidents.values() if incident.group}:
        before = situation.orders.get(group, Order())
        after = ringing.order(before, situation.of_group(group))
        if after is not before:
            situation.orders[group] = effects.orders[group] = after
    for incident in effects.incidents.values():
        if incident.settled:
            situation.drop(incident)


def _order_delivery(turn: Turn, ident: str, channel: str, what: News) -> None:
    number = turn.situation.next_delivery
    turn.situation.next_delivery += 1
    delivery = Delivery(id=number, channel=channel, what=what, state="waiting", tries=0, at_ms=turn.now.ms, decided_ms=turn.now.ms)
    put(turn, delivered(turn.situation.incidents[ident], delivery, now_ms=turn.now.ms))
    turn.effects.deliveries.append(DeliveryRow(ident, delivery, next_ms=turn.now.ms))
