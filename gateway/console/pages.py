"""The console's routes: the desk, older records, the language, orders, events and health."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from markupsafe import Markup
from pydantic import AfterValidator
from starlette.exceptions import HTTPException

from gateway.addresses import is_loopback
from gateway.console import events, gate, words
from gateway.console.basemap import BaseMap
from gateway.console.changes import Changes
from gateway.console.composer import Composer, Sees, Show
from gateway.console.desk import Desk, Do, Outcome, Verdict, refusal
from gateway.console.feed import Clock, Feed
from gateway.console.gate import need
from gateway.console.people.door import Door
from gateway.console.people.rights import Who
from gateway.console.presence import Presence
from gateway.console.records import PAGE, UNREADABLE, Shelf
from gateway.console.words import Language
from protocol import wire
from protocol.incident import Says
from protocol.site import Site
from protocol.wire import COUNT_MAX

COOKIE = "language"
COOKIE_S = 365 * 86400
STATUS = {"done": 200, "refused": 409, "no_broker": 503, "cut_off": 502, "unanswered": 504}

OWN_PAGE = r"^/([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$"  # a path of ours: nothing here leads elsewhere

Id = r"^[A-Za-z0-9_-]{1,32}$"
IncidentId = Annotated[str, Path(pattern=Id)]
Chosen = Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{0,32}$")]
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
    site: Site
    base: BaseMap
    door: Door
    presence: Presence
    language: Language
    address: str = ""

    def language_of(self, request: Request) -> Language:
        """The language that this browser chose."""
        return next((known for known in words.LANGUAGES if known == request.cookies.get(COOKIE)), self.language)

    @staticmethod
    def sees_of(request: Request) -> Sees:
        """What the person who asks may see and do."""
        who: Who = request.state.who
        return Sees(orders=who.may("orders"), phones=who.sees_phones, helps=who.may("orders"))

    def document(
        self, request: Request, template: str, show: Show = "strip", *, incident: str = "", status: int = 200, **context: Any
    ) -> HTMLResponse:
        """A whole page, which keeps itself fresh through /events. `incident`: the one that somebody asked the desk for."""
        language = self.language_of(request)
        shown = self.composer.chosen(incident, "") if show == "desk" else ""
        found = self.composer.page(language, show, self.sees_of(request), shown)
        strip, *pieces = found
        html = {"strip": Markup(strip.html), "pieces": Markup("".join(piece.html for piece in pieces))}  # noqa: S704  # rendered by the templates
        stream = urlencode(
            {"show": show}
            | {name: value for name, value in (("incident", incident), ("shown", shown)) if value}
            | {"seen": events.digest(found)}
        )
        page = {"who": request.state.who, "notice": "", "show": show, "stream": stream, "base": self.base}
        return HTMLResponse(self.composer.render(language, template, **page | html | context), status)

    def sheet(
        self, request: Request, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **context: Any
    ) -> HTMLResponse:
        """A whole page that shows nothing of the desk, and does not change by itself."""
        context |= {"who": request.state.who, "path": request.url.path}
        return HTMLResponse(self.composer.render(self.language_of(request), f"people/{template}", **context), status, headers)

    async def looked(self, request: Request, *, about: str = "", detail: str) -> None:
        """Record that somebody has taken away, or put on paper, what names people: `about` which incident, `detail` what of it."""
        await self.door.looked(who=gate.who(request).id, about=about, detail=detail, address=gate.visitor(request).address)

    def say(self, request: Request, text: str, *, status: int) -> Response:
        """Tell the person one sentence: as a fragment to htmx, as a whole page to a browser without JavaScript."""
        notice = self.composer.render(self.language_of(request), "notice.html", text=text, good=status < 400)
        if "HX-Request" in request.headers and "HX-Boosted" not in request.headers:
            return HTMLResponse(notice, status)
        if request.state.who is None or not request.state.who.may("desk"):
            return self.sheet(request, "message.html", status=status, notice=Markup(notice))  # noqa: S704  # rendered by the templates
        return self.document(request, "message.html", status=status, notice=Markup(notice))  # noqa: S704  # rendered by the templates


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
    async def page(request: Request, incident: Chosen = "") -> Response:
        """The desk (open incidents, one of them whole, and what is behind us) for whoever may see it; others are led to their own page."""
        who = gate.who(request)
        if who.may("desk"):
            return console.document(request, "desk.html", "desk", incident=incident)
        return RedirectResponse("/people" if who.may("people") else "/group/", 303)

    return router


def reading(console: Console) -> APIRouter:
    """The desk's routes that change nothing at the engine."""
    router = APIRouter(dependencies=[need("desk")])

    @router.get("/history", response_class=HTMLResponse)
    async def history(request: Request, before: Annotated[str | None, Query(pattern=Id)] = None) -> Response:
        """Incidents, older than `before` if given."""
        try:
            found = await console.shelf.incidents(before)
        except UNREADABLE as exc:
            return console.document(request, "history.html", status=503, items="", problem=str(exc), before=None)
        items = console.composer.older_incidents(console.language_of(request), found)
        return console.document(request, "history.html", items=items, problem="", before=found[-1].id if len(found) == PAGE else None)

    @router.get("/events")
    async def stream(
        request: Request,
        show: Show = "desk",
        incident: Chosen = "",
        shown: Chosen = "",
        *,
        seen: Annotated[str, Query(pattern=r"^[0-9a-f]{0,16}$")] = "",
    ) -> Response:
        """Server-sent events for the page that is open."""
        language, sees = console.language_of(request), console.sees_of(request)
        seen, shown = events.has(request.headers, seen, shown)
        pieces = events.pieces_of(console.composer, language, show, sees, wanted=incident, before=shown)
        stays = gate.stays(request, console.door)
        return StreamingResponse(events.stream(pieces, console.changes, console.clock, stays, seen=seen), media_type="text/event-stream")

    @router.post("/alive", status_code=204)
    async def alive(
        request: Request, page: Annotated[str, Form(pattern=r"^[a-z0-9]{1,32}$")], audible: Annotated[Literal["yes", "no"], Form()]
    ) -> Response:
        """A page that is open says so, and whether it can be heard. It is a desk only for who may decide about an alarm."""
        if gate.who(request).may("orders"):
            console.presence.heard(page, audible=audible == "yes")
        return Response(status_code=204)

    return router


