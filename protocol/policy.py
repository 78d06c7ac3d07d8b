"""The commune's policy: what a point that becomes active means, who is told in which order, and when not. Tables of the site file.

What the file does not say is as in the defaults here, so that a site without [policy] works.
"""

from datetime import time
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from protocol.tomlfile import Table
from protocol.topics import is_id

AlarmType = Literal["button", "heat", "gas", "smoke", "sos"]
PlaceKind = Literal["home", "shop", "workshop", "fire_point", "post"]
# fire: the group rings at once. smoke: a pre-alarm to be verified. sos: help is needed. nothing: recorded, nobody is told.
Means = Literal["fire", "smoke", "sos", "nothing"]
# What a ladder is for: the kinds of incident, an SOS that must not be heard, and an alarm that was over before it came.
Cause = Literal["fire", "smoke", "sos", "silent_sos", "late", "drill"]
MUTABLE = ("late", "drill")

# A button and an SOS are pressed by people: nobody can decide beforehand that they do not mean it.
MAY_MEAN: dict[AlarmType, tuple[Means, ...]] = {
    "button": ("fire",),
    "heat": ("fire", "smoke", "nothing"),
    "gas": ("fire", "smoke", "nothing"),
    "smoke": ("smoke", "fire", "nothing"),
    "sos": ("sos",),
}
AUDIENCES = ("on_duty", "stand_ins", "leader", "household", "group", "duty", "team", "chief", "technician")


def _audience(text: str) -> str:
    if text in AUDIENCES or (text.startswith("person:") and is_id(text.removeprefix("person:"))):
        return text
    raise ValueError(f"expected {', '.join(AUDIENCES)} or person:<id>")


Audience = Annotated[str, AfterValidator(_audience)]


class Meaning(Table):
    """What it means that a point of this type becomes active, `at` this kind of place or, left out, everywhere."""

    type: AlarmType
    at: PlaceKind | None = None
    means: Means

    @model_validator(mode="after")
    def _can_mean(self) -> "Meaning":
        if self.means not in MAY_MEAN[self.type]:
            raise ValueError(f"expected that a {self.type} means {' or '.join(MAY_MEAN[self.type])}")
        return self


class Step(Table):
    """Whom to tell, and how long to wait for an acknowledgement before the next step. `by`: each one's next channel, or all at once."""

    to: list[Audience] = Field(min_length=1)
    wait_s: Annotated[int, Field(ge=0, le=3600)] = 60
    by: Literal["next", "all"] = "next"


class Ladder(Table):
    """Steps up, begun again `repeat_s` after the last one's wait until somebody acknowledges; 0: once only. Each round waits twice as
    long as the one before, up to 15 minutes.
    """

    cause: Cause
    steps: list[Step] = Field(min_length=1)
    repeat_s: Annotated[int, Field(ge=0, le=3600)] = 60

    @field_validator("repeat_s")
    @classmethod
    def _not_a_flood(cls, seconds: int) -> int:
        if 0 < seconds < 30:
            raise ValueError("expected 0 (never again) or at least 30")
        return seconds

    @model_validator(mode="after")
    def _until_acknowledged(self) -> "Ladder":
        if self.repeat_s == 0 and self.cause not in MUTABLE:
            raise ValueError(f"expected a ladder for {self.cause} that is repeated until somebody acknowledges")
        return self


class Quiet(Table):
    """Hours (Vietnamese time) in which people are not told of these: the messages go out at their end."""

    causes: list[str] = Field(min_length=1)
    start: time
    end: time

    @field_validator("causes")
    @classmethod
    def _can_wait(cls, causes: list[str]) -> list[str]:
        if wrong := [cause for cause in causes if cause not in MUTABLE]:
            raise ValueError(f"expected {' or '.join(MUTABLE)}, since {wrong[0]} cannot be muted")
        return causes


class FaultNotices(Table):
    """Who is told of faults of the gateway and of areas, once they have lasted `after_s`, and again every `again_h` hours.

    Between `quiet_start` and `quiet_end` (Vietnamese time; the same: never) only of those by which an alarm would reach nobody.
    """

    to: list[Audience] = ["technician"]
    after_s: Annotated[int, Field(ge=0, le=86400)] = 300
    again_h: Annotated[int, Field(ge=1, le=168)] = 24
    quiet_start: time = time(22)
    quiet_end: time = time(6)


DEFAULT_MEANINGS = (
    *(Meaning(type="button", means="fire"), Meaning(type="heat", means="fire"), Meaning(type="gas", means="fire")),
    *(Meaning(type="smoke", means="smoke"), Meaning(type="sos", means="sos")),
)
DEFAULT_LADDERS = (
    Ladder(
        cause="fire",
        steps=[
            Step(to=["on_duty", "leader", "household", "team"]),
            Step(to=["on_duty", "stand_ins", "leader", "group"]),
            Step(to=["duty", "chief", "leader", "team"], by="all"),
        ],
    ),
    Ladder(cause="smoke", steps=[Step(to=["household", "leader"]), Step(to=["on_duty", "household", "leader"])], repeat_s=120),
    Ladder(cause="sos", steps=[Step(to=["on_duty", "leader", "team"]), Step(to=["on_duty", "stand_ins", "chief"], by="all")]),
    # Whoever stands beside the one who pressed must not hear of it.
    Ladder(cause="silent_sos", steps=[Step(to=["on_duty"]), Step(to=["on_duty", "stand_ins", "chief"], by="all")]),
    Ladder(cause="late", steps=[Step(to=["on_duty", "leader"])], repeat_s=0),
    Ladder(cause="drill", steps=[Step(to=["leader", "group"])], repeat_s=0),
)


class Policy(Table):
    """The table [policy]. A ladder or a meaning in the file takes the place of the built-in one for the same.

    `neighbours_m`: groups with homes no further apart than this (0: none) share the incident of a fire within 300 s. `silence_s`: how
    long silenced bells stay quiet while nobody has acknowledged. `ask_h`: after so long without an alarm the desk is asked to resolve.
    `again_s`: a ladder that an acknowledgement had stopped begins again so long after it last told somebody, at the earliest.
    `desk_s`: after so long without a desk page that is open and sounds, the desk is missing (0: none is expected).
    """

    neighbours_m: Annotated[int, Field(ge=0, le=500)] = 50
    silence_s: Annotated[int, Field(ge=60, le=3600)] = 300
    ask_h: Annotated[int, Field(ge=1, le=168)] = 12
    again_s: Annotated[int, Field(ge=0, le=600)] = 30
    desk_s: Annotated[int, Field(ge=0, le=3600)] = 60
    meanings: list[Meaning] = []
    ladders: list[Ladder] = []
    quiet: list[Quiet] = []
    faults: FaultNotices = FaultNotices()

    @field_validator("desk_s")
    @classmethod
    def _heard_by_then(cls, seconds: int) -> int:
        if 0 < seconds < 30:
            raise ValueError("expected 0 (no desk is expected) or at least 30, since a page tells every 10 s that it is open")
        return seconds

    def means(self, type: str, at: PlaceKind | None) -> Means | None:
        """What an active point of this type means there; None for a type that raises no alarm. The most particular row counts."""
        rows = [row for row in (*DEFAULT_MEANINGS, *self.meanings) if row.type == type and row.at in (None, at)]
        return max(enumerate(rows), key=lambda item: (item[1].at is not None, item[0]))[1].means if rows else None

    def ladder(self, cause: str) -> Ladder:
        """The ladder for a cause."""
        return next(ladder for ladder in (*self.ladders, *DEFAULT_LADDERS) if ladder.cause == cause)
