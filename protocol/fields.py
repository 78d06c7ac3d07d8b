"""What fields of messages hold, and what all messages are: their types with the bounds of the wire."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from protocol import updates, wire
from protocol.topics import is_id
from protocol.wire import COUNT_MAX, FOR_MAX_S, TIME_MAX

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
