"""The figures as a table for people and as JSON for programs."""

import json
import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from simulator.bench import turns
from simulator.bench.book import Book
from simulator.bench.figures import Figure
from simulator.bench.targets import TARGETS, met

ROOT = Path(__file__).parents[2]
WIDTH = 170  # of the table where there is no terminal
SHOWN = ("p50", "p99", "max", "floor", "ratio")


def table(book: Book) -> Table:
    """One row a figure: its numbers, its target, and whether it is met."""
    found = Table(title="make bench", title_justify="left")
    found.add_column("figure", no_wrap=True)
    for name in ("value", *SHOWN, "n"):
        found.add_column(name, justify="right", no_wrap=True)
    found.add_column("target", min_width=20)
    found.add_column("", no_wrap=True)
    for figure in book.figures:
        values = [_text(figure.fields.get(name)) for name in ("value", *SHOWN, "n")]
        found.add_row(figure.name, *values, ", ".join(map(str, TARGETS.get(figure.name, ()))), _verdict(figure))
    for name in book.failures:
        found.add_row(name, *[""] * (len(SHOWN) + 3), "[red]not measured[/]")
    return found


def failures(book: Book) -> list[str]:
    """Why figures could not be measured: one text a reason, with the figures that it cost."""
    reasons: dict[str, list[str]] = {}
    for name, why in book.failures.items():
        reasons.setdefault(why, []).append(name)
    return [f"not measured: {', '.join(names)}: {why}" for why, names in reasons.items()]


def write(book: Book, path: Path, *, quick: bool) -> None:
    """{"figures": {name: {"p50": ..., "floor": ..., "target": ..., "met": ...}}, "failures": {name: why}, "machine": ..., ...}."""
    figures = {
        figure.name: {**figure.fields, "target": ", ".join(map(str, TARGETS.get(figure.name, ()))), "met": met(figure)}
        for figure in book.figures
    }
    content = {"figures": figures, "failures": book.failures, "quick": quick, **_circumstances()}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _circumstances() -> dict[str, object]:
    """What the figures depend on."""
    return {
        "machine": {
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
            "python": platform.python_version(),
            "real_time": turns.allowed(),
        },
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _said("git", "-C", f"{ROOT}", "describe", "--always", "--dirty", "--abbrev=12"),
        "broker": _said(shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "mosquitto", "-h").partition("\n")[0],
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith(("model name", "Model"))), platform.machine())


def _said(*command: str) -> str:
    """What a program prints; "" if it is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout.strip()
    except OSError:
        return ""


def _text(value: float | str | None) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:,g}"


def _verdict(figure: Figure) -> str:
    return {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[met(figure)]
