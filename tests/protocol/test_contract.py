"""The contract between board and engine. The board's half (wire.py) runs in the real MicroPython, the engine's (messages.py) here."""

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from protocol import messages as m
from protocol import updates, wire
from protocol.fields import Message
from protocol.topics import LIMITS
from protocol.wire import DecodeError

ROOT = Path(__file__).parents[2]
Device = Callable[..., dict[str, Any]]

# The examples of the protocol's page, byte for byte: written by hand, not by our own encoders.
FROM_BOARD = {
    "birth": b'{"v":1,"online":true,"life":"9c41f2aa","boot":17,"kind":"household","fw":"1.0.0","group":"TLG-03","reset":"power","active":{"smoke-1":"9c41f2aa-16-9"}}',
    "birth, after a crash": b'{"v":1,"online":true,"life":"9c41f2aa","boot":18,"kind":"household","fw":"1.0.0","group":"TLG-03","reset":"watchdog","active":{},"crash":"agent/points.py sense; KeyError: x","safe":true}',
    "birth, config": b'{"v":1,"online":true,"life":"9c41f2aa","boot":17,"kind":"household","fw":"1.0.0","group":"TLG-03","config":"5fa3c1d0","reset":"power","active":{}}',
    "birth, update": b'{"v":1,"online":true,"life":"9c41f2aa","boot":18,"kind":"household","fw":"0.2.0","group":"TLG-03","reset":"software","active":{},"app":"3f1c9a0e5b7d2846","update":{"bundle":"3f1c9a0e5b7d2846","state":"rolled_back","error":"no receipt within 600 s"}}',
    "fetch": b'{"v":1,"id":"f-12","bundle":"3f1c9a0e5b7d2846","offset":34816,"size":2048}',
    "will": b'{"v":1,"online":false,"life":"9c41f2aa","boot":17}',
    "event": b'{"v":1,"id":"9c41f2aa-17-42","t":1763791234567,"age":35,"point":"button-1","type":"button","state":"active","now":"active","calling":true}',
    "event, presence": b'{"v":1,"id":"9c41f2aa-17-43","age":12,"point":"extinguisher-2","type":"presence","state":"active","now":"active"}',
    "event, bell": b'{"v":1,"id":"9c41f2aa-17-44","age":3,"point":"bell","type":"bell","state":"active","now":"active","for":"9c41f2aa-17-42","k":1,"proof":"measured"}',
    "report": b'{"v":1,"up":86400,"heap":61200,"rssi":-67,"mains":true,"battery":86,"waiting":0,"dropped":0,"refused":0,"values":{"tank":71.5,"lamp":0.42}}',
    "answer": b'{"v":1,"id":"o-9f3c","ok":false,"error":"loop open on bell"}',
}
RING = b'{"v":1,"engine":"5be07711-204","rev":31,"incident":"2026-000123","pattern":"fire","n":2,"place":"H03-07","for_s":60,"covers":{"H03-07":"9c41f2aa-17-42"},"mute":[]}'
TO_BOARD = {
    "tick": b'{"v":1,"engine":"5be07711-204","t":1763791234610}',
    "hello": b'{"v":1,"engine":"5be07711-204","t":1763791234610,"for":"9c41f2aa-17","group":"TLG-03","ring":null}',
    "receipt": b'{"v":1,"engine":"5be07711-204","id":"9c41f2aa-17-42"}',
    "order": b'{"v":1,"id":"o-9f3c","do":"test","what":"bell","seconds":2,"valid_s":30}',
    "order, set": b'{"v":1,"id":"o-9f3d","do":"set","what":"config","valid_s":30,"config":{"verify_s":45,"points":{"button-2":null}}}',
    "order, update": b'{"v":1,"id":"o-9f3e","do":"update","seconds":0,"valid_s":30,"bundle":"3f1c9a0e5b7d2846","size":131072,"version":"0.2.0","downgrade":false}',
    "chunk": b'{"v":1,"id":"f-12","bundle":"3f1c9a0e5b7d2846","offset":34816,"data":"TQYfAQ=="}',
    "chunk, spaced": b'{"data": "TQYfAQ==", "v": 1, "id": "f-12", "bundle": "3f1c9a0e5b7d2846", "offset": 34816}',
    "chunk, error": b'{"v":1,"id":"f-12","bundle":"3f1c9a0e5b7d2846","error":"no such bundle"}',
    "call": b'{"v":1,"id":"9c41f2aa-17-42","k":1,"type":"button","pattern":"fire"}',
    "ring": RING,
    "hello, ringing": b'{"v":1,"engine":"5be07711-204","t":1,"for":"9c41f2aa-17","group":null,"ring":' + RING + b"}",
}
DESK = {
    "gateway": b'{"v":1,"online":true,"engine":"5be07711-204","version":"0.1.0","faults":["disk: full"],'
    b'"lasting":[{"v":1,"key":"disk","kind":"disk","name":"","words":"full","since_ms":1763791234610,"boards":[],'
    b'"boards_left_out":0}],"left_out":0}',
    "desk_alive": b'{"v":1,"pages":2,"audible":1}',
    "desk_command": b'{"v":1,"id":"c-77","t":1763791234610,"do":"acknowledge","incident":"2026-000123","version":7}',
}

