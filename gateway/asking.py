"""A command of the bench, asked on the gateway itself: one connection, one question, one answer (protocol/boards.py)."""

import asyncio
import secrets
import time
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from gateway.mqtt import Account, Link
from gateway.supervisor import CannotStart
from protocol import boards, topics
from protocol.boards import BoardAnswer, BoardCommand
from protocol.tomlfile import FileMistakes, mistakes
from protocol.wire import DecodeError

CONNECT_S = 10.0
ANSWER_S = 40.0
AGAIN_S = 5.0


async def ask(account: Account, site: str, user: str, do: str, **fields: Any) -> BoardAnswer:
    """The engine's answer, ok or not; the command is sent again while none comes. Raises CannotStart if there is nobody who answers,
    FileMistakes if there can be no such command."""
    if not topics.is_id(user):
        raise FileMistakes([f"--by: expected somebody of the site file, got {user!r}"])
    try:
        command = BoardCommand.model_validate({"id": f"b-{secrets.token_hex(6)}", "t": int(time.time() * 1000), "do": do, **fields})
    except ValidationError as exc:
        raise FileMistakes(mistakes(exc)) from None
    answered: asyncio.Future[BoardAnswer] = asyncio.get_running_loop().create_future()

    def heard(_topic: str, payload: bytes, _retained: bool) -> None:
        with suppress(DecodeError):
            answer = boards.decode_answer(payload)
            if answer.id == command.id and not answered.done():
                answered.set_result(answer)

    link = Link(account, [(topics.bench(site, user, "answer"), 1)], heard)
    running = asyncio.create_task(link.run())
    try:
        await _within(link.up.wait(), CONNECT_S, f"broker {account.host}:{account.port}: expected to be let in as {account.user}")
        deadline = time.monotonic() + ANSWER_S
        while not answered.done() and time.monotonic() < deadline:
            link.publish(topics.bench(site, user, "command"), command.payload())
            await asyncio.wait([answered], timeout=AGAIN_S)
        if not answered.done():
            raise CannotStart(f"engine: expected an answer to {do} within {ANSWER_S:.0f} s, got none: does it run?")
        return answered.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _within(work: Any, seconds: float, expected: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        raise CannotStart(f"{expected} within {seconds:.0f} s, got nothing") from None
