"""Which message a delivery report is about: by the reference that the modem gave each segment, and the number it went to. Pure."""

from typing import NamedTuple

from gateway.delivery.sms.pdu import StatusReport
from gateway.store.journal import Outgoing

_TAIL = 8  # digits of a number that stay the same however a network writes it
EARLY_MS = 5_000  # a report that comes before we know of its message is kept for so long
EARLY_MAX = 64


class Verdict(NamedTuple):
    """What the reports say of a whole message: all its segments delivered, or one given up, with this TP-Status."""

    message: Outgoing
    status: int | None


class Reports:
    """The messages that were handed over and wait for their reports. Milliseconds."""

    def __init__(self, *, patience_ms: int) -> None:
        self._patience_ms = patience_ms
        self._open: dict[int, tuple[Outgoing, set[int]]] = {}
        self._by_reference: dict[tuple[int, str], int] = {}
        self._due: dict[int, int] = {}
        self._early: dict[tuple[int, str], tuple[StatusReport, int]] = {}

    def wait_for(self, message: Outgoing) -> Verdict | None:
        """It was handed over; its row's reference is "7" or "7,8,9". A newer message with the same reference takes its place. The verdict,
        if the last of its reports has come already: a modem may tell of it in the same breath as of the reference.
        """
        references = {int(each) for each in message.row.reference.split(",") if each.isdigit()}
        ident = message.row.delivery.id
        if references:
            self._open[ident] = message, references
            self._by_reference |= {(reference, _tail(message.row.address)): ident for reference in references}
            self._due[ident] = (message.row.delivery.handed_ms or 0) + self._patience_ms
        verdict = None
        for reference in sorted(references):
            report, came_ms = self._early.pop((reference, _tail(message.row.address)), (None, 0))
            if report is not None and abs((message.row.delivery.handed_ms or 0) - came_ms) <= EARLY_MS:
                verdict = self.take(report, came_ms) or verdict
        return verdict

    def take(self, report: StatusReport, now_ms: int) -> Verdict | None:
        """What the report that has come now decides; None if it is about nothing that we wait for yet, or not the last word."""
        if report.outcome == "trying":
            return None
        key = (report.reference, _tail(report.recipient))
        ident = self._by_reference.pop(key, None)
        if ident is None or ident not in self._open:
            self._early[key] = report, now_ms
            if len(self._early) > EARLY_MAX:
                del self._early[next(iter(self._early))]
            return None
        message, references = self._open[ident]
        references.discard(report.reference)
        if report.outcome == "delivered" and references:
            return None
        del self._open[ident]
        self._due.pop(ident, None)
        return Verdict(message, None if report.outcome == "delivered" else report.status)

    def overdue(self, now_ms: int) -> list[Outgoing]:
        """Messages whose reports have not come in time, each once; what comes late still counts."""
        found = [ident for ident, due_ms in self._due.items() if now_ms >= due_ms]
        for ident in found:
            del self._due[ident]
        return [self._open[ident][0] for ident in found]


def _tail(number: str) -> str:
    return number[-_TAIL:]
