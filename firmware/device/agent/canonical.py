"""JSON with sorted keys and without blanks, given piece by piece: in one piece it would want much of the heap."""

import json


def write(value, take):
    """Give a value to take(bytes). It holds what JSON can, its texts no control characters, its objects no keys but texts."""
    kind = type(value)
    if kind is dict:
        before = b"{"
        for key in sorted(value):
            take(before)
            write(key, take)
            take(b":")
            write(value[key], take)
            before = b","
        take(b"}" if value else b"{}")
    elif kind is list:
        before = b"["
        for item in value:
            take(before)
            write(item, take)
            before = b","
        take(b"]" if value else b"[]")
    elif kind is str:
        take(('"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')).encode())
    else:
        take(json.dumps(value).encode())


def length(value):
    """How many bytes write() gives."""
    count = [0]

    def take(piece):
        count[0] += len(piece)

    write(value, take)
    return count[0]
