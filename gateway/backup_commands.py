"""The commands `keng backup` and `keng restore`."""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway import startup
from gateway.commands import DATA, Data, Json
from gateway.console.people.book import own_database
from gateway.settings import Console
from gateway.store import backup as backups
from gateway.store.backup import Contents
from protocol.tomlfile import FileMistakes

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", help="The settings, TOML: only they say it if the page's accounts lie elsewhere.", metavar="FILE"),
]

backup, restore = (typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False) for _ in range(2))


@backup.command()
def _backup(
    file: Annotated[Path, typer.Argument(help="Where to write it, such as keng-2026-11-22.tar.gz; in a folder under the time as name.")],
    data: Data = DATA,
    settings: SettingsFile = None,
    keep: Annotated[int | None, typer.Option("--keep", help="Delete the oldest of the folder beyond so many.", min=1, metavar="N")] = None,
    as_json: Json = False,
) -> None:
    """A safe copy of events, incidents, boards, certificates, and the accounts of broker and page in one file, while everything runs.

    The copy is checked before it gets its name. It holds passwords and phone numbers: keep it where only you can read it.

    \b
    Examples:
      keng backup /media/usb/keng-$(date +%F).tar.gz --data /var/lib/keng
      keng backup /var/backups/keng --keep 14 --settings /etc/keng/keng.toml --data /var/lib/keng
      keng restore /media/usb/keng-2026-11-22.tar.gz --data /var/lib/keng      brings it back
    """
    with startup.reported("keng backup"):
        if keep and not file.is_dir():
            raise FileMistakes([f"--keep: expected a folder that is there, got {file}"])
        folder = file
        if not file.is_dir() and not file.name.endswith((".tar.gz", ".tgz")):  # a disk that is not mounted would get a file in its place
            raise FileMistakes([f"{file}: expected a folder that is there, or a name such as keng-2026-11-22.tar.gz"])
        if file.is_dir():
            file = backups.name_in(folder, datetime.now().astimezone())
        made = backups.make(data, file, _people(settings, data), progress=_progress)
        _say(made, file, "written", as_json=as_json)
        if made.problem:  # what went before has them, perhaps: nothing is pruned
            raise backups.Unusable(f"{made.problem}; everything else is in {file}")
        if keep:
            backups.prune(folder, keep)


@restore.command()
def _restore(
    file: Annotated[Path, typer.Argument(help="A file that keng backup has written.")],
    data: Data = DATA,
    settings: SettingsFile = None,
    replace: Annotated[bool, typer.Option("--replace", help="Set aside the database that is there; nothing is deleted.")] = False,
    as_json: Json = False,
) -> None:
    """Bring a backup back, with the engine stopped. Boards notice nothing: what they wait to deliver comes again.

    \b
    Examples:
      keng restore keng-2026-11-22.tar.gz --data /var/lib/keng
      keng restore keng-2026-11-22.tar.gz --data /var/lib/keng --replace
    """
    with startup.reported("keng restore"):
        found, aside = backups.restore(file, data, _people(settings, data), replace=replace, now=datetime.now().astimezone())
        _say(found, data / backups.DATABASE, "restored", as_json=as_json)
        if aside and not as_json:
            print(f"{aside}: the database that was there")


def _people(settings: Path | None, data: Path) -> Path:
    """Where the page's accounts lie. Raises FileMistakes."""
    return own_database(startup.load_settings(settings).console if settings else Console(), data)


def _progress(done: int, pages: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{100 * done // max(1, pages)} %", end="\n" if done == pages else "", file=sys.stderr, flush=True)


def _say(contents: Contents, file: Path, done: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"file": str(file), **contents._asdict()}))
        return
    accounts = "with the broker's accounts" if contents.accounts else "without accounts of the broker"
    counts = f"{contents.events} events, {contents.incidents} incidents, {contents.devices} boards"
    page = "without accounts of the page" if contents.people is None else f"{contents.people} accounts of the page"
    print(f"{file}: {done}: {counts}, {accounts}, {page}, {contents.bytes / 1e6:.1f} MB")
