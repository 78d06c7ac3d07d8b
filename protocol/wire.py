"""What a board reads and writes, byte for byte. Runs unchanged on CPython and MicroPython (no typing, dataclasses or enum there).

A decode_ function takes a payload of bytes and returns a named tuple, or raises DecodeError and nothing else. An encode_ function
returns bytes with the fields in the order of docs/wire.md; a field that is None is left out. Times are milliseconds unless the
name says otherwise. The host's stricter models of the same messages are in messages.py.
"""

import json
import sys
from collections import namedtuple

from protocol.topics import CALL_MAX, HELLO_MAX, ID_MAX, ORDER_MAX, RECEIPT_MAX, RING_MAX, TICK_MAX, is_id

VERSION = 1
PATTERNS = ("fire", "sos", "pre", "drill")  # the gravest first: a bell with several causes sounds the first of them
TEXT_MAX = 200
CRASH_MAX = 240  # a birth's crash: the tail of a traceback
FOR_MAX_S = 86400
COUNT_MAX = 0x7FFFFFFF
LINES = 4  # of a text of covers_of
TIME_MAX = 0x1FFFFFFFFFFFFF  # 2^53 - 1: what every JSON reader keeps exactly (RFC 8259, section 6)

Hello = namedtuple("Hello", ("engine", "t", "birth", "group", "ring"))
Receipt = namedtuple("Receipt", ("engine", "id"))
Order = namedtuple("Order", ("id", "do", "what", "seconds", "valid_s", "config"))
Call = namedtuple("Call", ("id", "k", "type", "pattern"))
# `covers`: see covers_of.
Ring = namedtuple("Ring", ("engine", "rev", "incident", "pattern", "n", "place", "for_s", "covers", "mute", "heard", "acknowledged"))
Tick = namedtuple("Tick", ("engine", "t"))


class DecodeError(ValueError):
    """A peer sent something unreadable: `field` of it, what was `expected` there, and what was `got` (shortened)."""

    def __init__(self, field, expected, got):
        super().__init__("%s: expected %s, got %s" % (field, expected, got))
        self.field = field
        self.expected = expected
        self.got = got


def decode_hello(payload: bytes) -> Hello:
    """The fields of a hello. Raises DecodeError."""
    fields = load(payload, HELLO_MAX)
    ring = fields.get("ring")
    if ring is not None:
        ring = _ring(_table(ring, "ring"))
    group = fields.get("group")
    return Hello(
        _of(fields, "engine", is_start, "<life>-<boot>"),
        whole(fields, "t", 0, TIME_MAX),
        _of(fields, "for", is_start, "<life>-<boot>"),
        None if group is None else name(fields, "group"),
        ring,
    )


def decode_receipt(payload: bytes) -> Receipt:
    """The fields of a receipt. Raises DecodeError."""
    fields = load(payload, RECEIPT_MAX)
    return Receipt(_of(fields, "engine", is_start, "<life>-<boot>"), event_id(fields, "id"))


def decode_tick(payload: bytes) -> Tick:
    """The fields of a tick. Raises DecodeError."""
    fields = load(payload, TICK_MAX)
    return Tick(_of(fields, "engine", is_start, "<life>-<boot>"), whole(fields, "t", 0, TIME_MAX))


def decode_order(payload: bytes) -> Order:
    """`seconds` defaults to 0; an order whose `do` is unknown decodes, so that it can be answered.

    `config`: the keys to set and their values, unchecked, of "set config"; of an update all fields, for updates.decode_update; None with
    every other order.
    """
    fields = load(payload, ORDER_MAX)
    what = fields.get("what")
    do = name(fields, "do")
    config = fields if do == "update" else None
    if do == "set" and what == "config":
        config = _table(_needed(fields, "config"), "config")
    return Order(
        name(fields, "id"),
        do,
        None if what is None else name(fields, "what"),
        whole(fields, "seconds", 0, FOR_MAX_S, 0),
        whole(fields, "valid_s", 0, FOR_MAX_S),
        config,
    )


def decode_call(payload: bytes) -> Call:
    """A call of an unknown version or pattern sounds as fire: only its id must be readable."""
    fields = load(payload, CALL_MAX)
    ident = event_id(fields, "id")
    if fields["v"] != VERSION:
        return Call(ident, 1, "button", "fire")
    return Call(ident, whole(fields, "k", 1, COUNT_MAX), name(fields, "type"), _pattern(fields))


def decode_ring(payload: bytes) -> Ring:
    """A ring of an unknown version sounds as fire unless its pattern is null, which is quiet in every version."""
    return _ring(load(payload, RING_MAX))


