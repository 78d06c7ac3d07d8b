"""Python -m simulator.bench [--quick | --long] [--only NAME ...] [--seed N]: measure, show, write build/bench.json.

Exit code 0 if everything asked for was measured, whether its target is met or not; 1 if not; 2 for a name that is no figure.
"""

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from simulator.bench import boards, chaos, crowded, engine, field, report, storm, updating, workshop
from simulator.bench.book import LONG, QUICK, Book, Scale

FAMILIES = (engine, updating, crowded, storm, field, boards, workshop, chaos)
OUT = Path("build/bench.json")
INTERRUPTED = 128 + signal.SIGINT


def main() -> int:
    """The command."""
    names = [name for family in FAMILIES for name in family.NAMES]
    parser = argparse.ArgumentParser(prog="python -m simulator.bench", description="The figures of the promises, as a table and as JSON.")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="fewer samples: under five minutes")
    size.add_argument("--long", action="store_true", help="100,000 presses of chaos: about two hours more")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], choices=names, help="only these figures: " + ", ".join(names))
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="for the chaos, as a run before has printed it")
    parser.add_argument("--rounds", type=int, help="of chaos, each with a seed of its own: go on where a run was stopped")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE", help=f"the JSON file (default {OUT})")
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds: expected at least 1, got {options.rounds}")
    scale = QUICK if options.quick else LONG if options.long else Scale()
    console = Console(width=None if sys.stdout.isatty() else report.WIDTH)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    # Beside the answer, not in /tmp, which may be no disk: what is written to it is measured.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.out.parent) as directory:
        book = Book(
            replace(scale, chaos_rounds=options.rounds or scale.chaos_rounds),
            Path(directory),
            lambda line: console.print(f"[dim]{time.monotonic() - start:5.0f} s[/] {line}"),
            frozenset(options.only),
            options.seed,
        )
        try:
            asyncio.run(_measure(book))
        except (KeyboardInterrupt, asyncio.CancelledError):
            return INTERRUPTED
    console.print(report.table(book))
    for line in report.failures(book):
        console.print(line, style="red", markup=False, highlight=False)
    report.write(book, options.out, quick=options.quick)
    console.print(f"{options.out}, {time.monotonic() - start:.0f} s")
    return 1 if book.failures else 0


async def _measure(book: Book) -> None:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  asyncio.run has made one
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # else brokers and engines would outlive the bench
    for family in FAMILIES:
        if book.wants(*family.NAMES):
            with book.measuring(*family.NAMES):
                await family.measure(book)


if __name__ == "__main__":
    sys.exit(main())
