"""The host's models of every message on the wire (pydantic). The board's half of the same messages is in wire.py.

`decode(model, payload)` gives a model or raises DecodeError and nothing else; `model.payload()` gives the bytes to send. Unknown
fields are ignored, so that a newer peer can say more.
"""

import json
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from protocol import updates, wire
from protocol.desk import Command, CommandAnswer, DeskAlive
from protocol.fields import (
    BundleId,
    Compact,
    Count,
    Crash,
    Digest,
    EventId,
    Id,
    Life,
    Message,
    Pattern,
    Seconds,
    Start,
    State,
    Text,
    UnixMs,
    Version,
)
from protocol.incident import Incident
from protocol.topics import LIMITS
from protocol.wire import COUNT_MAX, DecodeError

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
