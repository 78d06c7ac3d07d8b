"""One MQTT connection of a host program, kept alive: paho-mqtt driven by asyncio, without a thread on the hot path.

Every connection is a new paho client, so that nothing queued for an old one is ever sent late: receipts are asked for again by the
boards, rings and ticks repeat, and what is retained is published again from `on_connected`.
"""

import asyncio
import logging
import random
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 20
CONNECT_S = 5.0
BACK_OFF_S = (0.1, 5.0)
IN_FLIGHT = 0  # no limit: a storm waits for no PUBACK, and with a limit paho looks through all that are under way at each of them
READ_BYTES = 32768  # about 160 reports; other tasks wait no longer than it takes to queue them
REFUSED_S = 30.0  # a wrong password is not cured by asking again soon


@dataclass(frozen=True)
class Account:
    """Where the broker listens and as whom to connect."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Will:
    """What the broker publishes, retained, when this program's link is lost."""

    topic: str
    payload: bytes


class _Client(Client):
    """paho asks the socket three times for each packet, and reads one packet for each time that the loop finds the socket readable:
    under load that costs more than the packet. This reads what is there at once and gives it to paho in pieces. If a later paho has
    other insides, what is overridden here is not called, and it is only slower.
    """

    def __init__(self, client_id: str) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id, clean_session=True, protocol=MQTTv311)
        self._read_ahead = b""
        self._read_to = 0

    def read(self) -> None:
        """Take the packets that have come, at most READ_BYTES of them."""
        self.loop_read()
        while self._read_to < len(self._read_ahead) and self._sock is not None:
            self.loop_read()

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._read_to == len(self._read_ahead):
            self._read_ahead, self._read_to = super()._sock_recv(READ_BYTES), 0
        start = self._read_to
        self._read_to = min(start + bufsize, len(self._read_ahead))
        return self._read_ahead[start : self._read_to]


