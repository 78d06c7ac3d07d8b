"""Who asks: the session of every request, and which part of the console each route belongs to. Without a session only PUBLIC is open."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends, Request
from fastapi.params import Depends as Dependency
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.console.people.door import Door, Entered, Visitor
from gateway.console.people.rights import Area, Who
from gateway.console.people.sessions import LASTS, Session

PUBLIC = re.compile(
    r"/(login|language|healthz|invitation|invitation/[A-Za-z0-9-]{1,64}|static/.*|group/service-worker\.js|group/offline/(vi|en))"
)
BROWSER_S = 400 * 86400  # the longest that browsers keep a cookie (RFC 6265bis, 5.5)


def cookie(name: str, *, secure: bool) -> str:
    """The name of a cookie of ours. With TLS browsers take it from this host alone, and never over a plain connection."""
    return f"__Host-{name}" if secure else name


class Gate:
    """ASGI middleware: sets `request.state.who` and `.session`, and leads whoever has none to the login."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        found = self._door.session(request.cookies.get(cookie("session", secure=scope["scheme"] == "https")))
        if found is not None:
            await self._door.use(*found)
        request.state.who, request.state.session = found or (None, None)
        app = self._app if found or PUBLIC.fullmatch(scope["path"]) else _to_login(scope)
        await app(scope, receive, send)


def _to_login(scope: Scope) -> Response:
    headers = Headers(scope=scope)
    if scope["method"] in ("GET", "HEAD") and "text/html" in headers.get("accept", "text/html") and "hx-request" not in headers:
        return RedirectResponse("/login", 303)
    return PlainTextResponse("401: expected somebody who is logged in\n", 401, headers={"HX-Redirect": "/login"})


def need(area: Area) -> Any:
    """A dependency of routes: only whoever may use this part of the console comes in."""

    def check(request: Request) -> None:
        if request.state.who is None or not request.state.who.may(area):
            raise HTTPException(403)

    check.area = area  # type: ignore[attr-defined]  # for area_of
    return Depends(check)


def area_of(dependencies: list[Dependency]) -> Area | None:
    """The part of the console that a route with these dependencies belongs to; None if nothing says so."""
    return next((found for one in dependencies if (found := getattr(one.dependency, "area", None))), None)


def who(request: Request) -> Who:
    """Who asks, behind a `need`."""
    found: Who = request.state.who
    return found


def session(request: Request) -> Session:
    """The session of who asks, behind a `need`."""
    found: Session = request.state.session
    return found


def stays(request: Request, door: Door) -> Callable[[], Awaitable[bool]]:
    """Whether who asks is still logged in, for answers that last; each question is a use of the session."""
    token = request.cookies.get(cookie("session", secure=request.url.scheme == "https"))

    async def ask() -> bool:
        found = door.session(token)
        if found is not None:
            await door.use(*found)
        return found is not None

    return ask


def visitor(request: Request) -> Visitor:
    """What the connection tells."""
    secure = request.url.scheme == "https"
    address = request.client.host if request.client else ""
    return Visitor(address, request.headers.get("user-agent", ""), request.cookies.get(cookie("browser", secure=secure)))


def let_in(request: Request, response: Response, entered: Entered) -> Response:
    """Set the cookies of somebody who has come in."""
    secure = request.url.scheme == "https"
    lasts_s = LASTS[entered.who.role].whole_ms // 1000
    tokens = [("session", entered.token, lasts_s), ("browser", entered.browser, BROWSER_S)]
    for name, token, age_s in tokens:
        if token is not None:
            response.set_cookie(cookie(name, secure=secure), token, max_age=age_s, httponly=True, samesite="lax", secure=secure)
    return response


def let_out(request: Request, response: Response) -> Response:
    """Take the session's cookie away; that of the known browser stays."""
    secure = request.url.scheme == "https"
    response.delete_cookie(cookie("session", secure=secure), httponly=True, samesite="lax", secure=secure)
    return response
