"""The real broker, engine and console, each a process of its own, and a real browser: from a press to a name in the history."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from playwright.sync_api import Page, expect
from stage import DEADLINE_S, DUTY, ROOT, SITE, TOKEN, free_port, get, log_in, until

from protocol import topics
from protocol.messages import Birth, Event

SITE_FILE = ROOT / "simulator/communes/ngo-thu-5.toml"
KENG = [sys.executable, "-m", "keng"]
NOBODY = 65534


class Gateway:
    """broker, engine and console of one data folder, started and killed one by one."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.console_port = free_port()
        self.url = f"http://127.0.0.1:{self.console_port}"
        self.settings = folder / "keng.toml"
        self.settings.write_text(
            f'[broker]\nkind = "mosquitto"\nport = {free_port()}\nprograms_port = {free_port()}\n[console]\nport = {self.console_port}\n'
        )
        self.parts: dict[str, subprocess.Popen[bytes]] = {}
        self._options = ["--site", str(SITE_FILE), "--settings", str(self.settings), "--data", str(self.data)]

    def start(self, *parts: str) -> None:
        for part in parts:
            self.parts[part] = subprocess.Popen([*KENG, part, *self._options], cwd=ROOT, stdout=subprocess.DEVNULL)

    def accounts(self) -> dict[str, dict[str, str | int]]:
        said = subprocess.run(
            [*KENG, "broker", "accounts", *self._options, "--json"], cwd=ROOT, capture_output=True, check=True, timeout=30
        )
        found: dict[str, dict[str, str | int]] = json.loads(said.stdout)["users"]
        return found

    def kill(self, part: str, number: int = signal.SIGKILL) -> None:
        process = self.parts.pop(part)
        process.send_signal(number)
        process.wait(DEADLINE_S)

    def health(self) -> dict[str, object]:
        try:
            found: dict[str, object] = httpx.get(self.url + "/healthz").json()
        except httpx.TransportError:
            return {}
        return found


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are closed to other users
        Path(folder).chmod(0o755)
        started = Gateway(Path(folder))
        started.start("broker")
        log_in(started.data / "console.db", DUTY, TOKEN)
        started.start("engine", "console")
        try:
            until(lambda: started.health().get("engine") == "online", "broker, engine and console run", 30)
            yield started
        finally:
            for part in list(started.parts):
                started.kill(part)


@contextmanager
def pressed(gateway: Gateway, board: str = "H03-07") -> Iterator[None]:
    """The board is born and its button is pressed."""
    account = gateway.accounts()[board]
    client = Client(CallbackAPIVersion.VERSION2, board, protocol=MQTTv311)
    client.username_pw_set(board, str(account["password"]))
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect(str(account["host"]), int(account["port"]))
    client.loop_start()
    try:
        assert connected.wait(DEADLINE_S)
        birth = Birth(life="9c41f2aa", boot=17, kind="household", fw="1.0.0", group="TLG-03", reset="power")
        event = Event(id="9c41f2aa-17-1", age=35, point="button-1", type="button", state="active", now="active", calling=True)
        client.publish(topics.device(SITE.id, board, "state"), birth.payload(), 1, True).wait_for_publish(DEADLINE_S)
        client.publish(topics.device(SITE.id, board, "event"), event.payload(), 1).wait_for_publish(DEADLINE_S)
        yield
    finally:
        client.disconnect()
        client.loop_stop()


def test_from_a_press_to_the_history_and_the_engines_death(gateway: Gateway, page: Page) -> None:
    page.goto(gateway.url)
    expect(page.locator("#strip")).to_have_attribute("data-engine", "online")
    began = time.monotonic()
    with pressed(gateway):
        page.wait_for_selector(".card.alarm")
        took = time.monotonic() - began
        card = page.locator(".card")
        expect(card).to_contain_text("Hộ mẫu 03-07 (Đặng Văn Lượng)")
        expect(card).to_contain_text("KHÔNG TRẢ LỜI")  # no board but this one is there: the engine names the silent bells
        page.get_by_role("button", name="Xác nhận: tôi đã biết").click()
        expect(card).to_contain_text("bởi Cán bộ mẫu 01")
        expect(page.get_by_role("button", name="Xác nhận: tôi đã biết")).to_have_count(0)
        page.get_by_role("button", name="Im chuông").click()
        expect(card).to_contain_text("chuông đã im")
        page.get_by_text("Kết thúc sự cố…").click()
        page.get_by_role("button", name="Kết thúc: Thử thiết bị").click()
        expect(card).to_have_count(0, timeout=15_000)  # it can be taken back for 5 s
        expect(page.locator("#history li.past")).to_contain_text("Thử thiết bị")
    gateway.kill("engine")
    page.wait_for_selector("#strip[data-engine=offline]", timeout=5000)
    expect(page.locator("#history li.past")).to_contain_text("Thử thiết bị")
    expect(page.locator("#history .old")).to_be_visible()
    print(f"press to page, with the start of the board's client: {took * 1000:.0f} ms")


