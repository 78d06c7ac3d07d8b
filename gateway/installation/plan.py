"""What `keng install` does, step by step, and `keng uninstall` takes away. Each step may be done again: what is right already stays."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.installation import firewall, units
from gateway.installation.layout import CONSOLE_USER, USER, Layout
from gateway.settings import Settings
from gateway.supervisor import CannotStart

COMMAND_S = 300.0  # apt on a slow card and a slow line
PRIVATE = 0o640
PUBLIC = 0o644

Run = Callable[[Sequence[str]], None]


@dataclass(frozen=True)
class Wishes:
    """What is to be installed. A file that is None stays as it is on the gateway."""

    site: Path | None
    settings: Path | None
    chosen: Settings
    ssh_ports: tuple[int, ...] = (firewall.SSH_PORT,)
    with_firewall: bool = True
    start: bool = True


@dataclass(frozen=True)
class Step:
    """`words` for the person who watches; `do` changes the machine. Raises CannotStart or OSError."""

    words: str
    do: Callable[[], None]


def run(arguments: Sequence[str]) -> None:
    """A program of the system, with a deadline. Raises CannotStart with its own words if it fails, is not there or does not end."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    except FileNotFoundError:
        raise CannotStart(f"{arguments[0]}: expected this program, got none: is this Debian or Raspberry Pi OS?") from None
    except subprocess.TimeoutExpired:
        raise CannotStart(f"{' '.join(arguments)}: expected it to end within {COMMAND_S:.0f} s") from None
    if done.returncode:
        raise CannotStart(f"{' '.join(arguments)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()}")


def installing(layout: Layout, wishes: Wishes, run: Run = run) -> Iterator[Step]:
    """Everything from an ordinary Debian to a running gateway, in order."""
    here = layout.root == Path("/")
    if here and (missing := _missing(wishes)):
        yield Step(f"packages {' '.join(missing)}", lambda: _apt(missing, run))
    yield Step(f"users {USER} and {CONSOLE_USER}", lambda: _users(layout, run))
    yield Step("folders /etc/keng, /var/lib/keng, /var/backups/keng", lambda: _folders(layout, run))
    for source, target in ((wishes.site, layout.site), (wishes.settings, layout.settings)):
        if source is not None and not _is_same(source, layout.real(target)):
            yield Step(f"{target} from {source}", lambda source=source, target=target: _config(layout, source, target))  # type: ignore[misc]
    for name, text in units.all_units(
        layout, modem=bool(wishes.chosen.sms.port), firewall=wishes.with_firewall, power=wishes.chosen.sms.power == "command"
    ).items():
        yield Step(f"unit {name}", lambda name=name, text=text: _write(layout.real(layout.units / name), text, PUBLIC))  # type: ignore[misc]
    yield Step("log kept for a month, at most 200 MB", lambda: _write(layout.real(JOURNAL), JOURNAL_TEXT, PUBLIC))
    if wishes.with_firewall:
        doors = ", ".join(f"{port} ({what})" for port, what in sorted(firewall.doors(wishes.chosen, wishes.ssh_ports).items()))
        text = firewall.rules(wishes.chosen, wishes.ssh_ports)
        yield Step(f"firewall, open: {doors}", lambda: _write(layout.real(FIREWALL), text, PUBLIC))
    yield Step("the distribution's own mosquitto off: ours has other rights", lambda: _distribution_broker_off(layout, run))
    yield Step("enabled at start", lambda: _systemctl(layout, run, "enable", *_enabled(wishes.with_firewall)))
    if here and wishes.start:
        yield Step("started", lambda: _start(run, with_firewall=wishes.with_firewall))


def uninstalling(layout: Layout, *, purge: bool, run: Run = run) -> Iterator[Step]:
    """Everything away that `installing` brought. What people wrote, and what the commune lived through, only with `purge`."""
    here = layout.root == Path("/")
    files = [*units.all_units(layout, modem=False, firewall=True)]
    there = [name for name in files if layout.real(layout.units / name).exists()]
    if there:
        if here:
            yield Step("stopped", lambda: run(["systemctl", "stop", "keng.target", *there]))
        yield Step("not enabled any more", lambda: _systemctl(layout, run, "disable", *there))
    for path in (*(layout.units / name for name in files), JOURNAL, FIREWALL, SYSUSERS, TMPFILES):
        if layout.real(path).exists():
            yield Step(f"{path} removed", layout.real(path).unlink)
    if here and there:
        yield Step("systemd knows it", lambda: run(["systemctl", "daemon-reload"]))
    if purge:
        for folder in layout.folders:
            if layout.real(folder).exists():
                yield Step(f"{folder} removed with all that is in it", lambda folder=folder: shutil.rmtree(layout.real(folder)))  # type: ignore[misc]


