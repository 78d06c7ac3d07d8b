"""What facts mean: which point raises which alarm, and who may decide what. Tables, to be read against the requirements. Pure."""

from typing import Literal

from protocol.messages import Pattern, Says

Kind = Literal["fire", "smoke", "sos"]

# Type of a point -> kind of incident that it opens. A lone smoke contact is a pre-alarm: see docs/wire.md, Verify.
KIND: dict[str, Kind] = {"button": "fire", "heat": "fire", "gas": "fire", "smoke": "smoke", "sos": "sos"}

# Kinds of one family share an incident: smoke grows into a fire.
FAMILY: dict[Kind, str] = {"fire": "fire", "smoke": "fire", "sos": "sos"}

# What the group's bells sound; a lone smoke contact rings no group.
PATTERN: dict[Kind, Pattern | None] = {"fire": "fire", "smoke": None, "sos": "sos"}

# One of these that is active again within REARM_MS of its own clear is only recorded: detectors chatter at their threshold.
CHATTERING = ("smoke", "heat", "gas")
REARM_MS = 60_000

# Who may acknowledge, silence and resolve: everything, or what concerns the own group.
MAY_ALL = ("duty",)
MAY_OWN_GROUP = ("leader",)

# A birth lists points by name alone. Names are <type>-<number>, but for these.
_NAMED = {"extinguisher": "presence", "self": "test", "tank": "level", "pump": "pressure"}
# Keys by which a house answers the roll call: they silence and cancel nothing.
ROLL_CALL: dict[str, Says] = {"safe": "safe", "need-help": "need_help", "coming": "coming"}


# What a police receiver is told of which kind of incident: a lone smoke contact when it is believed, what the desk does only at the end.
TO_RECEIVER: dict[Kind, tuple[str, ...]] = {
    "fire": ("opened", "re_alarmed", "resolved"),
    "sos": ("opened", "re_alarmed", "resolved"),
    "smoke": (),
}


def is_told(channel: str, kind: Kind, news: str) -> bool:
    """True if a channel to a program (webhook:<name>, sia:<name>) is told of `news`."""
    return not channel.startswith("sia:") or news in TO_RECEIVER[kind]


def type_of(point: str) -> str:
    """The type that a point's name tells: "smoke-1" is smoke, "extinguisher-2" presence, "need-help" a key."""
    if point == "silence" or point in ROLL_CALL:
        return "key"
    name = point.split("-", 1)[0] or point
    return _NAMED.get(name, name)


def may(role: str, *, own_group: bool) -> bool:
    """True if somebody with `role` decides about an incident, `own_group` saying whether it is in that person's group."""
    return role in MAY_ALL or (role in MAY_OWN_GROUP and own_group)
