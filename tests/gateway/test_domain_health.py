"""The gateway's own health: which measurement is a fault, and when it is over."""

import hypothesis.strategies as st
import pytest
from commune import World
from hypothesis import given, settings

from gateway.domain import health
from gateway.domain.audiences import local
from gateway.domain.health import AWAY_S, CHARGE_PCT, NO_CLOCK_S, RESTARTS_S, STEPPED_S, Ending, Limits, Power, Reading

LIMITS = Limits(disk_free_mb=500, temperature_c=80, clock_min=60, broker_mb=200)
GB = 1_000_000_000
WELL = Reading(
    disk_free=10 * GB,
    disk_total=32 * GB,
    disk_readonly=False,
    disk_errors=0,
    temperature_c=55.0,
    synchronised=True,
    has_rtc=True,
    broker_up=True,
    connections=1,
    broker_bytes=9_000_000,
    power=Power(on_mains=True, charge_pct=100),
    certificates=dict.fromkeys(("certificate_boards", "certificate_page"), ()),
)


def judged(world: World, reading: Reading, after_s: float = 10.0, limits: Limits = LIMITS) -> dict[str, str]:
    world.later(after_s)
    with world.turn() as turn:
        health.judge(turn, reading, limits)
    return world.situation.faults


def test_a_well_machine_has_no_faults():
    assert judged(World(), WELL) == {}


def test_a_machine_of_which_nothing_is_known_has_no_faults():
    assert judged(World(), Reading()) == {}


@pytest.mark.parametrize(
    ("wrong", "key", "words"),
    [
        ({"disk_free": 400_000_000}, "disk_space", "400 MB free"),
        ({"disk_readonly": True}, "disk_readonly", "mounted read-only"),
        ({"disk_errors": 2}, "disk_errors", "2 errors"),
        ({"temperature_c": 81.4}, "temperature", "81 °C"),
        ({"broker_bytes": 250_000_000}, "broker_memory", "250 MB"),
        ({"power": Power(on_mains=False, charge_pct=80)}, "mains", "on battery, battery 80 %"),
        ({"power": Power(on_mains=True, charge_pct=CHARGE_PCT - 1)}, "ups", "battery 29 %"),
        ({"power": Power()}, "ups", "nothing can be read from it"),
    ],
)
def test_what_is_wrong_is_a_fault_until_it_is_measured_to_be_well(wrong, key, words):
    world = World()
    assert judged(world, WELL._replace(**wrong)) == {key: words}
    unknown = dict.fromkeys(wrong) if key != "ups" else {"power": Power(on_mains=True)}
    assert judged(world, WELL._replace(**unknown)) == {key: words}, "unknown is never good"
    assert judged(world, WELL) == {}
    assert world.logged() == [("", key, "gateway_ok")]


@pytest.mark.parametrize(
    ("ill", "between", "key"),
    [
        ({"disk_free": 499_000_000}, {"disk_free": 550_000_000}, "disk_space"),
        ({"temperature_c": 80.0}, {"temperature_c": 76.0}, "temperature"),
        ({"broker_bytes": 200_000_000}, {"broker_bytes": 170_000_000}, "broker_memory"),
    ],
)
def test_nothing_flaps_at_a_limit(ill, between, key):
    world = World()
    assert judged(world, WELL._replace(**between)) == {}
    judged(world, WELL._replace(**ill))
    assert key in judged(world, WELL._replace(**between))


def test_of_a_small_disk_a_tenth_is_enough():
    assert judged(World(), WELL._replace(disk_free=2_000_000, disk_total=8_000_000)) == {}


def test_a_clock_that_nobody_synchronises_is_a_fault_after_its_time():
    world = World()
    assert judged(world, WELL._replace(synchronised=False)) == {}
    assert judged(world, WELL._replace(synchronised=False), 3590) == {}
    assert judged(world, WELL._replace(synchronised=False)) == {"clock": "not synchronised"}
    assert judged(world, WELL) == {}


def test_a_machine_without_a_clock_of_its_own_waits_less():
    world = World()
    judged(world, WELL._replace(synchronised=False, has_rtc=False))
    assert judged(world, WELL._replace(synchronised=False, has_rtc=False), NO_CLOCK_S) == {
        "clock": "no clock of its own, and not synchronised"
    }


def test_where_no_time_is_to_be_had_the_clock_is_no_fault():
    world = World()
    judged(world, WELL._replace(synchronised=False, has_rtc=False), limits=LIMITS._replace(clock_min=0))
    assert judged(world, WELL._replace(synchronised=False), 100_000, LIMITS._replace(clock_min=0)) == {}


