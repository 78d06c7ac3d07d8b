"""The commands `keng people list`, `invite`, `close` and `erase`: accounts and personal data, from the gateway's own terminal."""

import json
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from gateway import erasure, startup
from gateway.commands import DATA, Data, Json, SettingsFile, SiteFile
from gateway.console.people import accounts, book, door, rights
from gateway.settings import Settings
from gateway.supervisor import CannotStart
from protocol.people import FIRST_ADMINISTRATOR
from protocol.site import Site
from protocol.tomlfile import FileMistakes

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

Who = Annotated[str, typer.Argument(help="The id of a person of the site file, or quan-tri.", metavar="PERSON")]

T = TypeVar("T")


@app.callback()
def _people() -> None:
    """Who may log in to the console (docs/accounts.md)."""


@app.command("list")
def _list(site: SiteFile, settings: SettingsFile = None, data: Data = DATA, as_json: Json = False) -> None:
    """Everybody of the site file, and whether they have an account.

    \b
    Example:
      keng people list --site site.toml --data /var/lib/keng
    """
    with startup.reported("keng people list"):
        commune, chosen = startup.load(site, settings)
        now_ms = _now_ms()
        known, invited = _done(
            chosen, data, lambda db: (accounts.accounts(db), accounts.invitations(db, now_ms=now_ms)), may_make=False
        ) or ({}, {})
        listed = {person.id: person.role for person in commune.people}
        idents = dict.fromkeys([*listed, *known, *invited])
        rows = [{"id": ident, "role": _role(commune, ident), "account": ident in known, "invited": ident in invited} for ident in idents]
        if as_json:
            print(json.dumps({"people": rows}))
            return
        for row in rows:
            has = "account" if row["account"] else "no account"
            print(f"{row['id']:<24} {row['role'] or 'not in the site file':<22} {has}{', invited' if row['invited'] else ''}")


@app.command("invite")
def _invite(person: Who, site: SiteFile, settings: SettingsFile = None, data: Data = DATA, as_json: Json = False) -> None:
    """A code with which this person chooses a password, once, within three days. Also for whoever has forgotten it.

    \b
    Examples:
      keng people invite truc-ban-1 --site site.toml --data /var/lib/keng
      keng people invite quan-tri --site site.toml --data /var/lib/keng      the administrator
    """
    with startup.reported("keng people invite"):
        commune, chosen = startup.load(site, settings)
        if rights.who(commune, person) is None:
            known = [one.id for one in commune.people]
            raise FileMistakes([f"PERSON: expected {', '.join([*known, FIRST_ADMINISTRATOR])}, got {person!r}"])
        code = _done(chosen, data, lambda db: door.invitation(db, ident=person, by="", now_ms=_now_ms()))
        print(json.dumps({"person": person, "code": code}) if as_json else f"{person}: open /invitation/{code} at the console")


@app.command("close")
def _close(person: Who, site: SiteFile, settings: SettingsFile = None, data: Data = DATA) -> None:
    """Take a person's account away: logged out everywhere, until invited again.

    \b
    Example:
      keng people close chu-ho-03-08 --site site.toml --data /var/lib/keng
    """
    with startup.reported("keng people close"):
        _, chosen = startup.load(site, settings)
        if not _done(chosen, data, lambda db: door.closed(db, ident=person, by="", now_ms=_now_ms()), may_make=False):
            print(f"keng people close: expected somebody with an account, got {person!r}", file=sys.stderr)
            sys.exit(startup.EXIT_WRONG_INPUT)
        print(f"{person}: closed")


@app.command("erase")
def _erase(
    person: Annotated[str, typer.Argument(help="The id or the name of a person, of the site file or of the past.", metavar="PERSON")],
    site: SiteFile,
    settings: SettingsFile = None,
    data: Data = DATA,
    *,
    also: Annotated[list[str] | None, typer.Option("--also", help="A name or number that texts may hold, too.", metavar="WORDS")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without it nothing is changed.")] = False,
    as_json: Json = False,
) -> None:
    """Replace a person in all records by a pseudonym: name, phones, who acknowledged, who answered. Incidents stay readable.

    \b
    Examples:
      keng people erase chu-ho-03-08 --site site.toml --data /var/lib/keng          what would be changed
      keng people erase chu-ho-03-08 --site site.toml --data /var/lib/keng --yes
      keng people erase "Trần Thị Thử" --site site.toml --also 0912345678 --yes     somebody who has left the site file
    """
    with startup.reported("keng people erase"):
        commune, chosen = startup.load(site, settings)
        traces = erasure.traces(commune, person, also or [])
        places = erasure.Places(data / "keng.db", book.own_database(chosen.console, data))
        done = erasure.erase(places, traces, now_ms=_now_ms(), is_meant=yes)
        left = [*done.left, *erasure.left_in(commune, site, traces, data)]
        if as_json:
            print(json.dumps({"done": yes, "person": person, "pseudonym": done.pseudonym, "rows": done.rows, "left_in": left}))
            return
        counts = ", ".join(f"{count} {table}" for table, count in done.rows.items())
        print(f"{person}: {'is' if yes else 'would be'} {done.pseudonym} in {counts}{'' if yes else '; do it with --yes'}")
        for place in left:
            print(f"still in {place}", file=sys.stderr)


def _done(chosen: Settings, data: Path, work: Callable[[sqlite3.Connection], T], *, may_make: bool = True) -> T | None:
    """`work` in a transaction of the console's database, beside a console that runs; None if there is none and it is not to be made."""
    if chosen.console.database is None and not data.is_dir():
        raise FileMistakes(
            [f"--data: expected the folder of the gateway's databases, such as /var/lib/keng, got {str(data)!r}: there is none"]
        )
    path = book.own_database(chosen.console, data)
    if not may_make and not path.exists():
        return None
    try:
        with closing(book.connect(path)) as db:
            return book.transaction(db, work)
    except sqlite3.Error as exc:
        raise CannotStart(f"{path}: {exc}") from None


def _role(commune: Site, ident: str) -> str | None:
    known = rights.who(commune, ident)
    return known.role if known else None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
