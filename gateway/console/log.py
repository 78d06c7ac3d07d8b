"""The second tab: what is wrong now, the maintenance log with its filter, and the same log for a spreadsheet."""

import csv
import io
from datetime import date, timedelta
from typing import Annotated, Any, NamedTuple, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import BeforeValidator

from gateway.console.gate import need
from gateway.console.pages import Console
from gateway.console.records import PAGE, UNREADABLE
from gateway.console.words import Words, day_of, midnight, stamp
from gateway.domain.maintenance import What
from gateway.spreadsheet import BOM, cell
from gateway.store import queries
from gateway.store.queries import MaintenanceEntry

WHATS = get_args(What)
CSV_MAX = 20_000

What_ = Annotated[str, Query(pattern=r"^[a-z_]{0,32}$")]
Place = Annotated[str, Query(max_length=100)]
Day = Annotated[date | None, BeforeValidator(day_of), Query()]
Before = Annotated[int | None, Query(ge=0, le=2**62)]


class Wanted(NamedTuple):
    """The filter as the form has it; days are local, both included."""

    what: str = ""
    place: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def is_any(self) -> bool:
        """True if it leaves something out."""
        return self != Wanted()

    @property
    def query(self) -> str:
        """It as an address has it."""
        return urlencode({name: value for name, value in self._asdict().items() if value})

    def rows(self) -> queries.Wanted:
        """It as the store has it."""
        end = self.last + timedelta(days=1) if self.last else None
        first_ms = midnight(self.first) if self.first else None
        return queries.Wanted(self.what, self.place.strip(), first_ms, midnight(end) if end else None)


def log(console: Console) -> APIRouter:
    """Both routes; they read the database and change nothing."""
    router = APIRouter(dependencies=[need("upkeep")])

    @router.get("/log", response_class=HTMLResponse)
    async def page(request: Request, wanted: Annotated[Wanted, Depends(_wanted)], before: Before = None) -> Response:
        """What is wrong now, and the lines that are wanted."""
        context: dict[str, Any] = {"wanted": wanted, "before": before, "whats": WHATS, "items": "", "problem": "", "next": None}
        if not wanted.is_any and before is None:
            return console.document(request, "log.html", "log", **context)
        try:
            found = await console.shelf.entries(wanted.rows(), before=before)
        except UNREADABLE as exc:
            return console.document(request, "log.html", "boards", status=503, **context | {"problem": str(exc)})
        context |= {"items": console.composer.entries(console.language_of(request), found)}
        context |= {"next": found[-1].id if len(found) == PAGE else None}
        return console.document(request, "log.html", "boards", **context)

    @router.get("/log.csv")
    async def as_csv(request: Request, wanted: Annotated[Wanted, Depends(_wanted)]) -> Response:
        """The same lines for a spreadsheet, newest first: UTF-8 with its mark, semicolons, every cell in quotes."""
        t = console.composer.words(console.language_of(request))
        try:
            found = await console.shelf.entries(wanted.rows(), limit=CSV_MAX)
        except UNREADABLE as exc:
            return console.say(request, t("records.none", problem=exc), status=503)
        headers = {"Content-Disposition": 'attachment; filename="keng-log.csv"'}
        await console.looked(request, detail=f"log.csv {wanted.query}".strip())
        return Response((BOM + spreadsheet(found, t)).encode(), media_type="text/csv; charset=utf-8", headers=headers)

    return router


def spreadsheet(entries: list[MaintenanceEntry], t: Words) -> str:
    """The lines as CSV that a Vietnamese Excel opens as it is: semicolons, because its decimal point is a comma."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([t(f"log_column.{name}") for name in ("at", "what", "point", "place", "device", "detail", "times", "last")])
    for one in entries:
        original = t.original(one.what, one.detail)
        detail = f"{t.remark(one.what, one.detail)} ({original})" if original else t.remark(one.what, one.detail)
        words = (t.of("what", one.what), t.subject(one.device, one.point), one.place, one.device, detail)
        last = stamp(one.last_ms) if one.last_ms is not None else ""
        writer.writerow([cell(value) for value in (stamp(one.at_ms), *words, one.times, last)])
    return out.getvalue()


def _wanted(what: What_ = "", place: Place = "", first: Day = None, last: Day = None) -> Wanted:
    return Wanted(what, place, first, last)