def test_a_clock_that_was_set_is_shown_for_an_hour():
    world = World()
    world.set_clock(-3600)
    assert world.situation.faults == {"clock_stepped": "set by -3600 s"}
    assert "clock_stepped" in judged(world, WELL, STEPPED_S - 1)
    assert judged(world, WELL, 1) == {}


def test_a_small_correction_of_the_clock_is_nothing():
    world = World()
    world.set_clock(30)
    assert world.situation.faults == {}


def test_a_step_that_an_earlier_start_saw_ends_too():
    world = World()
    world.set_clock(3600)
    world.situation.course = health.Course()
    judged(world, WELL)
    assert judged(world, WELL, STEPPED_S) == {}


def test_a_broker_that_is_away_is_a_fault_after_ten_seconds():
    world = World()
    judged(world, WELL)
    away = WELL._replace(broker_up=False)
    assert judged(world, away) == {}
    assert judged(world, away, AWAY_S) == {"broker": "not connected"}
    assert judged(world, WELL._replace(connections=2)) == {}


def test_a_broker_that_starts_again_and_again_is_a_fault():
    world = World()
    judged(world, WELL)
    assert judged(world, WELL._replace(connections=2)) == {}
    assert judged(world, WELL._replace(connections=4)) == {"broker_restarts": "3 times in 10 min"}
    assert "broker_restarts" in judged(world, WELL._replace(connections=4), RESTARTS_S - 1)
    assert judged(world, WELL._replace(connections=4), 1) == {}


def test_the_first_connection_of_a_start_is_no_restart():
    world = World()
    for _ in range(5):
        assert judged(world, WELL) == {}


DAY_MS = 86_400_000


def ends(world: World, *days: float, key: str = "certificate_boards") -> Reading:
    """Boards B00, B01 ... whose certificates end in so many days."""
    return WELL._replace(
        certificates={key: tuple(Ending(world.now.ms + int(day * DAY_MS), 60 * DAY_MS, f"B{n:02d}") for n, day in enumerate(days))}
    )


def test_boards_whose_certificates_end_are_one_fault_that_names_a_few_and_counts_the_rest():
    world = World()
    first = local(world.now.ms + DAY_MS)
    assert judged(world, ends(world, 61, 400), 0) == {}
    assert judged(world, ends(world, 3, 1, 400), 0) == {"certificate_boards": f"good until {first:%d/%m/%Y}: B01, B00"}
    assert world.logged() == [("", "certificate_boards", "gateway_fault")]
    assert judged(world, ends(world, *[1] * 20), 0) == {
        "certificate_boards": f"good until {first:%d/%m/%Y}: B00, B01, B02, B03, B04 and 15 more"
    }
    assert world.situation.lasting["certificate_boards"].names == tuple(f"B{n:02d}" for n in range(20))
    assert world.logged() == [], "one entry, however many boards come and go"
    assert judged(world, WELL._replace(certificates={"certificate_boards": None}), 0), "unknown is never good"
    assert judged(world, ends(world, 400), 0) == {}


def test_a_certificate_that_has_ended_is_said_to():
    world = World()
    assert judged(world, ends(world, -1), 0)["certificate_boards"].startswith("ended on ")


def maybe(values):
    return st.none() | values


readings = st.builds(
    Reading,
    disk_free=maybe(st.integers(0, 2 * GB)),
    disk_total=maybe(st.integers(1, 64 * GB)),
    disk_readonly=maybe(st.booleans()),
    disk_errors=maybe(st.integers(0, 3)),
    temperature_c=maybe(st.floats(-20, 110)),
    synchronised=maybe(st.booleans()),
    has_rtc=maybe(st.booleans()),
    broker_up=maybe(st.booleans()),
    connections=st.integers(0, 10),
    broker_bytes=maybe(st.integers(0, GB)),
    certificates=st.just({}) | st.builds(lambda ms: {"certificate_page": (Ending(ms, DAY_MS),)}, st.integers(0, 2_000_000_000_000)),
    power=maybe(st.builds(Power, maybe(st.booleans()), maybe(st.integers(0, 100)))),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(readings, st.sampled_from([1, 10, 4000])), max_size=20))
def test_whatever_is_read_a_well_machine_is_well_again(course):
    """Any course of readings, the strangest too, is judged; and after two hours of good ones no fault is left."""
    world = World()
    for reading, after_s in course:
        judged(world, reading, after_s)
    last = max((reading.connections for reading, _ in course), default=0)
    for _ in range(8):
        judged(world, WELL._replace(connections=last), 1000)
    assert world.situation.faults == {}
