"""What the engine says on MQTT, after it is on the disk: rings first, then receipts, then what people look at."""

from collections.abc import Callable

from gateway.domain.commune import Commune
from gateway.domain.rows import Lasting
from gateway.domain.situation import Effects, Situation
from gateway.mqtt import Link, Will
from gateway.ring import Rings
from protocol import topics
from protocol.boards import BoardAnswer
from protocol.desk import CommandAnswer
from protocol.messages import Fault, Gateway, Hello, Receipt, Tick
from protocol.wire import clean

FAULTS_MAX, BOARDS_MAX = 60, 50


class Publication:
    """Everything but the repeats of rings. `who` is this start of the engine, <life>-<boot>, and its version."""

    def __init__(self, link: Link, rings: Rings, commune: Commune, site: str, who: tuple[str, str], *, clock: Callable[[], float]) -> None:
        self._link = link
        self._rings = rings
        self._commune = commune
        self._site = site
        self._engine, self._version = who
        self._clock = clock

    def keep(self, effects: Effects) -> None:
        """Say nothing now: another engine does. The orders count once it is gone."""
        self._rings.keep(effects.orders)

    def send(self, effects: Effects, snapshots: dict[str, bytes]) -> None:
        """All that a batch of decisions has to say; `snapshots`: the payload of each incident that it changes."""
        if effects.clock_set:
            self.tick()  # boards and desks count from the last one
        self.keep(effects)
        for group in effects.orders:
            self._rings.send(group)
        self.receipts(effects.receipts)
        for device, start in effects.hellos:
            self._hello(device, start)
        for user, answer in effects.answers:
            self.answer(user, answer)
        for device, order in effects.errands:
            self._link.publish(topics.device(self._site, device, "order"), order.payload())
        for ident, incident in effects.incidents.items():
            self.incident(ident, snapshots[ident], is_over=incident.state == "resolved")
        for ident in effects.gone:
            self._link.publish(topics.incident(self._site, ident), b"", retain=True)

    def receipts(self, receipts: list[tuple[str, str]]) -> None:
        """These events are on the disk: (device, event)."""
        for device, event in receipts:
            self._link.publish(topics.device(self._site, device, "receipt"), Receipt(engine=self._engine, id=event).payload())

    def answer(self, user: str, answer: CommandAnswer) -> None:
        """The answer to a command of a desk."""
        self._link.publish(topics.desk(self._site, user, "answer"), answer.payload())

    def answer_bench(self, user: str, answer: BoardAnswer) -> None:
        """The answer to a command of the bench."""
        self._link.publish(topics.bench(self._site, user, "answer"), answer.payload())

    def incident(self, ident: str, snapshot: bytes, *, is_over: bool) -> None:
        """Retained while it is not resolved; at its end once as it was, and then nothing is retained any more."""
        topic = topics.incident(self._site, ident)
        self._link.publish(topic, snapshot, retain=not is_over)
        if is_over:
            self._link.publish(topic, b"", retain=True)

    def gateway(self, situation: Situation) -> None:
        """I am here, with these faults."""
        payload = gateway(situation, engine=self._engine, version=self._version).payload()
        self._link.publish(topics.gateway(self._site), payload, retain=True)

    def tick(self) -> None:
        """I live, and this is the time."""
        message = Tick(engine=self._engine, t=int(self._clock() * 1000))
        self._link.publish(topics.tick(self._site), message.payload(), qos=0)

    def _hello(self, device: str, start: str) -> None:
        group = self._commune.group_of(device)
        hello = Hello(engine=self._engine, t=int(self._clock() * 1000), birth=start, group=group, ring=self._rings.message(group))
        self._link.publish(topics.device(self._site, device, "hello"), hello.payload())


def gateway(situation: Situation, *, engine: str, version: str) -> Gateway:
    """What the engine says of itself and of areas, in at most 64 kB: fewer boards of each fault, then fewer faults, those of the gateway
    itself first. What is left out is counted.
    """
    keys = sorted(situation.faults, key=lambda key: (key.startswith("area:"), key))
    count, boards = min(len(keys), FAULTS_MAX), BOARDS_MAX
    while True:
        lasting = [_fault(situation, key, boards) for key in keys[:count]]
        left_out = len(keys) - count
        faults = [clean(f"{fault.key}: {fault.words}") for fault in lasting]
        faults += [f"{left_out} more faults are left out"] if left_out else []
        message = Gateway(online=True, engine=engine, version=version, faults=faults, lasting=lasting, left_out=left_out)
        if len(message.payload()) <= topics.LIMITS["gateway"]:
            return message
        count, boards = (count, boards // 2) if boards else (count // 2, 0)


def _fault(situation: Situation, key: str, boards_max: int) -> Fault:
    known = situation.lasting.get(key, Lasting(0))
    kind, _, name = key.partition(":")
    boards = list(known.names[:boards_max])
    return Fault(
        key=clean(key),
        kind=kind,
        name=clean(known.name or name) if known.name or name else "",
        words=clean(situation.faults[key]),
        since_ms=known.since_ms,
        boards=boards,
        boards_left_out=len(known.names) - len(boards),
    )


def last_will(site: str, engine: str, version: str) -> Will:
    """What the broker says when this engine is gone."""
    return Will(topics.gateway(site), Gateway(online=False, engine=engine, version=version).payload())
