"""People of a commune: who they are, by which ways they are told, and who is on duty when. Tables of the site file."""

import re
from datetime import date, time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from protocol.fields import Id
from protocol.tomlfile import Table, Words
from protocol.topics import is_id

Role = Literal["duty", "leader", "team", "chief", "household", "technician", "viewer", "administrator"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
# The administrator whom the first start of the console makes, whether the file names one or not.
FIRST_ADMINISTRATOR = "quan-tri"
WEEK: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
PHONE_CHANNELS = ("sms", "voice")


def phone_number(text: str) -> str:
    """The number in E.164. It may be written 0..., 84... or +84..., with spaces, dots and hyphens (domain: 9 or 10 digits).

    Raises ValueError for what is no Vietnamese number.
    """
    digits = re.sub(r"[\s.()-]", "", text)
    digits = re.sub(r"^(\+?84|0)", "+84", digits)
    if not re.fullmatch(r"\+84\d{9,10}", digits):
        raise ValueError("expected a Vietnamese phone number such as 0912 345 678")
    return digits


def _channel(text: str) -> str:
    kind, colon, target = text.partition(":")
    if text in PHONE_CHANNELS or (kind == "apprise" and colon and is_id(target)):
        return text
    raise ValueError("expected sms, voice or apprise:<target>")


Phone = Annotated[str, AfterValidator(phone_number)]
PersonChannel = Annotated[str, AfterValidator(_channel)]


class Person(Table):
    """Somebody with a role; `group` for a leader or a member of a household, `home` where that is.

    `channels`: by which ways, in their order, this person is told: sms and voice to `phone`, apprise:<target> to a target of the
    settings. Left out, it is sms and then voice for whoever has a phone.
    """

    id: Id
    name: Words
    role: Role
    group: Id | None = None
    home: Id | None = None
    phone: Phone | None = None
    channels: list[PersonChannel] | None = None

    @property
    def ways(self) -> list[str]:
        """The channels that lead to this person, in their order."""
        if self.channels is not None:
            return list(self.channels)
        return list(PHONE_CHANNELS) if self.phone else []

    @model_validator(mode="after")
    def _phone_to_call(self) -> "Person":
        if self.phone is None and any(channel in PHONE_CHANNELS for channel in self.channels or ()):
            raise ValueError("expected a phone for the channels sms and voice")
        return self

    @model_validator(mode="after")
    def _leader_has_group(self) -> "Person":
        if self.role in ("leader", "household") and self.group is None:
            raise ValueError(f"expected a group for the role {self.role}")
        return self


class Shift(Table):
    """Who answers alarms in these hours of these days (Vietnamese time). One that ends at or before its start ends on the next day.

    `stand_ins` take over while all of `people` are away, and are asked next when those on duty do not answer.
    """

    days: list[Day] = list(WEEK)
    start: time = time(0)
    end: time = time(0)
    people: list[Id] = Field(min_length=1)
    stand_ins: list[Id] = []


class Absence(Table):
    """Somebody is away, from the first day to the last, both included."""

    person: Id
    first: date
    last: date

    @model_validator(mode="after")
    def _in_order(self) -> "Absence":
        if self.last < self.first:
            raise ValueError("expected a last day that is not before the first")
        return self
