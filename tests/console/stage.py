"""What the console's tests stand on: a real mosquitto, a peer that speaks as the engine does, a database, a running console."""

import asyncio
import json
import secrets
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from gateway.console.app import build, listen, serving
from gateway.console.people import accounts, book, passwords, sessions
from gateway.mqtt import Account
from gateway.settings import Settings
from protocol import site as site_files
from protocol import topics
from protocol.desk import Command, CommandAnswer, DeskAlive
from protocol.incident import Activation, Bell, Delivery, Incident, Place, TimelineEntry
from protocol.messages import Gateway, Tick
from protocol.people import Person
from protocol.site import Site

ROOT = Path(__file__).parents[2]
SITE = site_files.load(ROOT / "simulator/communes/ngo-thu-5.toml")
START = "5be07711-204"
NOON_MS = 1_793_600_000_000  # 02/11/2026 15:13:20 in Vietnam
BELLS = SITE.bells_of("TLG-03")
DEADLINE_S = 10.0
DUTY = "truc-ban-1"
# Of a browser in which the duty officer is logged in: every console here knows it.
TOKEN = secrets.token_urlsafe(32)
COOKIES = {"session": TOKEN}
PASSWORD = "gốc đa giếng nước sân đình"
HASHED = passwords.hashed(PASSWORD)  # once for all: it takes some 40 ms
TLS = httpx.create_ssl_context()  # the same, which httpx else does for each request


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Wait for a condition; fails naming it when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


async def soon(condition: Callable[[], object]) -> None:
    """The same inside an event loop."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # polls what has no event to await
            await asyncio.sleep(0.01)


class Broker:
    """mosquitto on a free port of loopback, open to everybody."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(["mosquitto", "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, "mosquitto listens")

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


def peopled(*more: Person) -> Site:
    """The site with somebody of every role: <role>-1, and of those with a group one of the other group, <role>-2."""
    people = list(SITE.people)
    site_wide = ("chief", "viewer", "administrator")
    people += [Person.model_validate({"id": f"{role}-1", "name": f"Mẫu {role}", "role": role}) for role in site_wide]
    for number, group, home in (("1", "TLG-03", "H03-02"), ("2", "DCC-N5", None)):
        for role in ("leader", "team", "household"):
            person = {"id": f"{role}-{number}", "name": f"Mẫu {role} {number}", "role": role, "group": group, "home": home}
            people.append(Person.model_validate(person))
    return Site(**(dict(SITE) | {"people": [*people, *more]}))


def get(url: str, **more: Any) -> httpx.Response:
    """What the duty officer's browser is answered."""
    return httpx.get(url, cookies=COOKIES | more.pop("cookies", {}), verify=TLS, **more)


def post(url: str, **more: Any) -> httpx.Response:
    """The same to a form of ours."""
    return httpx.post(url, cookies=COOKIES | more.pop("cookies", {}), verify=TLS, **more)


def log_in(path: Path, account: str, token: str) -> None:
    """Write into a console.db that somebody has an account, with PASSWORD, and is logged in with this token."""
    db = book.connect(path)
    now_ms = time.time_ns() // 1_000_000
    book.transaction(db, lambda db: accounts.set_password(db, account, HASHED, now_ms=now_ms))
    row = (sessions.key(token), account, now_ms, now_ms, "127.0.0.1", "tests")
    db.execute("INSERT OR REPLACE INTO session (token, account, made_ms, seen_ms, address, agent) VALUES (?, ?, ?, ?, ?, ?)", row)
    db.close()


