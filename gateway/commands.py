"""The commands of the gateway: keng up, engine, console, broker, site. The engine's and the web's code is imported by its own command."""

import json
import logging
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from gateway import broker as brokers
from gateway import logs, notify, priority, startup
from gateway import settings as settings_files
from gateway.identity import accounts
from gateway.identity.accounts import Accounts
from gateway.settings import Settings
from gateway.supervisor import CannotStart
from protocol.site import Site
from protocol.tomlfile import FileMistakes

logger = logging.getLogger(__name__)

DATA = Path("keng-data")
NICENESS = 10  # of the console: two hundred phones that look on take no time from the engine beside them

SiteFile = Annotated[Path, typer.Option("--site", help="The commune's description, TOML: docs/site.md.", metavar="FILE")]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="The settings, TOML: docs/settings.md. Without it the defaults.", metavar="FILE")
]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        help="Databases and the broker's files; made if it is not there.",
        metavar="DIR",
        readable=False,
        callback=startup.readable_folder,
    ),
]
AccountsFile = Annotated[
    Path | None, typer.Option("--accounts", help="The file with this part's password. Without it DIR/broker/accounts.json.", metavar="FILE")
]
Json = Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")]


def _app() -> typer.Typer:
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


up, engine, console, broker, site = _app(), _app(), _app(), _app(), _app()


@up.command()
def _up(site: SiteFile, settings: SettingsFile = None, data: Data = DATA) -> None:
    """Broker, engine and console together, until Ctrl-C. A part that dies is started again.

    \b
    Examples:
      keng up --site site.toml
      keng up --site site.toml --settings keng.toml --data /var/lib/keng
    """
    with startup.reported("keng up"):
        commune, chosen = startup.load(site, settings)
        from gateway import together  # noqa: PLC0415  # only the supervisor speaks HTTP to the console

        together.run(commune, chosen, data, _options(site, settings, data))


@engine.command()
def _engine(site: SiteFile, settings: SettingsFile = None, data: Data = DATA, accounts: AccountsFile = None) -> None:
    """The engine alone: takes events, rings the groups, tells people. Needs a broker; waits for it.

    \b
    Example:
      keng engine --site site.toml --data /var/lib/keng
    """
    with startup.reported("keng engine"):
        commune, chosen = startup.load(site, settings)
        account = _accounts(accounts, data, commune, chosen).account("engine")
        data.mkdir(parents=True, exist_ok=True)
        from gateway.engine import run  # noqa: PLC0415  # not for the console

        logs.to_stdout(chosen.log.format)
        if not priority.step_forward():
            logger.info("no real-time priority here: other programs may hold up an alarm for some milliseconds")
        startup.run_until_stopped(run(chosen, commune, account, database=data / "keng.db"))


@console.command()
def _console(site: SiteFile, settings: SettingsFile = None, data: Data = DATA, accounts: AccountsFile = None) -> None:
    """The duty desk's page alone. It shows history even while the engine is stopped.

    \b
    Examples:
      keng console --site site.toml --data /var/lib/keng
      keng broker accounts --site site.toml --user console --json > console.json
      keng console --site site.toml --accounts console.json      as another user of this machine
    """
    with startup.reported("keng console"):
        commune, chosen = startup.load(site, settings)
        settings_files.need_duty(commune)
        startup.need_free_ports({"[console] port": (chosen.console.host, chosen.console.port)})
        account = _accounts(accounts, data, commune, chosen).account("console")
        from gateway.console.app import serve  # noqa: PLC0415  # FastAPI and all: the engine must not wait for it
        from gateway.console.people.book import own_database  # noqa: PLC0415

        logs.to_stdout(chosen.log.format)
        data.mkdir(parents=True, exist_ok=True)
        own = own_database(chosen.console, data)
        priority.step_back(NICENESS)
        startup.run_until_stopped(notify.alongside(serve(chosen, commune, account, database=data / "keng.db", own=own)))


