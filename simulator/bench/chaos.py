"""Chaos, in rounds of a process each: presses while everything fails, and what became of them. `python -m simulator.chaos` is one round."""

import asyncio
import json
import sys
from typing import Any

from simulator.bench.book import Book
from simulator.bench.figures import NotMeasured, of_value

NAMES = ("presses_n", "events_lost_n", "incidents_doubled_n")
COUNTED = ("presses_n", "events_lost_n", "incidents_doubled_n", "receipts_n", "engine_starts_n", "broker_starts_n")


async def measure(book: Book) -> None:
    """All figures of this family. A round's seed is the one before plus one; each repeats its round."""
    totals = dict.fromkeys(COUNTED, 0)
    mute: list[str] = []
    wrong: list[int] = []
    for number in range(book.scale.chaos_rounds):
        seed = book.seed + number
        book.tell(f"chaos, round {number + 1} of {book.scale.chaos_rounds}: {book.scale.chaos_presses} presses, seed {seed}")
        result = await _round(book, seed)
        book.tell(f"seed {seed}: " + ", ".join(f"{name} {result[name]}" for name in COUNTED))  # a run that is stopped has shown it
        for name in COUNTED:
            totals[name] += result[name]
        mute += result["mute_groups"]
        if result["events_lost_n"] or result["incidents_doubled_n"] or result["mute_groups"]:
            wrong.append(seed)
    book.add(
        of_value(
            "presses_n",
            totals["presses_n"],
            seed=book.seed,
            rounds=book.scale.chaos_rounds,
            wrong_seeds=" ".join(map(str, wrong)),
            receipts=totals["receipts_n"],
            engine_starts=totals["engine_starts_n"],
            broker_starts=totals["broker_starts_n"],
        )
    )
    book.add(of_value("events_lost_n", totals["events_lost_n"], mute_groups=" ".join(mute)))
    book.add(of_value("incidents_doubled_n", totals["incidents_doubled_n"]))


async def _round(book: Book, seed: int) -> dict[str, Any]:
    scale = book.scale
    arguments = [f"--presses={scale.chaos_presses}", f"--per-s={scale.chaos_per_s}", f"--seed={seed}"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator.chaos", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C in the terminal is for us alone: we end it in order
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    lines = out.decode(errors="replace").splitlines()
    for line in lines[:-1]:
        book.tell(line)
    try:
        result: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        last = [*lines[-1:], *err.decode(errors="replace").strip().splitlines()[-1:]]
        raise NotMeasured(f"chaos of seed {seed}: expected a result, got exit code {process.returncode}: {' '.join(last)}") from None
    return result
