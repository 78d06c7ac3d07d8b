"""The floor below the engine: a paho program of the same shape that forwards and stores nothing.

Python -m simulator.bench.floors reads from stdin {"host": ..., "port": ..., "user": ..., "password": ..., "webhook": url}. It rings the
group of each alarm, gives the receipt and posts the event, all in the network thread but the post; of reports it keeps the newest of
each board. It says that it is online, and how many reports it has handled, on the engine's topics.
"""

import http.client
import json
import queue
import signal
import socket
import sys
import threading
import time
import urllib.parse

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from protocol import topics
from simulator.bench import turns
from simulator.bench.communes import FLOOR, SITE

START = "00000000-1"
COUNT_EVERY_S = 0.05
GOODBYE_S = 5.0
IN_FLIGHT = 0  # no limit: with one, paho walks over all that is on its way at each PUBACK


class Floor:
    """The program, until SIGTERM."""

    def __init__(self, options: dict[str, str]) -> None:
        self._options = options
        self._groups: dict[str, str] = {}
        self._reports: dict[str, dict[str, object]] = {}
        self._handled = 0
        self._orders = 0
        self._ending = threading.Event()
        self._posts: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._client = Client(CallbackAPIVersion.VERSION2, options["user"], protocol=MQTTv311)
        self._client.username_pw_set(options["user"], options["password"])
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received
        # The engine's socket is set likewise: else both wait 40 ms for nothing.
        self._client.on_socket_open = _without_delay

    def run(self) -> None:
        """Serve until SIGTERM, then leave no retained word behind."""
        threading.Thread(target=self._post, daemon=True).start()
        threading.Thread(target=self._tell_count, daemon=True).start()
        # Nothing but a mark: whoever is interrupted may hold one of paho's locks.
        signal.signal(signal.SIGTERM, lambda *_: self._ending.set())
        self._client.connect(self._options["host"], int(self._options["port"]))
        self._client.loop_forever()

    def _connected(
        self, client: Client, _userdata: object, _flags: ConnectFlags, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        client.subscribe([(topics.device(SITE, "+", leaf), 1) for leaf in ("state", "event", "report")])

    def _subscribed(self, client: Client, _userdata: object, _mid: int, _reasons: list[ReasonCode], _properties: Properties | None) -> None:
        client.publish(topics.gateway(SITE), _json(online=True, engine=START, version="floor"), 1, retain=True)
        client.publish(topics.tick(SITE), _json(engine=START, t=round(time.time() * 1000)))

    def _received(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        _, _, _, _, device, leaf = message.topic.split("/")
        fields = json.loads(message.payload)
        if leaf == "report":
            self._reports[device] = fields
            self._handled += 1
        elif leaf == "event":
            self._take(device, fields, bytes(message.payload))
        elif fields["online"]:
            self._groups[device] = fields["group"]

    def _take(self, device: str, event: dict[str, object], payload: bytes) -> None:
        ident = str(event["id"])
        if event["type"] == "button" and event["state"] == "active":
            group = self._groups.get(device)
            if group is None:
                return  # its birth is still under way after a start; the board sends it again
            self._orders += 1
            self._client.publish(topics.ring(SITE, group), _ring(self._orders, device, ident), 1)
            self._posts.put(payload)
        self._client.publish(topics.device(SITE, device, "receipt"), _json(engine=START, id=ident), 1)

    def _tell_count(self) -> None:
        told = 0
        while not self._ending.wait(COUNT_EVERY_S):
            if told != self._handled:
                told = self._handled
                self._client.publish(topics.desk(SITE, FLOOR, "answer"), str(told))
        # Acknowledged first: a socket that is closed while births still come in is reset, and the broker never reads this.
        self._client.publish(topics.gateway(SITE), b"", 1, retain=True).wait_for_publish(GOODBYE_S)
        self._client.disconnect()

    def _post(self) -> None:
        address = urllib.parse.urlsplit(self._options["webhook"])
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        while True:
            connection.request("POST", address.path, self._posts.get(), {"Content-Type": "application/json"})
            connection.getresponse().read()


def _without_delay(_client: Client, _userdata: object, sock: object) -> None:
    assert isinstance(sock, socket.socket)  # noqa: S101  no proxy, no WebSocket
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _ring(order: int, device: str, event: str) -> str:
    incident = f"floor-{order:06d}"  # a name that the engine never gives: boards prove each once
    return _json(engine=START, rev=order, incident=incident, pattern="fire", n=1, place=device, for_s=60, covers={device: event}, mute=[])


def _json(**fields: object) -> str:
    return json.dumps({"v": 1, **fields}, separators=(",", ":"))


if __name__ == "__main__":
    turns.at_once()
    Floor(json.loads(sys.stdin.read())).run()
