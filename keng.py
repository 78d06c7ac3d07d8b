"""The command `keng`: one typer app for each entry point in the group keng.commands, imported only when it is called."""

import os
import sys
from importlib.metadata import entry_points, version

import typer

EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2


# Which packages a command needs beside those of the gateway (pyproject.toml).
_EXTRAS = {"device": "bench", "sim": "sim"}
_OURS = ("protocol", "gateway", "firmware", "simulator", "keng")


def main() -> None:
    """Run the command named on the command line."""
    try:
        _run()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read along has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
    except ModuleNotFoundError as exc:
        package, extra = (exc.name or "").partition(".")[0], _EXTRAS.get(sys.argv[1], "")
        if package in _OURS or not extra:
            raise
        remedy = f"pip install 'keng[{extra}]', or in a clone: make setup"
        print(f"keng {sys.argv[1]}: expected the package {package}, got none; remedy: {remedy}", file=sys.stderr)
        sys.exit(EXIT_FAILED)


def _run() -> None:
    commands = {point.name: point for point in entry_points(group="keng.commands")}
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in commands:
        app: typer.Typer = commands[name].load()
        app(sys.argv[2:], prog_name=f"keng {name}")
    elif name in ("--help", "-h"):
        print(_help(sorted(commands)))
    elif name in ("--version", "-V"):
        print(f"keng {version('keng')}")
    else:
        print(f"keng: expected one of {', '.join(sorted(commands))}; got {name!r}", file=sys.stderr)
        sys.exit(EXIT_WRONG_INPUT)


def _help(names: list[str]) -> str:
    rows = "\n".join(f"  keng {name:<9} {_ABOUT.get(name, '')}" for name in names)
    return f"""Kẻng, the village alarm gong on MQTT. A community warning aid: in a fire, call 114.

{rows}

Examples:
  keng site check site.toml       every mistake in the commune's description
  keng up --site site.toml        broker, engine and console on this machine
  keng sim run fire.toml          play a scenario with the real firmware

Each command explains itself: keng up --help"""


_ABOUT = {
    "up": "broker, engine and console together",
    "engine": "the engine alone",
    "console": "the web console alone",
    "broker": "the broker alone, and its users",
    "update": "updates of boards over the air",
    "identity": "certificates of boards and broker",
    "site": "check the commune's description",
    "sia": "try a police receiver",
    "backup": "a safe copy of everything, while it runs",
    "restore": "bring a backup back",
    "sms": "try the modem for SMS and calls",
    "sim": "the commune on a laptop",
    "device": "the technician's bench",
    "people": "accounts of the console, and personal data",
    "policy": "what an event would do, and who would be told",
    "channel": "let a channel prove now that it works",
    "export": "incidents, events and the maintenance log, as files",
    "install": "make this machine a gateway",
    "uninstall": "take that away again",
    "doctor": "is everything in order?",
}

if __name__ == "__main__":
    main()
