"""The parts of the gateway as the world starts them: commands in processes of their own, which may be killed."""

import asyncio
import os
import random
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

STOP_S = 10.0


class PartFailed(RuntimeError):
    """A part ended when it should run, or a command did not work; the message ends with its last lines."""


class Part:
    """One command, `keng` with `arguments`, its output in `log`.

    `command`: what follows `python -m`. A change of it counts from the next start. `told`: what it reads from its standard input.
    """

    def __init__(self, name: str, arguments: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        self.starts = 0
        self.command = ["keng", *arguments]
        self.told = b""
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Its process. Raises PartFailed if it has none."""
        if self._process is None or self._process.returncode is not None:
            raise PartFailed(f"{self.name}: expected a running process, got none{self.last_lines()}")
        return self._process.pid

    async def start(self) -> None:
        """Start it, if it does not run."""
        if self.running:
            return
        self.starts += 1
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *self.command),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C in the terminal is for us alone: we end it in order
            )
        assert self._process.stdin is not None  # noqa: S101  asked for above
        self._process.stdin.write(self.told)
        self._process.stdin.close()

    async def kill(self) -> None:
        """kill -9."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if it still lives after STOP_S."""
        await self._end(signal.SIGTERM)

    def last_lines(self, count: int = 5) -> str:
        """The end of its output, for messages."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "".join(f"\n  {self.name}: {line}" for line in text.splitlines()[-count:])

    async def _end(self, number: int) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            # Whatever it started is in its session: nothing of ours may stay behind. It may have ended while this program was busy.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def answer(module: str, *arguments: str) -> str:
    """What a command of Python's -m prints. Raises PartFailed, with what it said, unless its exit code is 0."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    if process.returncode:
        raise PartFailed(f"{module} {' '.join(arguments)}: exit code {process.returncode}\n{err.decode(errors='replace').strip()}")
    return out.decode()


# Below the ports that Linux gives to outgoing connections (net.ipv4.ip_local_port_range: from 32768), one of which would take a port
# between its choice and its use.
PORTS = range(20_000, 32_000)
KEPT_MAX = 100
_kept: list[int] = []  # file descriptors of the latest choices


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody uses now, and that no other caller on this machine is given before they are used.

    A socket in Linux's abstract name space stands for each of the latest: it leaves no file behind and ends with the process.
    Raises PartFailed if there are not as many.
    """
    found: list[int] = []
    start = random.randrange(len(PORTS))
    for port in (*PORTS[start:], *PORTS[:start]):
        if len(found) == count:
            return found
        keeper = socket.socket(socket.AF_UNIX)
        try:
            keeper.bind(f"\0keng-port-{port}")
        except OSError:
            keeper.close()
            continue
        if is_free(port):
            _kept.append(keeper.detach())
            found.append(port)
            if len(_kept) > KEPT_MAX:
                os.close(_kept.pop(0))
        else:
            keeper.close()
    raise PartFailed(f"expected {count} free ports from {PORTS.start} to {PORTS.stop - 1}, got {len(found)}")


def is_free(port: int) -> bool:
    """Whether nobody uses this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def listening(host: str, port: int, within_s: float) -> bool:
    """Whether somebody accepts connections there within the time."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                try:
                    _, writer = await asyncio.open_connection(host, port)
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    writer.close()
                    return True
    except TimeoutError:
        return False
