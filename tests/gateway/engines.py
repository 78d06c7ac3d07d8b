"""The real engine as a process of its own, a real mosquitto, test clients in the place of boards and desk, and a real web server."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import brokers
from brokers import DEMO, ROOT, wait_until
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gateway.store import queries

BASE = "keng/1/xa-mau/"
LIFE = "9c41f2aa"

RUN = """
import asyncio, importlib, json, logging, sys
from pathlib import Path
from gateway import engine, startup
from gateway.mqtt import Account
from gateway.settings import Settings
from protocol import site
logging.basicConfig(level=logging.INFO)
port, database, settings, commune, paces = sys.argv[1:]
for name, value in json.loads(paces).items():
    module, _, constant = name.rpartition(".")
    module = importlib.import_module(module)
    assert isinstance(getattr(module, constant), float | int), name
    setattr(module, constant, value)
account = Account("127.0.0.1", int(port), "engine", "")
work = engine.run(Settings.model_validate_json(settings), site.load(Path(commune)), account, database=Path(database))
with startup.reported("engine"):
    startup.run_until_stopped(work)
"""


@contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """An open broker on loopback that keeps nothing."""
    file = folder / f"mosquitto-{port}.conf"
    file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 100000\n")
    process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Town:
    """A broker, an engine that can be killed and started, and one client that hears everything."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.database = folder / "data" / "keng.db"
        self.settings: dict[str, Any] = {}
        self.site = DEMO
        self.paces: dict[str, float] = {}  # "gateway.engine.TICK_S": how often a test cannot wait for
        self.within: list[str] = []  # the command in whose surroundings the engine runs
        self.heard: list[tuple[str, dict[str, Any] | None, bool]] = []
        self.engine: subprocess.Popen[bytes] | None = None
        self._log = (folder / "engine.log").open("wb")
        self.log = folder / "engine.log"
        self._client = self._connect()

    def start(self, *, wait: bool = True) -> None:
        """Start the engine, and wait until it says that it is online."""
        command = [
            *self.within,
            sys.executable,
            "-c",
            RUN,
            str(self.port),
            str(self.database),
            json.dumps(self.settings),
            str(self.site),
            json.dumps(self.paces),
        ]
        before = len(self.of("gateway"))
        self.engine = subprocess.Popen(command, cwd=ROOT, stdout=self._log, stderr=self._log)
        if wait:
            wait_until(lambda: [message for message in self.of("gateway")[before:] if message["online"]], "the engine is online")

    def kill(self) -> None:
        """kill -9."""
        if self.engine:
            self.engine.kill()
            self.engine.wait()

    def close(self) -> None:
        self.kill()
        self._leave()
        self._log.close()

    def send(self, topic: str, message: dict[str, Any] | bytes, *, qos: int = 1, retain: bool = False) -> None:
        payload = message if isinstance(message, bytes) else json.dumps({"v": 1} | message).encode()
        self._client.publish(BASE + topic, payload, qos, retain).wait_for_publish(10)

    def birth(self, device: str, **fields: Any) -> None:
        known = {"online": True, "life": LIFE, "boot": 1, "kind": "household", "fw": "1.0.0", "group": "TLG-03", "reset": "power"}
        self.send(f"dev/{device}/state", known | fields, retain=True)

    def press(self, device: str, seq: int, **fields: Any) -> str:
        """Send a press once; its id."""
        known = {"id": f"{LIFE}-1-{seq}", "age": 5, "point": "button-1", "type": "button", "state": "active", "now": "active"}
        self.send(f"dev/{device}/event", known | {"calling": True} | fields)
        return str((known | fields)["id"])

    def receipts(self, device: str, event: str) -> int:
        return sum(message["id"] == event for message in self.of(f"dev/{device}/receipt"))

    def command(self, do: str, *, user: str = "truc-ban-1", **fields: Any) -> dict[str, Any]:
        """Send a desk command for the newest incident and wait for the answer."""
        newest = self.incident()
        known = {"t": int(time.time() * 1000), "do": do, "incident": newest["id"], "version": newest["version"]}
        before = len(self.of(f"desk/{user}/answer"))
        self.send(f"desk/{user}/command", known | fields)
        wait_until(lambda: len(self.of(f"desk/{user}/answer")) > before, "an answer")
        return self.of(f"desk/{user}/answer")[-1]

    def of(self, topic: str) -> list[dict[str, Any]]:
        """Every message on a topic, in its order."""
        return [message for where, message, _ in list(self.heard) if where == topic and message is not None]

    def incident(self) -> dict[str, Any]:
        """The newest snapshot of the newest incident."""
        snapshots = [message for where, message, _ in list(self.heard) if where.startswith("incident/") and message]
        return max(snapshots, key=lambda snapshot: (snapshot["id"], snapshot["revision"])) if snapshots else {}

    def ring(self, group: str = "TLG-03") -> dict[str, Any]:
        return (self.of(f"group/{group}/ring") or [{}])[-1]

    def history(self) -> list[Any]:
        db = queries.connect(self.database)
        try:
            return queries.incidents(db, limit=1000)
        finally:
            db.close()

    def reconnect(self) -> None:
        """The client that hears everything, on a new broker."""
        self._leave()
        self._client = self._connect()

    def _leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        self._client.on_message = self._client.on_subscribe = None  # paho closes its own sockets once nobody holds it
        del self._client

    def _connect(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, "everything")
        client.max_inflight_messages_set(1000)
        granted = threading.Event()
        client.on_subscribe = lambda *_: granted.set()
        client.on_message = self._message
        wait_until(lambda: _tries_to_connect(client, self.port), "the broker listens")
        client.subscribe(BASE + "#", 1)
        client.loop_start()
        assert granted.wait(10)
        return client

    def _message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        try:
            decoded = json.loads(message.payload) if message.payload else None
        except (ValueError, RecursionError):
            return
        if decoded is None or isinstance(decoded, dict):
            self.heard.append((message.topic.removeprefix(BASE), decoded, message.retain))


def _tries_to_connect(client: Client, port: int) -> bool:
    try:
        client.connect("127.0.0.1", port)
    except OSError:
        return False
    return True


class Receiver:
    """A web server that keeps what is posted. `status` is its answer; while `gate` is closed it does not answer."""

    def __init__(self) -> None:
        self.posted: list[tuple[str, dict[str, Any]]] = []
        self.raw: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.gate = threading.Event()
        self.gate.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.raw.append((dict(self.headers), raw))
                body = json.loads(raw)
                receiver.posted.append((self.headers["Idempotency-Key"], body))
                receiver.gate.wait(20)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/alarm"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


def free_port() -> int:
    return brokers.free_ports(1)[0]
