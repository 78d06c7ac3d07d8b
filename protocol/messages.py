"""The host's models of every message on the wire (pydantic). The board's half of the same messages is in wire.py.

`decode(model, payload)` gives a model or raises DecodeError and nothing else; `model.payload()` gives the bytes to send. Unknown
fields are ignored, so that a newer peer can say more.
"""

import json
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from protocol import updates, wire
from protocol.topics import LIMITS, is_id
from protocol.wire import COUNT_MAX, FOR_MAX_S, TIME_MAX, DecodeError

POINT_TYPES = (
    *("button", "key", "smoke", "heat", "gas", "sos", "door", "presence", "pressure", "level", "lamp", "light"),
    *("battery", "mains", "tamper", "bell", "loop", "test"),
)
ALARM_TYPES = ("button", "smoke", "heat", "gas", "sos")


def _check(test: Any, expected: str) -> AfterValidator:
    def check(value: str) -> str:
        if not test(value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


Id = Annotated[str, _check(is_id, "1 to 32 of A-Z a-z 0-9 _ -"), Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]{1,32}$"})]
Start = Annotated[str, _check(wire.is_start, "<life>-<boot>"), Field(json_schema_extra={"pattern": "^[0-9a-f]{8}-[0-9]{1,10}$"})]
EventId = Annotated[
    str, _check(wire.is_event_id, "<life>-<boot>-<seq>"), Field(json_schema_extra={"pattern": "^[0-9a-f]{8}-[0-9]{1,10}-[0-9]{1,10}$"})
]
Life = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
BundleId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Version = Annotated[
    str,
    _check(updates.is_version, f"numbers with dots, at most {updates.VERSION_MAX} letters"),
    Field(json_schema_extra={"pattern": "^[0-9]+(\\.[0-9]+)*", "maxLength": updates.VERSION_MAX}),
]
Text = Annotated[str, _check(wire.is_text, f"1 to {wire.TEXT_MAX} printable characters"), Field(json_schema_extra={"maxLength": 200})]
Crash = Annotated[
    str,
    _check(lambda text: wire.is_text(text, wire.CRASH_MAX), f"1 to {wire.CRASH_MAX} printable characters"),
    Field(json_schema_extra={"maxLength": wire.CRASH_MAX}),
]
Channel = Annotated[
    str,
    _check(lambda name: all(is_id(part) for part in name.split(":", 1)), "a name, or <kind>:<name>"),
    Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]{1,32}(:[A-Za-z0-9_-]{1,32})?$"}),
]
Count = Annotated[int, Field(ge=0, le=COUNT_MAX)]
UnixMs = Annotated[int, Field(ge=0, le=TIME_MAX)]
Seconds = Annotated[int, Field(ge=0, le=FOR_MAX_S)]
State = Literal["active", "clear", "open", "short", "stuck", "silent"]
Pattern = Literal["fire", "sos", "pre", "drill"]


class Message(BaseModel):
    """Any message: strict about types, deaf to unknown fields."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, populate_by_name=True, allow_inf_nan=False)

    v: Literal[1] = 1

    def payload(self) -> bytes:
        """The bytes to publish."""
        return self.model_dump_json(by_alias=True).encode()


class Compact(Message):
    """A message whose absent fields are left out instead of written as null."""

    def payload(self) -> bytes:
        """The bytes to publish."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


UpdateState = Literal["fetching", "verified", "trial", "kept", "rolled_back", "refused"]


class UpdateProgress(BaseModel):
    """How far a board is with its update over the air, or what became of the newest one. `bundle`: which.

    fetching: pieces come. verified: all is there, and it starts anew when nothing sounds. trial: it runs, and has to prove itself. kept: it
    has. rolled_back: it has not, the version before runs again. refused: it was never run. `error` says why, of the last two.
    """

    model_config = Message.model_config

    bundle: BundleId
    state: UpdateState
    error: Text | None = None


