"""Where single boards are measured: a mosquitto that they reach by TLS only, and behind it as little of an engine as a board needs.

The engine's own time is measured elsewhere: here it greets, receipts and silences at once, from the bench's process.
"""

import asyncio
import getpass
import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from protocol import topics
from simulator.bench.certificates import DER, PEM, Authority
from simulator.bench.figures import NotMeasured
from simulator.mqtt import Account, Client, Message
from simulator.parts import free_ports, listening
from simulator.watch import Watch

HOST = "127.0.0.1"
SITE = "xa-do"
GROUP = "TLG-000"
NAME = "gw.local"
ENGINE = "5be07711-1"
START_S = 20.0
PATIENCE_S = 20.0
TICK_S = 10.0
Fields = dict[str, Any]


class Hall:
    """Broker and engine, for as long as `async with` lasts. `tls`: where boards connect; `heard`: (monotonic s, topic below the site,
    fields) of every message.
    """

    def __init__(self, directory: Path) -> None:
        self.watch = Watch()
        self.heard: list[tuple[float, str, Fields]] = []
        self._directory = directory
        self._authority = Authority()
        self._port, tls_port = free_ports(2)
        self.tls = (HOST, tls_port)
        self._rev = 0
        self._client = Client(self._hear)

    async def __aenter__(self) -> Self:
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise NotMeasured("expected mosquitto, which alone checks certificates, got none on this machine")
        self._directory.mkdir(parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            with (self._directory / "mosquitto.log").open("ab") as log:
                self._broker = await asyncio.create_subprocess_exec(program, "-c", self._write_settings(), stdout=log, stderr=log)
            stack.push_async_callback(self._end)
            if not await listening(HOST, self._port, START_S):
                raise NotMeasured(f"expected mosquitto within {START_S:.0f} s, got {(self._directory / 'mosquitto.log').read_text()}")
            await self._client.connect(Account(HOST, self._port, "engine", ""))
            stack.callback(self._client.close)
            await self._client.subscribe(f"{topics.PREFIX}{SITE}/#")
            ticking = asyncio.create_task(self._tick(), name="ticks")
            stack.callback(ticking.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def files(self, device: str) -> dict[str, bytes]:
        """What the technician's bench writes for a board to be let in."""
        certificate, key = self._authority.issue(f"{device}.1").encoded(DER)
        return {"/tls/ca.der": self._authority.holder.encoded(DER)[0], "/tls/board.der": certificate, "/tls/key.der": key}

    def first(self, topic: str, since: float, test: Callable[[Fields], object] = lambda _: True) -> float | None:
        """When a message on a topic below the site first passed the test, at or after `since` (monotonic s)."""
        return next((at for at, where, fields in self.heard if at >= since and where == topic and test(fields)), None)

    async def until(self, topic: str, since: float, test: Callable[[Fields], object] = lambda _: True) -> float:
        """Wait for first(). Raises NotMeasured."""
        if not await self.watch.until(lambda: self.first(topic, since, test) is not None, PATIENCE_S):
            raise NotMeasured(f"expected a message on {topic} within {PATIENCE_S:.0f} s, got none")
        return self.first(topic, since, test) or 0.0

    def say(self, topic: str, **fields: object) -> None:
        """Publish below the site."""
        self._client.send(f"{topics.PREFIX}{SITE}/{topic}", json.dumps({"v": 1, "engine": ENGINE, **fields}).encode(), qos=1)

    def quiet(self, device: str) -> None:
        """A ring order that silences whatever the group's bells sound for: it takes the newest alarms of the board into account."""
        self._rev += 1
        ids = [fields["id"] for _, where, fields in self.heard if where == f"dev/{device}/event" and fields.get("calling")]
        order = {"rev": self._rev, "incident": "2026-000001", "pattern": None, "n": self._rev, "place": None, "for_s": 60, "mute": []}
        self.say(f"group/{GROUP}/ring", covers={device: ids[-1]} if ids else {}, **order)

    def _hear(self, message: Message) -> None:
        at = time.monotonic()
        topic = message.topic.removeprefix(f"{topics.PREFIX}{SITE}/")
        fields = json.loads(message.payload)
        self.heard.append((at, topic, fields))
        kind, _, rest = topic.partition("/")
        if kind == "dev" and rest.endswith("/state") and fields["online"] and not message.retained:
            birth = f"{fields['life']}-{fields['boot']}"
            hello = {"t": time.time_ns() // 1_000_000, "for": birth, "group": GROUP, "ring": None}
            self.say(topic.replace("/state", "/hello"), **hello)
        elif kind == "dev" and rest.endswith("/event"):
            self.say(topic.replace("/event", "/receipt"), id=fields["id"])
        self.watch.changed()

    async def _tick(self) -> None:
        while True:
            self.say("tick", t=time.time_ns() // 1_000_000)
            await asyncio.sleep(TICK_S)

    async def _end(self) -> None:
        self._broker.terminate()
        await self._broker.wait()

    def _write_settings(self) -> str:
        server, key = self._authority.issue("broker", NAME).encoded(PEM)
        pem = {"ca.pem": self._authority.holder.encoded(PEM)[0], "server.pem": server, "server.key": key}
        for name, content in pem.items():
            (self._directory / name).write_bytes(content)
        settings = self._directory / "mosquitto.conf"
        settings.write_text(
            f"""user {getpass.getuser()}
per_listener_settings true
listener {self._port} {HOST}
allow_anonymous true
set_tcp_nodelay true

listener {self.tls[1]} {HOST}
cafile {self._directory / "ca.pem"}
certfile {self._directory / "server.pem"}
keyfile {self._directory / "server.key"}
require_certificate true
use_identity_as_username true
""",
            encoding="utf-8",
        )
        return str(settings)