ENGINE_READS: dict[str, Callable[[bytes], object]] = {
    "birth": m.decode_state,
    "will": m.decode_state,
    "event": m.decode_event,
    **{name: lambda payload, model=model: m.decode(model, payload) for name, model in m.MODELS.items() if name != "event"},  # type: ignore[misc]
}

# What a broken or hostile peer may put in the place of any value, and between any two bytes.
NASTY = [
    *(b"1e400", b"-1e400", b"NaN", b"null", b"true", b"-1", b"0", b"1.5", b'""', b"[]", b"{}", b"[[[[[[[[", b"}", b'"', b",", b":"),
    *(
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b"\xed\xa0\x80",
        b"\xff",
        b"\xc3",
        b"\x00",
        b"99999999999999999999999999",
        b'{"a":' * 200,
        b"[" * 900,
    ),
    *(b'"\\u0000"', b"\xf4\x90\x80\x80", b"\xc0\x80", b"{[]:1}", b"{1:2}"),
]


@pytest.fixture(scope="module")
def device(micropython: str) -> Iterator[Device]:
    """Ask the device's half: device(decode=name, payload=bytes) or device(encode=name, fields={...})."""
    environment = {**os.environ, "MICROPYPATH": f"{ROOT}:.frozen"}
    command = [micropython, "-X", "heapsize=160k", str(Path(__file__).parent / "device_half.py")]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        pipes = process.stdin, process.stdout

        def ask(**request: Any) -> dict[str, Any]:
            if isinstance(request.get("payload"), bytes):
                request["payload"] = request["payload"].hex()
            pipes[0].write(json.dumps(request, ensure_ascii=False) + "\n")
            pipes[0].flush()
            line = pipes[1].readline()
            assert line, "the device's half died"
            return json.loads(line)  # type: ignore[no-any-return]

        yield ask
        process.stdin.close()


def name_of(example_name: str) -> str:
    return example_name.partition(",")[0]


@pytest.mark.parametrize("name", FROM_BOARD)
def test_engine_reads_the_documented_message(name: str) -> None:
    message = ENGINE_READS[name_of(name)](FROM_BOARD[name])
    assert isinstance(message, Message)
    assert json.loads(message.payload()).items() >= json.loads(FROM_BOARD[name]).items()


@pytest.mark.parametrize("name", DESK)
def test_engine_and_desk_read_the_documented_message(name: str) -> None:
    message = ENGINE_READS[name](DESK[name])
    assert isinstance(message, Message)
    assert json.loads(message.payload()) == json.loads(DESK[name])


@pytest.mark.parametrize("name", TO_BOARD)
def test_device_reads_the_documented_message(name: str, device: Device) -> None:
    payload = TO_BOARD[name]
    sent = ENGINE_READS[name_of(name)](payload)
    assert device(decode=name_of(name), payload=payload) == {"fields": as_device(sent)}