class EnginePeer:
    """Says on the wire what an engine says, and keeps the commands that come, and in `users` who gave them. `verdict` makes the answer to
    each of them."""

    def __init__(self, port: int) -> None:
        self.commands: list[Command] = []
        self.users: list[str] = []
        self.desks: list[DeskAlive] = []
        self.verdict: Callable[[Command], CommandAnswer | None] = lambda command: CommandAnswer(id=command.id, ok=True)
        self._client = Client(CallbackAPIVersion.VERSION2, "engine-peer", protocol=MQTTv311, reconnect_on_failure=False)
        self._client.will_set(topics.gateway(SITE.id), Gateway(online=False, engine=START, version="0.1.0").payload(), 1, True)
        self._client.on_message = self._message
        connected = threading.Event()
        self._client.on_subscribe = lambda *_: connected.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe([(topics.desk(SITE.id, "+", leaf), 1) for leaf in ("command", "alive")])
        self._client.loop_start()
        assert connected.wait(DEADLINE_S), "the peer reaches the broker"
        self.say(topics.gateway(SITE.id), Gateway(online=True, engine=START, version="0.1.0").payload(), retain=True)
        self.tick()

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(DEADLINE_S)

    def tick(self) -> None:
        self.say(topics.tick(SITE.id), Tick(engine=START, t=NOON_MS).payload())

    def publish(self, snapshot: Incident) -> None:
        self.say(topics.incident(SITE.id, snapshot.id), snapshot.payload(), retain=True)

    def close(self, ident: str) -> None:
        """The incident is over."""
        self.say(topics.incident(SITE.id, ident), b"", retain=True)

    def die(self) -> None:
        """As kill -9 does: the broker sends the last will."""
        sock = self._client.socket()
        if sock and self._client.is_connected():
            sock.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()
        self._client.on_message = self._client.on_subscribe = None  # paho closes its own sockets once nobody holds it

    def _message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        if message.topic.endswith("/alive"):
            self.desks.append(DeskAlive.model_validate_json(message.payload))
            return
        command = Command.model_validate_json(message.payload)
        _, user, _ = topics.parse(SITE.id, message.topic)
        self.users.append(user)
        self.commands.append(command)
        if answer := self.verdict(command):
            self._client.publish(topics.desk(SITE.id, user, "answer"), answer.payload(), 1)


