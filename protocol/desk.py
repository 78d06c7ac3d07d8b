"""What desks order, and what the engine answers."""

from typing import Literal, Self

from pydantic import model_validator

from protocol.fields import Compact, Count, Id, Message, Text, UnixMs
from protocol.incident import Says

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