JOURNAL = Path("/etc/systemd/journald.conf.d/keng.conf")
JOURNAL_TEXT = """\
# Written by keng install. SD cards wear out: less is written, and nothing is kept for ever.
[Journal]
SystemMaxUse=200M
MaxRetentionSec=1month
SyncIntervalSec=5min
"""
FIREWALL = Path("/etc/keng/firewall.nft")
SYSUSERS = Path("/etc/sysusers.d/keng.conf")
TMPFILES = Path("/etc/tmpfiles.d/keng.conf")


def _missing(wishes: Wishes) -> list[str]:
    """Debian packages that are not there."""
    wanted = {"mosquitto": "mosquitto", **({"nftables": "nft"} if wishes.with_firewall else {})}
    sought = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    return [package for package, program in wanted.items() if shutil.which(program, path=sought) is None]


def _apt(packages: list[str], run: Run) -> None:
    run(["apt-get", "update", "-qq"])
    run(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])


def _users(layout: Layout, run: Run) -> None:
    lines = [
        f'u {USER} - "Keng gateway" {layout.data}',
        f'u {CONSOLE_USER} - "Keng duty desk" {layout.console_data}',
        f"m {CONSOLE_USER} {USER}",
        "g dialout - -",
    ]
    _write(layout.real(SYSUSERS), "".join(f"{line}\n" for line in lines), PUBLIC)
    run(["systemd-sysusers", f"--root={layout.root}", str(layout.real(SYSUSERS))])


def _folders(layout: Layout, run: Run) -> None:
    lines = [
        f"d {layout.settings.parent} 0750 root {USER} -",
        f"d {layout.data} 0750 {USER} {USER} -",
        f"d {layout.data / 'broker'} 0700 {USER} {USER} -",
        f"d {layout.console_data} 0750 {CONSOLE_USER} {CONSOLE_USER} -",
        # Its group is the page's own, and the nightly copy's. SQLite takes an empty file for a new database.
        f"f {layout.console_data / 'console.db'} 0640 {CONSOLE_USER} {CONSOLE_USER} -",
        f"z {layout.console_data / 'console.db*'} 0640 {CONSOLE_USER} {CONSOLE_USER} -",
        f"d {layout.backups} 0700 {USER} {USER} -",
        f"Z {layout.data} - {USER} {USER} -",  # what was made here as root
    ]
    _write(layout.real(TMPFILES), "".join(f"{line}\n" for line in lines), PUBLIC)
    run(["systemd-tmpfiles", f"--root={layout.root}", "--create", str(layout.real(TMPFILES))])


def _config(layout: Layout, source: Path, target: Path) -> None:
    """What was there stays beside it, as NAME.before."""
    real = layout.real(target)
    if real.exists():
        real.replace(real.with_name(real.name + ".before"))
    _write(real, source.read_text(encoding="utf-8"), PRIVATE)
    folder = real.parent.stat()
    os.chown(real, folder.st_uid, folder.st_gid)


def _distribution_broker_off(layout: Layout, run: Run) -> None:
    if layout.root != Path("/"):
        if layout.real(Path("/lib/systemd/system/mosquitto.service")).exists():
            _systemctl(layout, run, "disable", "mosquitto.service")
        return
    if Path("/lib/systemd/system/mosquitto.service").exists():
        run(["systemctl", "disable", "--now", "mosquitto.service"])


def _enabled(with_firewall: bool) -> list[str]:
    parts = ["keng.target", "keng-broker.service", "keng-engine.service", "keng-console.service", "keng-backup.timer"]
    return [*parts, *(["keng-firewall.service"] if with_firewall else [])]


def _systemctl(layout: Layout, run: Run, verb: str, *names: str) -> None:
    run(["systemctl", f"--root={layout.root}", verb, *names] if layout.root != Path("/") else ["systemctl", verb, *names])


def _start(run: Run, *, with_firewall: bool) -> None:
    run(["systemctl", "daemon-reload"])
    run(["systemctl", "restart", "systemd-journald.service"])
    if with_firewall:
        run(["systemctl", "restart", "keng-firewall.service"])
    run(["systemctl", "restart", "keng.target", "keng-broker.service", "keng-engine.service", "keng-console.service", "keng-backup.timer"])


def _is_same(source: Path, target: Path) -> bool:
    return target.exists() and (source.samefile(target) or source.read_bytes() == target.read_bytes())


def _write(path: Path, text: str, mode: int) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.chmod(mode)
    new.replace(path)
