"""The configuration: a JSON file of the technician's bench or of an order (protocol/config.py is its model), read and checked.

Thrown away after use: what it finds out lies in a settings.Config.
"""

import hashlib
import json
import os

from agent import canonical
from agent.settings import Config
from protocol.topics import is_id
from protocol.wire import is_printable, shown

LONGEST = 4096  # bytes of a file: it is read in one piece, and has to fit into an order
KINDS = ("household", "fire_point", "street_light", "sos_post")
VERIFY_MAX_S = 90
ROWS_MAX = 8
HOST_MAX = 253  # RFC 1035, section 2.3.4, as text without the last dot
SSID_MAX = 32  # bytes: IEEE 802.11, section 9.4.2.2
KEY_MAX = 63  # IEEE 802.11, annex J.4.1: a passphrase has 8 to 63 characters
PASSWORD_MAX = 128

_HOST = ("host", lambda value: is_text(value, 1, HOST_MAX), "1 to %d printable characters" % HOST_MAX)
_PORT = ("port", lambda value: type(value) is int and 1 <= value <= 65535, "1..65535")
_SSID = ("ssid", lambda value: is_text(value, 1, SSID_MAX), "1 to %d printable bytes" % SSID_MAX)
_KEY = ("key", lambda value: is_text(value, 0, KEY_MAX), "at most %d printable characters" % KEY_MAX)
SECRETS = ("key", "password")  # their values are in no error and no digest
NEEDED = ("site", "device", "kind", "group", "brokers")
# Wrong in any other key costs that key alone. Not in these: no board guesses whom it talks to, or leaves out the TLS it was to have.
VITAL = NEEDED + ("v", "server_name", "password", "wifi")
LOCAL = ("kind", "bell_sense", "verify_s", "points")  # what a board needs for its own bell


class ConfigError(ValueError):
    """The configuration cannot be used: its text says which field, what was expected and what came."""


def read(path, kind=None):
    """(config, None), or (config, why) where the file is wrong: what is wrong is as by default, and without a network if it is VITAL.

    `kind`: of the start before, for a board whose file does not tell it.
    """
    wrong = []
    fields = {}
    try:
        fields = load(path)
        config = build(fields, wrong)
    except (OSError, ConfigError, MemoryError) as exc:
        return _alone(fields, kind), "%s: %s" % (path, exc)
    config.digest = digest(fields)
    return config, "%s: %s" % (path, "; ".join(wrong)) if wrong else None


def _alone(fields, kind):
    """What of a configuration that cannot be used is right and LOCAL: a fire point is no home, whose button-2 is where its pump is."""
    config = Config()
    if kind in KINDS:
        config.kind = kind
    for key, check in CHECKS:
        if key in LOCAL and key in fields:
            try:
                setattr(config, key, check(key, fields[key]))
            except ConfigError:
                continue
    return config


def load(path):
    """The fields of a file, unchecked. Raises OSError or ConfigError."""
    if os.stat(path)[6] > LONGEST:
        raise ConfigError("expected at most %d bytes" % LONGEST)
    with open(path, "rb") as file:
        return fields_of(file)


def fields_of(file):
    """The fields of a configuration in JSON, unchecked, never the whole text in the heap. Raises ConfigError."""
    try:
        fields = json.load(file)
    except (ValueError, TypeError, RuntimeError, ArithmeticError):
        # TypeError: a key that cannot be hashed; RuntimeError: deep nesting; UnicodeError is a ValueError.
        raise ConfigError("expected JSON in UTF-8") from None
    if type(fields) is not dict:
        raise ConfigError("expected an object")
    return fields


def build(fields, wrong=None):
    """The settings.Config that the fields describe; keys that are not known do not matter. Raises ConfigError.

    `wrong`: a list for what is wrong and not VITAL; such keys are taken out of the fields. Without it each is an error.
    """
    for key in NEEDED:
        if key not in fields:
            raise ConfigError("%s: expected, and not there" % key)
    config = Config()
    for key, check in CHECKS:
        if key in fields:
            try:
                value = check(key, fields[key])
            except ConfigError as exc:
                if wrong is None or key in VITAL:
                    raise
                wrong.append(str(exc))
                del fields[key]
                continue
            if key != "v":
                setattr(config, key, value)
    config.networked = True
    return config


