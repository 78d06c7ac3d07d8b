"""`keng sim board`, `hand` and `image`: boards on serial ports for training, without hardware."""

import os
import signal
import sys
from pathlib import Path
from typing import Annotated, get_args

import typer

EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2
CHIPS = ("esp32", "esp32s3", "esp32c3", "esp32c6")


def board(
    *,
    folder: Annotated[Path, typer.Option("--folder", help="Where ports (ttyV0, ttyV1...) and flash lie.", metavar="DIR")],
    count: Annotated[int, typer.Option("--count", min=1, max=32, help="How many boards.")] = 1,
    chip: Annotated[str, typer.Option("--chip", help=f"One of {', '.join(CHIPS)}.")] = "esp32",
    kind: Annotated[
        str, typer.Option("--kind", help="How its terminals are wired: household, fire_point, street_light or sos_post.")
    ] = "household",
    fit: Annotated[
        list[str] | None,
        typer.Option(
            "--fit", help="A point at choice that is wired too, or a contact on a loop: smoke-1=loop-3; may be repeated.", metavar="POINT"
        ),
    ] = None,
    technician: Annotated[bool, typer.Option("--technician", help="Somebody presses what a self-test asks for.")] = False,
    rfc2217: Annotated[bool, typer.Option("--rfc2217", help="TCP ports instead of ptys: slow, but without PYTHONPATH.")] = False,
) -> None:
    """New boards on serial ports, until Ctrl-C: esptool writes their flash, MicroPython boots from it, mpremote talks to it.

    \b
    Examples:
      keng sim board --folder ./boards --count 8 --technician
      keng sim image micropython.bin
      keng sim hand ./boards/ttyV0 press button-1
    """
    from protocol.site import Kind  # noqa: PLC0415
    from simulator.processes import available  # noqa: PLC0415
    from simulator.usb.boards import LINES, Boards  # noqa: PLC0415

    if chip not in CHIPS:
        _end(f"--chip: expected one of {', '.join(CHIPS)}, got {chip!r}", EXIT_WRONG_INPUT)
    if kind not in get_args(Kind):
        _end(f"--kind: expected one of {', '.join(get_args(Kind))}, got {kind!r}", EXIT_WRONG_INPUT)
    if not available():
        _end("keng sim board: needs the real MicroPython, whose wheel exists for x86-64 Linux only", EXIT_FAILED)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Boards(folder, count, rfc2217=rfc2217, chip=chip, kind=kind, fitted=tuple(fit or ()), technician=technician) as boards:
            for port in boards.ports:
                print(port, flush=True)
            if not rfc2217:
                print(f"In the terminal of your tools:  export PYTHONPATH={os.fspath(LINES)}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        return
    except OSError as exc:
        _end(f"keng sim board: {exc}", EXIT_FAILED)


def hand(
    port: Annotated[Path, typer.Argument(help="The board's port, such as ./boards/ttyV0.", metavar="PORT")],
    order: Annotated[
        list[str],
        typer.Argument(
            help="press POINT, hold POINT, release POINT, turn POINT VALUE, turn LOOP VOLTS, cut_wire, mend_wire, off, on, state."
        ),
    ],
) -> None:
    """A hand at a board of `keng sim board`. Prints what is on and what is pressed.

    \b
    Examples:
      keng sim hand ./boards/ttyV0 press button-1
      keng sim hand ./boards/ttyV0 off
      keng sim hand ./boards/ttyV0 state
    """
    from simulator.usb.hand import NoBoard, ask  # noqa: PLC0415

    try:
        state = ask(port, *order)
    except NoBoard as exc:
        _end(f"keng sim hand: {exc}", EXIT_FAILED)
    except ValueError as exc:
        _end(f"keng sim hand: {exc}", EXIT_WRONG_INPUT)
    on, pressed = (", ".join(state[name]) or "nothing" for name in ("on", "pressed"))
    print(f"power {'on' if state['powered'] else 'off'}; on: {on}; pressed: {pressed}")


def image(
    target: Annotated[Path, typer.Argument(help="The file to write.", metavar="FILE")],
    chip: Annotated[str, typer.Option("--chip", help=f"One of {', '.join(CHIPS)}.")] = "esp32",
    version: Annotated[str, typer.Option("--version", help="The version that it says.")] = "v1.29.0",
) -> None:
    """A stand-in for a MicroPython image, for virtual boards: the real formats, filler for code. A real image works too.

    \b
    Example:
      keng sim image micropython.bin
    """
    from simulator.usb.image import make  # noqa: PLC0415

    if chip not in CHIPS:
        _end(f"--chip: expected one of {', '.join(CHIPS)}, got {chip!r}", EXIT_WRONG_INPUT)
    try:
        make(target, chip=chip, version=version)
    except OSError as exc:
        _end(f"keng sim image: {exc}", EXIT_FAILED)
    print(f"{target}: {chip}, MicroPython {version}, {target.stat().st_size / 1000:.0f} kB")


def lines() -> None:
    """The folder for PYTHONPATH with which esptool can reset boards of `keng sim board`.

    \b
    Example:
      export PYTHONPATH="$(keng sim lines)"
    """
    print(Path(__file__).parent / "lines")


def _end(line: str, code: int) -> None:
    print(line, file=sys.stderr)
    sys.exit(code)
