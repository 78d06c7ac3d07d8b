"""What every command of the gateway does first: read both files and tell every mistake of both; and how it ends."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from gateway import broker as brokers
from gateway import plans
from gateway import settings as settings_files
from gateway.broker import BrokerMissing, Choice
from gateway.settings import Broker, Settings
from gateway.supervisor import CannotStart
from protocol import site as site_files
from protocol.site import Site
from protocol.tomlfile import FileMistakes

EXIT_FAILED = 1
EXIT_WRONG_INPUT = 2

T = TypeVar("T")


def load(site: Path, settings: Path | None) -> tuple[Site, Settings]:
    """Both files. Raises FileMistakes with every mistake of both, a file that cannot be read among them."""
    mistakes: list[str] = []
    found_site = _tried(lambda: site_files.load(site), site, mistakes)
    found_settings = _tried(lambda: settings_files.load(settings), settings, mistakes)
    if found_site is None or found_settings is None:
        raise FileMistakes(mistakes)
    if strange := plans.strangers(found_settings, found_site):
        raise FileMistakes(strange)
    return found_site, found_settings


def load_site(path: Path) -> Site:
    """The site file alone. Raises FileMistakes."""
    mistakes: list[str] = []
    found = _tried(lambda: site_files.load(path), path, mistakes)
    if found is None:
        raise FileMistakes(mistakes)
    return found


def load_settings(path: Path) -> Settings:
    """The settings file alone. Raises FileMistakes."""
    mistakes: list[str] = []
    found = _tried(lambda: settings_files.load(path), path, mistakes)
    if found is None:
        raise FileMistakes(mistakes)
    return found


def _tried(read: Callable[[], T], path: Path | None, mistakes: list[str]) -> T | None:
    try:
        return read()
    except FileMistakes as exc:
        mistakes += exc.mistakes
    except OSError as exc:
        mistakes.append(f"{path}: expected a file that can be read, got: {exc.strerror}")
    return None


def need_free_ports(ports: dict[str, tuple[str, int]]) -> None:
    """`ports`: setting -> (host, port). Raises CannotStart naming each port that is taken, and the setting that changes it."""
    found = [
        f"{host}:{port}: {why}; another port: {setting} in the settings file"
        for setting, (host, port) in ports.items()
        if (why := brokers.taken(host, port))
    ]
    if found:
        raise CannotStart("\n".join(found))


def broker_ports(broker: Broker) -> dict[str, tuple[str, int]]:
    """The ports of a broker that we start, by the setting that changes each."""
    return {
        "[broker] port": (broker.host, broker.port),
        "[broker] programs_port": (broker.host_of_programs, broker.port_of_programs),
    }


def broker_words(choice: Choice, broker: Broker) -> list[str]:
    """Which broker it is, where, and what it cannot do: lines for the user."""
    where = f"{choice.kind} on {broker.host}, boards on port {broker.port}, programs on port {broker.port_of_programs}"
    return [f"broker: {where}", *(f"limit of the embedded broker: {limit}" for limit in choice.limits)]


def readable_folder(data: Path) -> Path:
    """`--data` as it is typed. One that this user may not look into ends the command in one line: somebody has left sudo away."""
    if data.is_dir() and not os.access(data, os.R_OK | os.X_OK):
        remedy = "on an installed gateway with sudo -u keng, or with sudo: docs/install.md"
        print(f"--data: expected a folder that this user may read, got {data}; {remedy}", file=sys.stderr)  # noqa: T201  # as _end
        sys.exit(EXIT_WRONG_INPUT)
    return data


@contextmanager
def reported(command: str) -> Iterator[None]:
    """Turn the expected failures of a command into one line each on stderr, and its exit code."""
    try:
        yield
    except FileMistakes as exc:
        _end(command, exc.mistakes, EXIT_WRONG_INPUT)
    except (BrokerMissing, CannotStart) as exc:
        _end(command, str(exc).splitlines(), EXIT_FAILED)
    except BrokenPipeError:
        raise  # whoever read along has had enough: keng.py
    except OSError as exc:
        _end(command, [_of_system(exc)], EXIT_FAILED)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def run_until_stopped(part: Coroutine[Any, Any, None]) -> None:
    """Run a part until it ends, or cancel it on SIGTERM or Ctrl-C and wait until it has put everything away."""

    async def run() -> None:
        task = asyncio.ensure_future(part)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(run())


def _of_system(exc: OSError) -> str:
    """What the system said, as our own sentences are: where, then what. One that has words of its own keeps them."""
    return f"{exc.filename}: {exc.strerror}" if exc.filename and exc.strerror else exc.strerror or str(exc)


def _end(command: str, lines: list[str], code: int) -> NoReturn:
    for line in lines:
        print(f"{command}: {line}" if code == EXIT_FAILED else line, file=sys.stderr)  # noqa: T201  # the answer of a command
    sys.exit(code)
