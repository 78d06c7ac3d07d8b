"""What is known one thing at a time, for the most part as the database has it: points, events, messages, faults, proofs of channels."""

from typing import NamedTuple

from gateway.domain.placing import AtFrom
from protocol.boards import ChangeState
from protocol.incident import Delivery
from protocol.messages import Event


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
    `reference`: what the channel calls the message it was handed, so that a report that comes after a restart finds it. `body`: JSON, ""
    for a webhook, which gets the incident as it stands after the commit.
    """

    incident: str
    delivery: Delivery
    address: str = ""
    next_ms: int = 0
    reference: str = ""
    body: str = ""


class Listed(NamedTuple):
    """A point that a birth lists, with an event that the journal does not have."""

    event: str
    since_ms: int


class Lasting(NamedTuple):
    """Since when a fault of the gateway lasts, and when somebody was told of it last. `name` and `names`: of what, and of what in it."""

    since_ms: int
    name: str = ""
    names: tuple[str, ...] = ()
    told_ms: int | None = None


class Canary(NamedTuple):
    """What is known of a channel that shall prove itself: see gateway/domain/canaries.py.

    `slot_ms`: the newest day's time that was decided on. `proved_ms`: something got through; `real_ms`: something real did. `asked_ms`:
    since when a canary is awaited; `delivery`: its row while that is ours to send, else 0. `failed`: why it has not got through.
    """

    since_ms: int
    slot_ms: int
    proved_ms: int | None = None
    real_ms: int | None = None
    asked_ms: int | None = None
    delivery: int = 0
    failed: str = ""


class Change(NamedTuple):
    """The newest change of a board's configuration: by the order with this id, or ("") as the bench has flashed it. `keys`: set by it.

    `before`, `after`: JSON of what may be said of the configuration without and with it (protocol.config), "{}" where nothing is known.
    """

    device: str
    order: str
    by: str
    keys: tuple[str, ...]
    at_ms: int
    state: ChangeState
    before: str
    after: str
    ended_ms: int | None = None
    words: str = ""

    @property
    def told(self) -> str:
        """What may be said of the configuration that the board has."""
        return self.after if self.state == "applied" else self.before


class EarlyProof(NamedTuple):
    """A bell's answer to a call whose event the engine does not know yet."""

    device: str
    event: Event
    at_ms: int
