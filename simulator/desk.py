"""The duty officer's browser: takes up an invitation, reads the console's page, listens to its events, presses its buttons, over HTTP."""

import asyncio
import re
import secrets
import time
from contextlib import suppress
from typing import Literal, NamedTuple, Self

import httpx

from simulator.watch import Watch

RETRY_S = 0.1
POLL_S = 0.2
READ_S = 5.0
ALIVE_S = 6.0  # as console.js
ROW = re.compile(r'id="open-([A-Za-z0-9_-]+)"')
Do = Literal["acknowledge", "silence", "resolve"]


class DeskFailed(RuntimeError):
    """The console did not take an order; the message has its answer."""


class Shown(NamedTuple):
    """A piece of the page that the console sent by itself at `at` (monotonic s)."""

    at: float
    html: str


class Desk:
    """A browser with the console's page open, for as long as `async with` lasts. `person` is on duty, and has the invitation `code`: it
    is taken up with `password`, which nobody knows beforehand, as soon as the console answers.
    """

    def __init__(self, host: str, port: int, watch: Watch, person: str, code: str) -> None:
        self.address = f"http://{host}:{port}"
        self.person = person
        self.password = secrets.token_urlsafe(9)
        self._code = code
        self.shown: list[Shown] = []
        self.connected = False
        self._watch = watch

    async def __aenter__(self) -> Self:
        self._http = httpx.AsyncClient(base_url=self.address, timeout=READ_S, trust_env=False, headers={"Origin": self.address})
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._listen(), name="desk"), loop.create_task(self._tell(), name="desk alive")]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self._http.aclose()

    def first(self, texts: list[str], since: float) -> float | None:
        """When the console first sent, by itself, something with all these texts, at or after `since`."""
        return next((shown.at for shown in self.shown if shown.at >= since and all(text in shown.html for text in texts)), None)

    async def health(self) -> dict[str, object] | None:
        """What /healthz says; None if the console does not answer."""
        try:
            answer = await self._http.get("/healthz")
            answer.raise_for_status()
        except httpx.HTTPError:
            return None
        found: dict[str, object] = answer.json()
        return found

    async def page(self) -> str:
        """What the desk and the log show now, each open incident whole; "" if the console does not answer."""
        try:
            desk = (await self._http.get("/")).text
            addresses = ["/log", *(f"/?incident={ident}" for ident in ROW.findall(desk))]
            return desk + "".join([(await self._http.get(address)).text for address in addresses])
        except httpx.HTTPError:
            return ""

    async def shows(self, texts: list[str], within_s: float) -> bool:
        """Whether the page shows all these texts within the time."""
        deadline = time.monotonic() + within_s
        while True:
            page = await self.page()
            if all(text in page for text in texts):
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)

    async def lists(self, texts: list[str], within_s: float) -> bool:
        """Whether the page has one list item with all these texts within the time: an entry of the log, a device."""
        deadline = time.monotonic() + within_s
        while True:
            items = (await self.page()).split("<li")[1:]
            if any(all(text in item for text in texts) for item in items):
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)

    async def order(self, do: Do, incident: str, version: int, outcome: str = "") -> None:
        """Press a button of the incident's card. Raises DeskFailed if the console does not carry it out."""
        form = {"version": str(version), **({"outcome": outcome} if outcome else {})}
        try:
            answer = await self._http.post(f"/incidents/{incident}/{do}", data=form)
        except httpx.HTTPError as exc:
            raise DeskFailed(f"{do} {incident}: the console does not answer ({exc!r})") from None
        if answer.status_code >= 400:
            raise DeskFailed(f"{do} {incident}: the console answers {answer.status_code}: {answer.text.strip()[:200]}")

    async def join(self, code: str) -> None:
        """Take up somebody else's invitation, with the same password, as in a browser of its own. Raises DeskFailed."""
        async with httpx.AsyncClient(base_url=self.address, timeout=READ_S, trust_env=False, headers={"Origin": self.address}) as http:
            await self._accept(http, code)

    async def _accept(self, http: httpx.AsyncClient, code: str) -> None:
        answer = await http.post(f"/invitation/{code}", data={"password": self.password, "again": self.password})
        if answer.status_code != 303:
            raise DeskFailed(f"invitation: the console answers {answer.status_code}")

    async def _enter(self) -> None:
        """Come in: with the code, or, if the answer to it was lost, with the password."""
        with suppress(DeskFailed):
            await self._accept(self._http, self._code)
            return
        await self._http.post("/login", data={"name": self.person, "password": self.password})

    async def _listen(self) -> None:
        while True:
            with suppress(httpx.HTTPError):
                if not self._http.cookies:
                    await self._enter()
                await self._follow()
            self.connected = False
            await asyncio.sleep(RETRY_S)

    async def _tell(self) -> None:
        """The page is open, and its sound is on: without that the engine takes the desk for unmanned, and hurries its ladders."""
        while True:
            if self.connected:
                with suppress(httpx.HTTPError):
                    await self._http.post("/alive", data={"page": "simulated", "audible": "yes"})
            await asyncio.sleep(ALIVE_S if self.connected else RETRY_S)

    async def _follow(self) -> None:
        async with self._http.stream("GET", "/events", timeout=httpx.Timeout(READ_S, read=None)) as answer:
            answer.raise_for_status()
            self.connected = True
            self._watch.changed()
            data: list[str] = []
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    data.append(line[5:])
                elif not line and data:
                    self.shown.append(Shown(time.monotonic(), "\n".join(data)))
                    data = []
                    self._watch.changed()