@broker.callback(invoke_without_command=True)
def _broker(
    context: typer.Context,
    site: Annotated[Path | None, typer.Option("--site", help="The commune's description, TOML: docs/site.md.", metavar="FILE")] = None,
    settings: SettingsFile = None,
    data: Data = DATA,
) -> None:
    """The broker alone: mosquitto if it is installed, else the embedded one. Its files are written anew at each start.

    \b
    Examples:
      keng broker --site site.toml --data /var/lib/keng
      keng broker accounts --site site.toml --json          users and passwords
      keng broker files --site site.toml                    write the files, start nothing
    """
    if context.invoked_subcommand:
        return
    with startup.reported("keng broker"):
        if site is None:
            raise FileMistakes(["keng broker: expected --site FILE, got nothing"])
        commune, chosen = startup.load(site, settings)
        choice = brokers.choose(chosen.broker)
        if choice.kind == "external":
            raise FileMistakes([f"{settings}: broker.kind: expected a broker to start, got 'external'"])
        startup.need_free_ports(startup.broker_ports(chosen.broker))
        configuration = brokers.write_files(choice, chosen, commune, data)
        for line in startup.broker_words(choice, chosen.broker):
            print(line, flush=True)
        priority.step_forward()
        brokers.run(choice, configuration)


@broker.command("accounts")
def _broker_accounts(
    site: SiteFile,
    settings: SettingsFile = None,
    data: Data = DATA,
    user: Annotated[str | None, typer.Option("--user", help="Only this one.", metavar="NAME")] = None,
    as_json: Json = False,
) -> None:
    """Users and passwords of the broker; makes those that are missing and changes no other.

    \b
    Examples:
      keng broker accounts --site site.toml --user H03-07
      keng broker accounts --site site.toml --json
    """
    with startup.reported("keng broker accounts"):
        commune, chosen = startup.load(site, settings)
        found = accounts.ensure(data, commune, chosen.broker)
        if user is not None:
            found = Accounts({user: found.account(user)})
        print(found.json() if as_json else "\n".join(f"{a.user} {a.host} {a.port} {a.password}" for a in found.users.values()))


@broker.command("files")
def _broker_files(site: SiteFile, settings: SettingsFile = None, data: Data = DATA, as_json: Json = False) -> None:
    """Write the broker's files and start nothing. After SIGHUP a running mosquitto knows the site's new boards and rights.

    \b
    Example:
      keng broker files --site site.toml --data keng-data && kill -HUP "$(cat keng-data/broker/pid)"
      sudo systemctl reload keng-broker                        does both on an installed gateway
    """
    with startup.reported("keng broker files"):
        commune, chosen = startup.load(site, settings)
        choice = brokers.choose(chosen.broker)
        configuration = brokers.write_files(choice, chosen, commune, data)
        print(json.dumps({"kind": choice.kind, "configuration": str(configuration)}) if as_json else f"{choice.kind}: {configuration}")


@site.callback()
def _site() -> None:
    """The commune's description."""


@site.command("check")
def _site_check(file: Annotated[Path, typer.Argument(help="The commune's description, TOML.")], as_json: Json = False) -> None:
    """Every mistake of a site file at once, with file, line and what was expected; exit code 2 if there is one.

    \b
    Examples:
      keng site check site.toml
      keng site check site.toml --json
    """
    try:
        commune = startup.load_site(file)
    except FileMistakes as exc:
        print(
            json.dumps({"ok": False, "mistakes": exc.mistakes}, ensure_ascii=False) if as_json else "\n".join(exc.mistakes),
            file=sys.stdout if as_json else sys.stderr,
        )
        sys.exit(startup.EXIT_WRONG_INPUT)
    counts = {name: len(getattr(commune, name)) for name in ("groups", "homes", "fire_points", "boards", "people")}
    roles = Counter(person.role for person in commune.people)
    if as_json:
        print(json.dumps({"ok": True, "site": commune.id, "name": commune.site.name, **counts, "roles": roles}, ensure_ascii=False))
    else:
        summary = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        print(f"{file}: in order: {commune.site.name} ({commune.id}): {summary}")


def _accounts(file: Path | None, data: Path, commune: Site, chosen: Settings) -> Accounts:
    try:
        return accounts.read(file, chosen.broker) if file else accounts.ensure(data, commune, chosen.broker)
    except PermissionError as exc:
        remedy = "another user of this machine needs its own file: --accounts FILE"
        raise CannotStart(f"{exc.filename}: expected a file that this user may read, got: {exc.strerror}; {remedy}") from None


def _options(site: Path, settings: Path | None, data: Path) -> list[str]:
    """The same options for a child process."""
    return ["--site", os.fspath(site), *(["--settings", os.fspath(settings)] if settings else []), "--data", os.fspath(data)]
