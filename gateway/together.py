"""`keng up`: which parts there are, when each is ready, and what is said at the start."""

import asyncio
import json
import ssl
import sys
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from gateway import broker as brokers
from gateway import startup, supervisor
from gateway.identity import accounts
from gateway.mqtt import Account
from gateway.settings import Console, Settings, need_duty
from gateway.supervisor import CannotStart, Part
from protocol.site import Site

HEALTH_S = 2.0


def run(site: Site, settings: Settings, data: Path, options: list[str]) -> None:
    """Everything, until SIGTERM or Ctrl-C. `options` are those of the three commands.

    Raises FileMistakes, BrokerMissing, CannotStart or OSError, with nothing left running.
    """
    need_duty(site)
    choice = brokers.choose(settings.broker)
    managed = choice.kind != "external"
    ports = startup.broker_ports(settings.broker) if managed else {}
    startup.need_free_ports({**ports, "[console] port": (settings.console.host, settings.console.port)})
    users = accounts.ensure(data, site, settings.broker)
    page = f"{'https' if settings.console.certificate else 'http'}://{address(settings.console)}"
    # The console's account: while the broker starts, the console is not connected.
    own = [Part("broker", ["broker", *options], partial(broker_answers, users.account("console")))]
    parts = [
        Part("engine", ["engine", *options], ready_at_once),
        Part("console", ["console", *options], partial(engine_online, page)),
    ]
    if not managed:
        tell("keng", startup.broker_words(choice, settings.broker)[0])
        asyncio.run(_need_access([users.account("engine"), users.account("console")]))
    asyncio.run(supervisor.run(own + parts if managed else parts, tell, partial(_started, page)))


async def _need_access(users: list[Account]) -> None:
    for account in users:
        if why := await broker_answers(account):
            raise CannotStart(f"external broker: {why}")


def tell(part: str, line: str) -> None:
    """One line of a part on stdout."""
    sys.stdout.write(f"{part:<7} | {line}\n")
    sys.stdout.flush()


def address(console: Console) -> str:
    """host:port as it is written in a URL of this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(console.host, console.host)  # noqa: S104  # told apart, not bound
    return f"[{host}]:{console.port}" if ":" in host else f"{host}:{console.port}"


async def broker_answers(account: Account) -> str:
    """Ready when the broker lets the account in."""
    try:
        refused = await brokers.refusal(account)
    except OSError as exc:  # TimeoutError is one too
        return f"no answer from {account.host}:{account.port} ({exc or 'time out'})"
    return f"{account.host}:{account.port} refuses {account.user}: {refused}" if refused else ""


async def ready_at_once() -> str:
    """For a part whose work is seen by another's readiness."""
    return ""


async def engine_online(page: str) -> str:
    """Ready when the console answers and sees the engine."""
    try:
        health = await asyncio.to_thread(_health, page)
    except (OSError, HTTPException, ValueError) as exc:
        return f"no answer from {page}/healthz ({exc})"
    return "" if health.get("engine") == "online" else "the console does not see the engine yet"


def _health(page: str) -> dict[str, Any]:
    # Nothing secret goes there, and a certificate that has run out is no reason not to start.
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    by_no_proxy = build_opener(ProxyHandler({}), HTTPSHandler(context=anybody))
    with by_no_proxy.open(Request(f"{page}/healthz", headers={"Host": "localhost"}), timeout=HEALTH_S) as answer:  # noqa: S310  # http or https
        found: dict[str, Any] = json.load(answer)
    return found


def _started(page: str) -> None:
    tell("keng", f"console: {page}")
    tell("keng", "ready")
