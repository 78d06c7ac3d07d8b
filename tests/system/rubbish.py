"""Random payloads, bad ones for the most part, and what each reader makes of them."""

import json
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

from protocol import messages, topics
from protocol.boards import decode_command
from protocol.desk import Command
from protocol.messages import Answer, Fetch, Gateway, Report, Tick, decode, decode_event, decode_state
from protocol.wire import DecodeError

ROOT = Path(__file__).parents[2]
LIFE = "9c41f2aa"
EXAMPLES: dict[str, dict[str, Any]] = {
    "state": {"v": 1, "online": True, "life": LIFE, "boot": 17, "kind": "fire_point", "fw": "1.0.0", "group": "DCC-N1", "reset": "power"},
    "event": {"v": 1, "id": f"{LIFE}-17-42", "age": 35, "point": "door", "type": "door", "state": "active", "now": "active"},
    "report": {"v": 1, "up": 86400, "heap": 61200, "rssi": -67, "waiting": 0, "dropped": 0, "refused": 0, "values": {"tank": 71.5}},
    "answer": {"v": 1, "id": "o-9f3c", "ok": False, "error": "loop open on bell"},
    "fetch": {"v": 1, "id": "f-1", "bundle": "0123456789abcdef", "offset": 2048, "size": 2048},
    "call": {"v": 1, "id": f"{LIFE}-17-42", "k": 1, "type": "button", "pattern": "fire"},
    "hello": {"v": 1, "engine": "5be07711-204", "t": 1763791234610, "for": f"{LIFE}-17", "group": "TLG-01", "ring": None},
    "receipt": {"v": 1, "engine": "5be07711-204", "id": f"{LIFE}-17-42"},
    "order": {"v": 1, "id": "o-9f3c", "do": "test", "what": "bell", "seconds": 2, "valid_s": 30},
    "chunk": {"v": 1, "id": "f-1", "bundle": "0123456789abcdef", "offset": 2048, "data": "AAAA"},
    "ring": {
        **{"v": 1, "engine": "5be07711-204", "rev": 31, "incident": "2026-000123", "pattern": "fire", "n": 2, "place": "H1", "for_s": 60},
        **{"covers": {"H1": f"{LIFE}-17-42"}, "mute": []},
    },
    "tick": {"v": 1, "engine": "5be07711-204", "t": 1763791234610},
    "gateway": {"v": 1, "online": True, "engine": "5be07711-204", "version": "0.1.0"},
    "incident": {"v": 1, "engine": "5be07711-204", "id": "2026-000123", "version": 1, "revision": 1, "kind": "fire"},
    "desk_command": {"v": 1, "id": "c-77", "t": 1763791234610, "do": "acknowledge", "incident": "2026-000123", "version": 7},
    "desk_answer": {"v": 1, "id": "c-77", "ok": True, "incident": "2026-000123", "version": 8},
    "bench_command": {"v": 1, "id": "b-77", "t": 1763791234610, "do": "revoke", "device": "H99-99"},
}
ODD_VALUES = (
    *("1e400", "-1", "null", "true", "{}", "[]", '""', '"\\ud800"', '"\\u0000"', "99999999999999999999", "1.5", '"x"', "NaN"),
    *('"' + "x" * 300 + '"', "[" * 300 + "]" * 300, '{"a":' * 50 + "1" + "}" * 50),
)
# What the engine reads.
ENGINE: dict[str, Callable[[bytes], object]] = {
    "state": decode_state,
    "event": decode_event,
    "report": lambda payload: decode(Report, payload),
    "answer": lambda payload: decode(Answer, payload),
    "fetch": lambda payload: decode(Fetch, payload),
    "desk_command": lambda payload: decode(Command, payload),
    "bench_command": decode_command,
    "tick": lambda payload: decode(Tick, payload),
    "gateway": lambda payload: decode(Gateway, payload),
}
# What boards read; a chunk's content only while an update is under way.
BOARD = ("hello", "receipt", "order", "ring", "call", "tick")
# Nobody lies in the engine's name: of what it alone says, only what nobody can read is sent.
ENGINE_SAYS = ("hello", "receipt", "order", "chunk", "ring", "tick", "gateway", "incident", "desk_answer")


