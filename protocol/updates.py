"""The board's half of updates over the air: the order, what it fetches, what comes. Runs unchanged on CPython and MicroPython.

Apart from wire.py, since a board loads it only while an update is under way.
"""

from binascii import a2b_base64

from protocol.topics import CHUNK_MAX
from protocol.wire import COUNT_MAX, TEXT_MAX, DecodeError, load, name, shown, whole

SIZE_MAX = 1_000_000  # bytes of a whole bundle
FETCH_MAX = 2_880  # bytes of one piece: as base64, with all around it, a chunk stays below its 4,096
HEAD = 512  # bytes in which all of a chunk stands but its data
PIECE = 512  # letters of base64
PADDING = ord("=")
BUNDLE_LENGTH = 16
VERSION_MAX = 32


def is_bundle(text) -> bool:
    """True for 16 lower-case hex digits: which bundle it is, the first of the SHA-256 of its header."""
    if type(text) is not str or len(text) != BUNDLE_LENGTH:
        return False
    for letter in text:
        if letter not in "0123456789abcdef":
            return False
    return True


def is_version(text) -> bool:
    """True for what parse_version can compare."""
    return type(text) is str and len(text) <= VERSION_MAX and len(parse_version(text)) > 0


def parse_version(text):
    """The numbers of a version, to be compared: (0, 10, 1) of 0.10.1. What follows them (0.10.1-rc1) does not count."""
    numbers = []
    for word in text.split("."):
        digits = ""
        for letter in word:
            if letter not in "0123456789":
                break
            digits += letter
        if digits:
            numbers.append(int(digits))
        if not digits or digits != word:
            break
    return tuple(numbers)


def decode_update(fields):
    """(bundle, size, version, downgrade) that the order `update` asks for. `fields`: those of the order. Raises DecodeError."""
    version = fields.get("version")
    if not is_version(version):
        raise DecodeError("version", "numbers with dots", shown(version))
    return _bundle(fields), whole(fields, "size", 1, SIZE_MAX), version, fields.get("downgrade") is True


def encode_fetch(*, id, bundle, offset, size) -> bytes:
    """Send me `size` bytes of the bundle from `offset` on."""
    return ('{"v":1,"id":"%s","bundle":"%s","offset":%d,"size":%d}' % (id, bundle, offset, size)).encode()


def decode_chunk(payload):
    """(id, bundle, offset, text, error): a piece, `text` as pieces() takes it; or why there is none, and then offset and text are None.

    Raises DecodeError. `payload` may be a view of the link's buffer. Where `data` stands last and without blanks around it, as the engine
    writes it, `text` is a view of it there: a copy would take 4 kB of a board's heap.
    """
    if len(payload) > CHUNK_MAX:
        raise DecodeError("payload", "at most %d bytes" % CHUNK_MAX, len(payload))
    head = bytes(payload[:HEAD])
    end = head.find(b',"data":"')
    if end > 0 and bytes(payload[-2:]) == b'"}':
        fields = load(head[:end] + b"}", HEAD)
        fields["data"] = memoryview(payload)[end + 9 : -2]
    else:
        fields = load(payload, CHUNK_MAX)
    ident, bundle, error = name(fields, "id"), _bundle(fields), fields.get("error")
    if error is not None:
        return ident, bundle, None, None, error[:TEXT_MAX] if type(error) is str else "unknown"
    text = fields.get("data")
    if type(text) is str:
        text = text.encode()
    elif type(text) is not memoryview:
        raise DecodeError("data", "base64", shown(text))
    if not 1 <= size_of(text) <= FETCH_MAX:
        raise DecodeError("data", "1 to %d bytes" % FETCH_MAX, size_of(text))
    return ident, bundle, whole(fields, "offset", 0, COUNT_MAX), text, None


def size_of(text):
    """How many bytes base64 stands for."""
    padding = 0
    while padding < min(2, len(text)) and text[len(text) - 1 - padding] == PADDING:
        padding += 1
    return len(text) // 4 * 3 - padding


def pieces(text):
    """The bytes that base64 stands for, some at a time. Raises DecodeError."""
    for start in range(0, len(text), PIECE):
        try:
            yield a2b_base64(text[start : start + PIECE])
        except ValueError:  # binascii.Error of CPython is one
            raise DecodeError("data", "base64", "something else") from None


def _bundle(fields):
    value = fields.get("bundle")
    if not is_bundle(value):
        raise DecodeError("bundle", "%d hex digits" % BUNDLE_LENGTH, shown(value))
    return value