@pytest.mark.parametrize("name", TO_BOARD)
def test_device_refuses_every_strict_prefix(name: str, device: Device) -> None:
    payload = TO_BOARD[name]
    answers = [device(decode=name_of(name), payload=payload[:length]) for length in range(len(payload))]
    assert [answer for answer in answers if "refused" not in answer] == []


@pytest.mark.parametrize("name", [*FROM_BOARD, *TO_BOARD, *DESK])
def test_engine_refuses_every_strict_prefix(name: str) -> None:
    payload = {**FROM_BOARD, **TO_BOARD, **DESK}[name]
    for length in range(len(payload)):
        with pytest.raises(DecodeError):
            ENGINE_READS[name_of(name)](payload[:length])


@pytest.mark.parametrize("name", ["hello", "receipt", "tick", "order", "chunk", "call", "ring"])
def test_both_refuse_what_is_longer_than_its_topic_allows(name: str, device: Device) -> None:
    longest = TO_BOARD[name][:-1] + b" " * (LIMITS[name] - len(TO_BOARD[name])) + b"}"
    assert "fields" in device(decode=name, payload=longest)
    assert ENGINE_READS[name](longest)
    too_long = longest[:-1] + b" }"
    assert "at most" in device(decode=name, payload=too_long)["refused"]
    with pytest.raises(DecodeError, match="at most"):
        ENGINE_READS[name](too_long)


