"""Coming in and going out: login, invitation, one's own account."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from gateway.console import gate
from gateway.console.gate import let_in, let_out, need
from gateway.console.pages import Console
from gateway.console.people.door import Refused

STATUS = {"wrong": 403, "wait": 429, "busy": 503, "spent": 404}
Secret = Annotated[str, Form(max_length=1000)]
Code = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,64}$")]


def entrance(console: Console) -> APIRouter:
    """Login, open to everybody."""
    router = APIRouter()
    door = console.door

    @router.get("/login", response_class=HTMLResponse)
    async def login_page(request: Request) -> Response:
        """Name and password."""
        if request.state.who is not None:
            return RedirectResponse("/", 303)
        return console.sheet(request, "login.html", name="", problem="")

    @router.post("/login", response_class=HTMLResponse)
    async def login(request: Request, name: Annotated[str, Form(max_length=200)], password: Secret) -> Response:
        """Come in. Whatever session this browser had before is not used any more."""
        found = await door.login(name, password, gate.visitor(request))
        if isinstance(found, Refused):
            return console.sheet(request, "login.html", status=STATUS[found.why], headers=_later(found), name=name, problem=_words(found))
        return let_in(request, RedirectResponse("/", 303), found)

    return router


def invitations(console: Console) -> APIRouter:
    """Invitations, open to everybody who has a code."""
    router = APIRouter()
    door = console.door

    @router.get("/invitation", response_class=HTMLResponse)
    async def code_page(request: Request) -> Response:
        """A place to type a code that was read from a terminal or a paper."""
        return console.sheet(request, "code.html", problem="")

    @router.post("/invitation", response_class=HTMLResponse)
    async def typed(request: Request, code: Annotated[str, Form(max_length=64)]) -> Response:
        """The code that was typed."""
        plain = "".join(letter for letter in code if letter.isascii() and (letter.isalnum() or letter == "-"))
        if door.invited(plain) is None:
            return console.sheet(request, "code.html", status=404, problem=("spent", {}))
        return RedirectResponse(f"/invitation/{plain}", 303)

    @router.get("/invitation/{code}", response_class=HTMLResponse)
    async def invitation(request: Request, code: Code) -> Response:
        """Whom it invites, and a place to choose a password. To look at it uses nothing up: messengers look at every link."""
        who = door.invited(code)
        if who is None:
            return console.sheet(request, "code.html", status=404, problem=("spent", {}))
        return console.sheet(request, "invitation.html", code=code, invited=who, problem="")

    @router.post("/invitation/{code}", response_class=HTMLResponse)
    async def accept(request: Request, code: Code, password: Secret, again: Secret) -> Response:
        """Choose a password and come in."""
        who = door.invited(code)
        found = await door.accept(code, password, again, gate.visitor(request))
        if isinstance(found, Refused):
            if who is None or found.why == "spent":
                return console.sheet(request, "code.html", status=404, problem=("spent", {}))
            status = STATUS.get(found.why, 422)
            return console.sheet(request, "invitation.html", status=status, code=code, invited=who, problem=_words(found))
        return let_in(request, RedirectResponse("/", 303), found)

    return router


def account(console: Console) -> APIRouter:
    """One's own account: where it is logged in, another password, logging out."""
    router = APIRouter(dependencies=[need("own")])
    door = console.door

    def page(request: Request, *, problem: Any = "", done: str = "", status: int = 200, headers: dict[str, str] | None = None) -> Response:
        context = {"sessions": door.sessions_of(gate.who(request)), "own": gate.session(request).key, "problem": problem, "done": done}
        return console.sheet(request, "account.html", status=status, headers=headers, **context)

    @router.get("/account", response_class=HTMLResponse)
    async def own(request: Request) -> Response:
        """The page."""
        return page(request)

    @router.post("/account/password", response_class=HTMLResponse)
    async def password(request: Request, old: Secret, new: Secret, again: Secret) -> Response:
        """Another password; every other browser is logged out."""
        found = await door.change_password(gate.who(request), old, new, again, gate.visitor(request))
        if isinstance(found, Refused):
            return page(request, problem=_words(found), status=STATUS.get(found.why, 422), headers=_later(found))
        return let_in(request, RedirectResponse("/account", 303), found)

    @router.post("/logout")
    async def logout(request: Request) -> Response:
        """This browser alone."""
        await door.logout(gate.who(request), gate.session(request), everywhere=False, address=gate.visitor(request).address)
        return let_out(request, RedirectResponse("/login", 303))

    @router.post("/logout/everywhere")
    async def logout_everywhere(request: Request) -> Response:
        """Every browser."""
        await door.logout(gate.who(request), gate.session(request), everywhere=True, address=gate.visitor(request).address)
        return let_out(request, RedirectResponse("/login", 303))

    return router


def _words(refused: Refused) -> tuple[str, dict[str, object]]:
    """Key below `refused.` of the catalogue, and the fields of its text."""
    return refused.why, {"s": refused.wait_s} if refused.why == "wait" else {}


def _later(refused: Refused) -> dict[str, str] | None:
    return {"Retry-After": str(refused.wait_s)} if refused.why == "wait" else None
