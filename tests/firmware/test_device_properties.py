"""What must hold for any input: the device's pure modules under CPython, with hypothesis."""

import contextlib
import inspect
import io
import itertools
import unittest.mock
from collections.abc import Callable

import pytest
from agent import config, fit, mqtt_codec, patterns
from agent.events import ALARM, Event
from agent.mqtt_codec import ProtocolError
from agent.outbox import CAPACITY, IN_FLIGHT, Outbox
from agent.outputs import Output
from agent.points import BLIND_MS, DEBOUNCE_MS, Contact
from drivers import ratiometric
from drivers.battery import Battery
from drivers.light import Daylight
from drivers.loop import ACTIVE_HOLD_MS, ACTIVE_MV, HYSTERESIS_MV, LEAST_PRESS_MS, NORMAL_MV, OPEN_MV, OTHER_HOLD_MS, SHORT_MV, Loop
from drivers.street import StreetLight
from hypothesis import given
from hypothesis import strategies as st
from plain.test_device_link import BYTES, PACKETS, new_reader, read

from protocol.config import Address, BoardConfig, Network, Point

PRESENT = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=200)


@given(PRESENT)
def test_contact_changes_only_after_an_unbroken_level_and_always_then(readings: list[tuple[bool, int]]) -> None:
    contact = Contact()
    now = 0
    run: tuple[bool, int] | None = None  # the level of the unbroken run of readings, and when it began
    for level, gap in readings:
        now += gap
        if run is None or run[0] != level:
            run = (level, now)
        before = contact.active
        changed = contact.sample(level, now)
        assert changed == (contact.active != before)
        assert changed == (level != before and now - run[1] >= DEBOUNCE_MS)


@given(st.lists(st.integers(1, 500), min_size=1), st.integers(1, 2000), st.integers(100, 1000))
def test_no_press_of_100_ms_is_lost_however_the_board_stalls(gaps: list[int], start: int, length: int) -> None:
    contact = Contact()
    now = before = 0
    contact.sample(False, 0)
    for gap in itertools.chain(gaps, itertools.repeat(10)):
        before, now = now, now + gap
        if contact.sample(start <= now < start + length, now, edge=before < start <= now):
            assert contact.active
            return
        assert before < start + length, "lost"


@given(st.lists(st.integers(1, BLIND_MS - 1), min_size=1, max_size=100), st.integers(0, 2000), st.integers(0, 2))
def test_no_spike_of_2_ms_is_a_press_while_the_board_reads(gaps: list[int], start: int, length: int) -> None:
    contact = Contact()
    now = 0
    contact.sample(False, 0)
    for gap in gaps:
        before, now = now, now + gap
        assert not contact.sample(start <= now < start + length, now, edge=before < start <= now)


AROUND = st.one_of(
    st.integers(0, 40), st.integers(mqtt_codec.HOLDS - 20, mqtt_codec.HOLDS + 5), st.integers(4070, 4096), st.integers(4300, 9000)
)


@given(st.lists(AROUND, max_size=8), st.lists(st.one_of(st.integers(1, 9), st.integers(500, 5000)), min_size=1), st.sets(st.integers(0, 7)))
def test_messages_of_any_length_are_read_or_skipped_however_they_are_cut(
    lengths: list[int], sizes: list[int], without_room: set[int]
) -> None:
    rooms = itertools.count()

    def room(count: int) -> bytearray:
        if next(rooms) in without_room:
            raise MemoryError
        return bytearray(count)

    payloads = [bytes([length % 251]) * length for length in lengths]
    data = b"".join(mqtt_codec.publish("t", payload, qos=1, packet_id=place + 1) for place, payload in enumerate(payloads))
    reader = new_reader()
    found = []
    start = 0
    with unittest.mock.patch.object(mqtt_codec, "bytearray", room, create=True):
        for size in itertools.cycle(sizes):
            if start >= len(data):
                break
            found += read(data[start : start + size], reader)
            start += size
    assert [packet.packet_id for packet in found] == list(range(1, len(lengths) + 1))
    asked = itertools.count()
    for packet, payload in zip(found, payloads, strict=True):
        whole = len(payload) + 5 <= mqtt_codec.PACKET_MAX
        if whole and len(payload) + 8 > mqtt_codec.HOLDS:
            whole = next(asked) not in without_room
        assert packet.payload == (payload if whole else None)