class Birth(Compact):
    """Board: I am here. Retained on dev/<dev>/state.

    `crash`: where its own code failed last and how, told until a hello has answered it. `safe`: it runs with button, bell and network
    alone. `config`: config.BoardConfig.digest of the configuration in use. `app`: which bundle runs, where it came as one.
    """

    online: Literal[True] = True
    life: Life
    boot: Count
    kind: Id
    fw: Text
    group: Id | None = None
    config: Digest | None = None
    reset: Text
    active: dict[Id, EventId] = {}
    faults: list[Text] = []
    crash: Crash | None = None
    safe: bool = False
    app: BundleId | None = None
    update: UpdateProgress | None = None
    sleeping: bool = False
    next_s: Seconds | None = None

    @property
    def start(self) -> str:
        """<life>-<boot>: which start of the board this is."""
        return f"{self.life}-{self.boot}"


class Will(Message):
    """The broker on a board's behalf: its link is gone. Counts only for the start that it names."""

    online: Literal[False] = False
    life: Life
    boot: Count


class Event(Compact):
    """Board: one fact about one point. `age` and `now` belong to the moment of sending, the rest to the moment of the fact.

    `cause` (wire: for), `k` or `n`, `proof` and `by` are a bell's. A type outside POINT_TYPES is allowed and is the engine's to flag.
    """

    id: EventId
    t: UnixMs | None = None
    age: UnixMs | None = None
    point: Id
    type: Id
    state: State
    now: State
    calling: bool = False
    cause: Id | None = Field(None, alias="for")
    k: Annotated[int, Field(ge=1, le=COUNT_MAX)] | None = None
    n: Count | None = None
    proof: Literal["measured", "commanded"] | None = None
    by: Literal["ring", "key", "time", "fault"] | None = None

    @model_validator(mode="after")
    def _self_test_is_never_a_button(self) -> Self:
        if (self.type == "test") != (self.point == "self-test"):
            raise ValueError("expected type test on point self-test, and only there")
        return self


class Report(Compact):
    """Board: what is measured, and that it lives. Times in s, heap in bytes, rssi in dBm, battery in percent.

    erases: of the flash's blocks, since the start.
    """

    up: Count
    heap: Count
    rssi: Annotated[int, Field(ge=-200, le=50)] | None = None
    mains: bool | None = None
    battery: Annotated[int, Field(ge=0, le=100)] | None = None
    waiting: Count
    dropped: Count
    refused: Count
    erases: Count | None = None
    values: dict[Id, float] = {}


class Answer(Compact):
    """Board: what became of an order. `proof`: of a test, whether current was seen or no more is known than that it was switched on."""

    id: Id
    ok: bool
    error: Text | None = None
    proof: Literal["measured", "commanded"] | None = None


class Call(Message):
    """Board to its group: alarm here, ring at once."""

    id: EventId
    k: Annotated[int, Field(ge=1, le=COUNT_MAX)]
    type: Id
    pattern: Pattern


class Ring(Message):
    """Engine to a group: what its bells shall do now. `pattern` null is quiet.

    `heard`, `acknowledged`: shown in the house that pressed, never a reason to sound or to stop; the same `rev` may bring new ones.
    """

    engine: Start
    rev: Count
    incident: Id | None
    pattern: Pattern | None
    n: Count
    place: Id | None
    for_s: Seconds
    covers: dict[Id, EventId]
    mute: list[Id] = []
    heard: bool = False
    acknowledged: bool = False


class Hello(Message):
    """Engine: I have read your birth `birth` (wire: for); this is the time, your group, and what it rings now."""

    engine: Start
    t: UnixMs
    birth: Start = Field(alias="for")
    group: Id | None
    ring: Ring | None


class Receipt(Message):
    """Engine: this event is on my disk."""

    engine: Start
    id: EventId


class Tick(Message):
    """Engine, every 10 s: I live, this is the time."""

    engine: Start
    t: UnixMs