def _ring(fields):
    whole(fields, "v", 1, COUNT_MAX)
    if fields["v"] != VERSION:
        quiet = "pattern" in fields and fields["pattern"] is None
        return Ring("", 0, None, None if quiet else "fire", 1, None, 60, covers_of({}), (), False, False)
    incident = fields.get("incident")
    place = fields.get("place")
    return Ring(
        _of(fields, "engine", is_start, "<life>-<boot>"),
        whole(fields, "rev", 0, COUNT_MAX),
        None if incident is None else name(fields, "incident"),
        None if _needed(fields, "pattern") is None else _pattern(fields),
        whole(fields, "n", 0, COUNT_MAX),
        None if place is None else name(fields, "place"),
        whole(fields, "for_s", 0, FOR_MAX_S),
        covers_of(_table(fields.get("covers", {}), "covers")),
        _names(fields, "mute"),
        fields.get("heard") is True,
        fields.get("acknowledged") is True,
    )


def covers_of(newest):
    """The newest event of each device that a ring covers, as it is kept: a line "<device> <event id>" of each between line feeds, in texts
    of a few lines, each short enough to find room for.

    `newest`: {device: event id}, which is used up, so that a board never holds it twice: fifteen take 2 kB of its heap. Raises DecodeError.
    """
    texts = []
    while newest:
        text = "\n"
        for _ in range(min(LINES, len(newest))):
            device, ident = newest.popitem()
            if not is_id(device):
                raise DecodeError("covers", "device ids", shown(device))
            if not is_event_id(ident):
                raise DecodeError(device, "<life>-<boot>-<seq>", shown(ident))
            text += "%s %s\n" % (device, ident)
        texts.append(text)
    return texts


def encode_birth(
    *, life, boot, kind, fw, group, reset, active, config=None, faults=(), crash=None, safe=False, app=None, update=None
) -> bytes:
    """`active`: point -> event id of each point that is not clear. `faults`: what the board found wrong with itself, in words.

    `crash`: where its own code failed last and how, cut to CRASH_MAX. `safe`: it runs without everything that could fail again.
    `config`: the digest of the configuration in use. `app`: the bundle that runs. `update`: {"bundle", "state", "error"}.
    """
    return _object(
        ("v", VERSION),
        ("online", True),
        ("life", life),
        ("boot", boot),
        ("kind", kind),
        ("fw", clean(fw)),
        ("group", group),
        ("config", config),
        ("reset", clean(reset)),
        ("active", active),
        ("faults", [clean(fault) for fault in faults] if faults else None),
        ("crash", clean(crash, CRASH_MAX) if crash else None),
        ("safe", True if safe else None),
        ("app", app),
        ("update", update),
    )


def encode_will(*, life, boot) -> bytes:
    """The last will."""
    return _object(("v", VERSION), ("online", False), ("life", life), ("boot", boot))


def encode_event(*, id, point, type, state, now, t=None, age=None, calling=None, cause=None, k=None, n=None, proof=None, by=None) -> bytes:
    """One fact. `cause` (wire: for), `k` or `n`, `proof` and `by` belong to a bell's event only."""
    return _object(
        ("v", VERSION),
        ("id", id),
        ("t", t),
        ("age", age),
        ("point", point),
        ("type", type),
        ("state", state),
        ("now", now),
        ("calling", calling),
        ("for", cause),
        ("k", k),
        ("n", n),
        ("proof", proof),
        ("by", by),
    )


def encode_report(*, up, heap, waiting, dropped, refused, rssi=None, mains=None, battery=None, erases=None, values=None) -> bytes:
    """`up` in s, `heap` free bytes, `rssi` dBm, `battery` percent; `waiting` events, `dropped` reports, `refused` payloads, `erases` of
    flash blocks since the start.
    """
    return _object(
        ("v", VERSION),
        ("up", up),
        ("heap", heap),
        ("rssi", rssi),
        ("mains", mains),
        ("battery", battery),
        ("waiting", waiting),
        ("dropped", dropped),
        ("refused", refused),
        ("erases", erases),
        ("values", values or {}),
    )


def encode_answer(*, id, ok, error=None, proof=None) -> bytes:
    """What became of an order; `proof` of a test, as in an event."""
    return _object(("v", VERSION), ("id", id), ("ok", ok), ("error", None if error is None else clean(error)), ("proof", proof))


def encode_call(*, id, k, type, pattern) -> bytes:
    """Alarm here: ring."""
    return _object(("v", VERSION), ("id", id), ("k", k), ("type", type), ("pattern", pattern))


