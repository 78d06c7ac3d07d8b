"""The bench's rig for the engine alone: mosquitto, and behind it the engine or its floor, with boards and a desk before it."""

import json
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from simulator.bench import communes
from simulator.bench.clients import Fleet
from simulator.bench.desk import Desk
from simulator.bench.figures import NotMeasured
from simulator.bench.postbox import Postbox
from simulator.mqtt import Account
from simulator.parts import Part, answer, free_ports, listening
from simulator.watch import Watch

HOST = "127.0.0.1"
START_S = 60.0  # a site of 11,450 boards takes long to read


class Rig:
    """A broker with the accounts and rights of a site of so many boards, a desk and a webhook receiver, while `async with` lasts.

    `inhabited`: as communes.write has it. `address` is the console's, where it runs.
    """

    def __init__(self, directory: Path, *, boards: int, inhabited: bool = False) -> None:
        self.watch = Watch()
        self._inhabited = inhabited
        self.boards = boards
        self.directory = directory
        self._ports = free_ports(3)
        self.address = f"http://{HOST}:{self._ports[2]}"

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        communes.write(self.directory / "site.toml", self.boards, inhabited=self._inhabited)
        async with AsyncExitStack() as stack:
            self.webhook = await stack.enter_async_context(Postbox(self.watch))
            self._write_settings()
            self.broker = self._part("broker")
            stack.push_async_callback(self.broker.stop)
            await self.broker.start()
            users = json.loads(await answer("keng", "broker", "accounts", *self._options(), "--json"))["users"]
            self.accounts = {name: Account(user["host"], user["port"], name, user["password"]) for name, user in users.items()}
            if not await listening(HOST, self._ports[0], START_S):
                raise NotMeasured(f"expected a broker within {START_S:.0f} s{self.broker.last_lines()}")
            self.desk = await stack.enter_async_context(Desk(self.accounts["console"], self.watch))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def engine(self) -> Part:
        """The engine, not yet started."""
        part = self._part("engine")
        self._stack.push_async_callback(part.stop)
        return part

    async def console(self) -> Part:
        """The console, started. Raises NotMeasured."""
        part = self._part("console")
        self._stack.push_async_callback(part.stop)
        await part.start()
        if not await listening(HOST, self._ports[2], START_S):
            raise NotMeasured(f"expected a console within {START_S:.0f} s{part.last_lines()}")
        return part

    def floor(self) -> "FloorPart":
        """The floor, not yet started."""
        part = FloorPart(self.accounts["engine"], self.webhook.url, self.directory / "floor.log")
        self._stack.push_async_callback(part.stop)
        return part

    async def online(self, part: Part) -> None:
        """Start the engine or the floor and return when it says so on the wire. Raises NotMeasured, with its last lines."""
        await part.start()
        await self.watch.until(lambda: self.desk.online or not part.running, START_S)
        if not self.desk.online:
            raise NotMeasured(f"{part.name}: expected it online within {START_S:.0f} s, got no word{part.last_lines()}")

    def fleet(self, numbers: range) -> Fleet:
        """The boards with these numbers, to be connected with `async with`."""
        return Fleet(self.accounts, {communes.board_id(number): communes.group_id(number) for number in numbers}, self.watch)

    async def keng(self, *words: str, site: bool = True) -> str:
        """What a command of the gateway prints, given its files. Raises PartFailed."""
        return await answer("keng", *words, *self._options()[0 if site else 2 :])

    def stored(self) -> int:
        """Reports on the engine's disk; its database is asked because nothing on the wire says so."""
        database = sqlite3.connect(f"file:{self.directory / 'data' / 'keng.db'}?mode=ro", uri=True)
        try:
            row = database.execute("SELECT max(id) FROM report").fetchone()
        finally:
            database.close()
        return int(row[0] or 0)

    def _part(self, name: str) -> Part:
        return Part(name, [name, *self._options()], self.directory / f"{name}.log")

    def _options(self) -> list[str]:
        return [
            "--site",
            f"{self.directory / 'site.toml'}",
            "--settings",
            f"{self.directory / 'keng.toml'}",
            "--data",
            f"{self.directory / 'data'}",
        ]

    def _write_settings(self) -> None:
        (self.directory / "keng.toml").write_text(
            f'[broker]\nkind = "mosquitto"\nhost = "{HOST}"\nport = {self._ports[0]}\nprograms_port = {self._ports[1]}\n\n'
            f'[console]\nhost = "{HOST}"\nport = {self._ports[2]}\n\n'
            f'[[webhooks]]\nname = "receiver"\nurl = "{self.webhook.url}"\n',
            encoding="utf-8",
        )


class FloorPart(Part):
    """The floor as a process, with the engine's account."""

    def __init__(self, account: Account, webhook: str, log: Path) -> None:
        super().__init__("floor", [], log)
        self.command = ["simulator.bench.floors"]
        self.told = json.dumps(account._asdict() | {"webhook": webhook}).encode()
