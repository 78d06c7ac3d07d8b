"""Topics below keng/1/<site>/, built and taken apart. Runs unchanged on CPython and MicroPython.

Ids are opaque: 1 to 32 of A-Z a-z 0-9 _ and -. Every broker handles such topics (docs/brokers.md).
"""

PREFIX = "keng/1/"
ID_MAX = 32
_ID = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

# The longest payload in bytes that a reader parses; a longer one is refused unread.
SMALL = 1024
MIDDLE = 4096
HOST = 65536
HELLO_MAX = MIDDLE  # it carries a ring, which alone may take 4,096: see docs/wire.md
RECEIPT_MAX = SMALL
ORDER_MAX = MIDDLE
CALL_MAX = SMALL
RING_MAX = MIDDLE
TICK_MAX = SMALL
CHUNK_MAX = MIDDLE
LIMITS = {
    "state": MIDDLE,
    "event": SMALL,
    "report": SMALL,
    "answer": MIDDLE,
    "hello": HELLO_MAX,
    "receipt": RECEIPT_MAX,
    "order": ORDER_MAX,
    "fetch": SMALL,
    "chunk": CHUNK_MAX,
    "call": CALL_MAX,
    "ring": RING_MAX,
    "tick": TICK_MAX,
    "gateway": HOST,
    "incident": HOST,
    "desk_command": HOST,
    "desk_answer": HOST,
    "desk_alive": SMALL,
    "bench_command": HOST,
    "bench_answer": HOST,
}

FROM_BOARD = ("state", "event", "report", "answer", "fetch")
TO_BOARD = ("hello", "receipt", "order", "chunk")


def is_id(text) -> bool:
    """True for a well-formed site, device, group, user or incident id."""
    if type(text) is not str or not 1 <= len(text) <= ID_MAX:
        return False
    for letter in text:
        if letter not in _ID:
            return False
    return True


def device(site: str, device_id: str, leaf: str) -> str:
    """dev/<dev>/<leaf>; `leaf` is one of FROM_BOARD or TO_BOARD."""
    return PREFIX + site + "/dev/" + device_id + "/" + leaf


def call(site: str, group: str, device_id: str) -> str:
    """A board's call to its group."""
    return PREFIX + site + "/group/" + group + "/call/" + device_id


def ring(site: str, group: str) -> str:
    """The engine's order to a group."""
    return PREFIX + site + "/group/" + group + "/ring"


def tick(site: str) -> str:
    """The engine's tick."""
    return PREFIX + site + "/tick"


def gateway(site: str) -> str:
    """Whether the engine is online."""
    return PREFIX + site + "/gateway"


def incident(site: str, incident_id: str) -> str:
    """One incident, whole."""
    return PREFIX + site + "/incident/" + incident_id


def desk(site: str, user: str, leaf: str) -> str:
    """desk/<user>/<leaf>; `leaf` is "command", "answer" or "alive"."""
    return PREFIX + site + "/desk/" + user + "/" + leaf


def bench(site: str, user: str, leaf: str) -> str:
    """bench/<user>/<leaf>; `leaf` is "command" or "answer"."""
    return PREFIX + site + "/bench/" + user + "/" + leaf


def parse(site: str, topic: str):
    """(name, owner, sender) of a topic of this site, or None if it is none of ours.

    `name` is a key of LIMITS. `owner` is the device, group, incident or user, "" where there is none; `sender` is the calling
    device of a call, else "".
    """
    parts = _parts(site, topic)
    return (_to_boards(parts) or _to_hosts(parts)) if parts else None


def parse_on_board(site: str, topic: str):
    """The same of what is said to boards, None for any other topic: the names of those take no room on a board."""
    parts = _parts(site, topic)
    return _to_boards(parts) if parts else None


def _parts(site, topic):
    base = PREFIX + site + "/"
    if not topic.startswith(base):
        return None
    parts = topic[len(base) :].split("/")
    for part in parts:
        if not is_id(part):
            return None
    return parts


def _to_boards(parts):
    area, leaf = parts[0], parts[-1]
    if len(parts) == 1:
        return ("tick", "", "") if area == "tick" else None
    if len(parts) == 3 and area == "dev" and leaf in TO_BOARD:
        return (leaf, parts[1], "")
    if len(parts) == 3 and area == "group" and leaf == "ring":
        return ("ring", parts[1], "")
    if len(parts) == 4 and area == "group" and parts[2] == "call":
        return ("call", parts[1], leaf)
    return None


def _to_hosts(parts):
    area, leaf = parts[0], parts[-1]
    if len(parts) == 1:
        return ("gateway", "", "") if area == "gateway" else None
    if len(parts) == 2:
        return ("incident", leaf, "") if area == "incident" else None
    if len(parts) != 3:
        return None
    if area == "dev" and leaf in FROM_BOARD:
        return (leaf, parts[1], "")
    if area == "desk" and leaf in ("command", "answer", "alive"):
        return ("desk_" + leaf, parts[1], "")
    if area == "bench" and leaf in ("command", "answer"):
        return ("bench_" + leaf, parts[1], "")
    return None
