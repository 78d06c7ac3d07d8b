"""The command `keng policy`: what would happen, to whom, when."""

import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway import startup
from gateway.domain.audiences import VIETNAM
from gateway.plans import limits, ways
from gateway.rehearsal import Line, rehearse
from gateway.settings import Settings
from protocol.fields import ALARM_TYPES
from protocol.tomlfile import FileMistakes
from protocol.topics import is_id

FIRST_YEAR, LAST_YEAR = 2000, 2099

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _policy() -> None:
    """What points mean, and who is told: docs/policy.md."""


@app.command("explain")
def _explain(
    event: Annotated[str, typer.Argument(help="The point that becomes active: BOARD/POINT, such as H03-07/button-1.", metavar="EVENT")],
    site: Annotated[Path, typer.Option("--site", help="The commune's description, TOML: docs/site.md.", metavar="FILE")],
    *,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="The settings: then only channels that they set up are used.", metavar="FILE")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", help="When, in Vietnam: 2026-11-22T23:30. Without it now.", metavar="TIME")] = None,
    for_s: Annotated[int, typer.Option("--for", help="For how many seconds nobody answers.", min=0, max=86400, metavar="SECONDS")] = 600,
    silent: Annotated[bool, typer.Option("--silent", help="An SOS that must not be heard.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")] = False,
) -> None:
    """Print what would happen if nobody answered: the engine's own decisions, played through. Nothing is sent.

    \b
    Examples:
      keng policy explain H03-07/button-1 --site site.toml
      keng policy explain H03-07/smoke-1 --site site.toml --at 2026-11-22T02:00 --for 1800
    """
    with startup.reported("keng policy explain"):
        commune, chosen = startup.load(site, settings) if settings else (startup.load_site(site), None)
        device, point = _event(event)
        try:
            found = list(
                rehearse(
                    commune,
                    limits(chosen or Settings(), commune),
                    ways(chosen) if chosen else frozenset(way for person in commune.people for way in person.ways),
                    device=device,
                    point=point,
                    silent=silent,
                    at_ms=_time(at),
                    for_s=for_s,
                )
            )
        except ValueError as exc:
            raise FileMistakes([str(exc)]) from None
        _print(event, found, as_json=as_json)


def _event(text: str) -> tuple[str, str]:
    device, slash, point = text.partition("/")
    if not slash or not is_id(device) or not is_id(point):
        raise FileMistakes([f"EVENT: expected BOARD/POINT such as H03-07/button-1, got {text!r}"])
    return device, point


def _time(text: str | None) -> int:
    if text is None:
        return int(time.time() * 1000)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise FileMistakes([f"--at: expected a time such as 2026-11-22T23:30, got {text!r}"]) from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise FileMistakes([f"--at: expected a year from {FIRST_YEAR} to {LAST_YEAR}, got {text!r}"])
    return int(at.replace(tzinfo=VIETNAM).timestamp() * 1000)


def _print(event: str, found: list[Line], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"event": event, "lines": [line._asdict() for line in found]}, ensure_ascii=False))
        return
    if not found:
        print(f"{event}: recorded, nobody is told ({', '.join(ALARM_TYPES)} raise alarms)")
    for line in found:
        step = f"  step {line.step}" if line.step else ""
        print(f"{line.after_s:>5} s  {line.what:<12} {line.by:<20} {line.who}{step}", file=sys.stdout)