class Order(Compact):
    """Engine: do this once, within `valid_s` of its arrival. `config` belongs to "set config": make it with config.change().

    `bundle`, `size` (bytes of the whole file), `version` and `downgrade` (an older version is meant) belong to update.
    """

    id: Id
    do: Literal["test", "identify", "silence", "set", "update", "restart", "report"]
    what: Id | None = None
    seconds: Seconds = 0
    valid_s: Seconds
    config: dict[str, Any] | None = None
    bundle: BundleId | None = None
    size: Annotated[int, Field(ge=1, le=updates.SIZE_MAX)] | None = None
    version: Version | None = None
    downgrade: bool | None = None

    @model_validator(mode="after")
    def _config_is_set_and_only_set(self) -> Self:
        if ((self.do, self.what) == ("set", "config")) != (self.config is not None):
            raise ValueError("expected a config with set config, and only there")
        return self

    @model_validator(mode="after")
    def _update_names_its_bundle(self) -> Self:
        named = (self.bundle, self.size, self.version)
        if self.do == "update" and None in named:
            raise ValueError("expected bundle, size and version with update")
        if self.do != "update" and (*named, self.downgrade) != (None, None, None, None):
            raise ValueError("expected bundle, size, version and downgrade with update only")
        return self


class Fetch(Message):
    """Board: send me `size` bytes of a bundle from `offset` on. One at a time; what lies before `offset` is safe in its flash."""

    id: Id
    bundle: BundleId
    offset: Count
    size: Annotated[int, Field(ge=1, le=updates.FETCH_MAX)]


class Chunk(Compact):
    """Engine: the piece that was fetched, base64, or why there is none (`error`). `data` stands last, without blanks: a board decodes it
    from the buffer in which it has come.
    """

    id: Id
    bundle: BundleId
    offset: Count | None = None
    error: Text | None = None
    data: Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$")] | None = None

    @model_validator(mode="after")
    def _is_a_piece_or_an_error(self) -> Self:
        if (self.error is None) != (self.data is not None) or (self.data is None) != (self.offset is None):
            raise ValueError("expected offset and data, or an error")
        return self


class Fault(Message):
    """Something that is wrong with the gateway or with an area, and lasts. `kind`: a word of docs/faults.md; `key` tells two of a kind
    apart. `name`: of what, in words people know; `words`: why, in English; `boards`: the first of those that it is about, and
    `boards_left_out` how many more there are.
    """

    key: Text
    kind: Id
    name: str = ""
    words: Text
    since_ms: UnixMs
    boards: list[Id] = []
    boards_left_out: Count = 0


class Gateway(Message):
    """Engine: online, or (last will) not; and what is wrong with the gateway itself. Retained. `lasting` says the same as `faults`, in
    parts; `left_out`: how many faults more there are than have room.
    """

    online: bool
    engine: Start
    version: Text
    faults: list[Text] = []
    lasting: list[Fault] = []
    left_out: Count = 0


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


Do = Literal["acknowledge", "on_the_way", "on_scene", "silence", "alarm_again", "called_114", "resolve", "roll_call", "drill", "test_bell"]


