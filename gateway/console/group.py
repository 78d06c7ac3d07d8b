"""The page of a group, for its leader and its households, on the phone."""

from collections.abc import Callable, Hashable
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse
from markupsafe import Markup
from starlette.exceptions import HTTPException

from gateway.console import events, gate, group_view
from gateway.console.desk import Outcome, refusal
from gateway.console.fragments import Fragment, leaf
from gateway.console.gate import need
from gateway.console.pages import STATUS, Console, Reason, Version, lacks_reason, taken_on_by
from gateway.console.people.rights import SITE_WIDE, Who
from gateway.console.words import Language
from protocol.desk import Do
from protocol.incident import Incident, Says
from protocol.wire import COUNT_MAX

PageName = Annotated[str, Form(pattern=r"^[a-z0-9]{0,32}$")]
Press = Annotated[int, Form(ge=0, le=COUNT_MAX)]
GroupId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
HomeId = Annotated[str, Form(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
PRESSES_MAX = 10_000  # pages and homes of an evening; the oldest are forgotten
FormIncident = Annotated[str, Form(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


def shell(console: Console, static: FilePath) -> APIRouter:
    """What a phone keeps for the time without a connection; nothing of anybody is in it. `static`: the folder of our files."""
    router = APIRouter()

    @router.get("/group/service-worker.js")
    async def worker() -> Response:
        """Under this path its scope is the group pages: the desk's page never comes out of a cache."""
        return FileResponse(static / "group" / "service-worker.js", media_type="text/javascript")

    @router.get("/group/offline/{language}", response_class=HTMLResponse)
    async def offline(language: Language) -> Response:
        """What is shown when the console cannot be reached: whom to call, and what to do."""
        return HTMLResponse(console.composer.render(language, "group/offline.html"))

    return router


def group(console: Console) -> APIRouter:
    """The page, its events, and what its people say and do. Everything about another territory is answered with 403."""
    router = APIRouter(prefix="/group", dependencies=[need("group")])
    pages, presses = Pages(console), Presses()

    @router.get("/", response_class=HTMLResponse)
    async def own(request: Request) -> Response:
        """The own group's page; for whoever may see all, the list of them."""
        who = gate.who(request)
        if who.role not in SITE_WIDE and who.group:
            return RedirectResponse(f"/group/{who.group}", 303)
        groups = [known for known in console.door.site.groups if who.may_see_group(known.id)]
        return console.sheet(request, "groups.html", groups=groups)

    @router.get("/{group}", response_class=HTMLResponse)
    async def page(request: Request, group: GroupId) -> Response:
        """The page."""
        return _page(console, pages, request, _territory(request, console, group))

    @router.get("/{group}/events")
    async def stream(request: Request, group: GroupId, seen: Annotated[str, Query(pattern=r"^[0-9a-f]{0,16}$")] = "") -> Response:
        """Server-sent events for the page that is open."""
        pieces = pages.pieces(gate.who(request), console.language_of(request), _territory(request, console, group))
        stays = gate.stays(request, console.door)
        seen, _ = events.has(request.headers, seen)
        return StreamingResponse(events.stream(pieces, console.changes, console.clock, stays, seen=seen), media_type="text/event-stream")

    @router.post("/{group}/answer")
    async def answer(
        request: Request,
        group: GroupId,
        incident: FormIncident,
        home: HomeId,
        says: Annotated[Says, Form()],
        *,
        page: PageName = "",
        press: Press = 0,
    ) -> Response:
        """How a home is: one's own, or one that a leader has heard of. Of one page the newest press counts, in whatever order they come."""
        _territory(request, console, group)
        presses.take(f"{gate.who(request).id} {page} {incident} {home}", press)
        return await _command(console, pages, request, group, "roll_call", incident=incident, home=home, says=says)

    @router.post("/{group}/decide")
    async def decide(
        request: Request,
        group: GroupId,
        incident: FormIncident,
        version: Version,
        do: Annotated[Literal["acknowledge", "on_the_way", "on_scene", "called_114", "silence", "alarm_again"], Form()],
    ) -> Response:
        """What a leader or the team decides about an alarm of the group."""
        _territory(request, console, group)
        return await _command(console, pages, request, group, do, incident=incident, version=version)

    @router.post("/{group}/resolve")
    async def resolve(
        request: Request,
        group: GroupId,
        incident: FormIncident,
        version: Version,
        outcome: Annotated[Outcome, Form()],
        *,
        reason: Reason = "",
    ) -> Response:
        """A leader ends an alarm of the group, and says what it was."""
        _territory(request, console, group)
        if lacks_reason(outcome, reason):
            return _say(console, pages, request, group, "why_false", status=422)
        ends = {"incident": incident, "version": version, "outcome": outcome, "reason": reason or None}
        return await _command(console, pages, request, group, "resolve", **ends)

    @router.post("/{group}/test")
    async def test(request: Request, group: GroupId, home: Annotated[str, Form(pattern=r"^[A-Za-z0-9_-]{0,32}$")] = "") -> Response:
        """Have the bells of the group, or of one home, sound for two seconds."""
        _territory(request, console, group)
        return await _command(console, pages, request, group, "test_bell", group=group, home=home or None)

    return router


def _territory(request: Request, console: Console, group: str) -> str:
    """The group, if it is in the territory of who asks; whether it exists is not told to others."""
    if not gate.who(request).may_see_group(group):
        raise HTTPException(403)
    if group not in {known.id for known in console.door.site.groups}:
        raise HTTPException(404)
    return group


def _page(console: Console, pages: "Pages", request: Request, group: str, *, notice: str = "", status: int = 200) -> HTMLResponse:
    who, language = gate.who(request), console.language_of(request)
    pieces = pages.pieces(who, language, group)()
    context = {"who": who, "group": group, "name": console.door.site.group_name(group), "notice": Markup(notice)}  # noqa: S704
    context |= {piece.id: Markup(piece.html) for piece in pieces}  # noqa: S704  # rendered by the templates
    context |= {"seen": events.digest(pieces)}
    return HTMLResponse(console.composer.render(language, "group/page.html", **context), status)


class Pages:
    """What the pages of groups show now. Rendered once for all who see the same, when something has changed: two hundred phones may look
    on while a dozen bells answer."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._count = -1
        self._shared: dict[Hashable, tuple[Fragment, Fragment, Fragment]] = {}

    def pieces(self, who: Who, language: Language, group: str) -> Callable[[], tuple[Fragment, ...]]:
        """What somebody's page of a group shows, to be asked whenever something may have changed."""
        made: tuple[int, tuple[Fragment, ...]] = (-1, ())

        def now() -> tuple[Fragment, ...]:
            nonlocal made
            count = self._console.changes.count
            if made[0] != count:
                made = (count, self._made(who, language, group))
            return made[1]

        return now

    def _made(self, who: Who, language: Language, group: str) -> tuple[Fragment, ...]:
        if self._count != self._console.changes.count:
            self._count, self._shared = self._console.changes.count, {}
        site, feed = self._console.door.site, self._console.feed
        alarms = group_view.alarms(feed.incidents, group, who, site)
        # A home alone is told of what rang no bell, so the newest that is over is not the same for all of a role.
        last = group_view.last(self._console.shelf.records.incidents, group, who)
        same = (language, group, who.role, tuple(alarm.incident.id for alarm in alarms), last.id if last else "")
        if same not in self._shared:
            self._shared[same] = self._of_all(alarms, last, who, language, group)
        state, roll, bells = self._shared[same]
        homes = {home.id: home.name for home in site.homes}
        own = {
            "alarms": alarms,
            "home": who.home if who.group == group else None,
            "home_name": homes.get(who.home or "", ""),
            "group": group,
            "quiet": feed.liveness.engine == "online" and not alarms,
            "may_test": bool(who.home) and group_view.may_do(who, "test_bell", group, who.home),
        }
        return state, self._piece(language, "own", **own), roll, bells

    def _of_all(
        self, alarms: list[group_view.Alarm], last: Incident | None, who: Who, language: Language, group: str
    ) -> tuple[Fragment, Fragment, Fragment]:
        feed, records, site = self._console.feed, self._console.shelf.records, self._console.door.site
        live = feed.liveness.engine == "online"
        bells = group_view.bells(records.devices, records.tests, group, site, live=live)
        may_test = group_view.may_do(who, "test_bell", group)
        return (
            self._piece(language, "state", alarms=alarms, live=live, liveness=feed.liveness, last=last, group=group),
            self._piece(language, "roll", alarms=alarms, group=group),
            self._piece(language, "bells", bells=bells, live=live, may_test=may_test and live and not alarms, group=group),
        )

    def _piece(self, language: Language, name: str, **context: object) -> Fragment:
        return leaf(name, self._console.composer.piece(language, "group/pieces.html", name, **context))


class Presses:
    """The number of the newest press about a home, by page: a bad link may deliver an older one after it."""

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}

    def take(self, about: str, press: int) -> None:
        """A press is here, perhaps once more. Raises HTTPException (409) for one that a newer press has overtaken: nobody reads that."""
        if press < self._newest.get(about, 0):
            raise HTTPException(409, "expected the newest press")
        self._newest.pop(about, None)
        self._newest[about] = press
        while len(self._newest) > PRESSES_MAX:
            del self._newest[next(iter(self._newest))]


async def _command(console: Console, pages: "Pages", request: Request, here: str, do: Do, **fields: Any) -> Response:
    """Send the command in the name of who asks, record it, and say what became of it."""
    who, address = gate.who(request), gate.visitor(request).address
    verdict = await console.desk.command(who.id, do=do, **fields)
    words = (do, *(fields.get(name) for name in ("home", "says", "outcome", "reason")), f"{verdict.what}:", verdict.error)
    about = fields.get("incident") or here
    await console.door.note("ordered", who=who.id, about=about, detail=" ".join(word for word in words if word), address=address)
    if verdict.what == "done" and "HX-Request" not in request.headers:
        return RedirectResponse(f"/group/{here}", 303)
    if verdict.what == "refused" and do == "acknowledge" and (by := taken_on_by(console, fields["incident"])):
        return _say(console, pages, request, here, "taken", status=200, who=console.composer.name(by))
    said = fields.get("says") or do if verdict.what == "done" else verdict.what
    return _say(console, pages, request, here, said, status=STATUS[verdict.what], error=verdict.error)


def _say(console: Console, pages: "Pages", request: Request, here: str, key: str, *, status: int, **more: str) -> Response:
    """One sentence, `key` below `said.` of the catalogue: to the page that is open, or as a page to a browser without scripts."""
    language = console.language_of(request)
    t = console.composer.words(language)
    known = refusal(more["error"]) if key == "refused" else ""
    text = t(f"said.{known or key}", **more)
    notice = console.composer.render(language, "notice.html", text=text, good=status < 400)
    if "HX-Request" in request.headers:
        return HTMLResponse(notice, status)
    return _page(console, pages, request, here, notice=notice, status=status)
