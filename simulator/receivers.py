"""Receivers of what the gateway sends to the world: real servers on loopback that record, and can be slow or refuse."""

import asyncio
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple, Self

from simulator.watch import Watch

BODY_MAX = 1 << 20


class Post(NamedTuple):
    """A request that came at `at` (monotonic s); `key` is its Idempotency-Key, "" if it has none."""

    at: float
    path: str
    body: bytes
    key: str


class _Server(ThreadingHTTPServer):
    def handle_error(self, _request: object, _client: object) -> None:
        """Nothing: a sender that is killed amid its request is what the scenarios are for."""
        if not isinstance(sys.exception(), ConnectionError):
            raise  # noqa: PLE0704 - called from an except clause


class WebhookReceiver:
    """An HTTP server on a free loopback port: answers every POST with `status` after `delay_s`, and keeps what came."""

    def __init__(self, watch: Watch) -> None:
        self.posts: list[Post] = []
        self.refused: list[Post] = []
        self.status = 204
        self.delay_s = 0.0
        self._watch = watch
        self._loop: asyncio.AbstractEventLoop
        self._server: ThreadingHTTPServer

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="webhook receiver")
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._server.shutdown)
        self._thread.join()
        self._server.server_close()

    def _came(self, post: Post, status: int) -> None:
        (self.posts if status < 300 else self.refused).append(post)
        self._watch.changed()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                at = time.monotonic()
                body = self.rfile.read(min(int(self.headers.get("content-length", 0)), BODY_MAX))
                key = self.headers.get("idempotency-key", "")
                time.sleep(receiver.delay_s)
                status = receiver.status
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                receiver._loop.call_soon_threadsafe(receiver._came, Post(at, self.path, body, key), status)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the terminal is the storyteller's."""

        return Handler