class Command(Compact):
    """Desk: do this to that incident. `t` is the last tick's time plus the monotonic time since.

    A drill begins in a `group` and names no incident; so does test_bell, which sounds its bells, or that of one `home` of it, for 2 s. A
    roll call says of a `home` what somebody was told (`says`), and called_114 that somebody has called the fire brigade, whatever the
    version. alarm_again undoes silence and acknowledge: it rings and tells anew.
    """

    id: Id
    t: UnixMs
    do: Do
    incident: Id | None = None
    version: Count | None = None
    outcome: Literal["fire", "false_alarm", "drill", "test"] | None = None
    reason: Text | None = None
    group: Id | None = None
    home: Id | None = None
    says: Says | None = None

    @model_validator(mode="after")
    def _names_what_it_is_about(self) -> Self:
        if (self.do == "resolve") != (self.outcome is not None):
            raise ValueError("expected an outcome with resolve, and only there")
        of_group = self.do in ("drill", "test_bell")
        if of_group != (self.incident is None) or of_group != (self.group is not None):
            raise ValueError("expected a group with drill and test_bell, and an incident with everything else")
        if (self.do == "roll_call") != (self.says is not None) or (self.says is not None and self.home is None):
            raise ValueError("expected a home and what it says with roll_call, and only there")
        if self.home is not None and self.do not in ("roll_call", "test_bell"):
            raise ValueError("expected a home with roll_call and test_bell, and only there")
        if self.version is None and self.do not in ("drill", "test_bell", "roll_call", "called_114"):
            raise ValueError(f"expected the version of the incident with {self.do}")
        return self


class CommandAnswer(Compact):
    """Engine to desk: what became of the command with this id. `version` is the incident's now."""

    id: Id
    ok: bool
    error: Text | None = None
    incident: Id | None = None
    version: Count | None = None


class DeskAlive(Message):
    """Console, every 10 s and when it changes: so many pages of the desk are open, and so many of them can be heard."""

    pages: Count
    audible: Count


class OddEvent(NamedTuple):
    """An event whose id is readable and whose rest is not: stored raw, receipted, shown as a fault. `why` says what is wrong."""

    id: str
    raw: bytes
    why: str


# Topic name (protocol.topics.LIMITS) -> model. A state is a Birth or a Will: see decode_state.
MODELS: dict[str, type[Message]] = {
    "event": Event,
    "report": Report,
    "answer": Answer,
    "call": Call,
    "ring": Ring,
    "hello": Hello,
    "receipt": Receipt,
    "tick": Tick,
    "order": Order,
    "fetch": Fetch,
    "chunk": Chunk,
    "gateway": Gateway,
    "incident": Incident,
    "desk_command": Command,
    "desk_answer": CommandAnswer,
    "desk_alive": DeskAlive,
}
_NAMES = {model: name for name, model in MODELS.items()} | {Birth: "state", Will: "state"}

M = TypeVar("M", bound=Message)


def decode(model: type[M], payload: bytes) -> M:
    """The message in `payload`. Raises DecodeError: too long for its topic, not JSON, or not such a message."""
    limit = LIMITS[_NAMES[model]]
    if len(payload) > limit:
        raise DecodeError("payload", f"at most {limit} bytes", len(payload))
    try:
        return model.model_validate_json(payload)
    except ValidationError as exc:
        raise decode_error(exc) from None


def decode_state(payload: bytes) -> Birth | Will:
    """The birth or last will in a payload of dev/<dev>/state. Raises DecodeError."""
    try:
        return decode(Birth, payload)
    except DecodeError as birth_error:
        try:
            return decode(Will, payload)
        except DecodeError:
            raise birth_error from None


def decode_event(payload: bytes) -> Event | OddEvent:
    """An event; an OddEvent if only its id is readable. Raises DecodeError if not even that is."""
    try:
        return decode(Event, payload)
    except DecodeError as exc:
        if len(payload) > LIMITS["event"]:
            raise
        ident = _readable_id(payload)
        if ident is None:
            raise
        return OddEvent(ident, payload, str(exc))


def _readable_id(payload: bytes) -> str | None:
    try:
        fields = json.loads(payload.decode())
    except (ValueError, RecursionError):
        return None
    ident = fields.get("id") if isinstance(fields, dict) else None
    return ident if wire.is_event_id(ident) else None


def decode_error(exc: ValidationError) -> DecodeError:
    """What is wrong with a message, in words that show no more of it than needed."""
    first = exc.errors(include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "payload"
    return DecodeError(
        field, first["msg"].removeprefix("Value error, expected ").removeprefix("Input should be "), wire.shown(first["input"])
    )
