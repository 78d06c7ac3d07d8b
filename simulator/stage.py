"""A whole commune on this machine: the gateway's processes, the world with its boards, and those who look on.

async with Stage(site_file, directory) as stage:
    await stage.ready()
    stage.world.press("H03-02", "button-1")
"""

import asyncio
import json
import secrets
import shutil
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Literal, Self

from protocol import site as site_files
from protocol import topics
from protocol.config import Address, BoardConfig, Network, Point, change
from protocol.messages import Order
from protocol.site import Site
from simulator.desk import Desk
from simulator.modem.device import VirtualModem
from simulator.mqtt import Account, Client
from simulator.observer import Observer
from simulator.parts import Part, PartFailed, answer, free_ports, listening
from simulator.processes import available
from simulator.receivers import WebhookReceiver
from simulator.script import Fitted
from simulator.watch import Watch
from simulator.world import World

COMMUNES = Path(__file__).parent / "communes"
READY_S = 30.0
HOST = "127.0.0.1"
PARTS = ("broker", "engine", "console")


class Stage:
    """Everything of one simulated commune, ended with `async with`.

    fitted: what boards have besides what every board of their kind has. light: light boards even where the real firmware runs.
    together: `keng up` instead of three processes that can be killed. broker: the kind of [broker] in keng.toml. modem: the gateway has a
    GSM modem, the attribute `modem`. Raises tomlfile.FileMistakes for a wrong site, PartFailed if a part does not start.
    """

    def __init__(
        self,
        site_file: Path,
        directory: Path,
        *,
        light: bool = False,
        together: bool = False,
        broker: Literal["auto", "mosquitto", "embedded"] = "auto",
        fitted: Fitted | None = None,
        flash_delays: bool = True,
        console_port: int | None = None,
        modem: bool = False,
    ) -> None:
        self.watch = Watch()
        self.modem = VirtualModem(directory / "modem", changed=self.watch.changed)
        self._has_modem = modem
        self.site: Site = site_files.load(site_file)
        self.light = light or not available()
        self.directory = directory
        self.broker_kind = "mosquitto" if broker == "auto" and shutil.which("mosquitto") else "embedded" if broker == "auto" else broker
        self.fitted = fitted or {}
        self._site_file = site_file
        self._together = together
        self._flash_delays = flash_delays
        self._broker_port, self._programs_port, free = free_ports(3)
        self._console_port = console_port or free
        self.parts: dict[str, Part] = {}
        self._changes: dict[str, str] = {}  # board -> id of the last order that changes its configuration

    async def __aenter__(self) -> Self:
        (self.directory / "data").mkdir(parents=True, exist_ok=True)  # one of the commands below wants it there, whoever is first
        async with AsyncExitStack() as stack:
            self.webhook = await stack.enter_async_context(WebhookReceiver(self.watch))
            if self._has_modem:
                await stack.enter_async_context(self.modem)
            self._write_settings()
            self.parts = self._make_parts()
            duty = next(person.id for person in self.site.people if person.role == "duty")
            self.accounts, code, rom = await asyncio.gather(self._read_accounts(), self.invite(duty), self._build_rom())
            for part in self.parts.values():
                stack.push_async_callback(part.stop)
                await part.start()
            self.desk = await stack.enter_async_context(Desk(HOST, self._console_port, self.watch, duty, code))
            self.observer = await stack.enter_async_context(Observer(self.site.id, self.accounts["observer"], self.watch))
            self.world = await stack.enter_async_context(
                World(self.directory / "boards", (HOST, self._broker_port), rom=rom, watch=self.watch, flash_delays=self._flash_delays)
            )
            for board in self.site.boards:
                await self.world.add(self.config(board.id))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def ready(self, within_s: float = READY_S) -> None:
        """Power every board, and return when broker, engine, console and all boards have met. Raises PartFailed if they do not."""
        deadline = time.monotonic() + within_s
        if not await listening(HOST, self._broker_port, within_s):
            raise PartFailed(f"the broker does not listen on port {self._broker_port}{self._all_last_lines()}")
        await self.watch.until(self.observer.listening.is_set, deadline - time.monotonic())
        await asyncio.gather(*(self.world.power(board.id, True) for board in self.site.boards))
        await self.watch.until(lambda: self._ended() or not self._missing(), deadline - time.monotonic())
        if self._ended() or self._missing():
            raise PartFailed(f"not ready in {within_s:.0f} s: {', '.join(self._ended() or self._missing())}{self._all_last_lines()}")

    def config(self, device: str) -> BoardConfig:
        """The configuration of a board of the site, as the technician's bench writes it."""
        board = next(board for board in self.site.boards if board.id == device)
        return BoardConfig(
            site=self.site.id,
            device=device,
            kind=board.kind,
            group=self.site.group_of(device) or "",
            brokers=[Address(host=HOST, port=self._broker_port)],
            password=self.accounts[device].password,
            wifi=[Network(ssid="ngo-thu", key="mot-hai-ba-bon")],
            points={name: Point() for name in self.fitted.get(device, ())},
        )

    async def order(self, device: str, order: Order) -> None:
        """Give a board an order in the engine's name. Raises OSError if the broker does not take it."""
        client = Client(lambda _: None)
        await client.connect(self.accounts["engine"], client_id="engine-simulator")
        async with client:
            await client.publish(topics.device(self.site.id, device, "order"), order.payload())

    async def reconfigure(self, device: str, fields: dict[str, Any]) -> None:
        """Order a board to set keys of its configuration. Raises OSError, and ValueError if they are wrong in themselves."""
        order = change(f"sim-{secrets.token_hex(4)}", fields)
        self._changes[device] = order.id
        await self.order(device, order)

    def outcome(self, device: str) -> bool | None:
        """Whether a board has taken its last reconfigure(), None while it has not answered."""
        answer = self.observer.answers.get(self._changes.get(device, ""))
        return answer.ok if answer else None

    def part(self, name: str) -> Part:
        """A part by its name. Raises PartFailed if the parts run together, so that one alone cannot be reached."""
        if name not in self.parts:
            raise PartFailed(f"{name}: expected a process of its own, but the parts run together as `keng up`")
        return self.parts[name]

    async def invite(self, person: str) -> str:
        """A code with which somebody of the site makes an account at the console. Raises PartFailed."""
        found: dict[str, str] = json.loads(await answer("keng", "people", "invite", person, *self._options(), "--json"))
        return found["code"]

    def _ended(self) -> list[str]:
        return [f"{name} has ended" for name, part in self.parts.items() if not part.running]

    def _missing(self) -> list[str]:
        """What is not ready yet, in words."""
        gateway = self.observer.gateway
        found = [] if gateway and gateway.online else ["engine"]
        found += [] if self.desk.connected else ["console"]
        return found + [device for device in self.world.devices if not self.observer.is_greeted(device)]

    def _all_last_lines(self) -> str:
        return "".join(part.last_lines() for part in self.parts.values())

    def _options(self) -> list[str]:
        settings = self.directory / "keng.toml"
        return ["--site", str(self._site_file), "--settings", str(settings), "--data", str(self.directory / "data")]

    def _make_parts(self) -> dict[str, Part]:
        names = ("up",) if self._together else PARTS
        return {name: Part(name, [name, *self._options()], self.directory / f"{name}.log") for name in names}

    def _write_settings(self) -> None:
        (self.directory / "keng.toml").write_text(
            f"""[broker]
kind = "{self.broker_kind}"
host = "{HOST}"
port = {self._broker_port}
programs_port = {self._programs_port}

[console]
host = "{HOST}"
port = {self._console_port}

[sms]
port = "{self.modem.path if self._has_modem else ""}"

[[webhooks]]
name = "receiver"
url = "{self.webhook.url}"
""",
            encoding="utf-8",
        )

    async def _read_accounts(self) -> dict[str, Account]:
        text = await answer("keng", "broker", "accounts", *self._options(), "--json")
        return {name: Account(user["host"], user["port"], name, user["password"]) for name, user in json.loads(text)["users"].items()}

    async def _build_rom(self) -> Path | None:
        if self.light:
            return None
        rom = self.directory / "rom"
        await answer("firmware.bench.bundle", str(rom))
        return rom / "firmware.romfs"
