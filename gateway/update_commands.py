"""`keng update`: bundles that this gateway may offer, and campaigns that bring one of them to the boards. docs/updates.md."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway import bundles, startup
from gateway.bundles import Known, NoBundle
from gateway.identity import accounts
from gateway.settings import Settings
from gateway.supervisor import CannotStart
from protocol.boards import BoardAnswer
from protocol.campaigns import BoardUpdate, CampaignReport
from protocol.site import Site
from protocol.tomlfile import FileMistakes

DATA = Path("keng-data")

SettingsFile = Annotated[Path, typer.Option("--settings", help="The settings, TOML: docs/settings.md, [updates].", metavar="FILE")]
MaybeSettings = Annotated[Path | None, typer.Option("--settings", help="The settings, TOML. Without it the defaults.", metavar="FILE")]
Data = Annotated[
    Path, typer.Option("--data", help="Where the engine's database lies.", metavar="DIR", readable=False, callback=startup.readable_folder)
]
SiteFile = Annotated[Path, typer.Option("--site", help="The commune's description, TOML: docs/site.md.", metavar="FILE")]
AccountsFile = Annotated[
    Path | None, typer.Option("--accounts", help="The bench's password, if not in DIR/broker/accounts.json.", metavar="FILE")
]
By = Annotated[str, typer.Option("--by", help="Who orders it: a technician or chief of the site file.", metavar="PERSON")]
Json = Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback()
def _update() -> None:
    """Updates of boards over the air: in waves, never during an alarm, halted by the first board that does not come through.

    \b
    Examples:
      keng update add keng-0.2.0-esp32_wroom.bundle --settings keng.toml --data /var/lib/keng
      keng update start 0.2.0 --site site.toml --data /var/lib/keng --by ky-thuat-1
      keng update status --site site.toml --data /var/lib/keng --by ky-thuat-1
    """


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="A signed bundle: keng device bundle build.")],
    settings: SettingsFile,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Take a bundle in, if one of the keys in [updates] trusted has signed it. Nothing is sent to any board yet.

    \b
    Example:
      keng update add keng-0.2.0-esp32_wroom.bundle --settings keng.toml --data /var/lib/keng
    """
    with startup.reported("keng update add"):
        trusted = bundles.keys(startup.load_settings(settings).updates)
        if not data.is_dir():  # else it lay where no engine looks
            raise FileMistakes(
                [f"--data: expected the folder of the gateway's databases, such as /var/lib/keng, got {str(data)!r}: there is none"]
            )
        try:
            known = bundles.add(data, file, trusted)
        except NoBundle as exc:
            raise FileMistakes([str(exc)]) from None
        except OSError as exc:
            if exc.filename != str(file):
                raise
            raise FileMistakes([f"{file}: expected a file that can be read, got: {exc.strerror}"]) from None
        print(json.dumps(known._asdict()) if as_json else f"{file}: taken in: {_bundle_words(known)}")


@app.command("list")
def list_bundles(settings: SettingsFile, data: Data = DATA, as_json: Json = False) -> None:
    """The bundles that are here, the newest first.

    \b
    Example:
      keng update list --settings keng.toml --data /var/lib/keng
    """
    with startup.reported("keng update list"):
        known = bundles.listed(data, bundles.keys(startup.load_settings(settings).updates))
        if as_json:
            print(json.dumps([one._asdict() for one in known]))
        else:
            print("\n".join(map(_bundle_words, known)) or "no bundle yet: keng update add FILE")


@app.command()
def remove(
    bundle: Annotated[str, typer.Argument(help="Its 16 hex digits: keng update list.")],
    data: Data = DATA,
) -> None:
    """Take a bundle away. A campaign that brings it can send no more of it.

    \b
    Example:
      keng update remove 3f9a6c01d2e4b587 --data /var/lib/keng
    """
    with startup.reported("keng update remove"):
        try:
            bundles.remove(data, bundle)
        except NoBundle as exc:
            raise FileMistakes([str(exc)]) from None
        print(f"{bundle}: taken away")


