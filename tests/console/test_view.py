"""What the page says about the models."""

from collections.abc import Callable

import pytest
from stage import NOON_MS, SITE, incident, resolved

from gateway.console import view
from gateway.store.queries import BoardFault, DeviceRow

ROW = DeviceRow("H03-01", "household", "Hộ mẫu 03-01", "TLG-03", "online", NOON_MS, "1.0.0", -61, 86, True, 0, [])


def test_the_unanswered_come_first_then_the_gravest_then_the_newest() -> None:
    later = [incident().activations[0].model_copy(update={"at_ms": NOON_MS + 5000})]
    shown = [
        incident("answered", state="acknowledged"),
        incident("sos", kind="sos"),
        incident("late", late=True),
        incident("smoke", kind="smoke"),
        incident("older"),
        incident("newer", activations=later),
    ]
    assert [card.incident.id for card in view.cards(shown)] == ["newer", "older", "smoke", "sos", "late", "answered"]


def test_measured_and_commanded_bells_are_counted_apart() -> None:
    proof = view.proof(incident())
    assert (proof.total, proof.measured, proof.commanded) == (12, 9, 1)


def test_silent_and_faulty_bells_are_named_silent_first() -> None:
    assert [(bell.device, bell.state) for bell in view.proof(incident()).unproven] == [("H03-11", "silent"), ("H03-12", "fault")]


def test_silence_is_offered_only_while_bells_sound() -> None:
    assert [view.card(incident(sounding=sounding)).can_silence for sounding in (True, False)] == [True, False]


def test_an_acknowledged_incident_neither_sounds_nor_asks_again() -> None:
    card = view.card(incident(state="acknowledged"))
    assert not card.alarm
    assert not card.can_acknowledge


def test_a_well_board_is_good_in_every_reading() -> None:
    shown = view.device(ROW, live=True)
    assert {shown.tone, shown.battery.tone, shown.mains.tone, shown.rssi.tone} == {"good"}


@pytest.mark.parametrize(
    ("row", "live"),
    [
        (ROW, False),
        (ROW._replace(state="lost"), True),
        (ROW._replace(state="unknown"), True),
        (ROW._replace(state="unknown", battery=None, mains=None, rssi=None), True),
    ],
)
def test_nothing_of_a_board_that_nobody_hears_is_shown_as_good(row: DeviceRow, live: bool) -> None:
    shown = view.device(row, live=live)
    assert "good" not in {shown.tone, shown.battery.tone, shown.mains.tone, shown.rssi.tone}
    assert shown.state != "online"


def test_what_was_never_measured_is_not_known() -> None:
    shown = view.device(ROW._replace(battery=None, mains=None, rssi=None), live=True)
    assert {reading.key for reading in (shown.battery, shown.mains, shown.rssi)} == {"unknown"}


@pytest.mark.parametrize(
    ("row", "reading", "key"),
    [
        (ROW._replace(battery=19), lambda one: one.battery, "low_battery"),
        (ROW._replace(mains=False), lambda one: one.mains, "no_mains"),
        (ROW._replace(rssi=-81), lambda one: one.rssi, "weak_signal"),
    ],
)
def test_a_bad_reading_makes_the_board_faulty(row: DeviceRow, reading: Callable[[view.Device], view.Health], key: str) -> None:
    shown = view.device(row, live=True)
    assert (shown.tone, reading(shown).tone, reading(shown).key) == ("fault", "fault", key)


def test_boards_that_need_somebody_come_first() -> None:
    rows = [
        ROW,
        ROW._replace(id="faulty", faults=[BoardFault("point_fault", "smoke-1: open")]),
        ROW._replace(id="unheard", state="unknown"),
        ROW._replace(id="gone", state="lost"),
    ]
    assert [shown.row.id for shown in view.devices(rows, live=True)] == ["gone", "unheard", "faulty", "H03-01"]


def test_without_an_engine_the_history_also_shows_what_the_database_left_open() -> None:
    recorded = [incident("in-database"), incident("on-the-desk"), resolved("over")]
    on_the_desk = [incident("on-the-desk")]
    assert [one.id for one in view.history(recorded, on_the_desk, live=True)] == ["over"]
    assert [one.id for one in view.history(recorded, on_the_desk, live=False)] == ["in-database", "over"]


def test_every_bell_state_has_a_symbol_of_its_own() -> None:
    assert len(set(view.SYMBOLS.values())) == len(view.SYMBOLS) == 6
    assert SITE.bells_of("TLG-03")