class Link:
    """`run()` connects, subscribes and connects again for ever. All callbacks run in its event loop.

    on_message(topic, payload, retained) must not block. on_connected() runs when every subscription is granted, on_lost() when a
    connection that was up is gone. unreadable_topics counts messages whose topic is not UTF-8, connections those that came up.
    """

    def __init__(
        self,
        account: Account,
        subscriptions: list[tuple[str, int]],
        on_message: Callable[[str, bytes, bool], None],
        *,
        on_connected: Callable[[], None] = lambda: None,
        on_lost: Callable[[], None] = lambda: None,
        will: Will | None = None,
    ) -> None:
        self.unreadable_topics = 0
        self.connections = 0
        self.up = asyncio.Event()
        self._account = account
        # Two programs of one user must not throw each other off; this one, connecting again, shall throw off its own old connection.
        self._client_id = f"{account.user}-{secrets.token_hex(4)}"
        self._subscriptions = subscriptions
        self._on_message = on_message
        self._on_connected = on_connected
        self._on_lost = on_lost
        self._will = will
        self._client: _Client | None = None
        self._ended: asyncio.Future[None]
        self._granted: set[int] = set()
        self._refused = False

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        """Hand a message to the socket. False, and nothing kept, while there is no connection: who needs it sent repeats it."""
        if self._client is None or not self.up.is_set():
            return False
        return self._client.publish(topic, payload, qos, retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def unsubscribe(self, topic: str) -> None:
        """Hear no more of `topic` until the next connection, which asks for it again."""
        if self._client is not None and self.up.is_set():
            self._client.unsubscribe(topic)

    async def run(self) -> None:
        """Never returns; cancel it. A clean stop sends DISCONNECT, so that the last will is not published. An exception out of a
        callback is a bug and comes out here."""
        failures = 0
        while True:
            client, was_up = self._new_client(), False
            try:
                await asyncio.get_running_loop().run_in_executor(None, client.connect, self._account.host, self._account.port, KEEP_ALIVE_S)
                await self._stay(client)
            except OSError as exc:
                was_up = self.up.is_set()
                level = logging.WARNING if failures == 0 else logging.DEBUG
                logger.log(level, "broker %s:%d: %s", self._account.host, self._account.port, exc)
            finally:
                self._close(client)
            failures = 0 if was_up else failures + 1
            longest = min(BACK_OFF_S[1], BACK_OFF_S[0] * 2 ** min(failures, 10))
            await asyncio.sleep(REFUSED_S if self._refused else random.uniform(0, longest))  # noqa: S311 - jitter is no secret

    def _new_client(self) -> _Client:
        self._ended = asyncio.get_running_loop().create_future()
        self._granted = set()
        self._refused = False
        client = _Client(self._client_id)
        client.username_pw_set(self._account.user, self._account.password)
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages_set(IN_FLIGHT)
        client.suppress_exceptions = False
        if self._will:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = lambda _client, _userdata, _flags, reason, _properties: self._end(ConnectionResetError(str(reason)))
        client.on_message = self._message
        return client

    async def _stay(self, client: _Client) -> None:
        """Drive a client whose CONNECT is sent; raises OSError when the link is gone or was not up in time."""
        loop = asyncio.get_running_loop()
        sock = cast("socket.socket | None", client.socket())
        if sock is None:
            raise ConnectionResetError("closed at once")
        # Without it the first of several small packets waits 40 ms for the peer's delayed ACK (Nagle, RFC 896).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.on_socket_register_write = lambda *_: loop.add_writer(sock, self._drive, client.loop_write)
        client.on_socket_unregister_write = _ignoring(loop.remove_writer, sock)
        client.on_socket_close = _ignoring(loop.remove_reader, sock)
        loop.add_reader(sock, self._drive, client.read)
        self._client = client
        deadline = loop.time() + CONNECT_S
        while not self._ended.done():
            client.loop_misc()
            await asyncio.wait([self._ended], timeout=1)
            if not self.up.is_set() and loop.time() > deadline:
                raise TimeoutError(f"no CONNACK and SUBACK in {CONNECT_S:.0f} s")
        self._ended.result()

    def _drive(self, step: Callable[[], object]) -> None:
        try:
            step()
        except Exception as exc:  # noqa: BLE001 - a callback's bug: out of run(), instead of into the event loop's log
            self._end(exc)

    def _end(self, why: Exception) -> None:
        if not self._ended.done():
            self._ended.set_exception(why)

    def _close(self, client: Client) -> None:
        """Safe to call twice; the client is not used again."""
        was_up = self.up.is_set()
        self.up.clear()
        self._client = None
        if client.socket() is not None:
            client.disconnect()
            client.loop_write()
            if (sock := client.socket()) is not None:
                asyncio.get_running_loop().remove_reader(sock)
                asyncio.get_running_loop().remove_writer(sock)
                sock.close()
        if self._ended.done() and not self._ended.cancelled():
            self._ended.exception()  # marks it as retrieved
        if was_up:
            self._on_lost()

    def _connected(
        self, client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refused = True
            self._end(ConnectionRefusedError(f"{self._account.user}: {reason}"))
            return
        for topic, qos in self._subscriptions:
            mid = client.subscribe(topic, qos)[1]
            if mid is not None:
                self._granted.add(mid)
        if not self._subscriptions:
            self._ready()

    def _subscribed(self, _client: Client, _userdata: object, mid: int, reasons: list[ReasonCode], _properties: Properties | None) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refused = True
            self._end(PermissionError(f"{self._account.user}: the broker refuses a subscription"))
            return
        self._granted.discard(mid)
        if not self._granted:
            self._ready()

    def _ready(self) -> None:
        self.connections += 1
        self.up.set()
        self._on_connected()

    def _message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # some brokers deliver it, and paho raises here
            self.unreadable_topics += 1
            return
        self._on_message(topic, bytes(message.payload), message.retain)


def _ignoring(remove: Callable[[socket.socket], object], sock: socket.socket) -> Callable[[Client, object, object], None]:
    """`remove(sock)` as paho calls it back."""

    def call_back(_client: Client, _userdata: object, _sock: object) -> None:
        remove(sock)

    return call_back