def unknown(fields):
    """The keys, those of brokers and networks too, that no configuration of this version has."""
    names = [key for key in fields if key not in [known for known, _ in CHECKS]]
    for key, columns in (("brokers", (_HOST, _PORT)), ("wifi", (_SSID, _KEY))):
        for row in fields.get(key, ()):
            names += ["%s.%s" % (key, name) for name in row if name not in [column[0] for column in columns]]
    return names


def digest(fields):
    """8 hex digits that tell one checked configuration from another: of the SHA-256 of its fields as JSON with sorted keys, without blanks.

    Fields that are as by default are left out, and so are secrets: whoever may read a birth could try keys against them.
    """
    default = Config()
    told = {}
    for key, _ in CHECKS:
        if key in fields and key not in ("v", "password") and (key in NEEDED or not _is_default(fields[key], getattr(default, key))):
            told[key] = [row["ssid"] for row in fields[key]] if key == "wifi" else fields[key]
    hashed = hashlib.sha256()
    canonical.write(told, hashed.update)
    return "".join(["%02x" % byte for byte in hashed.digest()[:4]])


def is_text(value, least, most):
    """True for printable text of so many bytes in UTF-8."""
    return type(value) is str and least <= len(value) <= most and is_printable(value) and len(value.encode()) <= most


def _is_default(value, default):
    return value == default or not (value or default)  # [] is as good as ()


def _fit(test, expected):
    """A check that gives the value back if it passes the test."""

    def check(key, value):
        if test(value):
            return value
        raise ConfigError(
            "%s: expected %s, got %s" % (key, expected, type(value).__name__ if key.split(".")[-1] in SECRETS else shown(value))
        )

    return check


def _rows(least, first, second):
    """A check of a list of objects with two fields each, (name, test, what is expected). Gives a tuple of pairs."""

    def check(key, value):
        if type(value) is not list or not least <= len(value) <= ROWS_MAX:
            raise ConfigError("%s: expected a list of %d to %d, got %s" % (key, least, ROWS_MAX, _size(value)))
        return tuple([_pair(key, row, first, second) for row in value])

    return check


def _pair(key, row, first, second):
    if type(row) is not dict:
        raise ConfigError("%s: expected objects with %s and %s, got %s" % (key, first[0], second[0], type(row).__name__))
    return tuple([_fit(test, expected)(key + "." + name, row.get(name)) for name, test, expected in (first, second)])


def _size(value):
    return "%d" % len(value) if type(value) is list else type(value).__name__


def _is_points(value):
    """What a parameter may be, its driver knows (agent.fit). MicroPython's JSON has keys of any kind, and no limit of depth."""
    if not _has_names(value):
        return False
    points = [point for point in value.values() if point is not None]
    return all(_has_names(point) and not [one for one in point.values() if type(one) in (dict, list)] for point in points)


def _has_names(value):
    return type(value) is dict and all(type(key) is str for key in value)


_IS_ID = _fit(is_id, "1 to 32 of A-Z a-z 0-9 _ -")
CHECKS = (
    ("v", _fit(lambda value: type(value) is int and value == 1, "1")),
    ("site", _IS_ID),
    ("device", _IS_ID),
    ("kind", _fit(lambda value: value in KINDS, "one of %s" % ", ".join(KINDS))),
    ("group", _IS_ID),
    ("brokers", _rows(1, _HOST, _PORT)),
    ("server_name", _fit(lambda value: is_text(value, 0, HOST_MAX), "at most %d printable characters" % HOST_MAX)),
    ("password", _fit(lambda value: is_text(value, 0, PASSWORD_MAX), "at most %d printable characters" % PASSWORD_MAX)),
    ("wifi", _rows(0, _SSID, _KEY)),
    ("bell_sense", _fit(lambda value: type(value) is bool, "true or false")),
    ("verify_s", _fit(lambda value: type(value) is int and 0 <= value <= VERIFY_MAX_S, "0..%d" % VERIFY_MAX_S)),
    ("points", _fit(_is_points, "an object of objects or null")),
)
