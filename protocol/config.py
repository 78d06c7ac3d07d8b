"""A board's configuration: the file /config.json on the board. Written by the technician's bench, read by firmware/device."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from protocol.messages import Count, Id
from protocol.site import Kind


class Address(BaseModel):
    """Where a broker listens."""

    model_config = ConfigDict(extra="forbid", strict=True)

    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Annotated[int, Field(ge=1, le=65535)]


class Network(BaseModel):
    """A Wi-Fi network that the board may join."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ssid: Annotated[str, Field(min_length=1, max_length=32)]
    key: Annotated[str, Field(max_length=63)]


class Point(BaseModel):
    """A point that is fitted, and what of it is not as usual. Which of these a point has, and within which ranges, its driver decides
    (firmware/device/agent/fit.py, LIMITS): the board refuses what does not fit, by name.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    call: Literal["at_once", "verify", "never"] | None = None
    loop: Id | None = None
    hold_ms: Count | None = None
    hold_s: Count | None = None
    stuck_s: Count | None = None
    normal_mv: Count | None = None
    full: Count | None = None
    low: Count | None = None
    hysteresis: Count | None = None
    supply_mv: Count | None = None
    sag_mv: Count | None = None
    nominal_ma: Count | None = None
    after_sunset_min: Annotated[int, Field(ge=-60, le=120)] | None = None
    before_sunrise_min: Annotated[int, Field(ge=-60, le=120)] | None = None
    off_from: Annotated[int, Field(ge=0, le=1439)] | None = None
    off_to: Annotated[int, Field(ge=0, le=1439)] | None = None
    dark_lx: Count | None = None
    bright_lx: Count | None = None

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in write(self).items() if value is not None}


class BoardConfig(BaseModel):
    """Everything a board must know. `brokers` are tried in turn; the client id is `device`, as the broker requires.

    `points`: those that a kind has at choice and this board has, or (null) those of the kind that this board has not.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    v: Annotated[int, Field(ge=1, le=1)] = 1
    site: Id
    device: Id
    kind: Kind
    group: Id
    brokers: Annotated[list[Address], Field(min_length=1, max_length=8)]
    password: Annotated[str, Field(max_length=128)] = ""
    wifi: Annotated[list[Network], Field(max_length=8)] = []
    bell_sense: bool = True
    verify_s: Annotated[int, Field(ge=0, le=90)] = 60
    points: dict[Id, Point | None] = {}
