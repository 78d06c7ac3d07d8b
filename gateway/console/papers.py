"""The record of an incident, for programs and on paper."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException

from gateway.console import gate, records
from gateway.console.gate import need
from gateway.console.pages import Console, IncidentId
from gateway.console.records import UNREADABLE
from gateway.store.queries import Record


def papers(console: Console) -> APIRouter:
    """Both routes; they read the database and change nothing."""
    router = APIRouter(dependencies=[need("desk")])

    @router.get("/incidents/{incident}/record.json")
    async def record_as_json(request: Request, incident: IncidentId) -> Response:
        """Everything about one incident, for programs."""
        found = await _record(console, request, incident)
        if isinstance(found, Response):
            return found
        asker = gate.who(request)
        await console.door.note("looked", who=asker.id, about=incident, detail="record.json", address=gate.visitor(request).address)
        name = f'attachment; filename="keng-{incident}.json"'
        return JSONResponse(records.document(found), headers={"Content-Disposition": name})

    @router.get("/incidents/{incident}/record", response_class=HTMLResponse)
    async def record_on_paper(request: Request, incident: IncidentId) -> Response:
        """The same as a page to be printed."""
        found = await _record(console, request, incident)
        if isinstance(found, Response):
            return found
        language, now_ms = console.language_of(request), console.clock.now_ms()
        return HTMLResponse(console.composer.render(language, "record.html", record=found, person=gate.who(request).name, now_ms=now_ms))

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
