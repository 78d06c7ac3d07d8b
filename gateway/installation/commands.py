"""The commands `keng install` and `keng uninstall`."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from gateway import startup
from gateway.addresses import is_loopback
from gateway.identity.private import has_identity
from gateway.installation import firewall, plan
from gateway.installation.layout import Layout
from gateway.installation.plan import Step, Wishes
from gateway.supervisor import CannotStart
from protocol.tomlfile import FileMistakes

FIRST_FREE_PORT = 1024  # below it a port needs root: ip(7)
HIDDEN = ("/home", "/root", "/run/user", "/tmp")  # noqa: S108  # where the hardened services do not see a program

install, uninstall = (typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False) for _ in range(2))
Root = Annotated[Path, typer.Option("--root", help="Furnish the system below this folder, such as a mounted SD card.", metavar="DIR")]
Program = Annotated[Path | None, typer.Option("--program", help="Where keng lies on the gateway; this one if not given.", metavar="PATH")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@install.command()
def _install(
    *,
    site: Annotated[
        Path | None, typer.Option("--site", help="The commune's description; later: that in /etc/keng.", metavar="FILE")
    ] = None,
    settings: Annotated[Path | None, typer.Option("--settings", help="The settings: docs/settings.md.", metavar="FILE")] = None,
    with_firewall: Annotated[
        bool, typer.Option("--firewall/--no-firewall", help="Close all ports but those of boards, desk and ssh.")
    ] = True,
    ssh_port: Annotated[list[int] | None, typer.Option("--ssh-port", help="Where ssh listens; 22 if not given.", min=1, max=65535)] = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start at once, not only with the machine.")] = True,
    program: Program = None,
    root: Root = Path("/"),
    dry_run: DryRun = False,
) -> None:
    """Make this Debian or Raspberry Pi OS a gateway: users, folders, services, firewall. As root; again after each change or update.

    \b
    Examples:
      sudo /opt/keng/bin/keng install --site site.toml --settings keng.toml
      sudo /opt/keng/bin/keng install --dry-run --site site.toml
      keng doctor                                  afterwards: is everything in order?
    """
    with startup.reported("keng install"):
        layout = Layout(program=_program(program), root=root)
        wishes = _wishes(layout, site, settings, with_firewall=with_firewall, ssh_ports=tuple(ssh_port or [firewall.SSH_PORT]), start=start)
        if not dry_run:
            _check(layout, "install")
        _carry_out(plan.installing(layout, wishes), dry_run=dry_run)
        if not dry_run:
            print("next: keng doctor" if root == Path("/") else f"next: start the machine that has {root}, and there keng doctor")


@uninstall.command()
def _uninstall(
    purge: Annotated[bool, typer.Option("--purge", help="Also settings, databases, certificates and backups.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    root: Root = Path("/"),
    dry_run: DryRun = False,
) -> None:
    """Take the services, the firewall and the units away again. Data and settings stay, unless --purge. As root.

    \b
    Examples:
      sudo keng uninstall
      sudo keng uninstall --purge --dry-run
    """
    with startup.reported("keng uninstall"):
        layout = Layout(program=Path(sys.argv[0]), root=root)
        if not dry_run:
            _check(layout, "uninstall")
            if (
                purge
                and not yes
                and not typer.confirm(f"Delete {', '.join(str(layout.real(folder)) for folder in layout.folders)} for ever?")
            ):
                raise CannotStart("nothing was done")
        _carry_out(plan.uninstalling(layout, purge=purge), dry_run=dry_run)


def _wishes(
    layout: Layout, site: Path | None, settings: Path | None, *, with_firewall: bool, ssh_ports: tuple[int, ...], start: bool
) -> Wishes:
    """Both files checked whole, before anything is changed. Raises FileMistakes."""
    chosen_site = site or layout.real(layout.site)
    if site is None and not chosen_site.exists():
        raise FileMistakes(["keng install: expected --site FILE at the first time, got nothing"])
    there = layout.real(layout.settings)
    if settings is None and not there.exists():
        settings = Path(__file__).with_name("keng.toml")
    _, chosen = startup.load(chosen_site, settings or there)
    if chosen.console.port < FIRST_FREE_PORT:
        raise FileMistakes(
            [f"settings: console.port: expected {FIRST_FREE_PORT} or more, got {chosen.console.port}: the page's user is not root"]
        )
    if start and not is_loopback(chosen.broker.host) and chosen.broker.kind != "external" and not has_identity(layout.real(layout.data)):
        first = f"keng install --no-start, then sudo -u keng keng identity init --site {layout.site} --data {layout.data}, or keng restore"
        raise FileMistakes([f"settings: broker.host: expected an identity for an address that others reach, got none; first {first}"])
    return Wishes(site, settings, chosen, ssh_ports, with_firewall, start)


def _check(layout: Layout, command: str) -> None:
    """Raises CannotStart if this user or this system will not do, FileMistakes if the folder of an image is not there."""
    if not layout.root.is_dir():  # a card that is not mounted would be furnished nowhere
        raise FileMistakes([f"--root: expected a folder that is there, such as a mounted SD card, got {layout.root}"])
    if os.geteuid() != 0:
        raise CannotStart(f"expected to be root, got another user: sudo keng {command} ...")
    if layout.root == Path("/") and not Path("/run/systemd/system").is_dir():
        raise CannotStart("expected a system that runs systemd, got another; an image is furnished with --root DIR")


def _program(named: Path | None) -> Path:
    """The command that the services call, at a place where they see it. Raises CannotStart."""
    program = named or Path(sys.executable).with_name("keng")
    if not program.is_absolute():
        raise FileMistakes([f"--program: expected an absolute path, such as /opt/keng/bin/keng, got {program}"])
    if any(program.is_relative_to(folder) for folder in HIDDEN):
        raise CannotStart(
            f"expected keng where services see it, such as /opt/keng/bin/keng, got {program}; --program says where it lies on the gateway"
        )
    return program


def _carry_out(steps: Iterable[Step], *, dry_run: bool) -> None:
    for step in steps:
        if dry_run:
            print(f"would: {step.words}")
            continue
        print(f"{step.words} ...", end=" ", flush=True)
        try:
            step.do()
        except (CannotStart, OSError):
            print("failed", flush=True)
            raise
        print("done", flush=True)