@app.command()
def start(
    *,
    bundle: Annotated[str, typer.Argument(help="A bundle that was taken in: its version, or the beginning of its digits.")],
    site: SiteFile,
    by: By,
    settings: MaybeSettings = None,
    data: Data = DATA,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this board; may be repeated.", metavar="BOARD")] = None,
    group: Annotated[list[str] | None, typer.Option("--group", help="Only boards of this group; may be repeated.", metavar="GROUP")] = None,
    downgrade: Annotated[bool, typer.Option("--downgrade", help="An older version is meant.")] = False,
    accounts_file: AccountsFile = None,
    as_json: Json = False,
) -> None:
    """Begin a campaign: one board, then a few, then more, then all ([updates] waves). A board takes some minutes and rings meanwhile.

    \b
    Examples:
      keng update start 0.2.0 --site site.toml --data /var/lib/keng --by ky-thuat-1
      keng update start 3f9a6c01 --group TLG-03 --site site.toml --data /var/lib/keng --by ky-thuat-1
      keng update start 0.1.0 --downgrade --only H03-07 --site site.toml --data /var/lib/keng --by ky-thuat-1
    """
    with startup.reported("keng update start"):
        commune, chosen = startup.load(site, settings)
        fields = {"bundle": bundle, "only": _boards(commune, only or [], group or []), "downgrade": downgrade}
        _told(_asked((commune, chosen), data, accounts_file, by, "update_start", **fields), as_json=as_json)


@app.command()
def status(
    *,
    site: SiteFile,
    by: By,
    campaign: Annotated[int | None, typer.Argument(help="Its number; without it the newest.")] = None,
    settings: MaybeSettings = None,
    data: Data = DATA,
    accounts_file: AccountsFile = None,
    as_json: Json = False,
) -> None:
    """A campaign with its boards: which have it, which are under way, which wait and why, which have failed.

    \b
    Example:
      keng update status --site site.toml --data /var/lib/keng --by ky-thuat-1
    """
    with startup.reported("keng update status"):
        files = startup.load(site, settings)
        boards: list[BoardUpdate] = []
        fields: dict[str, Any] = {} if campaign is None else {"campaign": campaign}
        while True:
            answer = _asked(files, data, accounts_file, by, "updates", **fields)
            boards += answer.updates or []
            if not answer.more or not boards:
                break
            fields |= {"after": boards[-1].device, "campaign": answer.campaign}
        report = next((one for one in answer.campaigns or [] if one.number == answer.campaign), None)
        if as_json:
            rows = [one.model_dump(exclude_none=True) for one in boards]
            print(json.dumps({"campaign": report and report.model_dump(exclude_none=True), "boards": rows}, ensure_ascii=False))
        elif report is None:
            print("no campaign yet: keng update start")
        else:
            print("\n".join([*_report_words(report), *map(_board_words, boards)]))


@app.command()
def halt(
    *, site: SiteFile, by: By, settings: MaybeSettings = None, data: Data = DATA, accounts_file: AccountsFile = None, as_json: Json = False
) -> None:
    """Ask no further board. Those under way finish by themselves.

    \b
    Example:
      keng update halt --site site.toml --data /var/lib/keng --by ky-thuat-1
    """
    with startup.reported("keng update halt"):
        _told(_asked(startup.load(site, settings), data, accounts_file, by, "update_halt"), as_json=as_json)


@app.command()
def resume(
    *,
    site: SiteFile,
    by: By,
    retry: Annotated[bool, typer.Option("--retry", help="Ask boards again that have failed.")] = False,
    settings: MaybeSettings = None,
    data: Data = DATA,
    accounts_file: AccountsFile = None,
    as_json: Json = False,
) -> None:
    """Go on with a halted campaign, once it is clear why it was halted.

    \b
    Example:
      keng update resume --site site.toml --data /var/lib/keng --by ky-thuat-1
    """
    with startup.reported("keng update resume"):
        _told(_asked(startup.load(site, settings), data, accounts_file, by, "update_resume", retry=retry), as_json=as_json)