ids = st.text("ABCXYZabcxyz0189_-", min_size=1, max_size=32)
counts = st.integers(0, wire.COUNT_MAX)
times = st.integers(0, wire.TIME_MAX)
seconds = st.integers(0, wire.FOR_MAX_S)
lives = st.text("0123456789abcdef", min_size=8, max_size=8)
bundles = st.text("0123456789abcdef", min_size=16, max_size=16)
versions = st.lists(st.integers(0, 9999), min_size=1, max_size=4).map(lambda numbers: ".".join(map(str, numbers)))
starts = st.builds("{}-{}".format, lives, counts)
event_ids = st.builds("{}-{}-{}".format, lives, counts, st.integers(1, wire.COUNT_MAX))
texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=wire.TEXT_MAX).filter(
    lambda text: len(text.encode()) < 400
)
patterns = st.sampled_from(wire.PATTERNS)
states = st.sampled_from(["active", "clear", "open", "short", "stuck", "silent"])
changes = st.recursive(
    st.none() | st.booleans() | counts | texts, lambda of: st.lists(of, max_size=3) | st.dictionaries(ids, of, max_size=3)
)
rings = st.builds(
    m.Ring,
    engine=starts, rev=counts, incident=st.none() | ids, pattern=st.none() | patterns, n=counts, place=st.none() | ids, for_s=seconds,
    covers=st.dictionaries(ids, event_ids, max_size=15), mute=st.lists(ids, max_size=3),
    heard=st.booleans(), acknowledged=st.booleans(),
)  # fmt: skip
ENGINE_WRITES = {
    "hello": st.builds(m.Hello, engine=starts, t=times, birth=starts, group=st.none() | ids, ring=st.none() | rings),
    "receipt": st.builds(m.Receipt, engine=starts, id=event_ids),
    "tick": st.builds(m.Tick, engine=starts, t=times),
    "order": st.builds(
        m.Order, id=ids, do=st.sampled_from(["test", "silence", "restart"]), what=st.none() | ids, seconds=seconds, valid_s=seconds
    )
    | st.builds(m.Order, id=ids, do=st.just("set"), what=st.just("config"), valid_s=seconds, config=st.dictionaries(ids, changes)),
    "order, update": st.builds(
        m.Order, id=ids, do=st.just("update"), valid_s=seconds, bundle=bundles, size=st.integers(1, updates.SIZE_MAX), version=versions,
        downgrade=st.none() | st.booleans(),
    ),
    "chunk": st.builds(m.Chunk, id=ids, bundle=bundles, offset=counts, data=st.binary(min_size=1, max_size=updates.FETCH_MAX).map(
        lambda data: base64.b64encode(data).decode()
    )) | st.builds(m.Chunk, id=ids, bundle=bundles, error=texts),
    "call": st.builds(m.Call, id=event_ids, k=st.integers(1, wire.COUNT_MAX), type=ids, pattern=patterns),
    "ring": rings,
}  # fmt: skip
optional = {"t": times, "age": times, "calling": st.booleans(), "cause": ids, "k": st.integers(1, 12), "n": counts}
DEVICE_WRITES = {
    "birth": st.fixed_dictionaries(
        {"life": lives, "boot": counts, "kind": ids, "fw": texts, "group": st.none() | ids, "reset": texts, "active": st.dictionaries(ids, event_ids, max_size=8)},
        optional={"faults": st.lists(texts, max_size=3), "crash": texts, "safe": st.just(True), "config": lives, "app": bundles,
                  "update": st.fixed_dictionaries({"bundle": bundles, "state": st.sampled_from(["fetching", "kept"]), "error": st.none() | texts})},
    ),
    "fetch": st.fixed_dictionaries({"id": ids, "bundle": bundles, "offset": counts, "size": st.integers(1, updates.FETCH_MAX)}),
    "will": st.fixed_dictionaries({"life": lives, "boot": counts}),
    "event": st.fixed_dictionaries(
        {"id": event_ids, "point": ids, "type": st.sampled_from(["button", "smoke", "bell", "news"]), "state": states, "now": states},
        optional={**optional, "proof": st.sampled_from(["measured", "commanded"]), "by": st.sampled_from(["ring", "key", "time", "fault"])},
    ),
    "report": st.fixed_dictionaries(
        {"up": counts, "heap": counts, "waiting": counts, "dropped": counts, "refused": counts},
        optional={"rssi": st.integers(-120, 0), "mains": st.booleans(), "battery": st.integers(0, 100), "values": st.dictionaries(ids, st.integers(-9999, 9999).map(lambda n: n / 8), max_size=8)},
    ),
    "answer": st.fixed_dictionaries({"id": ids, "ok": st.booleans()}, optional={"error": texts, "proof": st.sampled_from(["measured", "commanded"])}),
    "call": st.fixed_dictionaries({"id": event_ids, "k": st.integers(1, 99), "type": ids, "pattern": patterns}),
}  # fmt: skip
READ_BACK = {"birth": m.decode_state, "will": m.decode_state}
talk = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def as_device(message: object) -> list[Any]:
    """A message's fields as the device's named tuple has them, in JSON."""
    if isinstance(message, m.Hello):
        ring = as_device(message.ring) if message.ring else None
        return [message.engine, message.t, message.birth, message.group, ring]
    if isinstance(message, m.Chunk):
        data = message.data and base64.b64decode(message.data).hex()
        return [message.id, message.bundle, message.offset, data, message.error]
    assert isinstance(message, Message)
    if isinstance(message, m.Order) and message.do == "update":
        return [message.id, "update", message.what, message.seconds, message.valid_s, json.loads(message.payload())]
    fields = {"Ring": wire.Ring, "Receipt": wire.Receipt, "Tick": wire.Tick, "Order": wire.Order, "Call": wire.Call}[
        type(message).__name__
    ]._fields
    values = {field: getattr(message, field) for field in fields}
    if isinstance(message, m.Ring):
        values["covers"] = sorted("".join(wire.covers_of(dict(message.covers))).split("\n"))
    return list(values.values())


@pytest.mark.parametrize("name", ENGINE_WRITES)
def test_device_reads_whatever_the_engine_writes(name: str, device: Device) -> None:
    @talk
    @given(ENGINE_WRITES[name])
    def check(message: Message) -> None:
        payload = message.payload()
        assert ENGINE_READS[name_of(name)](payload) == message
        if len(payload) <= LIMITS[name_of(name)]:
            assert device(decode=name_of(name), payload=payload) == {"fields": as_device(message)}

    check()


