"""`keng channel`: whether a channel works, now. docs/canary.md."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from gateway import startup
from gateway.domain.audiences import VIETNAM
from gateway.identity import accounts
from gateway.supervisor import CannotStart

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _channel() -> None:
    """The ways out of the house: docs/canary.md."""


@app.command("prove")
def _prove(
    channel: Annotated[str, typer.Argument(help="Which: sms, voice, apprise:NAME, webhook:NAME, sia:NAME.", metavar="CHANNEL")],
    *,
    site: Annotated[Path, typer.Option("--site", help="The commune's description, TOML: docs/site.md.", metavar="FILE")],
    by: Annotated[str, typer.Option("--by", help="Who wants to know: a technician or chief of the site file.", metavar="PERSON")],
    settings: Annotated[
        Path | None, typer.Option("--settings", help="The settings, TOML. Without it the defaults.", metavar="FILE")
    ] = None,
    data: Annotated[
        Path,
        typer.Option("--data", help="Where the engine's database lies.", metavar="DIR", readable=False, callback=startup.readable_folder),
    ] = Path("keng-data"),
    accounts_file: Annotated[
        Path | None, typer.Option("--accounts", help="The bench's password, if not in DIR/broker/accounts.json.", metavar="FILE")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")] = False,
) -> None:
    """Let a channel prove now that it works, after a repair: the running engine sends its canary. Exit code 1 if it does not get through.

    \b
    Examples:
      keng channel prove sms --site site.toml --data /var/lib/keng --by ky-thuat-1
      keng channel prove apprise:zalo --site site.toml --data /var/lib/keng --by ky-thuat-1
    """
    with startup.reported("keng channel prove"):
        from gateway.asking import ask  # noqa: PLC0415  # asyncio and MQTT, for who asks

        commune, chosen = startup.load(site, settings)
        known = accounts.read(accounts_file, chosen.broker) if accounts_file else accounts.ensure(data, commune, chosen.broker)
        answer = asyncio.run(ask(known.account("bench"), commune.id, by, "prove", channel=channel))
        if as_json:
            print(json.dumps({"channel": channel, "ok": answer.ok, "error": answer.error, "proved_ms": answer.proved_ms}))
        if not answer.ok and as_json:
            raise typer.Exit(startup.EXIT_FAILED)
        if not answer.ok:
            raise CannotStart(f"engine: {answer.error}")
        if not as_json:
            at = f"{datetime.fromtimestamp(answer.proved_ms / 1000, VIETNAM):%H:%M:%S}" if answer.proved_ms else ""
            print(
                f"{channel}: works, proved at {at}" if at else f"{channel}: sent, and nothing has arrived yet: look at the desk, Channels"
            )