def on_one_line(words: str) -> str:
    """What somebody has typed; empty, or a text of the wire."""
    said = " ".join(words.split())
    if said and not wire.is_text(said):
        raise ValueError("expected printable characters")
    return said


Reason = Annotated[str, Form(max_length=200), AfterValidator(on_one_line)]


def lacks_reason(outcome: Outcome, reason: str) -> bool:
    """True for a false alarm of which nobody says why: who ends it so must have looked."""
    return outcome == "false_alarm" and not reason


def ordering(console: Console) -> APIRouter:
    """The orders of whoever may decide about incidents. The engine judges each once more."""
    router = APIRouter(prefix="/incidents/{incident}", dependencies=[need("orders")])

    @router.post("/resolve")
    async def resolve(
        request: Request,
        incident: IncidentId,
        version: Version,
        outcome: Annotated[Outcome, Form()],
        reason: Reason = "",
    ) -> Response:
        """It is over, and this is what it was."""
        if lacks_reason(outcome, reason):
            return console.say(request, console.composer.words(console.language_of(request))("verdict.why_false"), status=422)
        return await _order(console, request, "resolve", incident, version, outcome=outcome, reason=reason or None)

    @router.post("/roll_call")
    async def roll_call(
        request: Request, incident: IncidentId, home: Annotated[str, Form(pattern=Id)], says: Annotated[Says, Form()]
    ) -> Response:
        """Somebody has told the desk how a home is."""
        return await _order(console, request, "roll_call", incident, None, home=home, says=says)

    @router.post("/called_114")
    async def called_114(request: Request, incident: IncidentId) -> Response:
        """I have called the fire brigade."""
        return await _order(console, request, "called_114", incident, None)

    def step(do: Do) -> None:
        @router.post(f"/{do}", name=do)
        async def order(request: Request, incident: IncidentId, version: Version) -> Response:
            return await _order(console, request, do, incident, version)

    for do in STEPS:
        step(do)
    return router


STEPS: tuple[Do, ...] = ("acknowledge", "on_the_way", "on_scene", "silence", "alarm_again")


async def _order(console: Console, request: Request, do: Do, incident: str, version: int | None, **more: Any) -> Response:
    """Give the order in the name of who asks, record it, and say what became of it."""
    who, address = gate.who(request), gate.visitor(request).address
    verdict = await console.desk.order(who.id, do, incident, version, **more)
    said = [str(word) for word in more.values() if word] + ([f"v{version}:"] if version is not None else [])
    detail = " ".join(word for word in (do, *said, verdict.what, verdict.error) if word)
    await console.door.note("ordered", who=who.id, about=incident, detail=detail, address=address)
    return _answer(console, request, do, incident, verdict)


def _answer(console: Console, request: Request, do: Do, incident: str, verdict: Verdict) -> Response:
    if verdict.what == "done" and "HX-Request" not in request.headers:
        return RedirectResponse("/", 303)
    t = console.composer.words(console.language_of(request))
    if verdict.what == "done":
        return console.say(request, t(f"verdict.done_{do}", id=incident), status=200)
    if verdict.what == "refused" and do == "acknowledge" and (by := taken_on_by(console, incident)):
        return console.say(request, t("not_done.acknowledged", id=incident, who=console.composer.name(by)), status=200)
    if verdict.what == "refused" and (known := refusal(verdict.error)):
        return console.say(request, t(f"not_done.{known}", id=incident), status=STATUS["refused"])
    return console.say(request, t(f"verdict.{verdict.what}", id=incident, error=verdict.error), status=STATUS[verdict.what])


def taken_on_by(console: Console, incident: str) -> str:
    """Who was quicker: two desks acknowledge at the same time, and both have what they want."""
    known = next((one for one in console.feed.incidents if one.id == incident), None)
    return known.acknowledged_by if known and known.state != "open" else ""
