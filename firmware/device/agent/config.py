"""What the technician's bench has written into /config.json (protocol/config.py is its model), or what a board can do without it."""

import json

from agent.settings import Config
from protocol.topics import is_id

KINDS = ("household", "fire_point", "street_light", "sos_post")
VERIFY_MAX_S = 90


class ConfigError(ValueError):
    """The configuration cannot be used: its text says which field, what was expected and what came."""


def read(path):
    """(config, None), or (a config without network, why) where the file is missing or wrong."""
    try:
        with open(path) as file:
            return parse(file.read()), None
    except (OSError, ValueError) as exc:  # UnicodeError is a ValueError; ConfigError too
        return Config(), "%s: %s" % (path, exc)


def parse(text):
    """The configuration in JSON text. Raises ConfigError."""
    try:
        fields = json.loads(text)
    except (ValueError, TypeError, RuntimeError, MemoryError):
        # TypeError: a key that cannot be hashed; RuntimeError: deep nesting.
        raise ConfigError("expected JSON") from None
    if type(fields) is not dict:
        raise ConfigError("expected an object")
    config = Config()
    config.site = _checked(fields, "site", is_id, "an id")
    config.device = _checked(fields, "device", is_id, "an id")
    config.group = _checked(fields, "group", is_id, "an id")
    config.kind = _checked(fields, "kind", lambda kind: kind in KINDS, "one of %s" % ", ".join(KINDS))
    config.brokers = _pairs(fields, "brokers", "host", "port", int)
    if not config.brokers:
        raise ConfigError("brokers: expected at least one")
    config.wifi = _pairs(fields, "wifi", "ssid", "key", str) if "wifi" in fields else ()
    config.password = _optional(fields, "password", str, "")
    config.bell_sense = _optional(fields, "bell_sense", bool, True)
    config.verify_s = _optional(fields, "verify_s", int, 60)
    if not 0 <= config.verify_s <= VERIFY_MAX_S:
        raise ConfigError("verify_s: expected 0..%d, got %d" % (VERIFY_MAX_S, config.verify_s))
    config.points = _points(fields.get("points", {}))
    config.networked = True
    return config


def _checked(fields, key, test, expected):
    value = fields.get(key)
    if not test(value):
        raise ConfigError("%s: expected %s, got %r" % (key, expected, value))
    return value


def _optional(fields, key, kind, default):
    value = fields.get(key, default)
    if type(value) is not kind:
        raise ConfigError("%s: expected %s, got %r" % (key, kind.__name__, value))
    return value


def _points(points):
    if type(points) is not dict or not all(value is None or type(value) is dict for value in points.values()):
        raise ConfigError("points: expected an object of objects")
    return points


def _pairs(fields, key, first, second, kind):
    rows = fields.get(key)
    if type(rows) is not list:
        raise ConfigError("%s: expected a list" % key)
    pairs = []
    for row in rows:
        if type(row) is not dict or type(row.get(first)) is not str or type(row.get(second)) is not kind:
            raise ConfigError("%s: expected %s and %s, got %r" % (key, first, second, row))
        pairs.append((row[first], row[second]))
    return tuple(pairs)
