"""The command `keng device`: from a bag of new boards to a working commune. What is slow to import is imported late."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from firmware.bench import release_commands, tables
from protocol.tomlfile import FileMistakes

EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
app.add_typer(release_commands.image, name="image")
app.add_typer(release_commands.bundle, name="bundle")

SiteFile = Annotated[Path, typer.Option("--site", help="The commune's description, TOML: docs/site.md.", metavar="FILE")]
BenchFile = Annotated[Path, typer.Option("--bench", help="The bench's file, TOML: docs/from-a-bag-of-boards.md.", metavar="FILE")]
Jobs = Annotated[
    list[str],
    typer.Argument(
        help="Boards, each with its port: H03-01=/dev/ttyUSB0. Without ports: the ports that are found, in order.",
        metavar="DEVICE[=PORT]...",
    ),
]
BoardType = Annotated[str, typer.Option("--board", help="The board type: a file of firmware/boards.", metavar="NAME")]
Firmware = Annotated[Path | None, typer.Option("--firmware", help="A MicroPython image. Without it one of the catalogue.", metavar="FILE")]
BundleFile = Annotated[
    Path | None, typer.Option("--bundle", help="A signed bundle. Without it the program of this installation.", metavar="FILE")
]
LabelFile = Annotated[Path | None, typer.Option("--labels", help="Write labels of the boards that are done, PDF.", metavar="FILE")]
FontFile = Annotated[Path | None, typer.Option("--font", help="A TrueType font with Vietnamese letters.", metavar="FILE")]
NoHands = Annotated[bool, typer.Option("--no-hands", help="Nobody presses anything: points are skipped, and so recorded.")]
PressS = Annotated[int, typer.Option("--press-s", min=3, max=300, help="How long somebody has for each point, s.")]
Json = Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")]


@app.callback()
def _device() -> None:
    """The technician's bench: boards flashed, tried, configured, listed, replaced.

    \b
    Examples:
      keng device flash --site site.toml --bench bench.toml H03-01=/dev/ttyUSB0 H03-02=/dev/ttyUSB1
      keng device replace --site site.toml --bench bench.toml H03-07=/dev/ttyUSB0
      keng device configure --site site.toml --bench bench.toml H03-07
      keng device list --site site.toml --bench bench.toml
    """


@app.command()
def flash(
    *,
    jobs: Jobs,
    site: SiteFile,
    bench: BenchFile,
    board: BoardType = "esp32_wroom",
    firmware: Firmware = None,
    bundle: BundleFile = None,
    labels: LabelFile = None,
    font: FontFile = None,
    no_hands: NoHands = False,
    press_s: PressS = 30,
    as_json: Json = False,
) -> None:
    """Set up new boards, all at once: firmware, program, configuration, certificate; each is tried until its test event is receipted.

    Everything on the boards is erased. A board that is done runs its program and closes its console. Exit code 0 if all are done.

    \b
    Examples:
      keng device flash --site site.toml --bench bench.toml --firmware ESP32_GENERIC.bin H03-01=/dev/ttyUSB0
      keng device flash --site site.toml --bench bench.toml --labels labels.pdf H03-01 H03-02 H03-03
    """
    asked = {"site": site, "bench": bench, "board": board, "firmware": firmware, "bundle": bundle, "replace": False}
    _flash(jobs, asked, (labels, font), press_s=None if no_hands else press_s, as_json=as_json)


@app.command()
def replace(
    *,
    jobs: Jobs,
    site: SiteFile,
    bench: BenchFile,
    board: BoardType = "esp32_wroom",
    firmware: Firmware = None,
    bundle: BundleFile = None,
    labels: LabelFile = None,
    font: FontFile = None,
    no_hands: NoHands = False,
    press_s: PressS = 30,
    as_json: Json = False,
) -> None:
    """Put another board in the place of a dead one: same place, group and history; the old one's certificate loses its rights at once.

    \b
    Example:
      keng device replace --site site.toml --bench bench.toml H03-07=/dev/ttyUSB0
    """
    asked = {"site": site, "bench": bench, "board": board, "firmware": firmware, "bundle": bundle, "replace": True}
    _flash(jobs, asked, (labels, font), press_s=None if no_hands else press_s, as_json=as_json)


@app.command()
def update(
    *,
    jobs: Jobs,
    site: SiteFile,
    bench: BenchFile,
    board: BoardType = "esp32_wroom",
    bundle: BundleFile = None,
    as_json: Json = False,
) -> None:
    """Put another program on boards that are set up, through their consoles: identity, configuration and journal stay. Jumpers in.

    Nobody has to press anything. A board that is left in the middle goes on with what it had; the same command again finishes.
    Over the air, for boards that are on the wall: keng update.

    \b
    Examples:
      keng device update --site site.toml --bench bench.toml H03-01=/dev/ttyUSB0
      keng device update --site site.toml --bench bench.toml --bundle keng-0.2.0.bundle H03-01 H03-02
    """
    asked = {"site": site, "bench": bench, "board": board, "bundle": bundle, "update": True}
    _flash(jobs, asked, (None, None), press_s=None, as_json=as_json)


@app.command()
def configure(
    *,
    devices: Annotated[list[str] | None, typer.Argument(help="Boards, such as H03-07.", metavar="DEVICE")] = None,
    site: SiteFile,
    bench: BenchFile,
    group: Annotated[str | None, typer.Option("--group", help="All boards of this fire group.", metavar="GROUP")] = None,
    chosen: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Send this key alone: kind, group, brokers, wifi, bell_sense, verify_s, points. Again for more.", metavar="KEY"
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to send it.")] = False,
    as_json: Json = False,
) -> None:
    """Give boards on the wall what the site and bench file say, over the air: edit a file, then this. docs/board-config.md.

    What differs is shown, and sent if that is agreed to. Each board checks it, starts again with it, and goes back by itself if it is not
    online with it. One board after the other; the first that does not come through ends it. Of Wi-Fi only names are compared: after
    a change of a key alone, --set wifi. Exit code 0 if all boards have it.

    \b
    Examples:
      keng device configure --site site.toml --bench bench.toml H03-07
      keng device configure --site site.toml --bench bench.toml --set wifi --group TLG-03
    """
    from firmware.bench import configuring  # noqa: PLC0415
    from firmware.bench.run import CannotBegin  # noqa: PLC0415

    def agreed(stopped: Callable[[], bool]) -> bool:
        return yes or configuring.agree("Send it? [y/N] ", stopped)

    try:
        plan = configuring.plan(devices or [], site=site, bench=bench, group=group, chosen=chosen or [])
        ends = configuring.carry_out(plan, agreed=agreed, say=lambda line: print(line, file=sys.stderr, flush=True))
    except FileMistakes as exc:
        _end(exc.mistakes, EXIT_WRONG_INPUT)
    except (CannotBegin, OSError) as exc:
        _end([f"keng device configure: {exc}"], EXIT_FAILED)
    if ends is None:
        _end(["nothing was sent"], EXIT_FAILED)
    if as_json:
        print(json.dumps({"boards": [end.as_json() for end in ends]}, ensure_ascii=False))
    else:
        print("\n".join(line for end in ends for line in end.lines()))
    sys.exit(0 if all(end.is_good for end in ends) else EXIT_FAILED)


@app.command()
def revoke(
    device: Annotated[str, typer.Argument(help="A board, such as H03-07.", metavar="DEVICE")], site: SiteFile, bench: BenchFile
) -> None:
    """Take a stolen or lost board's rights, at once, even while it is connected.

    \b
    Example:
      keng device revoke --site site.toml --bench bench.toml H03-07
    """
    answer = _ask(site, bench, "revoke", device=device)
    print(f"{device}: generation {answer.generation} has no rights any more")


@app.command("list")
def list_boards(site: SiteFile, bench: BenchFile, as_json: Json = False) -> None:
    """Every board: state, signal, firmware, faults, when it was heard last.

    \b
    Example:
      keng device list --site site.toml --bench bench.toml
    """
    boards: list[Any] = []
    more: dict[str, Any] = {}
    while True:
        answer = _ask(site, bench, "boards", **more)
        boards += answer.boards or []
        if not answer.more or not boards:
            break
        more = {"after": boards[-1].id}
    if as_json:
        print(json.dumps([one.model_dump(exclude_none=True) for one in boards], ensure_ascii=False))
        return
    print("\n".join(tables.listed(boards)))


@app.command()
def show(
    device: Annotated[str, typer.Argument(help="A board, such as H03-07.", metavar="DEVICE")],
    site: SiteFile,
    bench: BenchFile,
    as_json: Json = False,
) -> None:
    """One board: place, state, certificate, what was flashed and how its self-test went.

    \b
    Example:
      keng device show --site site.toml --bench bench.toml H03-07
    """
    answer = _ask(site, bench, "boards", device=device)
    if not answer.boards:
        _end([f"keng device show: expected a board that the engine knows, got {device}"], EXIT_FAILED)
    one = answer.boards[0]
    if as_json:
        print(one.model_dump_json(exclude_none=True))
        return
    print("\n".join(tables.shown(one)))


@app.command()
def ports() -> None:
    """Serial ports on which a board may be.

    \b
    Example:
      keng device ports
    """
    from firmware.bench import ports as serial_ports  # noqa: PLC0415

    found = serial_ports.found()
    for port in found:
        print(f"{port.device}  {port.description}  {port.location}")
    if not found:
        _end(["keng device ports: expected a board on USB, found none"], EXIT_FAILED)


def _flash(jobs: list[str], asked: dict[str, Any], sheet: tuple[Path | None, Path | None], *, press_s: int | None, as_json: bool) -> None:
    """`asked`: of run.plan; `sheet`: where labels go, and their font."""
    from firmware.bench import run  # noqa: PLC0415

    try:
        labels, font = sheet
        plan = run.plan(jobs, **asked)
        if labels is not None:
            run.check_labels(labels, font)
        outcome = run.carry_out(plan, press_s=press_s, quiet=as_json)
        if labels is not None and outcome.done:
            run.write_labels(labels, plan, outcome, font=font, now=datetime.now())  # the day where the technician is
    except FileMistakes as exc:
        _end(exc.mistakes, EXIT_WRONG_INPUT)
    except (run.CannotBegin, OSError) as exc:
        _end([f"keng device: {exc}"], EXIT_FAILED)
    if as_json:
        print(json.dumps(outcome.as_json(), ensure_ascii=False))
    else:
        for line in outcome.lines():
            print(line)
    sys.exit(EXIT_FAILED if outcome.failed else 0)


def _ask(site: Path, bench: Path, do: str, **fields: Any) -> Any:
    from firmware.bench import desk as desks  # noqa: PLC0415
    from firmware.bench import run  # noqa: PLC0415

    try:
        commune, settings, access = run.files(site, bench)
        with desks.Desk(access, commune.id, settings.user) as desk:
            return desk.ask(do, **fields)
    except FileMistakes as exc:
        _end(exc.mistakes, EXIT_WRONG_INPUT)
    except (desks.DeskFailed, OSError) as exc:
        _end([f"keng device: {exc}"], EXIT_FAILED)


def _end(lines: list[str], code: int) -> NoReturn:
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(code)
