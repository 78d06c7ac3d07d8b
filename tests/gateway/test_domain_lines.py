"""Flood control of the maintenance log: one line with a count, and never on alarms (D35, D36)."""

import hypothesis.strategies as st
from commune import World
from hypothesis import given, settings

from gateway.domain.lines import CROWD, FLAP_S, FLAPS, KEPT, Line, Log
from gateway.domain.maintenance import Entry, What, family, is_onset


class Book:
    """The table that a log's lines are written to."""

    def __init__(self) -> None:
        self.log = Log()
        self.rows: dict[int, Line] = {}
        self.now_s = 1000.0

    def write(self, *entries: Entry, parts_of: dict[str, str] | None = None, after_s: float = 0.0) -> list[Line]:
        self.now_s += after_s
        lines = self.log.write(entries, parts_of or {}, self.now_s)
        self.rows |= {line.id: line for line in lines}
        return lines

    @property
    def shown(self) -> list[tuple[str, What, int]]:
        return [(line.entry.device, line.entry.what, line.times) for line in self.rows.values() if line.part_of is None]


def entry(device: str, what: What = "board_lost", point: str = "") -> Entry:
    return Entry(1, device, point, what)


def test_a_fault_and_its_end_are_two_lines():
    book = Book()
    book.write(entry("A"))
    book.write(entry("A", "board_back"), after_s=60)
    assert book.shown == [("A", "board_lost", 1), ("A", "board_back", 1)]


def test_d36_a_flapping_board_is_one_line_with_a_count():
    book = Book()
    for _ in range(40):
        book.write(entry("A"), after_s=20)
        book.write(entry("A", "board_back"), after_s=20)
    assert book.shown == [("A", "board_lost", 40)]


def test_what_comes_back_after_a_quiet_time_is_a_new_line():
    book = Book()
    for _ in range(FLAPS):
        book.write(entry("A"), after_s=1)
    book.write(entry("A"), after_s=FLAP_S)
    assert book.shown == [("A", "board_lost", FLAPS), ("A", "board_lost", 1)]


def test_another_fault_of_a_flapping_board_has_its_own_line():
    book = Book()
    for _ in range(10):
        book.write(entry("A", "point_fault", "smoke-1"), entry("A", "point_ok", "smoke-1"), after_s=1)
    book.write(entry("A", "battery_low", "battery"))
    assert book.shown == [("A", "point_fault", 10), ("A", "battery_low", 1)]


def test_d35_five_hundred_faults_in_a_minute_are_one_line_with_a_count():
    book = Book()
    for number in range(500):
        book.write(entry(f"B{number}"), after_s=0.1)
    assert book.shown == [("", "flood", 500)]
    (flood,) = [line for line in book.rows.values() if line.part_of is None]
    assert flood.entry.detail == "B0, B1, B2, B3, B4, B5, B6, B7, B8, B9, …"
    # What a line stands for is kept too, up to a number.
    assert KEPT <= len(book.rows) <= KEPT + 2


def test_five_hundred_at_once_too():
    book = Book()
    book.write(*[entry(f"B{number}") for number in range(500)])
    assert book.shown == [("", "flood", 500)]


def test_after_a_flood_lines_are_lines_again():
    book = Book()
    book.write(*[entry(f"B{number}") for number in range(30)])
    book.write(entry("C"), after_s=61)
    assert book.shown == [("", "flood", 30), ("C", "board_lost", 1)]


def test_a_few_faults_stay_as_they_are():
    book = Book()
    book.write(*[entry(f"B{number}") for number in range(CROWD)])
    assert len(book.shown) == CROWD


def test_a_fault_of_the_gateway_is_never_lost_in_a_flood():
    book = Book()
    book.write(*[entry(f"B{number}") for number in range(100)], entry("", "gateway_fault", "disk"))
    assert ("", "gateway_fault", 1) in book.shown


def test_memory_does_not_grow_with_the_years():
    book = Book()
    for day in range(400):
        book.write(entry(f"B{day}"), after_s=86_400)
    assert len(book.log._lines) <= 2
    assert len(book.log._series) <= 2


whats: list[What] = ["board_lost", "board_back", "battery_low", "battery_ok", "gateway_fault", "gateway_ok", "self_test"]
entries = st.builds(
    lambda device, what: Entry(1, "", "disk", what) if what.startswith("gateway") else Entry(1, device, "", what),
    st.sampled_from([f"B{number}" for number in range(30)]),
    st.sampled_from(whats),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(entries, max_size=40),
            st.sampled_from([0.1, 5, 100, 700]),
            st.dictionaries(st.sampled_from([f"B{number}" for number in range(30)]), st.sampled_from(["disk", "area:lane-L5"]), max_size=5),
        ),
        max_size=12,
    )
)
def test_nothing_is_ever_gone(batches):
    """Every entry is a line, part of a line that is shown, or counted by one; and no line belongs to one that is not there."""
    book = Book()
    total = 0
    for batch, after_s, parts_of in batches:
        total += len(batch)
        book.write(*batch, parts_of=parts_of, after_s=after_s)
    heads = {line.part_of for line in book.rows.values()} - {None}
    assert heads <= book.rows.keys()
    assert [line.entry for line in book.rows.values() if line.entry.what != "flood"].count(None) == 0
    shown = [line for line in book.rows.values() if line.part_of is None]
    assert bool(shown) is bool(total)
    whats_in = {family(one.what) for batch, _, _ in batches for one in batch if is_onset(one.what) and not one.device}
    assert whats_in <= {family(line.entry.what) for line in shown}


def test_d35_an_alarm_is_never_part_of_a_flood():
    world = World()
    for number in range(12):
        for _ in range(5):
            world.event(f"H03-{number + 1:02d}", "tamper")
            world.event(f"H03-{number + 1:02d}", "tamper", "clear")
    world.press("H03-07")
    assert world.only.activations[-1].device == "H03-07"
    assert not [line for line in world.effects.lines if line.entry.device == "H03-07"]