@app.command()
def end(
    *, site: SiteFile, by: By, settings: MaybeSettings = None, data: Data = DATA, accounts_file: AccountsFile = None, as_json: Json = False
) -> None:
    """End a campaign for good: nothing more is sent, also to boards that are still fetching. They keep what they have.

    \b
    Example:
      keng update end --site site.toml --data /var/lib/keng --by ky-thuat-1
    """
    with startup.reported("keng update end"):
        _told(_asked(startup.load(site, settings), data, accounts_file, by, "update_end"), as_json=as_json)


@app.command()
def history(
    *, site: SiteFile, by: By, settings: MaybeSettings = None, data: Data = DATA, accounts_file: AccountsFile = None, as_json: Json = False
) -> None:
    """The newest campaigns: who, when, which version, what came of it. Each board: keng update status NUMBER.

    \b
    Example:
      keng update history --site site.toml --data /var/lib/keng --by ky-thuat-1
    """
    with startup.reported("keng update history"):
        known = _asked(startup.load(site, settings), data, accounts_file, by, "updates").campaigns or []
        if as_json:
            print(json.dumps([one.model_dump(exclude_none=True) for one in known], ensure_ascii=False))
        else:
            print("\n".join(_report_words(one)[0] for one in known) or "no campaign yet: keng update start")


def _asked(files: tuple[Site, Settings], data: Path, file: Path | None, by: str, do: str, **fields: Any) -> BoardAnswer:
    """The engine's answer. Raises CannotStart if there is none, or it refuses; FileMistakes, OSError."""
    from gateway.asking import ask  # noqa: PLC0415  # asyncio and MQTT, for who asks

    commune, chosen = files
    known = accounts.read(file, chosen.broker) if file else accounts.ensure(data, commune, chosen.broker)
    answer = asyncio.run(ask(known.account("bench"), commune.id, by, do, **fields))
    if not answer.ok:
        raise CannotStart(f"engine: {answer.error}")
    return answer


def _boards(commune: Site, only: list[str], groups: list[str]) -> list[str]:
    """The boards that are meant; none: all. Raises FileMistakes for what the site does not have."""
    known = {board.id for board in commune.boards}
    mistakes = [f"--only: expected a board of the site file, got {board!r}" for board in only if board not in known]
    mistakes += [
        f"--group: expected a group of the site file, got {name!r}" for name in groups if name not in {g.id for g in commune.groups}
    ]
    if mistakes:
        raise FileMistakes(mistakes)
    return [*only, *(board.id for board in commune.boards if commune.group_of(board.id) in groups and board.id not in only)]


def _told(answer: BoardAnswer, *, as_json: bool) -> None:
    for report in answer.campaigns or []:
        print(report.model_dump_json(exclude_none=True) if as_json else "\n".join(_report_words(report)))


def _report_words(one: CampaignReport) -> list[str]:
    counts = ", ".join(f"{number} {state}" for state, number in sorted(one.counts.items()))
    ended = f", ended {_when(one.ended_ms)}{f' by {one.ended_by}' if one.ended_by else ''}" if one.ended_ms is not None else ""
    wave = "" if one.ended_ms is not None else f", wave {one.wave} of {one.waves}"
    head = f"{one.number}  {one.version} ({one.bundle}) for {one.board}: {one.state}{wave}; begun {_when(one.began_ms)} by {one.by}{ended}"
    lines = [f"{head}; {counts}"]
    if one.why:
        lines.append(f"   {one.why}")
    if one.state == "halted":
        lines.append("   goes on with: keng update resume; or for good: keng update end")
    return lines


def _board_words(one: BoardUpdate) -> str:
    state = f"{one.state} {one.percent} %" if one.percent is not None else one.state
    wave = str(one.wave) if one.wave else "-"
    return f"   {one.device:<12} {state:<14} wave {wave:<2} from {one.from_version or '?':<10} {_when(one.at_ms)}  {one.words}".rstrip()


def _bundle_words(known: Known) -> str:
    if known.wrong:
        return f"{known.bundle}  cannot be used: {known.wrong}"
    released = datetime.fromtimestamp(known.released).strftime("%d/%m/%Y")
    return f"{known.bundle}  {known.version} for {known.board}, released {released}, {known.size} bytes"


def _when(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000):%d/%m/%Y %H:%M}"