def load(payload: bytes, limit: int) -> dict:
    """The fields of a payload: a JSON object of at most `limit` bytes with a version. Raises DecodeError."""
    if len(payload) > limit:
        raise DecodeError("payload", "at most %d bytes" % limit, len(payload))
    try:
        # MicroPython reads the payload where it lies and checks its UTF-8: a text of it would take up to 4 kB of a board's heap.
        fields = json.loads(payload if sys.implementation.name == "micropython" else str(payload, "utf-8"))
    except (ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError):
        # MicroPython: TypeError for a key that cannot be hashed; CPython: RecursionError for deep nesting.
        raise DecodeError("payload", "JSON in UTF-8", "%d bytes of something else" % len(payload)) from None
    _table(fields, "payload")
    whole(fields, "v", 1, COUNT_MAX)
    return fields


def whole(fields, key, low, high, default=None) -> int:
    """An integer in low..high. A missing one is `default`, or refused where that is None."""
    value = default if default is not None and key not in fields else _needed(fields, key)
    if type(value) is not int or not low <= value <= high:
        raise DecodeError(key, "a whole number in %d..%d" % (low, high), shown(value))
    return value


def name(fields, key) -> str:
    """A well-formed id."""
    return _of(fields, key, is_id, "1 to %d of A-Z a-z 0-9 _ -" % ID_MAX)


def event_id(fields, key) -> str:
    """A well-formed event id."""
    return _of(fields, key, is_event_id, "<life>-<boot>-<seq>")


def is_start(text) -> bool:
    """True for <life>-<boot>: 8 lower-case hex digits and a number. It names one start of a board or an engine."""
    return type(text) is str and _numbers(text.split("-"), 2)


def is_event_id(text) -> bool:
    """True for <life>-<boot>-<seq>, seq from 1."""
    if type(text) is not str:
        return False
    parts = text.split("-")
    return _numbers(parts, 3) and parts[2][0] != "0"


def parse_event_id(text):
    """(life, boot, seq) of a well-formed event id."""
    life, boot, seq = text.split("-")
    return life, int(boot), int(seq)


def is_text(value, longest=TEXT_MAX) -> bool:
    """True for 1 to `longest` characters that UTF-8 can carry and a terminal survives: no control characters, no lone surrogates."""
    return type(value) is str and 1 <= len(value) <= longest and is_printable(value)


def is_printable(text: str) -> bool:
    """True for text without control characters and lone surrogates."""
    for letter in text:
        if not _printable(letter):
            return False
    return True


def clean(text: str, longest: int = TEXT_MAX) -> str:
    """`text` (an exception's words, say) made into one that is_text accepts: a ? for each bad character, cut to `longest`."""
    text = text[:longest]
    for letter in text:  # not in a list of letters: of those a board's heap has no room for 128 in one piece
        if not _printable(letter):
            text = text.replace(letter, "?")
    return text or "?"


def shown(value) -> str:
    """A value as an error message may show it: short and in printable ASCII."""
    if type(value) is not str:
        kind = type(value).__name__
        return str(value)[:20] if kind in ("int", "float", "bool", "NoneType") else kind
    return '"%s"' % "".join([c if " " <= c <= "~" else "?" for c in value[:20]])


def _printable(letter):
    code = ord(letter)
    return not (code < 0x20 or 0x7F <= code < 0xA0 or 0xD800 <= code < 0xE000)


def _numbers(parts, count):
    if len(parts) != count or len(parts[0]) != 8:
        return False
    for letter in parts[0]:
        if letter not in "0123456789abcdef":
            return False
    for part in parts[1:]:
        # A leading zero would give one start two names.
        if not 1 <= len(part) <= 10 or (part[0] == "0" and part != "0"):
            return False
        for letter in part:
            if letter not in "0123456789":
                return False
        if int(part) > COUNT_MAX:
            return False
    return True


def _needed(fields, key):
    if key not in fields:
        raise DecodeError(key, "to be there", "nothing")
    return fields[key]


def _of(fields, key, test, expected):
    value = _needed(fields, key)
    if not test(value):
        raise DecodeError(key, expected, shown(value))
    return value


def _table(value, key):
    if type(value) is not dict:
        raise DecodeError(key, "an object", shown(value))
    return value


def _names(fields, key):
    value = fields.get(key, [])
    if type(value) is not list:
        raise DecodeError(key, "a list of ids", shown(value))
    for item in value:
        if not is_id(item):
            raise DecodeError(key, "a list of ids", shown(item))
    return tuple(value)


def _pattern(fields):
    value = name(fields, "pattern")
    return value if value in PATTERNS else "fire"


def _object(*pairs):
    fields = ['"%s":%s' % (key, _json(value)) for key, value in pairs if value is not None]
    fields[0] = "{" + fields[0]
    fields[-1] += "}"
    return ",".join(fields).encode()  # one copy of the whole: a long birth is hard to find room for on a board


def _json(value):
    if isinstance(value, float):
        return "%.3f" % value
    if isinstance(value, dict):
        return "{" + ",".join(["%s:%s" % (json.dumps(key), _json(value[key])) for key in sorted(value)]) + "}"
    return json.dumps(value)