@given(st.binary(max_size=300))
def test_pitfall_11_reader_raises_nothing_but_its_own_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        read(data)


@given(st.integers(0, len(BYTES)), st.integers(0, 255), st.lists(st.integers(1, 9), min_size=1))
def test_pitfall_11_mutated_stream_raises_nothing_but_its_own_error(where: int, value: int, sizes: list[int]) -> None:
    data = BYTES[:where] + bytes([value]) + BYTES[where + 1 :]
    reader = new_reader()
    start = 0
    for size in itertools.cycle(sizes):
        if start >= len(data):
            break
        try:
            read(data[start : start + size], reader)
        except ProtocolError:
            break
        start += size


@pytest.mark.parametrize(("driver", "gauge"), [("level", ratiometric.level), ("pressure", ratiometric.pressure)])
def test_what_fit_assumes_is_what_the_driver_takes(driver: str, gauge: Callable[..., object]) -> None:
    taken = {name: parameter.default for name, parameter in inspect.signature(gauge).parameters.items()}
    assert {name: taken[name] for name in fit.DEFAULTS[driver]} == fit.DEFAULTS[driver]


@pytest.mark.parametrize(
    ("driver", "gauge"),
    [("level", ratiometric.level), ("pressure", ratiometric.pressure), ("battery", Battery), ("lamp", StreetLight), ("light", Daylight)],
)
def test_every_parameter_of_a_point_is_one_that_its_driver_takes_within_its_limits(driver: str, gauge: Callable[..., object]) -> None:
    taken = {name: each.default for name, each in inspect.signature(gauge).parameters.items() if each.kind is each.KEYWORD_ONLY}
    assert taken.keys() == fit.LIMITS[driver].keys()
    for name, (least, most) in fit.LIMITS[driver].items():
        assert least <= taken[name] <= most, name


def test_pitfall_11_no_strict_prefix_of_a_packet_is_a_packet() -> None:
    packets = [bytes(packet) for packet in (BYTES[:4], BYTES[4:10], BYTES[10:19], BYTES[19:25], BYTES[25:29], BYTES[29:33], BYTES[33:])]
    assert [read(packet) for packet in packets] == [[packet] for packet in PACKETS]
    for packet in packets:
        for end in range(len(packet)):
            assert read(packet[:end]) == []


@given(st.text(max_size=40), st.binary(max_size=300), st.integers(1, 0xFFFF), st.booleans())
def test_what_is_published_is_read(topic: str, payload: bytes, packet_id: int, retain: bool) -> None:
    packet = mqtt_codec.publish(topic, payload, qos=1, retain=retain, packet_id=packet_id)
    assert read(packet) == [mqtt_codec.Publish(topic, payload, 1, retain, packet_id)]


def test_no_two_sounds_are_alike() -> None:
    """However late one starts to listen: no sound, however shifted, is another one over a minute."""

    def heard(name: str) -> list[bool]:
        output = Output(lambda _: None)
        found = []
        for ms in range(0, 120_000, 20):
            output.play(name, ms)
            found.append(output.on)
        return found

    sounds = {name: heard(name) for name in patterns.SOUNDS}
    for one, other in itertools.permutations(sounds, 2):
        minute = sounds[one][:3000]
        length = sum(patterns.SOUNDS[other]) // 20
        assert not any(sounds[other][shift : shift + 3000] == minute for shift in range(min(length, 3000)))


STEPS = st.lists(st.tuples(st.sampled_from(["button", "door", "clear"]), st.integers(0, 3000), st.booleans()), max_size=150)


