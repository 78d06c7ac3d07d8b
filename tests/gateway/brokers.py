"""Real brokers on free loopback ports, and clients that know when a wait is over."""

import asyncio
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from gateway import broker
from gateway.identity import accounts, issuing, register
from gateway.identity.accounts import Accounts
from gateway.identity.authority import Authority
from gateway.mqtt import Account
from simulator.parts import free_ports

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "simulator/communes/ngo-thu-5.toml"
WAIT_S = 50.0  # on a loaded machine a start takes its time; what waits looks again every 10 ms


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {WAIT_S} s: {what}"
        time.sleep(0.01)


class Running(NamedTuple):
    """A broker at work, started as its user starts it."""

    process: subprocess.Popen[bytes]
    data: Path
    site: Path
    settings: Path
    ports: list[int]
    log: Path

    @property
    def accounts(self) -> Accounts:
        return accounts.load(self.data)


def settings_file(path: Path, kind: str, ports: list[int]) -> Path:
    path.write_text(f'[broker]\nkind = "{kind}"\nport = {ports[0]}\nprograms_port = {ports[1]}\n', encoding="utf-8")
    return path


@contextmanager
def running(
    folder: Path, kind: str, site: Path = DEMO, *, certified: tuple[str, ...] = (), revoked: tuple[str, ...] = ()
) -> Iterator[Running]:
    """`keng broker` with the demo commune; ready when it lets the console in. `certified`: the gateway has an identity, and these boards
    have certificates (see certificate_of()), a further one each time; `revoked` of them have lost their rights."""
    ports = free_ports(2)
    if certified:
        Authority.create(folder / "data", "xa-mau", now=register.now())
    for device in certified:
        new_certificate(folder / "data", device)
    for device in revoked:
        register.revoke(folder / "data", device)
    settings, data, log = settings_file(folder / "keng.toml", kind, ports), folder / "data", folder / "broker.log"
    command = [sys.executable, "-m", "keng", "broker", "--site", str(site), "--settings", str(settings), "--data", str(data)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
    found = Running(process, data, site, settings, ports, log)
    try:
        wait_until(lambda: (data / "broker/accounts.json").exists() or process.poll() is not None, "accounts")
        wait_until(lambda: answers(found) or process.poll() is not None, "a CONNACK")
        assert process.poll() is None, log.read_text()
        yield found
    finally:
        process.terminate()
        process.wait(WAIT_S)


def answers(found: Running) -> bool:
    try:
        return refusal(found.accounts.account("console")) == ""
    except OSError:
        return False


def refusal(account: Account) -> str:
    return asyncio.run(broker.refusal(account))


class Certificate(NamedTuple):
    """What a board has: paths of PEM files."""

    ca: Path
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """As a board would connect; which name the broker has is asked elsewhere."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.ca)
        context.load_cert_chain(self.certificate, self.key)
        return context


def new_certificate(data: Path, device: str) -> Certificate:
    """Issue the next generation of a board's certificate; the broker is not told."""
    key, request = issuing.new_key(device)
    issued = issuing.issue(data, device, request, replace=True, now=register.now())
    return stored(data, f"{device}.{issued.generation}", key, issued.certificate)


def stored(data: Path, name: str, key: bytes, certificate: bytes) -> Certificate:
    """Files of a key and a certificate, both DER."""
    found = certificate_of(data, name)
    found.key.write_text(_pem("PRIVATE KEY", key))
    found.certificate.write_text(ssl.DER_cert_to_PEM_cert(certificate))
    return found


def certificate_of(data: Path, name: str) -> Certificate:
    """The files that new_certificate() has made for <device>.<generation>."""
    return Certificate(data / "identity/ca.pem", data / f"{name}.pem", data / f"{name}.key")


def _pem(kind: str, der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", kind)


class Talker:
    """A real client. `received` holds (topic, payload) in the order of arrival. With a certificate it speaks TLS."""

    def __init__(self, account: Account, client_id: str = "", *, will: str = "", certificate: Certificate | None = None) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.refused = threading.Event()
        self.lost = threading.Event()
        self._up = threading.Event()
        self._granted = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id or account.user, clean_session=True, protocol=MQTTv311, reconnect_on_failure=False
        )
        self.client_id = client_id or account.user
        self._client.username_pw_set(account.user, account.password)
        if certificate:
            self._client.tls_set_context(certificate.context())
        if will:
            self._client.will_set(will, b"will", qos=1)
        self._client.on_connect = lambda _c, _u, _f, reason, _p: (self.refused if reason.is_failure else self._up).set()
        self._client.on_disconnect = lambda *_: self.lost.set()
        self._client.on_subscribe = lambda *_: self._granted.set()
        self._client.on_socket_open = lambda _c, _u, link: link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as gateway/mqtt.py
        self._client.on_message = lambda _c, _u, message: self.received.append((message.topic, message.payload))
        self._client.connect(account.host, account.port, keepalive=20)
        self._client.loop_start()

    def __enter__(self) -> "Talker":
        assert self._up.wait(WAIT_S), "no CONNACK"
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # It closes its pair of sockets when it goes; in a cycle with us, the garbage collector may take the sockets first.
        self._client.on_connect = self._client.on_disconnect = self._client.on_subscribe = self._client.on_message = None

    def subscribe(self, *topics: str) -> None:
        self._granted.clear()
        self._client.subscribe([(topic, 1) for topic in topics])
        assert self._granted.wait(WAIT_S), "no SUBACK"

    def publish(self, topic: str, payload: bytes) -> None:
        """Returns when the broker has acknowledged it, and so has handled it: forbidden or not."""
        self._client.publish(topic, payload, qos=1).wait_for_publish(WAIT_S)

    def send(self, topic: str, payload: bytes) -> None:
        """Publish and wait for nothing."""
        self._client.publish(topic, payload, qos=1)

    def retain(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1, retain=True).wait_for_publish(WAIT_S)

    def wait_for(self, payload: bytes) -> None:
        wait_until(lambda: any(got == payload for _, got in self.received), f"{payload!r}")

    def topics_before(self, marker: bytes) -> set[str]:
        """What came before the marker, once that has come."""
        self.wait_for(marker)
        topics = set()
        for topic, payload in self.received:
            if payload == marker:
                break
            topics.add(topic)
        return topics

    def cut(self) -> None:
        """Lose the connection as a power cut does: no DISCONNECT."""
        self._client.socket().shutdown(socket.SHUT_RDWR)


def stop(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(WAIT_S)
