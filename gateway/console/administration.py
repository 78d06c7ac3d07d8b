"""What the administrator does: invite people, close accounts, read the record of who did what."""

from typing import Annotated, NamedTuple

import segno
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from markupsafe import Markup
from starlette.exceptions import HTTPException

from gateway.console import gate
from gateway.console.gate import need
from gateway.console.pages import Console
from gateway.console.people import accounts, audit
from gateway.console.people.rights import Who, who
from protocol.people import FIRST_ADMINISTRATOR

AccountId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,32}$")]


class Row(NamedTuple):
    """Somebody of the site file, or an account of somebody who is not in it any more (`who` is None)."""

    id: str
    who: Who | None
    has_account: bool
    invited_until_ms: int | None
    sessions: int
    seen_ms: int | None


def administration(console: Console) -> APIRouter:
    """Accounts and the record."""
    router = APIRouter(dependencies=[need("people")])
    door = console.door

    @router.get("/people", response_class=HTMLResponse)
    async def people(request: Request) -> Response:
        """Everybody, and whether they have an account."""
        groups = {group.id: group.name for group in door.site.groups}
        return console.sheet(request, "people.html", rows=rows(console), groups=groups, base=console.base)

    @router.post("/people/{ident}/invite", response_class=HTMLResponse)
    async def invite(request: Request, ident: AccountId) -> Response:
        """A link for this person, shown once."""
        code = await door.invite(ident, by=gate.who(request).id, address=gate.visitor(request).address)
        if code is None:
            raise HTTPException(404)
        here = console.address or f"{request.url.scheme}://{request.headers['host']}"
        link = f"{here}/invitation/{code}"
        # Without TLS this machine alone is answered: a phone that reads the link would ask itself.
        picture = qr(link) if console.address else ""
        return console.sheet(request, "invited.html", invited=who(door.site, ident), link=link, code=code, days=3, qr=picture)

    @router.post("/people/{ident}/close")
    async def close(request: Request, ident: AccountId) -> Response:
        """Take the account away. The person stays in the site file, and can be invited again."""
        if not await door.close(ident, by=gate.who(request).id, address=gate.visitor(request).address):
            raise HTTPException(404)
        return RedirectResponse("/people", 303)

    @router.get("/audit", response_class=HTMLResponse)
    async def record(
        request: Request,
        before: Annotated[int | None, Query(ge=0, le=2**62)] = None,
        person: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{0,32}$")] = None,
    ) -> Response:
        """Who did what, newest first."""
        found = audit.entries(door.book.reading, before=before, who=person or None)
        older = found[-1].id if len(found) == audit.PAGE else None
        return console.sheet(request, "audit.html", entries=found, older=older, person=person or "", rows=rows(console))

    return router


def qr(link: str) -> Markup:
    """A link as a QR code: SVG without any style of its own, black on white with its quiet zone, by day and by night."""
    drawn = segno.make(link, error="m", micro=False).svg_inline(dark="#000", light="#fff", svgclass="qr", lineclass=None, omitsize=True)
    return Markup(drawn)  # noqa: S704  # our own drawing: the link is in it as squares only


def rows(console: Console) -> list[Row]:
    """The people of the site file in its order, the administrator whom the first start made, and accounts that lead to nobody."""
    door, now_ms = console.door, console.clock.now_ms()
    known, invited = accounts.accounts(door.book.reading), accounts.invitations(door.book.reading, now_ms=now_ms)
    seen = accounts.last_seen(door.book.reading)
    listed = [person.id for person in door.site.people]
    others = [ident for ident in (FIRST_ADMINISTRATOR, *known, *invited) if ident not in listed]
    return [
        Row(
            ident,
            who(door.site, ident),
            ident in known,
            invited[ident].ends_ms if ident in invited else None,
            *seen.get(ident, (0, None)),
        )
        for ident in dict.fromkeys([*listed, *others])
        if ident != FIRST_ADMINISTRATOR or ident in known or ident in invited or ident in listed
    ]
