# The device's half of the contract tests, run by the real MicroPython: one JSON request a line in, one JSON answer a line out.
# {"decode": name, "payload": hex} -> {"fields": [...]} | {"refused": text} | {"raised": text}
# {"encode": name, "fields": {...}} -> {"payload": hex}

import json
import sys
from binascii import hexlify, unhexlify

from protocol import updates, wire


def read(chunk):
    """A chunk with the bytes that its text stands for."""
    ident, bundle, offset, text, error = chunk
    return ident, bundle, offset, None if text is None else b"".join(list(updates.pieces(text))), error


DECODE = {
    "hello": wire.decode_hello,
    "receipt": wire.decode_receipt,
    "tick": wire.decode_tick,
    "order": wire.decode_order,
    "call": wire.decode_call,
    "ring": wire.decode_ring,
    "chunk": lambda payload: read(updates.decode_chunk(payload)),
    "update": lambda payload: updates.decode_update(wire.decode_order(payload).config),
}
ENCODE = {
    "birth": wire.encode_birth,
    "will": wire.encode_will,
    "event": wire.encode_event,
    "report": wire.encode_report,
    "answer": wire.encode_answer,
    "call": wire.encode_call,
    "fetch": updates.encode_fetch,
}


def plain(value):
    """As JSON has it: tuples as lists, keys as text, and in words the numbers that JSON does not know. A ring's covers in order."""
    if isinstance(value, wire.Ring):
        fields = list(value)
        fields[7] = sorted("".join(value.covers).split("\n"))
        value = fields
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return hexlify(value).decode()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return str(value) if isinstance(value, float) and value - value != 0 else value


def answer(request):
    if "encode" in request:
        return {"payload": hexlify(ENCODE[request["encode"]](**request["fields"])).decode()}
    try:
        return {"fields": plain(DECODE[request["decode"]](unhexlify(request["payload"])))}
    except wire.DecodeError as exc:
        return {"refused": str(exc)}
    except Exception as exc:
        return {"raised": repr(exc)}


while True:
    line = sys.stdin.readline()
    if not line:
        break
    print(json.dumps(answer(json.loads(line))))