@given(STEPS)
def test_pitfall_15_outbox_keeps_its_limits_and_no_alarm_gives_way_to_less(steps: list[tuple[str, int, bool]]) -> None:
    outbox = Outbox()
    now = 0
    sent: dict[str, int] = {}
    alarms: set[str] = set()
    for seq, (kind, gap, receipted) in enumerate(steps, 1):
        now += gap
        event = Event(f"9c41f2aa-1-{seq}", kind, "button" if kind == "clear" else kind, "clear" if kind == "clear" else "active", at=now)
        if event.rank == ALARM:
            alarms.add(event.id)
        given_up = outbox.add(event, now)
        if given_up and given_up.rank == ALARM:
            assert len(alarms) > CAPACITY
            alarms.remove(given_up.id)
        if given_up:
            sent.pop(given_up.id, None)
        sent |= {one.id: now for one in outbox.take(now)}
        assert len(outbox) <= CAPACITY
        assert sum(now - at < 1000 for at in sent.values()) <= IN_FLIGHT
        if receipted and sent:
            ident = min(sent)
            del sent[ident]
            outbox.receipt(ident)
            alarms.discard(ident)


@given(st.lists(st.integers(1, 40), min_size=200, max_size=400), st.integers(0, 10**9))
def test_fire_is_temporal_3_within_10_percent_however_unevenly_it_is_polled(gaps: list[int], start: int) -> None:
    """ISO 8201: 0.5 s on, 0.5 s off, three times, then 1 s more off, each within 10 %. `gaps`: ms between two polls."""
    changes: list[tuple[int, bool]] = []
    now = start
    output = Output(lambda on: changes.append((now, on)))
    output.play("fire", now)
    for gap in itertools.islice(itertools.cycle(gaps), 2000):
        now += gap
        output.poll(now)
    lengths = [(on, later - at) for (at, on), (later, _) in itertools.pairwise(changes[1:])]
    for place, (on, length) in enumerate(lengths):
        beat = place % 6
        assert on == (beat % 2 == 0)
        nominal = 1500 if beat == 5 else 500
        assert abs(length - nominal) <= nominal / 10
    for cycle in range(0, len(lengths) - 5, 6):
        assert abs(sum(length for _, length in lengths[cycle : cycle + 6]) - 4000) <= 400


@given(st.sampled_from(sorted(patterns.SOUNDS)), st.lists(st.integers(1, 900), min_size=1, max_size=200))
def test_step_of_a_sound_is_never_shortened_and_lasts_no_longer_than_the_board_stalls(name: str, gaps: list[int]) -> None:
    """A flash erase may stop the board for 400 ms, two in a row for 800: what comes after it is heard whole."""
    changes: list[tuple[int, bool]] = []
    now = 0
    output = Output(lambda on: changes.append((now, on)))
    output.play(name, now)
    for gap in itertools.islice(itertools.cycle(gaps), 400):
        now += gap
        output.poll(now)
    beats = [(place % 2 == 0, ms) for place, ms in enumerate(patterns.SOUNDS[name])]
    heard = [(on, later - at) for (at, on), (later, _) in itertools.pairwise(changes[1:])][1:]
    for (on, length), (_, nominal) in zip(heard, itertools.cycle(beats[1:] + beats[:1]), strict=False):
        assert nominal <= length <= nominal + max(gaps), (on, length)


@given(PRESENT, st.integers(10, 2000), st.integers(1, 5000))
def test_guarded_contact_never_counts_less_than_its_hold(readings: list[tuple[bool, int]], hold_ms: int, stuck_ms: int) -> None:
    contact = Contact(hold_ms=hold_ms, stuck_ms=stuck_ms)
    now = 0
    since: dict[bool, int] = {}
    for level, gap in readings:
        now += gap
        since.pop(not level, None)
        since.setdefault(level, now)
        before = contact.state
        changed = contact.sample(level, now)
        assert changed == (contact.state != before)
        if changed and contact.state == "stuck":
            assert before == "active"
        elif changed:
            assert now - since[level] >= hold_ms


