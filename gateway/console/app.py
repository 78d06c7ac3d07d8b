"""The console: puts its parts together and serves them: to this machine, or with TLS to others too."""

import asyncio
import contextlib
import logging
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from gateway.addresses import is_loopback
from gateway.console.administration import administration
from gateway.console.basemap import base_map
from gateway.console.certificates import Certificate
from gateway.console.changes import Changes
from gateway.console.composer import Composer
from gateway.console.desk import ANSWER_S, Desk
from gateway.console.entrance import account as own_account
from gateway.console.entrance import entrance, invitations
from gateway.console.feed import Clock, Feed
from gateway.console.gate import Gate
from gateway.console.group import group, shell
from gateway.console.guard import Guard
from gateway.console.log import log
from gateway.console.maps import maps
from gateway.console.pages import Console, home, ordering, public, reading
from gateway.console.papers import papers
from gateway.console.people.book import Book, opened
from gateway.console.people.door import Door
from gateway.console.presence import Presence
from gateway.console.records import Shelf
from gateway.console.words import Words
from gateway.mqtt import Account
from gateway.settings import Settings
from protocol import topics
from protocol.site import Site
from protocol.wire import shown

logger = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
CLOCK = Clock(time.monotonic, lambda: time.time_ns() // 1_000_000)
DESK_USER = "console"  # who says which pages are open: the program, for all who sit before them
STOP_S = 1  # for a browser that is slow to take the end of its event stream


async def serve(settings: Settings, site: Site, account: Account, *, database: Path, own: Path) -> None:
    """Serve until cancelled. `database` is the engine's, `own` the console's.

    Raises ValueError if the address is not this machine's own and there is no certificate, OSError if it is taken.
    """
    certificate = Certificate.of(settings.console)
    with opened(own) as book:
        console = build(settings, site, account, database=database, book=book, certificate=certificate)
        listener = listen(settings.console.host, settings.console.port, has_tls=certificate is not None)
        async with serving(console, listener, certificate) as address:
            logger.info("console at %s", address)
            if console.base.problem:
                logger.warning("no base map: %s", console.base.problem)
            await _invite_first(console, address)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(console.feed.run(), name="console feed")
                tasks.create_task(console.shelf.run(), name="console shelf")
                tasks.create_task(console.door.run(), name="console door")
                tasks.create_task(console.presence.run(), name="console presence")


async def _invite_first(console: Console, address: str) -> None:
    """On a gateway that nobody administers yet, whoever sees its own terminal may begin."""
    if code := await console.door.first_code():
        page = f"{console.address or address.rstrip('/')}/invitation/{code}"
        logger.warning("nobody administers this console yet. Become its administrator, within 24 hours: %s", page)


def build(
    settings: Settings,
    site: Site,
    account: Account,
    *,
    database: Path,
    book: Book,
    clock: Clock = CLOCK,
    answer_s: float = ANSWER_S,
    certificate: Certificate | None = None,
) -> Console:
    """The console's parts, not yet running."""
    changes = Changes()
    feed = Feed(site.id, account, changes, clock)
    shelf = Shelf(database, changes)
    return Console(
        feed=feed,
        shelf=shelf,
        desk=Desk(site.id, feed, answer_s=answer_s),
        composer=Composer(feed, shelf, changes, site),
        changes=changes,
        clock=clock,
        site=site,
        base=base_map(settings.map.pmtiles, settings.map.tiles, settings.map.attribution),
        door=Door(book, site, clock.now_ms, lambda: bool(feed.incidents)),
        presence=Presence(partial(feed.publish, topics.desk(site.id, DESK_USER, "alive"), qos=0), clock.monotonic),
        language=settings.console.language,
        address=certificate.address(settings.console.port) if certificate else "",
    )


def create(console: Console, names: Collection[str] = ()) -> FastAPI:
    """The web application, also known under `names`. Its own documentation pages are off: they would load scripts from elsewhere."""
    app = FastAPI(title="Kẻng console", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(shell(console, STATIC))
    for router in (public, entrance, invitations, home, own_account, reading, log, papers, maps, ordering, administration, group):
        app.include_router(router(console))
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Gate, door=console.door)
    app.add_middleware(Guard, names=names, pictures=console.base.pictures)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)

    @app.exception_handler(RequestValidationError)
    async def wrong_form(request: Request, exc: RequestValidationError) -> Response:
        t = console.composer.words(console.language_of(request))
        mistakes = [
            t("verdict.mistake", field=field, expected=_expected(t, field), got=_got(error.get("input"), t("verdict.nothing")))
            for error in exc.errors()
            if (field := str(error["loc"][1]))
        ]
        return console.say(request, t("verdict.wrong_form", mistakes=" ".join(mistakes)), status=422)

    @app.exception_handler(HTTPException)
    async def no_such_page(request: Request, exc: HTTPException) -> Response:
        t = console.composer.words(console.language_of(request))
        text = {403: t("page.not_yours"), 404: t("page.not_found")}.get(exc.status_code, exc.detail)
        return console.say(request, f"{exc.status_code}: {text}", status=exc.status_code)

    @app.exception_handler(sqlite3.Error)
    async def no_disk(request: Request, exc: sqlite3.Error) -> Response:
        logger.error("%s %s: %s", request.method, request.url.path, exc)
        t = console.composer.words(console.language_of(request))
        return console.say(request, t("page.no_disk", problem=exc), status=503)

    return app


def listen(host: str, port: int, *, has_tls: bool = False) -> socket.socket:
    """A listening socket. Raises ValueError for an address that others reach too, unless there is TLS; OSError if it is taken."""
    if not has_tls and not is_loopback(host):
        raise ValueError(f"console.host: expected an address of this machine alone, got {host!r}: there is no certificate")
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


@asynccontextmanager
async def serving(console: Console, listener: socket.socket, certificate: Certificate | None = None) -> AsyncIterator[str]:
    """The web application on `listener` while the `async with` lasts; gives its address."""
    host, port = listener.getsockname()[:2]
    app = create(console, certificate.names if certificate else ())
    # Nobody stands before us: an address that a header claims is not believed.
    config = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=STOP_S, proxy_headers=False, server_header=False
    )
    if certificate:
        config.load()
        config.ssl = certificate.context()
    server = _Server(config)
    tasks = [asyncio.create_task(server.serve(sockets=[listener]), name="console web")]
    if certificate and config.ssl:
        tasks.append(asyncio.create_task(certificate.renew(config.ssl), name="console certificate"))
    try:
        yield f"{'https' if certificate else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/"
    finally:
        console.changes.end()
        server.should_exit = True
        for task in tasks[1:]:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        listener.close()


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers (whoever runs us decides what SIGTERM means), and without anybody left at the end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn leaves open, after STOP_S, who came in the same moment and who does not take the answer: they are let go."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # to the end of the connections
        if answers := self.server_state.tasks:
            await asyncio.wait(answers, timeout=STOP_S)  # they were cancelled, and close what they have open


def _expected(t: Words, field: str) -> str:
    return t.of("expected", field if f"expected.{field}" in t.texts else "other")


def _got(value: object, nothing: str) -> str:
    return nothing if value is None else shown(value)
