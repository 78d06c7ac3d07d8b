"""The webhook's receiver of the bench, in a process of its own: the moment of a post is not the moment when the bench, busy with the
bells of the same alarm, comes to look at it.

Python -m simulator.bench.postbox says its address on the first line, then each post on a line of JSON; a line {"delay_s": ...} on its
standard input makes it slower.
"""

import asyncio
import json
import signal
import sys
from contextlib import suppress
from typing import Self

from simulator.bench import turns
from simulator.receivers import Post, WebhookReceiver
from simulator.watch import Watch

LINE_MAX = 1 << 22


class Postbox:
    """The process while `async with` lasts, and what has come: the same face as a WebhookReceiver's."""

    def __init__(self, watch: Watch) -> None:
        self.posts: list[Post] = []
        self.url = ""
        self._watch = watch
        self._delay_s = 0.0

    @property
    def delay_s(self) -> float:
        """How long it takes for a post."""
        return self._delay_s

    @delay_s.setter
    def delay_s(self, seconds: float) -> None:
        self._delay_s = seconds
        assert self._process.stdin is not None  # noqa: S101  opened as a pipe
        self._process.stdin.write(json.dumps({"delay_s": seconds}).encode() + b"\n")

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "simulator.bench.postbox"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_MAX,
            start_new_session=True,  # Ctrl-C in the terminal is for us alone: we end it in order
        )
        assert self._process.stdout is not None  # noqa: S101  opened as a pipe
        self.url = (await self._process.stdout.readline()).decode().strip()
        self._reading = asyncio.get_running_loop().create_task(self._read(self._process.stdout), name="postbox")
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()
        await self._reading

    async def _read(self, lines: asyncio.StreamReader) -> None:
        async for line in lines:
            at, path, body, key = json.loads(line)
            self.posts.append(Post(at, path, body.encode(), key))
            self._watch.changed()


async def main() -> None:
    """The process, until SIGTERM or the end of its input."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  asyncio.run has made one
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    watch = Watch()
    with suppress(asyncio.CancelledError):
        async with WebhookReceiver(watch) as receiver, asyncio.TaskGroup() as tasks:
            print(receiver.url, flush=True)
            telling = tasks.create_task(_tell(watch, receiver))
            async for line in orders:
                receiver.delay_s = json.loads(line)["delay_s"]
            telling.cancel()


async def _tell(watch: Watch, receiver: WebhookReceiver) -> None:
    while True:
        posts, receiver.posts[:] = receiver.posts[:], []
        for post in posts:
            print(json.dumps((post.at, post.path, post.body.decode(), post.key)), flush=True)
        if not posts:
            await watch.next_change()


if __name__ == "__main__":
    turns.at_once()  # a machine of its own
    asyncio.run(main())
