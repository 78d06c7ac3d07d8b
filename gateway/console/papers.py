"""Papers: the record of an incident, for programs too, and what a shift hands over to the next."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from gateway.console import gate, records, view
from gateway.console.gate import need
from gateway.console.pages import Console, IncidentId
from gateway.console.records import UNREADABLE
from gateway.store.queries import Record

SHIFT_H = 12


def papers(console: Console) -> APIRouter:
    """They read the database and change nothing."""
    router = APIRouter(dependencies=[need("desk")])

    @router.get("/incidents/{incident}/record.json")
    async def record_as_json(request: Request, incident: IncidentId) -> Response:
        """Everything about one incident, for programs."""
        found = await _record(console, request, incident)
        if isinstance(found, Response):
            return found
        await console.looked(request, about=incident, detail="record.json")
        name = f'attachment; filename="keng-{incident}.json"'
        return JSONResponse(records.document(found), headers={"Content-Disposition": name})

    @router.get("/incidents/{incident}/record", response_class=HTMLResponse)
    async def record_on_paper(request: Request, incident: IncidentId) -> Response:
        """The same as a page to be printed."""
        found = await _record(console, request, incident)
        if isinstance(found, Response):
            return found
        await console.looked(request, about=incident, detail="record")
        language, now_ms = console.language_of(request), console.clock.now_ms()
        return HTMLResponse(console.composer.render(language, "record.html", record=found, person=gate.who(request).name, now_ms=now_ms))

    @router.get("/handover", response_class=HTMLResponse)
    async def handover(request: Request, hours: Annotated[int, Query(ge=1, le=168)] = SHIFT_H) -> Response:
        """What a shift hands over: incidents of the last hours, what is wrong, what was noted; to be printed and signed."""
        language, now_ms = console.language_of(request), console.clock.now_ms()
        since_ms = now_ms - hours * 3_600_000
        try:
            found = await console.shelf.shift(since_ms)
        except UNREADABLE as exc:
            return console.say(request, console.composer.words(language)("records.none", problem=exc), status=503)
        await console.looked(request, detail=f"handover {hours} h")
        liveness = console.feed.liveness
        wrong = [one for one in view.devices(found.devices, live=liveness.engine == "online") if one.tone != "good"]
        context = {"shift": found, "wrong": wrong, "liveness": liveness, "hours": hours, "since_ms": since_ms, "now_ms": now_ms}
        return HTMLResponse(console.composer.render(language, "handover.html", person=gate.who(request).name, **context))

    return router


async def _record(console: Console, request: Request, incident: str) -> Record | Response:
    """The record, or what to say instead."""
    try:
        found = await console.shelf.record(incident)
    except UNREADABLE as exc:
        t = console.composer.words(console.language_of(request))
        return console.say(request, t("records.none", problem=exc), status=503)
    if found is None:
        raise HTTPException(404)
    return found