def bands_of(millivolts: int) -> set[str]:
    """What a reading may mean, the hysteresis taken either way."""
    ends = ((SHORT_MV, "short"), (ACTIVE_MV, "active"), (OPEN_MV, "clear"))
    shifts = (-HYSTERESIS_MV, 0, HYSTERESIS_MV)
    return {next((band for end, band in ends if millivolts < end + shift), "open") for shift in shifts}


@given(st.lists(st.integers(1, 850), min_size=1), st.integers(1, 3000), st.integers(LEAST_PRESS_MS, 3000))
def test_no_press_of_a_button_on_a_loop_is_lost_that_lasts_as_long_as_it_must(gaps: list[int], start: int, length: int) -> None:
    """However the board stalls, two erases of 400 ms and what lies between them included."""
    loop = Loop(momentary=True)
    now = before = 0
    loop.sample(NORMAL_MV * 1000, 0)
    for gap in itertools.chain(gaps, itertools.repeat(10)):
        before, now = now, now + gap
        pressed = start <= now < start + length
        if loop.sample(1_336_000 if pressed else NORMAL_MV * 1000, now):
            assert loop.state == "active"
            return
        assert before < start + length, "lost"


@given(st.lists(st.integers(1, 34), min_size=1, max_size=100), st.integers(0, 2000), st.integers(0, 40))
def test_no_spike_on_a_loop_is_a_press_while_the_board_reads(gaps: list[int], start: int, length: int) -> None:
    loop = Loop(momentary=True)
    now = 0
    for gap in gaps:
        now += gap
        spike = start <= now < start + min(length, ACTIVE_HOLD_MS)
        assert not loop.sample(1_336_000 if spike else NORMAL_MV * 1000, now)


@given(st.lists(st.tuples(st.integers(0, 3300), st.integers(1, 200)), max_size=200))
def test_loop_changes_only_after_readings_of_the_hold_without_a_break(readings: list[tuple[int, int]]) -> None:
    loop = Loop()
    now = 0
    held: dict[str, int] = {"clear": 0}  # the bands that every reading of late may have meant -> since when
    for millivolts, gap in readings:
        now += gap
        before = loop.state
        changed = loop.sample(millivolts * 1000, now)
        assert changed == (loop.state != before)
        meant = bands_of(millivolts)
        held = {band: held.get(band, now) for band in meant}
        if changed:
            assert now - held[loop.state] >= (ACTIVE_HOLD_MS if loop.state == "active" else OTHER_HOLD_MS)


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=32).filter(lambda text: len(text.encode()) <= 32)
IDS = st.text("ABCabc019_-", min_size=1, max_size=32)
CONFIGS = st.builds(
    BoardConfig,
    site=IDS,
    device=IDS,
    kind=st.sampled_from(config.KINDS),
    group=IDS,
    brokers=st.lists(st.builds(Address, host=TEXTS, port=st.integers(1, 65535)), min_size=1, max_size=8),
    password=TEXTS,
    wifi=st.lists(st.builds(Network, ssid=TEXTS, key=TEXTS), max_size=8),
    bell_sense=st.booleans(),
    verify_s=st.integers(0, 90),
    points=st.dictionaries(IDS, st.none() | st.builds(Point, hold_ms=st.none() | st.integers(0, 10_000), loop=st.none() | IDS), max_size=4),
)


@given(CONFIGS)
def test_board_reads_and_tells_every_configuration_of_the_model(written: BoardConfig) -> None:
    fields = config.fields_of(io.BytesIO(written.model_dump_json().encode()))
    read = config.build(fields)
    assert (read.site, read.kind, read.password, read.verify_s) == (written.site, written.kind, written.password, written.verify_s)
    assert read.brokers == tuple((address.host, address.port) for address in written.brokers)
    assert config.digest(fields) == written.digest()
    assert config.unknown(fields) == []


def test_board_and_model_know_the_same_keys() -> None:
    assert [key for key, _ in config.CHECKS] == list(BoardConfig.model_fields)
