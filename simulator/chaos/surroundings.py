"""What a chaos does to the machine below it, and only in surroundings of its own: a small disk that fills up, a network that loses
packets. They are a mount and a network namespace of Linux, and end with the process.
"""

import os
import re
import resource
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Protocol

SBIN = ("/usr/sbin", "/sbin")
UNSHARE = ("--mount", "--net")
AS_ROOT = ("--user", "--map-root-user")
TRIAL = "mount -t tmpfs tmpfs /tmp && ip link set lo up"
LOSSY = """table inet chaos {{
  chain input {{
    type filter hook input priority 0;
    {rules}
  }}
}}"""
NOTHING = 1  # bytes: no file takes any more


def program(name: str) -> str | None:
    """The path of a program that an administrator has, None if this machine does not have it."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN]))


def prefix() -> tuple[list[str], str]:
    """The command that gives the one behind it a disk and a network of its own; if none is to be had, [] and why."""
    unshare = program("unshare")
    if unshare is None or program("ip") is None:
        return [], "expected the programs unshare and ip, got none"
    found = [unshare, *(() if os.geteuid() == 0 else AS_ROOT), *UNSHARE, "--propagation", "private"]
    tried = subprocess.run([*found, "sh", "-c", TRIAL], capture_output=True, text=True, check=False, timeout=20)
    return ([], tried.stderr.strip() or f"exit code {tried.returncode}") if tried.returncode else (found, "")


def raise_network() -> None:
    """Bring up the loopback of the namespace."""
    _run("ip", "link", "set", "lo", "up")


def lose(share_percent: int, port: int) -> None:
    """From now on so many of a hundred packets to and from a port vanish. Raises OSError if nftables will not have it."""
    rules = "\n    ".join(f"tcp {end} {port} numgen random mod 100 < {share_percent} counter drop" for end in ("dport", "sport"))
    _run("nft", LOSSY.format(rules=rules))


def lost_packets() -> int:
    """How many have vanished so far."""
    return sum(int(count) for count in re.findall(r"counter packets (\d+)", _run("nft", "list", "table", "inet", "chaos")))


def _run(name: str, *arguments: str) -> str:
    found = program(name)
    if found is None:
        raise FileNotFoundError(f"expected the program {name}, got none: apt install {'nftables' if name == 'nft' else 'iproute2'}")
    done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise OSError(f"{name}: {done.stderr.strip()}")
    return done.stdout


class Disk(Protocol):
    """The disk of the gateway. `outlives`: it stays full when the engine is killed and started again."""

    outlives: bool

    def fill(self, engine: int | None) -> None:
        """It takes nothing more; `engine` is the process that feels it."""

    def free(self, engine: int | None) -> None:
        """It has room again."""

    def close(self) -> None:
        """Nobody needs it any more."""


class SmallDisk:
    """A tmpfs of its own at a folder, for a process in a mount namespace of its own."""

    outlives = True

    def __init__(self, place: Path, *, mib: int) -> None:
        self._place = place
        self._rubbish = place / "rubbish"
        _run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(place))

    def fill(self, engine: int | None) -> None:  # noqa: ARG002
        """Until there is no room for another byte."""
        with self._rubbish.open("ab", buffering=0) as file, suppress(OSError):
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def free(self, engine: int | None) -> None:  # noqa: ARG002
        """Throw the rubbish away."""
        self._rubbish.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount it, with all that is on it."""
        _run("umount", "--lazy", str(self._place))


class LimitedFiles:
    """Stands in for a full disk where none of its own is to be had: no file of the engine takes another byte."""

    outlives = False

    def fill(self, engine: int | None) -> None:
        """Limit the process."""
        self._limit(engine, NOTHING)

    def free(self, engine: int | None) -> None:
        """Take the limit away."""
        self._limit(engine, None)

    def close(self) -> None:
        """Nothing is left to be done."""

    def _limit(self, engine: int | None, most: int | None) -> None:
        if engine is None:
            return
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(engine, resource.RLIMIT_FSIZE)
            resource.prlimit(engine, resource.RLIMIT_FSIZE, (hard if most is None else most, hard))