class RunningConsole:
    """A real console, feed, shelf and uvicorn in a thread of their own; `url` ends without a slash. The duty officer is logged in with
    TOKEN."""

    def __init__(
        self, port: int, database: Path, settings: Settings, answer_s: float, site: Site = SITE, address: str = "", at: int = 0
    ) -> None:
        account = Account("127.0.0.1", port, "console", "")
        self.own = database.with_name("console.db")
        log_in(self.own, DUTY, TOKEN)
        self.book = book.Book(self.own)
        console = build(settings, site, account, database=database, book=self.book, answer_s=answer_s)
        self.console = replace(console, address=address)
        self.url = ""
        self._at = at
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(DEADLINE_S), "the console serves"
        until(lambda: self.health()["engine"], "the console answers")

    @contextmanager
    def frozen(self, seconds: float = DEADLINE_S) -> Iterator[None]:
        """The console's event loop does nothing while the `with` lasts, at most so long, and its connections stay open."""
        thaw = threading.Event()
        self._loop.call_soon_threadsafe(thaw.wait, seconds)
        try:
            yield
        finally:
            thaw.set()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The console is gone."""
        self.stop()
        yield

    def stop(self) -> None:
        """Safe to call twice."""
        if not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the console ends"
        self.book.close()

    def health(self) -> dict[str, object]:
        found: dict[str, object] = httpx.get(self.url + "/healthz", verify=TLS).json()
        return found

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        parts = [asyncio.create_task(part.run()) for part in (self.console.feed, self.console.shelf, self.console.presence)]
        async with serving(self.console, listen("127.0.0.1", self._at)) as address:
            self.url = address.rstrip("/")
            self._ready.set()
            await self._stop.wait()
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)


@contextmanager
def running(
    port: int, database: Path, settings: Settings | None = None, *, answer_s: float = 5.0, site: Site = SITE, address: str = "", at: int = 0
) -> Iterator[RunningConsole]:
    """`address`: how phones reach it, as a certificate would say; `at`: the port, any free one if it does not matter."""
    console = RunningConsole(port, database, settings or Settings(), answer_s, site, address, at)
    console.start()
    try:
        yield console
    finally:
        console.stop()


def incident(ident: str = "2026-000123", **changes: object) -> Incident:
    """Household 7 pressed, nine of twelve bells measured, one commanded, one silent, one faulty."""
    place = SITE.place_of("H03-07")
    states = ["measured"] * 9 + ["commanded", "silent", "fault"]
    known = Incident(
        engine=START,
        id=ident,
        version=7,
        revision=21,
        kind="fire",
        group="TLG-03",
        group_name=SITE.group_name("TLG-03"),
        state="open",
        sounding=True,
        n=1,
        opened_ms=NOON_MS,
        place=place,
        activations=[
            Activation(
                n=1, event="9c41f2aa-17-42", device="H03-07", place=place, point="button-1", type="button", at_ms=NOON_MS, at_from="age"
            )
        ],
        bells=[
            Bell.model_validate(
                {"device": bell, "place": SITE.place_of(bell).name, "state": state, "after_ms": 410 if state == "measured" else None}
            )
            for bell, state in zip(BELLS, states, strict=True)
        ],
        deliveries=[Delivery(channel="zalo-to-03", what="opened", state="delivered", tries=1, at_ms=NOON_MS + 900)],
        timeline=[
            TimelineEntry(at_ms=NOON_MS, what="opened", who="H03-07", detail="button-1"),
            TimelineEntry(at_ms=NOON_MS + 3000, what="bell_silent", who=BELLS[10]),
        ],
    )
    return known.model_copy(update=changes)


def resolved(ident: str, **changes: object) -> Incident:
    over = {"state": "resolved", "sounding": False, "outcome": "drill", "resolved_ms": NOON_MS + 600_000, "resolved_by": "truc-ban-1"}
    return incident(ident, **(over | changes))


def place_named(name: str) -> Place:
    return SITE.place_of("H03-07").model_copy(update={"name": name})


class Database:
    """The engine's database, written with its own schema."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        for step in sorted((ROOT / "gateway/store/schema").glob("*.sql")):
            self.db.executescript(step.read_text(encoding="utf-8"))

    def keep(self, snapshot: Incident) -> None:
        self.db.execute(
            "INSERT INTO incident (id, state, opened_ms, snapshot, core) VALUES (?, ?, ?, ?, '{}')",
            (snapshot.id, snapshot.state, snapshot.opened_ms, snapshot.payload().decode()),
        )

    def log(self, what: str, *, at_ms: int = NOON_MS, device: str = "DCC-017", point: str = "extinguisher-1", detail: str = "") -> None:
        self.db.execute(
            "INSERT INTO maintenance (at_ms, device, place, point, what, detail) VALUES (?, ?, ?, ?, ?, ?)",
            (at_ms, device, SITE.place_of(device).name, point, what, detail),
        )

    def board(
        self, ident: str, state: str = "online", *, kind: str = "household", faults: dict[str, str] | None = None, **measured: int | None
    ) -> None:
        known = {"rssi": -61, "battery": 86, "mains": 1, "refused": 0, "last_seen_ms": NOON_MS} | measured
        self.db.execute(
            "INSERT OR REPLACE INTO device"
            " (id, kind, place, group_id, state, watch_s, last_seen_ms, firmware, rssi, battery, mains, refused, faults)"
            " VALUES (?, ?, ?, ?, ?, 80, ?, '1.0.0', ?, ?, ?, ?, ?)",
            (
                *(ident, kind, SITE.place_of(ident).name, SITE.group_of(ident), state),
                *(known["last_seen_ms"], known["rssi"], known["battery"], known["mains"], known["refused"]),
                json.dumps(faults or {}),
            ),
        )

    def channel(self, name: str, *, proved_ms: int | None = None, failed: str = "") -> None:
        row = (name, NOON_MS, NOON_MS, proved_ms, failed)
        self.db.execute("INSERT INTO canary (channel, since_ms, slot_ms, proved_ms, delivery, failed) VALUES (?, ?, ?, ?, 0, ?)", row)

    def commune(self) -> None:
        """An ordinary afternoon: one drill behind us, an extinguisher gone, one board lost, one weak, one never heard."""
        self.keep(resolved("2026-000121"))
        self.keep(resolved("2026-000122", outcome="false_alarm"))
        self.channel("sms", proved_ms=NOON_MS)
        self.channel("webhook:city", failed="status 503")
        self.log("extinguisher_taken", at_ms=NOON_MS - 60_000)
        self.log("board_lost", device="H03-04", point="")
        for bell in BELLS:
            self.board(bell)
        self.board("H03-04", "lost")
        self.board("H03-05", battery=12, rssi=-86, mains=0, faults={"point_fault": "smoke-1: open"})
        self.board("DCC-019", "unknown", kind="fire_point", last_seen_ms=None, battery=None, rssi=None, mains=None)
