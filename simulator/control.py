"""The control socket of a running simulation: `keng sim press` in another terminal takes part in it.

One line of JSON each way: a step (script.Step without at_s), then {"ok": true} or {"ok": false, "mistakes": [...], "wrong_input": bool}.
"""

import asyncio
import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from protocol.tomlfile import mistakes
from simulator import script
from simulator.desk import DeskFailed
from simulator.hands import CannotDo, Hands
from simulator.parts import PartFailed
from simulator.script import Step
from simulator.stage import Stage

ANSWER_S = 10.0
LINE_MAX = 4096


class NoneRuns(RuntimeError):
    """There is no simulation to take part in."""


def default_path() -> Path:
    """Where a simulation of this user listens if nothing else is said."""
    return Path(tempfile.gettempdir()) / f"keng-sim-{os.getuid()}.sock"


def ask(step: dict[str, object], path: Path) -> dict[str, Any]:
    """Send a step to the simulation that listens at `path`, and return its answer. Raises NoneRuns."""
    line = json.dumps(step).encode() + b"\n"
    if len(line) > LINE_MAX:
        return {"ok": False, "wrong_input": True, "mistakes": [f"expected a step of at most {LINE_MAX} bytes, got {len(line)}"]}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_S)
        try:
            connection.connect(str(path))
            connection.sendall(line)
            with connection.makefile("rb") as lines:
                answer: dict[str, Any] = json.loads(lines.readline(LINE_MAX) or b"{}")
        except (OSError, ValueError) as exc:
            raise NoneRuns(f"no simulation listens at {path} ({exc}); start one with `make demo` or `keng sim run`") from None
    if "ok" not in answer:
        raise NoneRuns(f"{path}: expected an answer of the simulation, got none")
    return answer


class Control:
    """Listens for steps as long as `async with` lasts. `listening` is False if another simulation of this user has the socket."""

    def __init__(self, stage: Stage, path: Path) -> None:
        self.listening = False
        self._stage = stage
        self._path = path
        self._hands = Hands(stage)

    async def __aenter__(self) -> Self:
        if await self._taken():
            return self
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)  # nobody else's hands
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=LINE_MAX)
        finally:
            os.umask(before)
        self.listening = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hands.rest()
        if self.listening:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _taken(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(str(self._path))
        except OSError:
            return False
        writer.close()
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line:
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            return  # somebody hung up, or sent a line that never ends
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, object]:
        try:
            step = Step.model_validate({"at_s": 0, **json.loads(line)})
        except ValidationError as exc:
            return {"ok": False, "wrong_input": True, "mistakes": mistakes(exc)}
        except (ValueError, TypeError) as exc:
            return {"ok": False, "wrong_input": True, "mistakes": [str(exc)]}
        if wrong := script.check(step, self._stage.site, self._stage.fitted):
            return {"ok": False, "wrong_input": True, "mistakes": wrong}
        try:
            await self._hands.do(step)
        except (CannotDo, DeskFailed, PartFailed) as exc:
            return {"ok": False, "wrong_input": False, "mistakes": [str(exc)]}
        return {"ok": True}
