"""The console's routes: the desk, older records, the language, the orders of the person on duty, events and health."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from markupsafe import Markup

from gateway.console import events, words
from gateway.console.changes import Changes
from gateway.console.composer import Composer
from gateway.console.desk import Desk, Do, Outcome, Verdict
from gateway.console.feed import Clock, Feed
from gateway.console.records import PAGE, UNREADABLE, Shelf
from gateway.console.words import Language
from protocol.wire import COUNT_MAX

COOKIE = "language"
COOKIE_S = 365 * 86400
STATUS = {"done": 200, "refused": 409, "no_broker": 503, "cut_off": 502, "unanswered": 504}

IncidentId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Version = Annotated[int, Form(ge=0, le=COUNT_MAX)]


@dataclass(frozen=True)
class Console:
    """What the routes work with. `person` is the name of whoever sits at the desk; `language` is for a browser that chose none."""

    feed: Feed
    shelf: Shelf
    desk: Desk
    composer: Composer
    changes: Changes
    clock: Clock
    person: str
    language: Language

    def language_of(self, request: Request) -> Language:
        """The language that this browser chose."""
        return next((known for known in words.LANGUAGES if known == request.cookies.get(COOKIE)), self.language)

    def document(self, request: Request, template: str, *, status: int = 200, notice: str = "", **context: Any) -> HTMLResponse:
        """A whole page, which keeps itself fresh through /events?show=..."""
        language = self.language_of(request)
        page = self.composer.page(language)
        context |= {"person": self.person, "notice": Markup(notice), "strip": Markup(page.strip.html)}  # noqa: S704  # rendered by the templates
        context |= {"show": "desk" if template == "desk.html" else "strip", "desk": Markup(page.desk.html)}  # noqa: S704
        return HTMLResponse(self.composer.render(language, template, **context), status)

    def say(self, request: Request, text: str, *, status: int) -> Response:
        """Tell the person one sentence: as a fragment to htmx, as a whole page to a browser without JavaScript."""
        notice = self.composer.render(self.language_of(request), "notice.html", text=text, good=status < 400)
        if "HX-Request" in request.headers:
            return HTMLResponse(notice, status)
        return self.document(request, "message.html", status=status, notice=notice)


def reading(console: Console) -> APIRouter:
    """The routes that change nothing at the engine."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse)
    async def desk(request: Request) -> Response:
        """The desk: open incidents, history, maintenance log, devices."""
        return console.document(request, "desk.html")

    @router.get("/history", response_class=HTMLResponse)
    async def history(request: Request, before: Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{1,32}$")]) -> Response:
        """Incidents older than `before`."""
        try:
            found = await console.shelf.incidents(before)
        except UNREADABLE as exc:
            return console.document(request, "older.html", status=503, area="history", items="", problem=str(exc), before=None)
        items = console.composer.older_incidents(console.language_of(request), found)
        last = found[-1].id if len(found) == PAGE else None
        return console.document(request, "older.html", area="history", items=items, problem="", before=last)

    @router.get("/maintenance", response_class=HTMLResponse)
    async def maintenance(request: Request, before: Annotated[int, Query(ge=0, le=2**62)]) -> Response:
        """Maintenance entries older than `before`."""
        try:
            found = await console.shelf.entries(before)
        except UNREADABLE as exc:
            return console.document(request, "older.html", status=503, area="maintenance", items="", problem=str(exc), before=None)
        items = console.composer.older_entries(console.language_of(request), found)
        last = found[-1].id if len(found) == PAGE else None
        return console.document(request, "older.html", area="maintenance", items=items, problem="", before=last)

    @router.get("/events")
    async def stream(request: Request, show: Literal["desk", "strip"] = "desk") -> Response:
        """Server-sent events for the page that is open."""
        language = console.language_of(request)
        source = events.stream(console.composer, console.changes, console.clock, language, show)
        return StreamingResponse(source, media_type="text/event-stream")

    @router.get("/healthz")
    async def healthz() -> Response:
        """For supervisors: does the console serve, and what does it see."""
        liveness, records = console.feed.liveness, console.shelf.records
        return JSONResponse(
            {
                "engine": liveness.engine,
                "broker": liveness.broker,
                "since_ms": liveness.since_ms,
                "open_incidents": len(console.feed.incidents),
                "database": records.problem or "readable",
                "database_written_ms": records.written_ms,
            }
        )

    @router.post("/language")
    async def language(language: Annotated[Language, Form()]) -> Response:
        """Choose the language of this browser."""
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, language, max_age=COOKIE_S, httponly=True, samesite="lax")
        return response

    return router


def ordering(console: Console) -> APIRouter:
    """The orders of the person at the desk."""
    router = APIRouter(prefix="/incidents/{incident}")

    @router.post("/acknowledge")
    async def acknowledge(request: Request, incident: IncidentId, version: Version) -> Response:
        """I know of it."""
        return _answer(console, request, "acknowledge", incident, await console.desk.order("acknowledge", incident, version))

    @router.post("/silence")
    async def silence(request: Request, incident: IncidentId, version: Version) -> Response:
        """Stop the bells."""
        return _answer(console, request, "silence", incident, await console.desk.order("silence", incident, version))

    @router.post("/resolve")
    async def resolve(request: Request, incident: IncidentId, version: Version, outcome: Annotated[Outcome, Form()]) -> Response:
        """It is over, and this is what it was."""
        return _answer(console, request, "resolve", incident, await console.desk.order("resolve", incident, version, outcome))

    return router


def _answer(console: Console, request: Request, do: Do, incident: str, verdict: Verdict) -> Response:
    if verdict.what == "done" and "HX-Request" not in request.headers:
        return RedirectResponse("/", 303)
    t = console.composer.words(console.language_of(request))
    key = f"verdict.done_{do}" if verdict.what == "done" else f"verdict.{verdict.what}"
    return console.say(request, t(key, id=incident, error=verdict.error), status=STATUS[verdict.what])
