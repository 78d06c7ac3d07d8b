"""The incident as the engine tells of it: where, since when, who was told, which bells ring, who has answered."""

from typing import Literal

from protocol.fields import Channel, Count, EventId, Id, Message, Start, UnixMs


class Place(Message):
    """Where it is, in words and on the map. `id` is null for a board that the site does not place."""

    id: Id | None
    name: str
    address: str = ""
    landmark: str = ""
    way_in: str = ""
    lat: float | None = None
    lon: float | None = None


class Activation(Message):
    """One press or contact that made, or raised again, an incident. `at_from` says how `at_ms` was found: never an invented time."""

    n: Count
    event: EventId
    device: Id
    place: Place
    point: Id
    type: Id
    at_ms: UnixMs
    at_from: Literal["age", "t", "before"]


BellState = Literal["waiting", "measured", "commanded", "fault", "silenced", "silent"]


class Bell(Message):
    """One bell in an incident's newest activation. `after_ms`: from the press to its proof, as the engine saw it.

    waiting: asked, less than 3 s ago. measured / commanded: rings. fault: it says it cannot. silenced: stopped by that house's key.
    silent: asked, and nothing heard.
    """

    device: Id
    place: str
    state: BellState
    after_ms: Count | None = None


class TimelineEntry(Message):
    """One thing that happened. `what` is a word of gateway/domain/incidents.py; `who` a person, a device or a channel."""

    at_ms: UnixMs
    what: Id
    who: str = ""
    detail: str = ""


DeliveryState = Literal["waiting", "handed", "delivered", "acknowledged", "failed"]


class Delivery(Message):
    """One message by one channel: how far it has come, and when. `channel` is sms, voice, webhook:<name>, apprise:<target> or
    sia:<receiver>; `person` is empty for a program; `step` is the ladder's, from 1, and 0 for what no ladder tells; `id` is the engine's.

    waiting: decided, not sent yet. handed: the modem or server has it. delivered: it says that it has arrived. acknowledged: the person
    has answered. failed: given up. `at_ms` is the newest of the times: of the last try while it waits.
    """

    id: Count = 0
    channel: Channel
    what: Id
    person: Id | Literal[""] = ""
    step: Count = 0
    state: DeliveryState
    tries: Count
    at_ms: UnixMs
    decided_ms: UnixMs = 0
    handed_ms: UnixMs | None = None
    delivered_ms: UnixMs | None = None
    acknowledged_ms: UnixMs | None = None
    error: str = ""


Says = Literal["safe", "need_help", "coming"]


class RollCall(Message):
    """What a home of the group has answered since the alarm: by its keys (`by`: the board), by a person's message or by the desk."""

    home: Id
    name: str
    says: Says | Literal["no_answer"] = "no_answer"
    by: str = ""
    at_ms: UnixMs | None = None


class LadderPosition(Message):
    """Who is told next, and when: `step` (from 1) of `round` at `due_ms`, unless somebody acknowledges; null: nobody any more. `next` may
    be empty before the first step, and where it leads to nobody.
    """

    cause: Literal["fire", "smoke", "sos", "silent_sos", "late", "drill"]
    round: Count
    step: Count
    due_ms: UnixMs | None
    next: list[Id]


IncidentState = Literal["open", "acknowledged", "on_the_way", "on_scene", "resolved"]


class Incident(Message):
    """The incident, whole. `version` rises with what changes a decision (a new activation, acknowledged, silenced, resolved), not
    with each bell's proof, so that a desk command is not stale merely because a bell has answered. `revision` rises with everything.

    `groups`: all that it has reached, `group` the first; `resolve_asked`: nothing was heard for so long that it may be over. `left_out`:
    so many bells and homes had no room in 64 kB (those with trouble have it first; all are without their names then).
    """

    engine: Start
    id: Id
    version: Count
    revision: Count
    kind: Literal["fire", "smoke", "sos", "drill"]
    group: Id | None
    groups: list[Id] = []
    group_name: str
    state: IncidentState
    late: bool = False
    sounding: bool
    n: Count
    opened_ms: UnixMs
    acknowledged_ms: UnixMs | None = None
    acknowledged_by: str = ""
    on_the_way_ms: UnixMs | None = None
    on_the_way_by: str = ""
    on_scene_ms: UnixMs | None = None
    on_scene_by: str = ""
    resolve_asked: bool = False
    resolved_ms: UnixMs | None = None
    resolved_by: str = ""
    outcome: Literal["fire", "false_alarm", "drill", "test"] | None = None
    place: Place
    activations: list[Activation]
    bells: list[Bell]
    roll_call: list[RollCall] = []
    left_out: Count = 0
    ladder: LadderPosition | None = None
    deliveries: list[Delivery] = []
    timeline: list[TimelineEntry] = []

    def count(self, *states: BellState) -> int:
        """How many bells are in any of `states`."""
        return sum(bell.state in states for bell in self.bells)
