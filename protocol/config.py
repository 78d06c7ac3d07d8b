"""A board's configuration: the file /config.json on the board. Written by the technician's bench, read by firmware/device.

`change()` makes the order that sets keys of it; docs/board-config.md explains each key. `told` of a configuration is what may be said of
it: neither secrets nor what is as by default.
"""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from protocol.fields import Count, Id
from protocol.messages import Order
from protocol.site import Kind
from protocol.topics import LIMITS
from protocol.wire import is_printable

LONGEST = 4096  # bytes of the file: it has to fit into one order
FIXED = ("v", "site", "device", "server_name")  # no order changes them: a board of another name is another board; TLS stays on
VALID_S = 30
_ANYWHERE: dict[str, Any] = {"site": "s", "device": "d", "kind": "household", "group": "g", "brokers": [{"host": "h", "port": 1}]}

_STRICT = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)  # an error would tell a secret


def _printable(longest: int) -> AfterValidator:
    """At most `longest` bytes of UTF-8 without control characters."""

    def check(value: str) -> str:
        if not is_printable(value) or len(value.encode()) > longest:
            raise ValueError(f"expected at most {longest} printable bytes")
        return value

    return AfterValidator(check)


class Address(BaseModel):
    """Where a broker listens."""

    model_config = _STRICT

    host: Annotated[str, Field(min_length=1, max_length=253), _printable(253)]
    port: Annotated[int, Field(ge=1, le=65535)]


class Network(BaseModel):
    """A Wi-Fi network that the board may join."""

    model_config = _STRICT

    ssid: Annotated[str, Field(min_length=1, max_length=32), _printable(32)]
    key: Annotated[str, Field(max_length=63), _printable(63)]


class Point(BaseModel):
    """A point that is fitted, and what of it is not as usual. Which of these a point has, and within which ranges, its driver decides
    (firmware/device/agent/fit.py, LIMITS): the board refuses what does not fit, by name.
    """

    model_config = _STRICT

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
    capacity_mah: Count | None = None
    load_ma: Count | None = None
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

    `server_name`: whose certificate the brokers have, at whatever address; with it the link is TLS and the board has files of its own
    (docs/board-tls.md), without it there is no TLS.

    `points`: those that a kind has at choice and this board has, or (null) those of the kind that this board has not.
    """

    model_config = _STRICT

    v: Annotated[int, Field(ge=1, le=1)] = 1
    site: Id
    device: Id
    kind: Kind
    group: Id
    brokers: Annotated[list[Address], Field(min_length=1, max_length=8)]
    server_name: Annotated[str, Field(max_length=253), _printable(253)] = ""
    password: Annotated[str, Field(max_length=128), _printable(128)] = ""
    wifi: Annotated[list[Network], Field(max_length=8)] = []
    bell_sense: bool = True
    verify_s: Annotated[int, Field(ge=0, le=90)] = 60
    points: dict[Id, Point | None] = {}

    def told(self) -> dict[str, Any]:
        """What may be said of it, as JSON has it: of Wi-Fi the names alone."""
        told = self.model_dump(mode="json", exclude_defaults=True, exclude={"v", "password"})
        if self.wifi:
            told["wifi"] = [network.ssid for network in self.wifi]
        return told

    def digest(self) -> str:
        """What a board's birth says of this configuration: see digest()."""
        return digest(self.told())


def digest(told: dict[str, Any]) -> str:
    """8 hex digits of a SHA-256 of what may be said of a configuration: see wire.md."""
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def amended(told: dict[str, Any], order: Order) -> dict[str, Any]:
    """What may be said of a configuration after this order of change() was carried out."""
    fields = order.config or {}
    after = BoardConfig.model_validate({**_ANYWHERE, **fields}).told()
    return {key: value for key, value in told.items() if key not in fields} | {key: after[key] for key in fields if key in after}


def change(ident: str, fields: dict[str, Any], *, valid_s: int = VALID_S) -> Order:
    """The order that sets these keys of a board's configuration; keys left out keep their values on the board.

    Raises ValueError, which names no secret: no key at all, a key that is unknown, fixed or wrong in itself, an order longer than its
    topic allows. Whether the whole fits the board, only the board knows.
    """
    for key in fields:
        if key in FIXED or key not in BoardConfig.model_fields:
            raise ValueError(f"{key}: expected one of {', '.join(key for key in BoardConfig.model_fields if key not in FIXED)}")
    if not fields:
        raise ValueError("expected at least one key to set, got none")
    whole = BoardConfig.model_validate({**_ANYWHERE, **fields})
    order = Order(id=ident, do="set", what="config", valid_s=valid_s, config=whole.model_dump(mode="json", include=set(fields)))
    if len(order.payload()) > LIMITS["order"]:
        raise ValueError(f"expected an order of at most {LIMITS['order']} bytes, got {len(order.payload())}")
    return order
