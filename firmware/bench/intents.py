"""What a board on the wall has to be sent to have what site and bench file say: compared with what is known of it, and told. Pure."""

import json
from typing import Any, NamedTuple

from protocol.boards import BoardState
from protocol.config import BoardConfig, digest

KEYS = ("kind", "group", "brokers", "wifi", "bell_sense", "verify_s", "points")  # that the two files hold
WIFI = "wifi"  # of it only the names are known: whether a key has changed nobody can see
NOT_KNOWN = "not known"


class Intent(NamedTuple):
    """What one board is to be sent: `fields`, empty if it has all of it; `config`: all that it is to have.

    `lines`: for people, without secrets. `left`: keys that differ too and were not asked for.
    """

    device: str
    config: BoardConfig
    fields: dict[str, Any]
    lines: list[str]
    left: list[str]


def intent(config: BoardConfig, board: BoardState, chosen: tuple[str, ...] = ()) -> Intent:
    """`config`: as the files say; `chosen`: the keys to send if they differ, else all of KEYS. The names of Wi-Fi may be the same and its
    keys not, so `wifi` is always sent where it is chosen.
    """
    known = board.told or {}
    config = config.model_copy(update={"server_name": known.get("server_name", "")})
    after = config.told()
    before = known if known and board.config == digest(known) else after if board.config == digest(after) else None
    differing = [key for key in KEYS if before is None or before.get(key) != after.get(key)]
    keys = [key for key in KEYS if key in chosen and (key in differing or key == WIFI)] if chosen else differing
    lines = [line for key in keys for line in _lines(key, before, after)]
    left = [] if before is None else [key for key in differing if key not in keys]
    return Intent(board.id, config, config.model_dump(mode="json", include=set(keys)), lines, left)


def _lines(key: str, before: dict[str, Any] | None, after: dict[str, Any]) -> list[str]:
    if key != "points":
        now, then = (NOT_KNOWN if told is None else _words(key, told.get(key, _default(key))) for told in (before, after))
        return [f"{key}: {now}, sent anew with its keys" if now == then else f"{key}: {now} → {then}"]
    ours = after.get(key, {})
    if before is None:
        return [f"points: {NOT_KNOWN} → {', '.join(f'{name} {_point(ours, name)}' for name in sorted(ours)) or 'the usual ones'}"]
    theirs = before.get(key, {})
    names = sorted(name for name in {*theirs, *ours} if _point(theirs, name) != _point(ours, name))
    return [f"points.{name}: {_point(theirs, name)} → {_point(ours, name)}" for name in names]


def _point(points: dict[str, Any], name: str) -> str:
    if name not in points:
        return "as usual"
    return "not fitted" if points[name] is None else " ".join(f"{key}={value}" for key, value in points[name].items()) or "fitted"


def _words(key: str, value: Any) -> str:
    if key == "brokers":
        return ", ".join(f"{address['host']}:{address['port']}" for address in value)
    if key == WIFI:
        return ", ".join(json.dumps(name, ensure_ascii=False) for name in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _default(key: str) -> Any:
    return BoardConfig.model_fields[key].get_default(call_default_factory=True)
