"""Browsers before the console, in a process of their own: desks, phones, and somebody who prints an incident again and again.

Python -m simulator.bench.crowd reads one line of JSON, Options, and logs everybody in. At the next line it opens all pages, and says so; at
the one after that it closes them, and says on a line of JSON, Counts, what they got; and so on until its standard input ends.
"""

import asyncio
import json
import os
import re
import secrets
import sys
import urllib.parse
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

NICENESS = 19  # browsers run on other machines: here they get what everybody else leaves
ALIVE_S = 6.0  # as console.js
READ_S = 30.0
IDLE_S = 2.0  # uvicorn closes a connection that has been idle for 5 s: one just then taken up again would end in an error
DESK_STREAM = re.compile(r'sse-connect="([^"]+)"')
PHONE_STREAM = re.compile(r'data-events="([^"]+)"')
CODE = re.compile(r'<strong class="secret" id="code">([A-Za-z0-9-]+)<')
INCIDENT = re.compile(r'id="(?:open|title)-([A-Za-z0-9_-]+)"')


@dataclass
class Options:
    """`code`: the administrator's invitation. `phones`: (person, group) of each phone. `desks`: so many, all of the person `duty`."""

    address: str
    administrator_code: str
    duty: str
    desks: int
    phones: list[tuple[str, str]]


@dataclass
class Counts:
    """Pages that are open, events of them that came with something to show, papers that were rendered whole."""

    open: int = 0
    events: int = 0
    papers: int = 0


class Crowd:
    """Everybody. `log_in` first; then they `come` and `go` together."""

    def __init__(self, options: Options) -> None:
        self.counts = Counts()
        self._options = options
        self._browsers: dict[str, httpx.AsyncClient] = {}
        self._opened = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._incident = ""

    async def log_in(self) -> None:
        """Make the accounts. Raises httpx.HTTPError and ValueError if they cannot be made."""
        people = [self._options.duty, *dict.fromkeys(person for person, _ in self._options.phones)]
        self._browsers = await self._logged_in(people)

    async def come(self) -> None:
        """Return when all pages are open and follow their events. Raises httpx.HTTPError and ValueError if one cannot be opened."""
        duty = self._browsers[self._options.duty]
        self.counts = Counts()
        self._opened.clear()
        work = [self._page(duty, "/", DESK_STREAM) for _ in range(self._options.desks)]
        work += [self._page(self._browsers[person], f"/group/{group}", PHONE_STREAM) for person, group in self._options.phones]
        work += [self._alive(duty, number) for number in range(self._options.desks)]
        self._tasks = [asyncio.create_task(one) for one in [*work, self._print(duty)]]
        opened = asyncio.create_task(self._opened.wait())
        done, _ = await asyncio.wait([*self._tasks, opened], return_when=asyncio.FIRST_COMPLETED)
        for failed in done - {opened}:
            failed.result()

    async def go(self) -> Counts:
        """Close all pages; what they got. Raises what has ended one of them before."""
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in ended:
            if isinstance(one, Exception):
                raise one
        return self.counts

    async def log_out(self) -> None:
        """Close the connections."""
        for browser in self._browsers.values():
            await browser.aclose()

    async def _logged_in(self, people: list[str]) -> dict[str, httpx.AsyncClient]:
        """A browser with a session for each person; whoever has several phones has them in one."""
        chief = self._browser()
        await self._accept(chief, self._options.administrator_code)
        found = {}
        for person in people:
            invited = await chief.post(f"/people/{person}/invite")
            code = CODE.search(invited.text)
            if code is None:
                raise ValueError(f"{person}: expected an invitation, got status {invited.status_code}")
            found[person] = self._browser()
            await self._accept(found[person], code[1])
        await chief.aclose()
        return found

    def _browser(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None, keepalive_expiry=IDLE_S)
        headers = {"Origin": self._options.address}
        return httpx.AsyncClient(base_url=self._options.address, timeout=READ_S, trust_env=False, headers=headers, limits=limits)

    @staticmethod
    async def _accept(browser: httpx.AsyncClient, code: str) -> None:
        password = secrets.token_urlsafe(9)
        answer = await browser.post(f"/invitation/{code}", data={"password": password, "again": password})
        if answer.status_code != 303:
            raise ValueError(f"invitation: expected to come in, got status {answer.status_code}")

    async def _page(self, browser: httpx.AsyncClient, path: str, stream: re.Pattern[str]) -> None:
        """Load a page and follow its events, as its script does; a stream that ends is opened again."""
        while True:
            page = (await browser.get(path)).raise_for_status().text
            address = stream.search(page)
            if address is None:
                raise ValueError(f"{path}: expected a page with events, got another")
            async with browser.stream("GET", address[1].replace("&amp;", "&")) as answer:
                answer.raise_for_status()
                self._count_open()
                async for line in answer.aiter_lines():
                    self.counts.events += line == "event: page"
                    if found := INCIDENT.search(line):
                        self._incident = found[1]
            self.counts.open -= 1

    def _count_open(self) -> None:
        self.counts.open += 1
        if self.counts.open == self._options.desks + len(self._options.phones):
            self._opened.set()

    @staticmethod
    async def _alive(browser: httpx.AsyncClient, number: int) -> None:
        while True:
            await browser.post("/alive", data={"page": f"page{number}", "audible": "yes"})
            await asyncio.sleep(ALIVE_S)

    async def _print(self, browser: httpx.AsyncClient) -> None:
        """The newest incident's file, rendered without a pause."""
        while True:
            if not self._incident:
                await asyncio.sleep(0.05)
                continue
            answer = await browser.get(f"/incidents/{urllib.parse.quote(self._incident)}/record")
            self.counts.papers += answer.status_code == httpx.codes.OK
            if answer.status_code != httpx.codes.OK:
                await asyncio.sleep(0.05)


def _step_back() -> None:
    os.nice(NICENESS)
    with suppress(OSError):  # a session of its own, which on many kernels counts as one beside all others, whatever its niceness
        Path("/proc/self/autogroup").write_text(str(NICENESS))


async def main() -> None:
    """The process."""
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    crowd = Crowd(Options(**json.loads(await lines.readline())))
    await crowd.log_in()
    async for _ in lines:
        await crowd.come()
        print("open", flush=True)
        await lines.readline()
        print(json.dumps(asdict(await crowd.go())), flush=True)
    await crowd.log_out()


if __name__ == "__main__":
    _step_back()
    asyncio.run(main())
