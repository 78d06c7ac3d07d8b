"""Which broker runs, its files, and whether it answers. docs/brokers.md says what each can do."""

import asyncio
import errno
import importlib.util
import logging
import os
import resource
import shutil
import signal
import socket
import struct
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

from gateway.identity import accounts, embedded, mosquitto
from gateway.mqtt import Account
from gateway.settings import Broker, Settings
from protocol.site import Site

SBIN = ("/usr/sbin", "/usr/local/sbin")  # where distributions put mosquitto, and not on everybody's PATH
ANSWER_S = 5.0


class BrokerMissing(Exception):
    """The broker that the settings ask for is not installed. The text names the remedies."""


class Choice(NamedTuple):
    """The broker to run. `program` is mosquitto's path, "" for the others."""

    kind: Literal["mosquitto", "embedded", "external"]
    program: str = ""

    @property
    def limits(self) -> tuple[str, ...]:
        """What it cannot do, in sentences for the user."""
        return embedded.LIMITS if self.kind == "embedded" else ()


def choose(wanted: Broker, *, search: str | None = None) -> Choice:
    """The broker for these settings, of what is installed. `search` replaces PATH. Raises BrokerMissing."""
    if wanted.kind == "external":
        return Choice("external")
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN]) if search is None else search
    if wanted.kind in ("auto", "mosquitto") and (program := shutil.which("mosquitto", path=path)):
        return Choice("mosquitto", program)
    if wanted.kind in ("auto", "embedded") and importlib.util.find_spec("iotcore"):
        return Choice("embedded")
    remedies = {"mosquitto": "apt install mosquitto", "embedded": "pip install 'keng[embedded]'"}
    offered = [remedy for kind, remedy in remedies.items() if wanted.kind in ("auto", kind)]
    raise BrokerMissing(f"expected a broker on this machine, found none; remedy: {' or '.join(offered)}")


def write_files(choice: Choice, settings: Settings, site: Site, data: Path) -> Path:
    """Make the accounts and the files that the chosen broker reads. Returns its configuration, for an external one the accounts.

    Raises FileMistakes or OSError as accounts.ensure does.
    """
    users = accounts.ensure(data, site, settings.broker)
    if choice.kind == "external":
        return data / "broker" / "accounts.json"
    if choice.kind == "embedded":
        return embedded.write(accounts.directory(data), settings.broker, users)
    return mosquitto.write(accounts.directory(data), site, settings.broker, users)


def run(choice: Choice, configuration: Path) -> NoReturn:
    """Become the broker: this process is mosquitto, or rumqttd, until it is killed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each board is an open file
    if choice.kind == "mosquitto":
        os.execv(choice.program, [choice.program, "-c", str(configuration)])  # noqa: S606  # a fixed list of arguments
    import iotcore  # noqa: PLC0415  # an extra: only here

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # Python's handlers do not run while the broker does
    # It reports each message as an error of its tracing, and nothing that is one.
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    iotcore.Broker(config_path=str(configuration)).run_forever()
    raise SystemExit(1)


def taken(host: str, port: int) -> str:
    """Why nothing can listen there now; "" if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError as exc:
            why = {errno.EADDRINUSE: "another program listens there", errno.EACCES: "this port needs root"}
            return why.get(exc.errno or 0, str(exc.strerror))
    return ""


async def refusal(account: Account) -> str:
    """Ask the broker to let this account in. "" if it does; else why not.

    Raises OSError while nobody listens, TimeoutError after ANSWER_S without an answer.
    """
    async with asyncio.timeout(ANSWER_S):
        reader, writer = await asyncio.open_connection(account.host, account.port)
        try:
            writer.write(_connect(account))
            code = (await reader.readexactly(4))[3]
            writer.write(b"\xe0\x00")  # DISCONNECT
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionResetError):
            return "it closes the connection: a wrong password?"
        finally:
            writer.close()
    return {0: "", 4: "wrong user or password", 5: "wrong user or password"}.get(code, f"CONNACK {code}")


def _connect(account: Account) -> bytes:
    """CONNECT of MQTT 3.1.1, section 3.1: user name, password, clean session; the client id is the user name, as in gateway.mqtt."""
    words = (account.user.encode(), account.user.encode(), account.password.encode())
    fields = b"".join(struct.pack("!H", len(word)) + word for word in words)
    body = b"\x00\x04MQTT\x04\xc2" + struct.pack("!H", 20) + fields
    length = len(body)
    return bytes([0x10]) + (bytes([length]) if length < 128 else bytes([length % 128 | 0x80, length // 128])) + body