class Piece(NamedTuple):
    """A payload for topics of a kind (protocol.topics.LIMITS): is it unreadable for the engine, and for a board?"""

    kind: str
    payload: bytes
    engine: bool
    board: bool


def pieces(seed: int, count: int, micropython: str) -> list[Piece]:
    """The first `count` random pieces that may be sent. What a board reads is asked of its own decoder on its own interpreter."""
    chance = random.Random(seed)
    found: list[Piece] = []
    with DeviceHalf(micropython) as device:
        for kind, payload in _candidates(chance):
            engine = kind in ENGINE and not _is_read(ENGINE[kind], payload)
            board = device.refuses(kind, payload) if kind in BOARD else kind == "chunk" and len(payload) > topics.LIMITS[kind]
            piece = Piece(kind, payload, engine, board)
            is_read = (kind in ENGINE and not engine) or (kind in BOARD and not board)
            if kind not in ENGINE_SAYS or not (is_read or _is_message(kind, payload)):
                found.append(piece)
            if len(found) == count:
                return found
    raise AssertionError("candidates never end")


class DeviceHalf:
    """The device's decoders: tests/protocol/device_half.py on MicroPython."""

    def __init__(self, micropython: str) -> None:
        command = [micropython, "-X", "heapsize=2m", str(ROOT / "tests/protocol/device_half.py")]
        self._process = subprocess.Popen(
            command, env={"MICROPYPATH": f"{ROOT}:.frozen"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def refuses(self, kind: str, payload: bytes) -> bool:
        """Whether a board counts this payload as refused."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"decode": kind, "payload": payload.hex()}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "raised" not in answer, answer
        return "refused" in answer


def _is_read(read: Callable[[bytes], object], payload: bytes) -> bool:
    try:
        read(payload)
    except DecodeError:
        return False
    return True


def _is_message(kind: str, payload: bytes) -> bool:
    return _is_read(lambda text: decode(messages.MODELS[kind], text), payload)


def _candidates(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    makers = (_noise, _cut, _mutated, _odd, _too_long)
    while True:
        kind = chance.choice(list(EXAMPLES))
        maker = chance.choices(makers, (3, 2, 3, 4, 0.3))[0]
        yield kind, maker(chance, kind)


def _noise(chance: random.Random, kind: str) -> bytes:
    return chance.randbytes(int(chance.expovariate(1 / 60)))


def _cut(chance: random.Random, kind: str) -> bytes:
    whole = _example(kind)
    return whole[: chance.randrange(len(whole))]


def _mutated(chance: random.Random, kind: str) -> bytes:
    data = bytearray(_example(kind))
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data))
        data[place : place + chance.randint(0, 2)] = chance.randbytes(chance.randint(0, 2))
    return bytes(data)


def _odd(chance: random.Random, kind: str) -> bytes:
    """A field is missing, or its value is another."""
    fields = {key: json.dumps(value) for key, value in EXAMPLES[kind].items()}
    key = chance.choice(list(fields))
    if chance.random() < 0.2:
        del fields[key]
    else:
        fields[key] = chance.choice(ODD_VALUES)
    return ("{" + ",".join(f'"{key}":{value}' for key, value in fields.items()) + "}").encode()


def _too_long(chance: random.Random, kind: str) -> bytes:
    limit = min(topics.LIMITS[kind], topics.MIDDLE)
    if kind == "chunk":
        limit += 256  # a chunk that a board's buffer holds is looked at by nobody but an update
    return _example(kind) + b" " * chance.randint(limit, limit + 2000)


def _example(kind: str) -> bytes:
    return json.dumps(EXAMPLES[kind], separators=(",", ":")).encode()
