"""By which rule Linux gives broker and engine the processor, as they run now: see gateway/priority.py."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")
REAL_TIME = (os.SCHED_FIFO, os.SCHED_RR)
POLICY = 38  # of the fields behind the name: the 41st of all, proc(5)


class Running(NamedTuple):
    """A part that runs: how many of its threads go before ordinary programs, its RLIMIT_RTPRIO, and whether a unit of ours started it."""

    first: int
    limit: int
    is_service: bool


def running(data: Path, root: Path = ROOT) -> dict[str, Running]:
    """Of "broker" (mosquitto) and "engine" those that run on this folder and can be looked at."""
    found = {}
    for process in root.glob("proc/[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # it has just ended, or is hidden from us
            part = _part(process, data.resolve())
            if part:
                units = (process / "cgroup").read_text(encoding="utf-8")
                found[part] = Running(sum(_goes_first(process)), _limit(process), f"keng-{part}.service" in units)
    return found


def _part(process: Path, data: Path) -> str:
    """Which of the two it is, "" for any other; it is known by the files that it was started on."""
    words = [os.fsdecode(word) for word in (process / "cmdline").read_bytes().split(b"\0")]
    if "-c" in words and words[0].endswith("mosquitto"):
        return "broker" if _same(process, words[words.index("-c") + 1], data / "broker" / "mosquitto.conf") else ""
    if "engine" in words and "--data" in words:
        return "engine" if _same(process, words[words.index("--data") + 1], data) else ""
    return ""


def _same(process: Path, word: str, path: Path) -> bool:
    return Path(word) == path or ((process / "cwd").resolve() / word).resolve() == path


def _goes_first(process: Path) -> Iterator[bool]:
    for thread in process.glob("task/*/stat"):
        yield int(thread.read_text(encoding="utf-8").rpartition(")")[2].split()[POLICY]) in REAL_TIME


def _limit(process: Path) -> int:
    lines = (process / "limits").read_text(encoding="ascii").splitlines()
    word = next(line.split()[3] for line in lines if line.startswith("Max realtime priority"))
    return 99 if word == "unlimited" else int(word)
