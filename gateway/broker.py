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
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

from gateway.addresses import is_loopback
from gateway.identity import accounts, embedded, mosquitto, register
from gateway.identity.accounts import Accounts
from gateway.identity.private import IDENTITY, NO_WRITES, has_identity, locked, write_private
from gateway.mqtt import Account
from gateway.settings import Broker, Settings
from gateway.store.queries import groups_settled
from protocol.site import Site
from protocol.tomlfile import FileMistakes

logger = logging.getLogger(__name__)

SBIN = ("/usr/sbin", "/usr/local/sbin")  # where distributions put mosquitto, and not on everybody's PATH
ANSWER_S = 5.0
PID = "pid"  # of the mosquitto that runs on the files beside it


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

    Raises FileMistakes or OSError as accounts.ensure does, and FileMistakes where boards need what this broker has not.
    """
    users = accounts.ensure(data, site, settings.broker)
    if choice.kind == "external":
        return data / "broker" / "accounts.json"
    with locked(accounts.directory(data) / "files.lock"):
        return _write(choice, settings, site, data, users)


def _write(choice: Choice, settings: Settings, site: Site, data: Path, users: Accounts) -> Path:
    if not has_identity(data) and not is_loopback(settings.broker.host):
        wrong = "expected an address of this machine alone, such as 127.0.0.1, while boards have no certificates"
        raise FileMistakes([f"settings: broker.host: {wrong}; remedy: keng identity init"])
    if choice.kind == "embedded":
        if has_identity(data):
            raise FileMistakes(["broker: expected mosquitto for boards with certificates, got the embedded broker; apt install mosquitto"])
        return embedded.write(accounts.directory(data), settings.broker, users)
    settled = groups_settled(data / "keng.db")
    return mosquitto.write(accounts.directory(data), site, settings.broker, users, settled=settled, certified=_certified(data))


def _certified(data: Path) -> mosquitto.Certified | None:
    """Whether boards come with certificates, and which have rights; the broker's own is renewed in time."""
    if not has_identity(data):
        return None
    from gateway.identity.authority import Authority  # noqa: PLC0415  # cryptography, 6 MiB, and every command imports this module

    try:
        Authority.load(data).keep_broker_good(now=register.now())
    except OSError as exc:
        if exc.errno not in NO_WRITES:
            raise
        logger.warning("the broker's certificate is not renewed: %s", exc)
    return mosquitto.Certified(data / IDENTITY, register.users(register.load(data)))


def reload(data: Path) -> bool:
    """Let the mosquitto that runs on these files read its rights anew; nobody else is disconnected. False if none runs."""
    try:
        pid = int((data / "broker" / PID).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if os.fsencode(data / "broker" / "mosquitto.conf") not in command:
            return False  # another program has this number now
        os.kill(pid, signal.SIGHUP)
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return False
    return True


def run(choice: Choice, configuration: Path) -> NoReturn:
    """Become the broker: this process is mosquitto, or rumqttd, until it is killed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each board is an open file
    if choice.kind == "mosquitto":
        with suppress(OSError):  # without it, rights are read anew by hand or at a start
            write_private(configuration.with_name(PID), str(os.getpid()))
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
            with suppress(ConnectionResetError):
                await reader.read()  # until it closes: rumqttd may take who comes before that for us (see embedded.LIMITS)
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
