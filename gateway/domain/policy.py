"""What facts mean: which point raises which alarm, and who may decide what. Tables, to be read against the requirements. Pure."""

from typing import Literal

from protocol.desk import Do
from protocol.fields import Pattern
from protocol.incident import Says

Kind = Literal["fire", "smoke", "sos", "drill"]

# Kinds of one family share an incident: smoke grows into a fire. Nothing else mixes, and a fault is never an incident.
FAMILY: dict[Kind, str] = {"fire": "fire", "smoke": "fire", "sos": "sos", "drill": "drill"}

# Families that a neighbouring group may share: a fire spreads, a call for help is one person's.
SPREADING = ("fire",)
SPREAD_MS = 300_000

# What the group's bells sound; a lone smoke contact rings no group.
PATTERN: dict[Kind, Pattern | None] = {"fire": "fire", "smoke": None, "sos": "sos", "drill": "drill"}

# One of these that is active again within REARM_MS of its own clear is only recorded: detectors chatter at their threshold.
CHATTERING = ("smoke", "heat", "gas")
REARM_MS = 60_000

# Who may do what: everywhere, or in the own group. Whoever goes there takes an incident on; only who is responsible ends it.
_GOING: tuple[Do, ...] = ("acknowledge", "on_the_way", "on_scene", "roll_call", "called_114")
_RESPONSIBLE: tuple[Do, ...] = (*_GOING, "silence", "alarm_again", "resolve", "drill", "test_bell")
MAY_ALL: dict[str, tuple[Do, ...]] = {"duty": _RESPONSIBLE, "chief": _RESPONSIBLE}
# Everybody answers for the own home, and may hear whether its bell works.
MAY_OWN_HOME: tuple[Do, ...] = ("roll_call", "test_bell")
MAY_OWN_GROUP: dict[str, tuple[Do, ...]] = {"leader": _RESPONSIBLE, "team": _GOING}

# A birth lists points by name alone. Names are <type>-<number>, but for these.
_NAMED = {"extinguisher": "presence", "self": "test", "tank": "level", "pump": "pressure"}
# Keys by which a house answers the roll call: they silence and cancel nothing.
ROLL_CALL: dict[str, Says] = {"safe": "safe", "need-help": "need_help", "coming": "coming"}


# What a police receiver is told of which kind of incident: a lone smoke contact when it is believed, what the desk does only at the end.
TO_RECEIVER: dict[Kind, tuple[str, ...]] = {
    "fire": ("opened", "re_alarmed", "resolved"),
    "sos": ("opened", "re_alarmed", "resolved"),
    "smoke": (),
    "drill": ("opened", "resolved"),
}


def is_told(channel: str, kind: Kind, news: str, *, is_late: bool = False) -> bool:
    """True if a channel to a program (webhook:<name>, sia:<name>) is told of `news`. No engine drives out for an alarm that was over
    before it came: a police receiver hears of it once there is another.
    """
    return not channel.startswith("sia:") or (news in TO_RECEIVER[kind] and not is_late)


def type_of(point: str) -> str:
    """The type that a point's name tells: "smoke-1" is smoke, "extinguisher-2" presence, "need-help" a key."""
    if point == "silence" or point in ROLL_CALL:
        return "key"
    name = point.split("-", 1)[0] or point
    return _NAMED.get(name, name)


def may(role: str, do: Do, *, own_group: bool, own_home: bool) -> bool:
    """True if somebody with `role` may do this; `own_group`: in that person's group, `own_home`: about that person's home."""
    return do in MAY_ALL.get(role, ()) or (own_group and do in MAY_OWN_GROUP.get(role, ())) or (own_home and do in MAY_OWN_HOME)
