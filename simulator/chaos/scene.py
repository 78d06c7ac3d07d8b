"""The scene of a chaos: broker and engine as processes, boards behind proxies (real firmware in some groups, where it runs, light boards
in the others), a desk, a receiver of webhooks, a clock that can be set and a disk that can be full.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Self

from protocol.config import Address, BoardConfig, Network
from protocol.incident import Incident
from protocol.messages import decode
from simulator.bench import communes
from simulator.chaos.stepped import Clock
from simulator.chaos.surroundings import Disk
from simulator.chaos.tap import Desk, Ear, Told
from simulator.chaos.verdict import Burnt, Button, Row
from simulator.links import Link
from simulator.mqtt import Account
from simulator.parts import Part, PartFailed, answer, free_ports, listening
from simulator.processes import available
from simulator.receivers import WebhookReceiver
from simulator.watch import Watch
from simulator.world import World

HOST = "127.0.0.1"
GROUPS = 7
REAL_GROUPS = 2  # with the real firmware, where it runs
BUTTONS = ("button-1", "button-2")
START_S = 60.0
READY_S = 120.0
KEEP_S = 0.1
PATIENCE_S = 0.2  # with a database that a dead writer left on a full disk: all boards here stand still meanwhile


class Scene:
    """`async with` builds it. `directory`: for everything but the gateway's data, which lies in `data`, on `disk`."""

    def __init__(self, directory: Path, data: Path, disk: Disk, *, light: bool = False) -> None:
        self.watch = Watch()
        self.disk = disk
        self.light = light or not available()
        self.groups = {communes.board_id(number): communes.group_id(number) for number in range(GROUPS * communes.GROUP_SIZE)}
        self.ports = free_ports(2)
        self._directory = directory
        self._data = data
        self._worlds: dict[str, World] = {}
        self._down: set[Part] = set()

    async def __aenter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        communes.write(self._directory / "site.toml", len(self.groups))
        async with AsyncExitStack() as stack:
            webhook = await stack.enter_async_context(WebhookReceiver(self.watch))
            self.told = Told(webhook)
            self._write_settings(webhook.url)
            self.clock = Clock(self._directory / "clock")
            self.broker = self._part("broker")
            self.engine = self._part("engine")
            self.engine.command = ["simulator.chaos.stepped", str(self.clock.path), *self.engine.command[1:]]
            for part in (self.broker, self.engine):
                stack.push_async_callback(part.stop)
                await part.start()
            accounts = await self._accounts()
            if not await listening(HOST, self.ports[0], START_S):
                raise PartFailed(f"expected a broker within {START_S:.0f} s, got none{self.broker.last_lines()}")
            self.ear = Ear(communes.SITE, accounts["observer"], self.watch)
            self.desk = Desk(communes.SITE, communes.DUTY, accounts["console"], self.watch)
            await stack.enter_async_context(self.ear.line)
            await stack.enter_async_context(self.desk.line)
            await self._add_boards(stack, accounts)
            keeper = asyncio.get_running_loop().create_task(self._keep(), name="keeper")
            stack.callback(keeper.cancel)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def ready(self) -> None:
        """Return when every board has met the engine. Raises PartFailed."""
        await asyncio.gather(*(world.power(device, True) for device, world in self._worlds.items()))
        if not await self.watch.until(lambda: not self._unmet(), READY_S):
            raise PartFailed(f"expected every board met within {READY_S:.0f} s, got not {self._unmet()}{self.engine.last_lines()}")

    @property
    def devices(self) -> list[str]:
        """Every board."""
        return list(self.groups)

    @property
    def real(self) -> list[str]:
        """The boards that run the real firmware."""
        return [] if self.light else self.devices[: REAL_GROUPS * communes.GROUP_SIZE]

    @property
    def crashed(self) -> set[str]:
        """Boards whose program has ended."""
        return {device for world in set(self._worlds.values()) for device in world.crashed}

    def press(self, button: Button) -> None:
        """A finger on it."""
        self._worlds[button.device].press(*button)

    def release(self, button: Button) -> None:
        """And off."""
        self._worlds[button.device].release(*button)

    def link(self, device: str) -> Link:
        """The board's way to the broker."""
        return self._worlds[device].link(device)

    @contextmanager
    def down(self, part: Part) -> Iterator[None]:
        """Do not start this part again for so long."""
        self._down.add(part)
        try:
            yield
        finally:
            self._down.discard(part)

    def engine_pid(self) -> int | None:
        """The engine's process, if it lives."""
        return self.engine.pid if self.engine.running else None

    # The disk is asked, not the engine: what is promised is promised of the disk.

    def rows(self) -> list[Row]:
        """The presses in the journal, in its order."""
        found = self._asked("SELECT id, device, point FROM event WHERE type = 'button' AND state = 'active' ORDER BY seq")
        return [Row(ident, Button(device, point)) for ident, device, point in found]

    def incidents(self) -> list[Burnt]:
        """Every incident, in the order of their numbers."""
        found = []
        for (snapshot,) in self._asked("SELECT snapshot FROM incident ORDER BY number"):
            incident = decode(Incident, snapshot.encode())
            events = tuple(activation.event for activation in incident.activations)
            found.append(Burnt(incident.id, incident.group or "", incident.state == "resolved", incident.n, events))
        return found

    def kept(self) -> set[str]:
        """The id of every event in the journal."""
        return {ident for (ident,) in self._asked("SELECT id FROM event")}

    def are_kept(self, events: Iterable[str]) -> list[str]:
        """Those of these events that are not in the journal. Raises sqlite3.OperationalError while nobody can read it."""
        with self._database(PATIENCE_S) as db:
            return [event for event in events if not db.execute("SELECT 1 FROM event WHERE id = ?", (event,)).fetchone()]

    def _asked(self, question: str) -> list[tuple[str, ...]]:
        with self._database() as db:
            return db.execute(question).fetchall()

    def _database(self, patience_s: float = 10.0) -> "_Reading":
        return _Reading(self._data / "keng.db", patience_s)

    def _unmet(self) -> list[str]:
        with self._database() as db:
            met = {device for (device,) in db.execute("SELECT id FROM device WHERE state = 'online'")}
        return [device for device in self._worlds if device not in met]

    async def _keep(self) -> None:
        """Start again what does not run, as systemd does."""
        while True:
            for part in (self.broker, self.engine):
                if not part.running and part not in self._down:
                    await part.start()
            await asyncio.sleep(KEEP_S)

    async def _add_boards(self, stack: AsyncExitStack, accounts: dict[str, Account]) -> None:
        broker = (HOST, self.ports[0])
        worlds = {"light": await stack.enter_async_context(World(self._directory / "light", broker, rom=None, watch=self.watch))}
        if not self.light:
            rom = self._directory / "rom"
            await answer("firmware.bench.bundle", str(rom))
            real = World(self._directory / "real", broker, rom=rom / "firmware.romfs", watch=self.watch)
            worlds["real"] = await stack.enter_async_context(real)
        for device, group in self.groups.items():
            world = worlds["real" if device in self.real else "light"]
            self._worlds[device] = world
            config = BoardConfig(
                site=communes.SITE,
                device=device,
                kind="household",
                group=group,
                brokers=[Address(host=HOST, port=self.ports[0])],
                password=accounts[device].password,
                wifi=[Network(ssid="ngo-thu", key="mot-hai-ba-bon")],
            )
            await world.add(config)

    async def _accounts(self) -> dict[str, Account]:
        text = await answer("keng", "broker", "accounts", *self._options(), "--json")
        return {name: Account(user["host"], user["port"], name, user["password"]) for name, user in json.loads(text)["users"].items()}

    def _part(self, name: str) -> Part:
        return Part(name, [name, *self._options()], self._directory / f"{name}.log")

    def _options(self) -> list[str]:
        folder = self._directory
        return ["--site", str(folder / "site.toml"), "--settings", str(folder / "keng.toml"), "--data", str(self._data)]

    def _write_settings(self, webhook: str) -> None:
        (self._directory / "keng.toml").write_text(
            f'[broker]\nkind = "mosquitto"\nhost = "{HOST}"\nport = {self.ports[0]}\nprograms_port = {self.ports[1]}\n\n'
            f'[[webhooks]]\nname = "receiver"\nurl = "{webhook}"\n',
            encoding="utf-8",
        )


class _Reading:
    """A read-only connection for as long as `with` lasts."""

    def __init__(self, path: Path, patience_s: float) -> None:
        self._path = path
        self._patience_s = patience_s

    def __enter__(self) -> sqlite3.Connection:
        self._db = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=self._patience_s)
        return self._db

    def __exit__(self, *_: object) -> None:
        self._db.close()
