"""A board's configuration: the file /config.json on the board. Written by the technician's bench, read by firmware/device."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from protocol.messages import Id
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


class BoardConfig(BaseModel):
    """Everything a board must know. `brokers` are tried in turn; the client id is `device`, as the broker requires."""

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
