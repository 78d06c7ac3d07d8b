"""Which message a delivery report is about, whichever of the two comes first."""

import pytest

from gateway.delivery.sms.pdu import StatusReport
from gateway.delivery.sms.reports import EARLY_MAX, EARLY_MS, Reports
from gateway.domain.rows import DeliveryRow
from gateway.store.journal import Outgoing
from protocol.incident import Delivery

NUMBER = "+84912000007"
NOW_MS = 1_795_900_000_000
DELIVERED, TRYING, GIVEN_UP = 0x00, 0x20, 0x41


def message(reference: str, ident: int = 1) -> Outgoing:
    delivery = Delivery(id=ident, channel="sms", what="opened", state="handed", tries=1, at_ms=NOW_MS, handed_ms=NOW_MS)
    return Outgoing(DeliveryRow("2026-000001", delivery, NUMBER, 0, reference), "{}")


def report(reference: int, status: int = DELIVERED, number: str = "0912000007") -> StatusReport:
    return StatusReport(reference, number, status)


@pytest.mark.parametrize(("status", "verdict"), [(DELIVERED, None), (GIVEN_UP, GIVEN_UP)])
@pytest.mark.parametrize("is_early", [False, True])
def test_the_last_report_decides_though_it_comes_before_the_reference_is_known(status: int, verdict: int | None, is_early: bool) -> None:
    reports = Reports(patience_ms=60_000)
    if is_early:
        assert reports.take(report(7, status), NOW_MS) is None
        found = reports.wait_for(message("7"))
    else:
        assert reports.wait_for(message("7")) is None
        found = reports.take(report(7, status), NOW_MS)
    assert found is not None
    assert (found.message.row.delivery.id, found.status) == (1, verdict)
    assert reports.overdue(NOW_MS + 60_000) == []


def test_of_two_segments_one_may_come_early() -> None:
    reports = Reports(patience_ms=60_000)
    reports.take(report(7), NOW_MS)
    assert reports.wait_for(message("7,8")) is None
    found = reports.take(report(8), NOW_MS)
    assert found is not None
    assert found.status is None


@pytest.mark.parametrize("early", [report(7, TRYING), report(7, number="0912000008"), report(8)])
def test_what_is_about_another_message_or_not_the_last_word_decides_nothing(early: StatusReport) -> None:
    reports = Reports(patience_ms=60_000)
    reports.take(early, NOW_MS)
    assert reports.wait_for(message("7")) is None


def test_a_report_of_long_ago_is_not_about_a_new_message_with_the_same_reference() -> None:
    reports = Reports(patience_ms=60_000)
    reports.take(report(7), NOW_MS - EARLY_MS - 1)
    assert reports.wait_for(message("7")) is None
    assert reports.overdue(NOW_MS + 60_000) != []


def test_reports_about_nothing_do_not_fill_the_memory() -> None:
    reports = Reports(patience_ms=60_000)
    for number in range(EARLY_MAX + 1):
        reports.take(report(7, number=f"09120{number:05}"), NOW_MS)
    assert len(reports._early) == EARLY_MAX