@pytest.mark.parametrize("name", DEVICE_WRITES)
def test_engine_reads_whatever_the_device_writes(name: str, device: Device) -> None:
    @talk
    @given(DEVICE_WRITES[name])
    def check(fields: dict[str, Any]) -> None:
        payload = bytes.fromhex(device(encode=name, fields=fields)["payload"])
        message = ENGINE_READS[name](payload)
        assert isinstance(message, Message)
        read = message.model_dump()
        assert {key: read[key] for key in fields} == fields

    check()


def test_device_words_that_cannot_be_sent_are_made_fit(device: Device) -> None:
    traceback = "Traceback:\n  line 3\x00" + "x" * 500
    payload = bytes.fromhex(device(encode="answer", fields={"id": "o-1", "ok": False, "error": traceback})["payload"])
    error = m.decode(m.Answer, payload).error
    assert error is not None
    assert error.startswith("Traceback:?  line 3?xxx")
    assert len(error) == wire.TEXT_MAX
    empty = bytes.fromhex(device(encode="answer", fields={"id": "o-1", "ok": False, "error": ""})["payload"])
    assert m.decode(m.Answer, empty).error == "?"


def mutated(payload: bytes) -> st.SearchStrategy[bytes]:
    """The payload with up to four cuts, each replaced by something nasty or by random bytes."""
    piece = st.sampled_from(NASTY) | st.binary(max_size=6)
    cut = st.tuples(st.integers(0, len(payload)), st.integers(0, 12), piece)

    def apply(cuts: list[tuple[int, int, bytes]]) -> bytes:
        found = payload
        for at, length, new in cuts:
            found = found[:at] + new + found[at + length :]
        return found

    return st.lists(cut, min_size=1, max_size=4).map(apply)


def only_decode_error(read: Callable[[bytes], object], payload: bytes) -> None:
    try:
        read(payload)
    except DecodeError as exc:
        assert str(exc).encode(), "an error that can be logged"


@pytest.mark.parametrize("name", [*FROM_BOARD, *TO_BOARD, *DESK])
def test_mutations_raise_nothing_but_decode_error_in_the_engine(name: str) -> None:
    @settings(max_examples=300, deadline=None)
    @given(mutated({**FROM_BOARD, **TO_BOARD, **DESK}[name]))
    @example(b'{"v":1e400}')
    @example(b'{"a":' * 500)
    @example(b'{"v":1,"id":"\\ud800"}')
    @example(b"\xff\xfe")
    def check(payload: bytes) -> None:
        only_decode_error(ENGINE_READS[name_of(name)], payload)

    check()


@pytest.mark.parametrize("name", TO_BOARD)
def test_mutations_raise_nothing_but_decode_error_on_the_device(name: str, device: Device) -> None:
    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(mutated(TO_BOARD[name]))
    @example(b'{"v":1e400}')
    @example(b'{"a":' * 500)
    @example(b'{"v":1,"id":"\\ud800"}')
    @example(b"\xff\xfe")
    def check(payload: bytes) -> None:
        answer = device(decode=name_of(name), payload=payload)
        assert "raised" not in answer, answer
        # The same module on CPython holds the same promise: light boards run it there.
        only_decode_error({"hello": wire.decode_hello, "ring": wire.decode_ring, "call": wire.decode_call, "order": wire.decode_order,
                           "tick": wire.decode_tick, "receipt": wire.decode_receipt, "chunk": updates.decode_chunk}[name_of(name)], payload)  # fmt: skip

    check()


def test_call_of_an_unknown_version_or_pattern_sounds_as_fire(device: Device) -> None:
    assert device(decode="call", payload=b'{"v":2,"id":"9c41f2aa-17-42"}')["fields"][3] == "fire"
    assert device(decode="call", payload=b'{"v":1,"id":"9c41f2aa-17-42","k":1,"type":"button","pattern":"flood"}')["fields"][3] == "fire"


def test_ring_of_an_unknown_version_sounds_as_fire_unless_it_is_quiet(device: Device) -> None:
    assert device(decode="ring", payload=b'{"v":2,"pattern":"flood"}')["fields"][3] == "fire"
    assert device(decode="ring", payload=b'{"v":2}')["fields"][3] == "fire"
    assert device(decode="ring", payload=b'{"v":2,"pattern":null}')["fields"][3] is None


