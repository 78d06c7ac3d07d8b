"""The command keng sia: does a receiver understand us?"""

import asyncio
import json
import logging
import time
from pathlib import Path
from typing import Annotated

import typer

from gateway import startup
from gateway.delivery.sia import codes, keys
from gateway.delivery.sia.channel import hand_seq
from gateway.delivery.sia.codes import MEANING, Event
from gateway.delivery.sia.receiver import Receiver, Refused
from gateway.settings import Receiver as Settings
from gateway.supervisor import CannotStart
from protocol.tomlfile import FileMistakes

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _sia() -> None:
    """Police receivers (SIA DC-09): docs/police-receiver.md."""


@app.command("test")
def _test(
    name: Annotated[str, typer.Argument(help="The receiver's name in the settings.")],
    settings: Annotated[Path, typer.Option("--settings", help="The settings, TOML: docs/settings.md.", metavar="FILE")],
    code: Annotated[str, typer.Option("--code", help="The event to send, docs/police-receiver.md lists them.")] = "RX",
    as_json: Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")] = False,
) -> None:
    """Send a link test and a test event to a receiver and show the dialogue; exit code 1 if one is not acknowledged.

    \b
    Examples:
      keng sia test police --settings keng.toml
      keng sia test police --settings keng.toml --code FA     tell the officer on duty first
    """
    logging.basicConfig(handlers=[logging.NullHandler()])  # the dialogue says it all
    with startup.reported("keng sia test"):
        receiver = _named(name, settings)
        if code not in MEANING:
            raise FileMistakes([f"--code: expected one of {', '.join(MEANING)}, got {code!r}"])
        said: list[str] = []
        error = asyncio.run(_dialogue(receiver, code, said, is_quiet=as_json))
        if as_json:
            print(json.dumps({"ok": not error, "receiver": name, "code": code, "dialogue": said, "error": error}, ensure_ascii=False))
        if error and as_json:
            raise typer.Exit(startup.EXIT_FAILED)
        if error:
            raise CannotStart(f"{name} {error}")
        if not as_json:
            print(f"{name}: both were acknowledged")


async def _dialogue(settings: Settings, code: str, said: list[str], *, is_quiet: bool) -> str:
    """What went wrong, "" if nothing did. Keeps what was said, and prints it unless `is_quiet`."""

    def tell(line: str) -> None:
        said.append(line)
        if not is_quiet:
            print(line, flush=True)

    key = keys.read(settings.key_file) if settings.key_file else None
    receiver = Receiver(settings, key, clock=time.time, on_fault=lambda _name, _words: None, tell=tell)
    now_ms = int(time.time() * 1000)
    event = Event(code, 0, 0, codes.plain(f"THU NGHIEM, {MEANING[code]}", codes.TEXT_MAX), now_ms)
    try:
        await receiver.test_link()
        await receiver.send(hand_seq(now_ms), event)
    except (OSError, Refused) as exc:
        return str(exc)
    return ""


def _named(name: str, settings: Path) -> Settings:
    found = startup.load_settings(settings).receivers
    receiver = next((receiver for receiver in found if receiver.name == name), None)
    if receiver is None:
        names = ", ".join(receiver.name for receiver in found) or "none"
        raise FileMistakes([f"{settings}: expected [[receivers]] with the name {name!r}, got: {names}"])
    return receiver
