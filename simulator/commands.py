"""The command `keng sim`. What is slow to import is imported in its command."""

import math
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from protocol.tomlfile import FileMistakes
from simulator.usb import commands as usb

EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2
PULSED = ("button", "silence")  # a finger comes off; a door stays open

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
ControlSocket = Annotated[Path | None, typer.Option("--control", help="The simulation's control socket.", metavar="PATH")]


@app.callback()
def _sim() -> None:
    """The commune on a laptop: real firmware, broker, engine, console, and every fault that the field has.

    \b
    Examples:
      keng sim run one-press                 play a scenario that comes with the simulator
      keng sim run my-fire.toml              play a file of your own
      keng sim press H03-02 button-1         press a button of a running simulation (make demo)
      keng sim do cut_power device=H03-09    any other deed of a scenario, in a running simulation
      keng sim board --folder ./boards       boards on serial ports, for the bench
    """


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A file, or the name of a scenario that comes with the simulator.", metavar="SCENARIO")],
    light: Annotated[bool, typer.Option("--light", help="Light boards in CPython instead of the real firmware.")] = False,
    broker: Annotated[str, typer.Option(help="auto, mosquitto or embedded.")] = "auto",
    control: ControlSocket = None,
) -> None:
    """Play a scenario and check what it expects. Exit code 0 if all is so, 1 if not, 2 for a wrong file.

    \b
    Examples:
      keng sim run one-press
      keng sim run one-press --light --broker embedded
    """
    from simulator import script  # noqa: PLC0415

    if broker not in ("auto", "mosquitto", "embedded"):
        _end([f"--broker: expected auto, mosquitto or embedded, got {broker!r}"], EXIT_WRONG_INPUT)
    try:
        path = script.find(scenario)
        found, site = script.load(path)
    except FileMistakes as exc:
        _end(exc.mistakes, EXIT_WRONG_INPUT)
    except OSError as exc:
        _end([f"{scenario}: expected a file that can be read, got: {exc.strerror}"], EXIT_WRONG_INPUT)
    from simulator.parts import PartFailed  # noqa: PLC0415
    from simulator.running import run as run_to_end  # noqa: PLC0415

    try:
        failed = run_to_end(_play(found, site, light=light, broker=broker, control=control))
    except PartFailed as exc:
        _end([f"keng sim run: {exc}"], EXIT_FAILED)
    sys.exit(EXIT_FAILED if failed else 0)


@app.command()
def press(
    device: Annotated[str, typer.Argument(help="A board, such as H03-02.", metavar="DEVICE")],
    point: Annotated[str, typer.Argument(help="One of its points, such as button-1.", metavar="POINT")],
    control: ControlSocket = None,
) -> None:
    """Press a button of a running simulation; an extinguisher is taken, a door opened, until `keng sim do clear`.

    \b
    Examples:
      keng sim press H03-02 button-1
      keng sim press DCC-017 extinguisher-1
    """
    verb = "press" if point.startswith(PULSED) else "activate"
    _ask({"do": verb, "device": device, "point": point}, control)


@app.command()
def turn(
    device: Annotated[str, typer.Argument(help="A board, such as DCC-017.", metavar="DEVICE")],
    point: Annotated[str, typer.Argument(help="battery (V), tank (%), pump (kPa), light (lx) or lamp (A).", metavar="POINT")],
    value: Annotated[float, typer.Argument(help="What it shows from now on.", metavar="VALUE")],
    control: ControlSocket = None,
) -> None:
    """Let a gauge of a running simulation show a value.

    \b
    Examples:
      keng sim turn DCC-017 battery 3.4
      keng sim turn DEN-112 lamp 0
    """
    if not math.isfinite(value):
        _end([f"VALUE: expected a number, got {value}"], EXIT_WRONG_INPUT)
    _ask({"do": "turn", "device": device, "point": point, "value": value}, control)


@app.command()
def do(
    verb: Annotated[str, typer.Argument(help="What a step of a scenario can do.", metavar="VERB")],
    values: Annotated[list[str] | None, typer.Argument(help="Its keys.", metavar="KEY=VALUE...")] = None,
    control: ControlSocket = None,
) -> None:
    """Carry out a deed in a running simulation, as a step of a scenario would.

    \b
    Examples:
      keng sim do take device=DCC-018 point=extinguisher-2
      keng sim do cut_power device=H03-09
      keng sim do acknowledge
    """
    step: dict[str, object] = {"do": verb}
    for value in values or []:
        key, equals, word = value.partition("=")
        if not equals:
            _end([f"expected key=value, got {value!r}"], EXIT_WRONG_INPUT)
        step[key] = word
    _ask(step, control)


def _ask(step: dict[str, object], path: Path | None) -> None:
    from simulator.control import NoneRuns, ask, default_path  # noqa: PLC0415

    try:
        answer = ask(step, path or default_path())
    except NoneRuns as exc:
        _end([f"keng sim: {exc}"], EXIT_FAILED)
    if not answer["ok"]:
        _end(answer["mistakes"], EXIT_WRONG_INPUT if answer["wrong_input"] else EXIT_FAILED)
    print("done: " + " ".join(str(value) for value in step.values()))


async def _play(scenario: Any, site: Path, *, light: bool, broker: Any, control: Path | None) -> bool:
    """Whether something failed."""
    from simulator.control import Control, default_path  # noqa: PLC0415
    from simulator.runner import play  # noqa: PLC0415
    from simulator.stage import Stage  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="keng-sim-") as folder:
        stage = Stage(site, Path(folder), light=light, broker=broker, fitted=scenario.fitted)
        boards = "bo mạch nhẹ · light boards" if stage.light else "phần mềm thật · real firmware"
        print(f"{scenario.title}\n  {stage.site.site.name}, {boards}, MQTT: {stage.broker_kind}", flush=True)
        async with stage, Control(stage, control or default_path()):
            await stage.ready()
            print(f"  bàn trực · the duty desk: {stage.desk.address}", flush=True)
            failures = await play(stage, scenario, lambda line: print(line, flush=True))
    print(f"✕ {len(failures)} không như mong đợi · not as expected" if failures else "✓ đúng như mong đợi · as expected")
    return bool(failures)


for _command in (usb.board, usb.hand, usb.image, usb.lines):
    app.command()(_command)


def _end(lines: list[str], code: int) -> Any:
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(code)