def test_event_with_a_readable_id_is_kept_whatever_else_is_wrong() -> None:
    odd = m.decode_event(b'{"v":9,"id":"9c41f2aa-17-42","type":[1]}')
    assert isinstance(odd, m.OddEvent)
    assert odd.id == "9c41f2aa-17-42"
    assert odd.raw == b'{"v":9,"id":"9c41f2aa-17-42","type":[1]}'


def test_device_reads_what_an_update_order_asks_for(device: Device) -> None:
    order = TO_BOARD["order, update"]
    assert device(decode="update", payload=order) == {"fields": ["3f1c9a0e5b7d2846", 131072, "0.2.0", False]}
    assert device(decode="update", payload=order.replace(b"false", b"true"))["fields"][3] is True


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"bundle":"3f1c9a0e5b7d2846",', b""),
        (b"3f1c9a0e5b7d2846", b"3f1c9a0e5b7d284"),
        (b"3f1c9a0e5b7d2846", b"../c9a0e5b7d2846"),
        (b'"size":131072,', b""),
        (b"131072", b"1000001"),
        (b"131072", b"0"),
        (b'"version":"0.2.0",', b""),
        (b'"0.2.0"', b'"newest"'),
        (b'"0.2.0"', b"[]"),
    ],
)
def test_both_refuse_an_update_order_with_a_mistake(device: Device, old: bytes, new: bytes) -> None:
    wrong = TO_BOARD["order, update"].replace(old, new)
    assert wrong != TO_BOARD["order, update"]
    assert "refused" in device(decode="update", payload=wrong)
    with pytest.raises(DecodeError):
        m.decode(m.Order, wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        b'{"v":1,"id":"f-1","bundle":"3f1c9a0e5b7d2846","offset":0}',
        b'{"v":1,"id":"f-1","bundle":"3f1c9a0e5b7d2846","offset":0,"data":""}',
        b'{"v":1,"id":"f-1","bundle":"3f1c9a0e5b7d2846","data":"TQYfAQ=="}',
        b'{"v":1,"id":"f-1","bundle":"3f1c","offset":0,"data":"TQYfAQ=="}',
        b'{"v":1,"id":"f-1","bundle":"3f1c9a0e5b7d2846","offset":-1,"data":"TQYfAQ=="}',
        b'{"v":1,"id":"f-1","bundle":"3f1c9a0e5b7d2846","offset":0,"data":7}',
        b'{"v":1,"id":"f-1","bundle":"3f1c9a0e5b7d2846","offset":0,"data":"%s"}' % (b"AAAA" * 961),
    ],
)
def test_device_refuses_a_chunk_with_a_mistake(device: Device, wrong: bytes) -> None:
    assert "refused" in device(decode="chunk", payload=wrong)


def test_the_longest_piece_fits_its_topic() -> None:
    longest = m.Chunk(id="f" * 32, bundle="3f1c9a0e5b7d2846", offset=wire.COUNT_MAX, data="A" * (updates.FETCH_MAX // 3 * 4))
    assert len(longest.payload()) <= LIMITS["chunk"]
    assert longest.payload().endswith(b'A"}')


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("0.10.1", (0, 10, 1)), ("0.9", (0, 9)), ("1.2rc1.5", (1, 2)), ("x1", ()), ("", ()), ("1..2", (1,))],
)
def test_versions_are_compared_by_their_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert updates.parse_version(text) == numbers
    assert updates.is_version(text) == bool(numbers)


def test_self_test_can_never_be_a_button() -> None:
    event = b'{"v":1,"id":"9c41f2aa-17-42","point":"%s","type":"%s","state":"active","now":"active"}'
    assert isinstance(m.decode_event(event % (b"self-test", b"test")), m.Event)
    assert isinstance(m.decode_event(event % (b"self-test", b"button")), m.OddEvent)
    assert isinstance(m.decode_event(event % (b"button-1", b"test")), m.OddEvent)
