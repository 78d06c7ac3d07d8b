"""The console: puts its parts together and serves them, to this machine only."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from gateway.console.changes import Changes
from gateway.console.composer import Composer
from gateway.console.desk import ANSWER_S, Desk
from gateway.console.feed import Clock, Feed
from gateway.console.guard import Guard
from gateway.console.pages import Console, ordering, reading
from gateway.console.papers import papers
from gateway.console.records import Shelf
from gateway.mqtt import Account
from gateway.settings import Settings, desk_user, is_loopback
from protocol.site import Site
from protocol.wire import shown

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
CLOCK = Clock(time.monotonic, lambda: time.time_ns() // 1_000_000)
STOP_S = 1  # for a browser that is slow to take the end of its event stream


async def serve(settings: Settings, site: Site, account: Account, *, database: Path) -> None:
    """Serve until cancelled. Raises FileMistakes if nobody may sit at the desk, ValueError if the address is not this machine's own,
    OSError if it is taken."""
    console = build(settings, site, account, database=database)
    async with serving(console, listen(settings.console.host, settings.console.port)) as address:
        logger.info("console at %s", address)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(console.feed.run(), name="console feed")
            tasks.create_task(console.shelf.run(), name="console shelf")


def build(settings: Settings, site: Site, account: Account, *, database: Path, clock: Clock = CLOCK, answer_s: float = ANSWER_S) -> Console:
    """The console's parts, not yet running. Raises FileMistakes if nobody may sit at the desk."""
    user = desk_user(settings, site)
    person = site.person(user)
    changes = Changes()
    feed = Feed(site.id, user, account, changes, clock)
    shelf = Shelf(database, changes)
    return Console(
        feed=feed,
        shelf=shelf,
        desk=Desk(site.id, feed, answer_s=answer_s),
        composer=Composer(feed, shelf, changes, {person.id: person.name for person in site.people}),
        changes=changes,
        clock=clock,
        person=person.name if person else user,
        language=settings.console.language,
    )


def create(console: Console) -> FastAPI:
    """The web application. Its own documentation pages are off: they would load scripts from elsewhere."""
    app = FastAPI(title="Kẻng console", docs_url=None, redoc_url=None)
    app.include_router(reading(console))
    app.include_router(papers(console))
    app.include_router(ordering(console))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Guard)

    @app.exception_handler(RequestValidationError)
    async def wrong_form(request: Request, exc: RequestValidationError) -> Response:
        t = console.composer.words(console.language_of(request))
        mistakes = [
            t("verdict.mistake", field=field, expected=t(f"expected.{field}"), got=_got(error.get("input"), t("verdict.nothing")))
            for error in exc.errors()
            if (field := str(error["loc"][1]))
        ]
        return console.say(request, t("verdict.wrong_form", mistakes=" ".join(mistakes)), status=422)

    @app.exception_handler(HTTPException)
    async def no_such_page(request: Request, exc: HTTPException) -> Response:
        t = console.composer.words(console.language_of(request))
        text = t("page.not_found") if exc.status_code == 404 else str(exc.detail)
        return console.say(request, f"{exc.status_code}: {text}", status=exc.status_code)

    return app


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on an address of this machine alone. Raises ValueError for any other, OSError if it is taken."""
    if not is_loopback(host):
        raise ValueError(f"console.host: expected an address of this machine alone, got {host!r}: the console has no login yet")
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


@asynccontextmanager
async def serving(console: Console, listener: socket.socket) -> AsyncIterator[str]:
    """The web application on `listener` while the `async with` lasts; gives its address."""
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(create(console), lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=STOP_S)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="console web")
    try:
        yield f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
    finally:
        console.changes.end()
        server.should_exit = True
        with contextlib.suppress(asyncio.CancelledError):
            await task
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: whoever runs us decides what SIGTERM means."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _got(value: object, nothing: str) -> str:
    return nothing if value is None else shown(value)
