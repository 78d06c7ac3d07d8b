"""The command `keng sms`: try the modem."""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError

from gateway import settings as settings_files
from gateway import startup
from gateway.delivery.sms.trial import Step, steps
from gateway.settings import Sms
from protocol.people import Phone
from protocol.tomlfile import FileMistakes

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _sms() -> None:
    """The GSM modem for SMS and calls: docs/sms.md."""


@app.command("test")
def _test(
    number: Annotated[str, typer.Argument(help="Whom to send it to, such as 0912345678.", metavar="NUMBER")],
    settings: Annotated[Path, typer.Option("--settings", help="The settings with [sms], TOML: docs/settings.md.", metavar="FILE")],
    ring: Annotated[bool, typer.Option("--ring", help="Let the phone ring too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")] = False,
) -> None:
    """Send a test message and show each step. The engine must not run meanwhile: a modem has one user.

    Exit code 0 if every step worked, 1 if one did not, 2 for a wrong number or wrong settings.

    \b
    Examples:
      keng sms test 0912345678 --settings keng.toml
      keng sms test 0912345678 --settings keng.toml --ring
    """
    with startup.reported("keng sms test"):
        chosen = settings_files.load(settings).sms
        if not chosen.port:
            raise FileMistakes([f"{settings}: sms.port: expected a serial port such as /dev/serial/by-id/usb-..., got nothing"])
        done = asyncio.run(_show(chosen, _phone(number), rings=ring, is_quiet=as_json))
        if as_json:
            print(json.dumps({"ok": _worked(done), "steps": [step._asdict() for step in done]}, ensure_ascii=False))
        sys.exit(0 if _worked(done) else startup.EXIT_FAILED)


async def _show(settings: Sms, number: str, *, rings: bool, is_quiet: bool) -> list[Step]:
    done = []
    async for step in steps(settings, number, clock=time.strftime("%H:%M"), rings=rings):
        done.append(step)
        if not is_quiet:
            print(f"{'✓' if step.ok else '✕'} {step.name:<8} {step.words}", flush=True)
    return done


def _worked(done: list[Step]) -> bool:
    return all(step.ok for step in done)


def _phone(number: str) -> str:
    try:
        return TypeAdapter(Phone).validate_python(number)
    except ValidationError as exc:
        why = exc.errors()[0]["msg"].removeprefix("Value error, ")
        raise FileMistakes([f"keng sms test: {why}, got {number!r}"]) from None
