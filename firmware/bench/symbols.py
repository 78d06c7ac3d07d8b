"""What a board's traceback means: its names are the bundle's, which are few and short, its line numbers those of the linked modules.

    python -m firmware.bench.symbols BUNDLE/symbols.json "resident:812 k; main:12 start; ValueError: bug"

The text is a birth's `crash`, as the desk shows it, or what a serial console prints. The bundle must be that of the board's version.
"""

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

FILE = "symbols.json"
FRAME = re.compile(r'(?:File ")?([a-z_./0-9]+)(?:", line |:)(\d+)(?:, in | )(\S+?)(?=;|\s|$)')
Lines = Mapping[str, list[str]]


class Symbols(TypedDict):
    """What FILE holds. `names`: name in the sources -> name in the bundle, of those that change. `lines`: module -> lines() of it."""

    names: dict[str, str]
    lines: dict[str, list[str]]


def lines(source: str) -> list[str]:
    """Of each line of a module: the function it is in, and its text."""
    found = [f"{text.strip()}" for text in source.splitlines()]
    for name, node in _functions(ast.parse(source), ""):
        for number in range(node.lineno - 1, node.end_lineno or node.lineno):
            found[number] = f"{name}: {source.splitlines()[number].strip()}"
    return found


def _functions(node: ast.AST, path: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Outer ones first."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{path}{each.name}"
            if not isinstance(each, ast.ClassDef):
                yield name, each
            yield from _functions(each, name + ".")
        else:
            yield from _functions(each, path)


def explain(text: str, known: Lines) -> str:
    """`text` with a line below it for each frame that it names. `known`: module -> lines()."""
    told = [text]
    for module, number, _ in FRAME.findall(text):
        rows = known.get(module.replace(".", "/"), [])
        if 0 < int(number) <= len(rows):
            told.append(f"  {module}:{number}  {rows[int(number) - 1]}")
    return "\n".join(told)


def main(arguments: list[str] | None = None) -> int:
    """The command line: 0 done, 2 wrong input."""
    parser = argparse.ArgumentParser(prog="python -m firmware.bench.symbols", description=__doc__)
    parser.add_argument("symbols", type=Path, help=f"the {FILE} of the board's bundle")
    parser.add_argument("text", help="a crash's text")
    chosen = parser.parse_args(arguments)
    try:
        known = json.loads(chosen.symbols.read_text(encoding="utf-8"))["lines"]
    except (OSError, ValueError, KeyError) as exc:
        sys.stderr.write(f"{chosen.symbols}: expected the {FILE} of a bundle ({exc!r})\n")
        return 2
    sys.stdout.write(explain(chosen.text, known) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
