"""The command `keng identity`: the commune's own certificate authority, and the certificates of boards."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from gateway import broker as brokers
from gateway import startup
from gateway.commands import DATA, Data, Json, SettingsFile, SiteFile
from gateway.identity import register
from gateway.identity.private import write_private
from gateway.settings import Settings
from gateway.supervisor import CannotStart
from protocol.site import Site
from protocol.tomlfile import FileMistakes

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
Device = Annotated[str, typer.Argument(help="A board, such as H03-07.", metavar="DEVICE")]


@app.callback()
def _identity() -> None:
    """Who is who at the broker: the commune's own certificate authority, in DIR/identity.

    \b
    Examples:
      keng identity init --site site.toml --data /var/lib/keng
      keng identity show --data /var/lib/keng
      keng identity revoke H03-07 --site site.toml --data /var/lib/keng
    """


@app.command()
def init(
    site: SiteFile,
    data: Data = DATA,
    server_name: Annotated[
        str, typer.Option("--server-name", help="The broker's name in its certificate. Left out: the same for all.", metavar="NAME")
    ] = "",
) -> None:
    """Make the authority and the broker's certificate. From then on boards come with certificates, and passwords are for programs alone.

    \b
    Example:
      keng identity init --site site.toml --data /var/lib/keng
    """
    from gateway.identity.authority import SERVER_NAME, Authority  # noqa: PLC0415  # cryptography

    with startup.reported("keng identity init"):
        commune = startup.load_site(site)
        made = Authority.create(data, commune.id, server_name=server_name or SERVER_NAME, now=register.now())
        print(f"{made.folder}: authority of {commune.id}, good until {made.certificate.not_valid_after_utc:%d/%m/%Y}")
        print(f"SHA-256 {made.fingerprint}")
        print('Next: in the settings  [broker]  kind = "mosquitto"  host = "0.0.0.0"  port = 8883  and start the broker anew.')
        print("Keep a backup: without ca.key no new board can join (keng backup).")


@app.command()
def show(data: Data = DATA, as_json: Json = False) -> None:
    """The authority, the broker's certificate, and which board has which generation.

    \b
    Example:
      keng identity show --data /var/lib/keng --json
    """
    from gateway.identity.authority import Authority, NoIdentity  # noqa: PLC0415

    with startup.reported("keng identity show"):
        try:
            found = Authority.load(data)
        except NoIdentity as exc:
            raise CannotStart(str(exc)) from None
        boards = register.load(data)
        told = {
            "sha256": found.fingerprint,
            "until": f"{found.certificate.not_valid_after_utc:%Y-%m-%d}",
            "server_name": found.server_name,
            "broker_until": f"{found.broker.not_valid_after_utc:%Y-%m-%d}",
            "boards": {device: entry.model_dump() for device, entry in boards.items()},
        }
        if as_json:
            print(json.dumps(told))
            return
        print(f"authority  SHA-256 {told['sha256']}, until {told['until']}")
        print(f"broker     {told['server_name']}, until {told['broker_until']}")
        for device, entry in boards.items():
            print(f"{device:<10} generation {entry.generation}{', revoked' if entry.revoked else ''}  {entry.mac}")


@app.command()
def board(
    device: Device,
    site: SiteFile,
    out: Annotated[Path, typer.Option("--out", help="The folder for ca.der, board.der and key.der.", metavar="DIR")],
    settings: SettingsFile = None,
    data: Data = DATA,
) -> None:
    """Make a board's key and certificate by hand, in the place of `keng device flash`. The generation before loses its rights.

    \b
    Example:
      keng identity board H03-07 --site site.toml --data /var/lib/keng --out ./H03-07
    """
    from gateway.identity import issuing  # noqa: PLC0415
    from gateway.identity.authority import Authority, NoIdentity  # noqa: PLC0415

    with startup.reported("keng identity board"):
        commune, chosen = startup.load(site, settings)
        if device not in {known.id for known in commune.boards}:
            raise FileMistakes([f"{site}: boards: expected the board {device!r}, got none of that id"])
        try:
            authority = Authority.load(data)
            key, request = issuing.new_key(device)
            issued = issuing.issue(data, device, request, replace=True, now=register.now())
        except NoIdentity as exc:
            raise CannotStart(str(exc)) from None
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, content in (("ca.der", authority.der), ("board.der", issued.certificate), ("key.der", key)):
            write_private(out / name, content)
        print(f"{out}: ca.der, board.der, key.der of {device}, generation {issued.generation}, for server_name {authority.server_name}")
        print(_refreshed(chosen, commune, data))


@app.command()
def revoke(device: Device, site: SiteFile, settings: SettingsFile = None, data: Data = DATA) -> None:
    """Take a board's rights, at once, even while it is connected. Nobody else is disconnected.

    \b
    Example:
      keng identity revoke H03-07 --site site.toml --data /var/lib/keng
    """
    with startup.reported("keng identity revoke"):
        commune, chosen = startup.load(site, settings)
        try:
            entry = register.revoke(data, device)
        except register.Refused as exc:
            raise FileMistakes([f"keng identity revoke: {exc}"]) from None
        print(f"{device}: generation {entry.generation} has no rights any more")
        print(_refreshed(chosen, commune, data))


def _refreshed(settings: Settings, site: Site, data: Path) -> str:
    """Write the rights anew and let a running broker read them. What became of it, in words."""
    choice = brokers.choose(settings.broker)
    brokers.write_files(choice, settings, site, data)
    if choice.kind == "external":
        return "broker: external; give it the new rights yourself"
    return (
        "broker: has the new rights"
        if brokers.reload(data)
        else f"broker: does not run on {os.fspath(data)}; its next start reads the new rights"
    )