# A user of the engine's group, to which the engine opens its database. The interpreter and its libraries may lie where others may not
# look: everything is used once before the process becomes another user.
SERVE_AS_NOBODY = """
import asyncio, os, sys
from pathlib import Path
import httpx
from gateway import startup
from gateway.console.app import build, listen, serve, serving
from gateway.console.people.book import opened
from gateway.mqtt import Account

site, settings = startup.load(Path(sys.argv[1]), Path(sys.argv[2]))
account, database, own = Account("127.0.0.1", 9, "console", ""), Path(sys.argv[3]), Path(sys.argv[4])

async def rehearse(book):
    console = build(settings, site, account, database=database, book=book)
    async with serving(console, listen("127.0.0.1", 0)) as address, httpx.AsyncClient(cookies={{"session": sys.argv[5]}}) as client:
        reading = asyncio.create_task(console.shelf.run())
        linking = asyncio.create_task(console.feed.run())
        await client.get(address)
        await asyncio.sleep(0)
        await asyncio.to_thread(os.getpid)
        reading.cancel(), linking.cancel()

with opened(own) as book:
    asyncio.run(rehearse(book))
for path in (own.parent, *own.parent.iterdir()):
    os.chown(path, {nobody}, {nobody})
os.setgroups([database.stat().st_gid]); os.setgid({nobody}); os.setuid({nobody})
startup.run_until_stopped(serve(settings, site, account, database=database, own=own))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_console_of_another_user_shows_history_with_engine_and_broker_stopped(gateway: Gateway, end: int) -> None:
    with pressed(gateway):
        until(lambda: gateway.health()["open_incidents"] == 1, "the incident is open")
    gateway.kill("engine", end)
    gateway.kill("console")
    gateway.kill("broker")
    database, own = gateway.data / "keng.db", gateway.data.parent / "own" / "console.db"
    log_in(own, DUTY, TOKEN)
    command = [
        sys.executable,
        "-c",
        SERVE_AS_NOBODY.format(nobody=NOBODY),
        str(SITE_FILE),
        str(gateway.settings),
        str(database),
        str(own),
        TOKEN,
    ]
    gateway.parts["console"] = subprocess.Popen(command, cwd=ROOT)
    until(lambda: gateway.health().get("database") == "readable" and gateway.health()["database_written_ms"], "the database is read", 30)
    status = Path(f"/proc/{gateway.parts['console'].pid}/status").read_text()
    html = get(gateway.url).text
    assert f"Uid:\t{NOBODY}\t{NOBODY}" in status
    assert "CHÁY: Hộ mẫu 03-07" in html
    assert "SỐ LIỆU CŨ" in html
    assert gateway.health()["engine"] == "unknown"


def test_an_address_of_the_network_is_refused_as_wrong_input(tmp_path: Path) -> None:
    settings = tmp_path / "keng.toml"
    settings.write_text('[console]\nhost = "0.0.0.0"\n')
    command = [*KENG, "console", "--site", str(SITE_FILE), "--settings", str(settings), "--data", str(tmp_path / "data")]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert said.returncode == 2
    assert "keng.toml:2: console.host: expected an address of this machine alone" in said.stderr


def test_the_console_ends_soon_and_quietly_while_a_browser_listens(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.console_port)) as listener:
        listener.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{gateway.console_port}\r\nCookie: session={TOKEN}\r\n\r\n".encode())
        assert b"200 OK" in listener.recv(100)
        console = gateway.parts["console"]
        began = time.monotonic()
        console.send_signal(signal.SIGTERM)
        assert console.wait(DEADLINE_S) == 0
        assert time.monotonic() - began < 3
