"""The console's routes: the desk, older records, the language, orders, events and health."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from markupsafe import Markup
from starlette.exceptions import HTTPException

from gateway.console import events, gate, words
from gateway.console.changes import Changes
from gateway.console.composer import Composer
from gateway.console.desk import Desk, Do, Outcome, Verdict
from gateway.console.feed import Clock, Feed
from gateway.console.gate import need
from gateway.console.people.door import Door
from gateway.console.presence import Presence
from gateway.console.records import PAGE, UNREADABLE, Shelf
from gateway.console.words import Language
from gateway.settings import is_loopback
from protocol.wire import COUNT_MAX

COOKIE = "language"
COOKIE_S = 365 * 86400
STATUS = {"done": 200, "refused": 409, "no_broker": 503, "cut_off": 502, "unanswered": 504}

OWN_PAGE = r"^/([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$"  # a path of ours: nothing here leads elsewhere

IncidentId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Version = Annotated[int, Form(ge=0, le=COUNT_MAX)]


@dataclass(frozen=True)
class Console:
    """What the routes work with. `language` is for a browser that chose none; `address`: how phones reach us, "" if they do not."""

    feed: Feed
    shelf: Shelf
    desk: Desk
    composer: Composer
    changes: Changes
    clock: Clock
    door: Door
    presence: Presence
    language: Language
    address: str = ""

    def language_of(self, request: Request) -> Language:
        """The language that this browser chose."""
        return next((known for known in words.LANGUAGES if known == request.cookies.get(COOKIE)), self.language)

    def document(self, request: Request, template: str, *, status: int = 200, notice: str = "", **context: Any) -> HTMLResponse:
        """A whole page, which keeps itself fresh through /events?show=..."""
        language = self.language_of(request)
        page = self.composer.page(language)
        context |= {"who": request.state.who, "notice": Markup(notice), "strip": Markup(page.strip.html)}  # noqa: S704  # rendered by the templates
        context |= {"show": "desk" if template == "desk.html" else "strip", "desk": Markup(page.desk.html)}  # noqa: S704
        return HTMLResponse(self.composer.render(language, template, **context), status)

    def sheet(
        self, request: Request, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **context: Any
    ) -> HTMLResponse:
        """A whole page that shows nothing of the desk, and does not change by itself."""
        context |= {"who": request.state.who, "path": request.url.path}
        return HTMLResponse(self.composer.render(self.language_of(request), f"people/{template}", **context), status, headers)

    def say(self, request: Request, text: str, *, status: int) -> Response:
        """Tell the person one sentence: as a fragment to htmx, as a whole page to a browser without JavaScript."""
        notice = self.composer.render(self.language_of(request), "notice.html", text=text, good=status < 400)
        if "HX-Request" in request.headers:
            return HTMLResponse(notice, status)
        if request.state.who is None or not request.state.who.may("desk"):
            return self.sheet(request, "message.html", status=status, notice=Markup(notice))  # noqa: S704  # rendered by the templates
        return self.document(request, "message.html", status=status, notice=notice)


def public(console: Console) -> APIRouter:
    """The routes that show nothing of anybody."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz(request: Request) -> Response:
        """For supervisors on this machine: does the console serve, and what does it see."""
        if not _is_own_machine(request):
            raise HTTPException(404)
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
    async def language(
        request: Request, language: Annotated[Language, Form()], back: Annotated[str, Form(pattern=OWN_PAGE)] = "/"
    ) -> Response:
        """Choose the language of this browser."""
        response = RedirectResponse(back, 303)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, language, max_age=COOKIE_S, httponly=True, samesite="lax", secure=secure)
        return response

    return router


def _is_own_machine(request: Request) -> bool:
    """True for a connection from this machine to itself, by whatever address."""
    client, server = request.client, request.scope.get("server")
    return client is not None and (is_loopback(client.host) or (server is not None and client.host == server[0]))


def home(console: Console) -> APIRouter:
    """Where everybody's way begins."""
    router = APIRouter(dependencies=[need("own")])

    @router.get("/", response_class=HTMLResponse)
    async def page(request: Request) -> Response:
        """The desk (open incidents, history, maintenance log, devices) for whoever may see it; others are led to their own page."""
        who = gate.who(request)
        if who.may("desk"):
            return console.document(request, "desk.html")
        return RedirectResponse("/people" if who.may("people") else "/group/", 303)

    return router


def reading(console: Console) -> APIRouter:
    """The desk's routes that change nothing at the engine."""
    router = APIRouter(dependencies=[need("desk")])

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
        pieces = events.pieces_of(console.composer, language, show)
        source = events.stream(pieces, console.changes, console.clock, gate.stays(request, console.door))
        return StreamingResponse(source, media_type="text/event-stream")

    @router.post("/alive", status_code=204)
    async def alive(
        request: Request, page: Annotated[str, Form(pattern=r"^[a-z0-9]{1,32}$")], audible: Annotated[Literal["yes", "no"], Form()]
    ) -> Response:
        """A page that is open says so, and whether it can be heard. It is a desk only for who may decide about an alarm."""
        if gate.who(request).may("orders"):
            console.presence.heard(page, audible=audible == "yes")
        return Response(status_code=204)

    return router


def ordering(console: Console) -> APIRouter:
    """The orders of whoever may decide about incidents. The engine judges each once more."""
    router = APIRouter(prefix="/incidents/{incident}", dependencies=[need("orders")])

    @router.post("/acknowledge")
    async def acknowledge(request: Request, incident: IncidentId, version: Version) -> Response:
        """I know of it."""
        return await _order(console, request, "acknowledge", incident, version)

    @router.post("/silence")
    async def silence(request: Request, incident: IncidentId, version: Version) -> Response:
        """Stop the bells."""
        return await _order(console, request, "silence", incident, version)

    @router.post("/resolve")
    async def resolve(request: Request, incident: IncidentId, version: Version, outcome: Annotated[Outcome, Form()]) -> Response:
        """It is over, and this is what it was."""
        return await _order(console, request, "resolve", incident, version, outcome=outcome)

    return router


async def _order(console: Console, request: Request, do: Do, incident: str, version: int, *, outcome: Outcome | None = None) -> Response:
    """Give the order in the name of who asks, record it, and say what became of it."""
    who, address = gate.who(request), gate.visitor(request).address
    verdict = await console.desk.order(who.id, do, incident, version, outcome)
    detail = " ".join(word for word in (do, outcome, f"v{version}:", verdict.what, verdict.error) if word)
    await console.door.note("ordered", who=who.id, about=incident, detail=detail, address=address)
    return _answer(console, request, do, incident, verdict)


def _answer(console: Console, request: Request, do: Do, incident: str, verdict: Verdict) -> Response:
    if verdict.what == "done" and "HX-Request" not in request.headers:
        return RedirectResponse("/", 303)
    t = console.composer.words(console.language_of(request))
    key = f"verdict.done_{do}" if verdict.what == "done" else f"verdict.{verdict.what}"
    return console.say(request, t(key, id=incident, error=verdict.error), status=STATUS[verdict.what])
