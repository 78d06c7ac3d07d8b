"""Posting: real connections to a server that answers as it is told."""

import asyncio
import contextlib

import h11
import pytest

from gateway.delivery import http
from gateway.delivery.http import Poster

OK = b"HTTP/1.1 204 No Content\r\n\r\n"


class Server:
    """Answers the n-th request with `answers[n]`, each piece by itself; None closes the connection. Keeps what came."""

    def __init__(self, *answers: list[bytes | None]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.ends: list[asyncio.StreamWriter] = []

    @contextlib.asynccontextmanager
    async def serving(self):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        poster = Poster(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=1")
        try:
            yield poster
        finally:
            poster.close()
            for end in self.ends:
                end.close()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.ends.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length"))
                self.requests.append(head + await reader.readexactly(length))
                for piece in self.answers.pop(0):
                    if piece is None:
                        writer.close()
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)


def post(poster: Poster, body: bytes = b"{}"):
    return poster.post([(b"Content-Type", b"application/json")], body)


def test_a_post_carries_host_length_headers_and_body():
    async def run() -> None:
        server = Server([OK])
        async with server.serving() as poster:
            assert await post(poster, b'{"v":1}') == 204
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        first, *headers = head.split(b"\r\n")
        assert first == b"POST /hook?a=1 HTTP/1.1"
        assert {b"Content-Length: 7", b"Content-Type: application/json"} < set(headers)
        assert [header for header in headers if header.startswith(b"Host: 127.0.0.1:")]
        assert body == b'{"v":1}'

    asyncio.run(run())


def test_one_connection_serves_many_posts_and_several_at_once_have_one_each():
    async def run() -> None:
        server = Server(*[[OK]] * 5)
        async with server.serving() as poster:
            assert [await post(poster) for _ in range(3)] == [204] * 3
            assert server.connections == 1
            assert await asyncio.gather(post(poster), post(poster)) == [204, 204]
            assert server.connections == 2

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 5\r\n\r\nhel", b"lo"], 200),
        (
            [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"],
            503,
        ),
        ([b"HTTP/1.0 202 Fine\r\n\r\nuntil the end", None], 202),
    ],
)
def test_an_answer_in_pieces_chunked_or_ended_by_closing_is_read(answer: list[bytes | None], status: int):
    async def run() -> None:
        server = Server(answer, [OK])
        async with server.serving() as poster:
            assert await post(poster) == status
            assert await post(poster) == 204

    asyncio.run(run())


def test_a_connection_that_the_peer_has_closed_or_that_is_old_is_not_used_again(monkeypatch: pytest.MonkeyPatch):
    async def run() -> None:
        server = Server([OK], [OK], [OK])
        async with server.serving() as poster:
            await post(poster)
            server.ends[0].close()
            async with asyncio.timeout(1):
                while poster._kept[0].is_fresh:  # noqa: ASYNC110 - only the loop knows
                    await asyncio.sleep(0)
            assert await post(poster) == 204
            monkeypatch.setattr(http, "KEPT_S", 0)
            assert await post(poster) == 204
            assert server.connections == 3

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ([None], h11.RemoteProtocolError),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", None], h11.RemoteProtocolError),
        ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], h11.RemoteProtocolError),
    ],
)
def test_what_is_no_whole_answer_raises_and_the_next_post_goes_another_way(answer: list[bytes | None], error: type[Exception]):
    async def run() -> None:
        server = Server(answer, [OK])
        async with server.serving() as poster:
            with pytest.raises(error):
                await post(poster)
            assert await post(poster) == 204
            assert server.connections == 2

    asyncio.run(run())


def test_a_post_that_is_given_up_closes_its_connection():
    async def run() -> None:
        server = Server([], [OK])
        async with server.serving() as poster:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await post(poster)
            assert await post(poster) == 204
            assert server.connections == 2

    asyncio.run(run())


def test_nobody_who_listens_is_an_error_of_the_environment():
    async def run() -> None:
        server = Server()
        async with server.serving() as poster:
            pass
        with pytest.raises(OSError, match=r"refused|failed"):
            await post(poster)

    asyncio.run(run())
