"""The command `keng doctor`."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from gateway import startup
from gateway.commands import Json
from gateway.doctor.examination import Patient, examine
from gateway.doctor.findings import Finding, State
from gateway.installation.layout import Layout

SIGNS: dict[State, str] = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "wrong": "[red]✕[/]", "unknown": "[yellow]?[/]"}
HERE = Layout(program=Path("keng"))

doctor = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@doctor.command()
def _doctor(
    site: Annotated[Path, typer.Option("--site", help="The commune's description.", metavar="FILE")] = HERE.site,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="The settings; those in /etc/keng if they are there.", metavar="FILE")
    ] = None,
    data: Annotated[
        Path,
        typer.Option("--data", help="Databases and the broker's files.", metavar="DIR", readable=False, callback=startup.readable_folder),
    ] = HERE.data,
    backups: Annotated[Path, typer.Option("--backups", help="Where the safe copies are.", metavar="DIR")] = HERE.backups,
    as_json: Json = False,
) -> None:
    """Is everything in order? Services, broker, engine, their priority, page, database, backups, certificates, clock, disk, temperature.

    Says what to do about what is not.

    Changes nothing. Exit code 0 if nothing is wrong (there may be warnings), 1 if something is, 2 for a wrong file.

    \b
    Examples:
      sudo keng doctor
      keng doctor --site site.toml --data keng-data --backups /media/usb
      keng doctor --json
    """
    with startup.reported("keng doctor"):
        chosen = settings or (HERE.settings if HERE.settings.exists() else None)
        commune, found_settings = startup.load(site, chosen)
        patient = Patient(commune, found_settings, data, backups)
        terminal = Console(soft_wrap=True, highlight=False)
        found: list[Finding] = []
        for finding in examine(patient, now=lambda: datetime.now(UTC)):
            found.append(finding)
            if not as_json:
                _say(terminal, finding)
    wrong = sum(finding.state == "wrong" for finding in found)
    if as_json:
        print(json.dumps({"ok": not wrong, "findings": [finding._asdict() for finding in found]}, ensure_ascii=False))
    else:
        print(f"{wrong} wrong, {sum(finding.state in ('warn', 'unknown') for finding in found)} to look at, of {len(found)}")
    sys.exit(startup.EXIT_FAILED if wrong else 0)


def _say(terminal: Console, finding: Finding) -> None:
    terminal.print(f"{SIGNS[finding.state]} {escape(finding.what)}: {escape(finding.words)}")
    if finding.remedy and finding.state != "ok":
        terminal.print(f"    → {escape(finding.remedy)}")
