"""The board's code, linked and compiled: every module of firmware/device, the wire, and the pins of one board type.

What stays loaded becomes one module (linker.py); what main.py throws away after the start, and what only some boards load, stays apart.

Twice: as .mpy files for the file system of a port without ROMFS, and as the image IMAGE for one that has it, where code is run in place
and takes no heap. The same sources give the same bytes: the source name in each file is its path in the bundle, not on this machine.
"""

import argparse
import ast
import json
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from firmware.bench import classes, constants, inlined, kept, linker, names, romfs, symbols, texts, unrolled

ROOT = Path(__file__).resolve().parents[2]
WIRE = ("__init__", "topics", "wire", "updates")  # the part of protocol/ that MicroPython reads
IMAGE = "firmware.romfs"
# The day of this version, Unix s: no board with the bundle lives before it. Not the day of the build: the same sources give the same bytes.
RELEASED_S = 1_795_305_600  # 2026-11-22
# Functions that stay functions: those of session.Listener and of a session, which others may be in the place of, and those that tests and
# benches put others in the place of.
OF_OTHERS = """
    alive call_heard causes delivered drop expect expire free_memory has_twin hurry link_down link_up message _next_write publish ready
    receipt ring_heard stumbled take take_due tick _look_at _take
"""
KEPT = frozenset(OF_OTHERS.split())
RESIDENT = "resident"  # the module of what stays loaded
COMMON = {"agent.sights", "drivers.hold"}  # what most boards load too: a module of its own takes 400 bytes of a 64-bit heap more


class Program(NamedTuple):
    """`sources`: path in the bundle -> source. `readable`: the same, line by line, with the names of our own sources.

    `names`: name in our sources -> name in the bundle, of those that change.
    """

    sources: dict[str, str]
    readable: dict[str, str]
    names: dict[str, str]


class BundleError(Exception):
    """The bundle could not be made; the text says which module and why."""


def boards() -> list[str]:
    """The board types that there are pins for."""
    return sorted(path.stem for path in (ROOT / "firmware/boards").glob("*.py"))


def kinds() -> list[str]:
    """The kinds of device that there are."""
    return sorted(path.stem for path in (ROOT / "firmware/device/kinds").glob("*.py") if path.stem != "__init__")


def misfits(board: Path) -> list[str]:
    """Why kinds of device do not fit the board type described in a file, with every point that they may have; empty if all fit.

    A small board type names in KINDS those that it has room for, with as many of their points at choice as it has terminals. The rule is
    the board's own: agent/fit.py, which is data and arithmetic alone.
    """
    fit = runpy.run_path(str(ROOT / "firmware/device/agent/fit.py"))
    pins = SimpleNamespace(**runpy.run_path(str(board)))
    found = []
    for name in getattr(pins, "KINDS", kinds()):
        kind = SimpleNamespace(**runpy.run_path(str(ROOT / f"firmware/device/kinds/{name}.py")))
        everything: dict[str, dict[str, int]] = {point: {} for point in [row[0] for row in kind.OPTIONAL] + list(kind.OPTIONAL_OUTPUTS)}
        if hasattr(pins, "KINDS"):
            everything = {point: {} for point in everything if point in {**pins.INPUTS, **pins.OUTPUTS, **pins.ANALOG}}
        found += [why for _, why in fit["problems"](name, kind, everything, pins)]
    return found


def sources(board: str) -> dict[str, Path]:
    """Path in the bundle without suffix -> source file. Raises BundleError for an unknown board type."""
    if board not in boards():
        raise BundleError(f"board: expected one of {', '.join(boards())}, got {board}")
    device = ROOT / "firmware/device"
    found = {path.relative_to(device).with_suffix("").as_posix(): path for path in sorted(device.rglob("*.py"))}
    found |= {f"protocol/{name}": ROOT / f"protocol/{name}.py" for name in WIRE}
    return found | {"pins": ROOT / f"firmware/boards/{board}.py"}


def build(out: Path, board: str = "esp32_wroom") -> dict[str, int]:
    """Compile everything below `out`, where older .mpy files are removed, and pack it. Module path -> bytes of .mpy.

    Raises BundleError, linker.LinkError, romfs.CompileError, OSError.
    """
    paths = sources(board)
    if found := misfits(paths["pins"]):
        raise BundleError("\n".join(found))
    out.mkdir(parents=True, exist_ok=True)
    for old in [*out.rglob("*.mpy"), *out.glob(IMAGE), *out.glob(symbols.FILE)]:
        old.unlink()
    modules = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    modules["built"] = f"BUILT_S = {RELEASED_S}\nBOARD = {board!r}\n"
    kept.made(out, kept.key(modules), partial(_build, modules))
    return {path.relative_to(out).with_suffix("").as_posix(): path.stat().st_size for path in out.rglob("*.mpy")}


def _build(modules: dict[str, str], out: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        program = linked(modules)
        for name, source in program.sources.items():
            file = Path(scratch, "module.py")
            file.write_text(source, encoding="utf-8")
            romfs.compile_module(name.replace("/", "."), file, out / f"{name}.mpy")
    (out / IMAGE).write_bytes(romfs.pack(out))
    lines = {name: symbols.lines(source) for name, source in program.readable.items()}
    table = symbols.Symbols(names=program.names, lines=lines)
    (out / symbols.FILE).write_text(json.dumps(table, indent=0, sort_keys=True), encoding="utf-8")  # not in the image: for people


def linked(modules: dict[str, str]) -> Program:
    """The program of these modules, with what stays loaded as RESIDENT. Raises linker.LinkError."""
    packages = {name: source for name, source in modules.items() if name.endswith("__init__")}
    dotted = {name.replace("/", "."): source for name, source in modules.items() if name not in packages}
    passing = _passing(modules["main"], dotted)
    result = linker.link(RESIDENT, linker.reachable(passing | COMMON, dotted) - passing, dotted)
    units = packages | {name.replace(".", "/"): source for name, source in result.others.items()} | {RESIDENT: result.unit}
    trees = {name: ast.parse(source, name) for name, source in units.items()}
    for tree in trees.values():
        unrolled.unroll(tree)
    known = names.texts_of(trees)  # before they are gathered
    inlined.inline(trees, RESIDENT, KEPT)
    constants.place(trees, RESIDENT)
    for tree in trees.values():
        texts.gather(tree)
    readable = {name: ast.parse(text) for name, text in _texts(trees).items()}
    few = names.Names(trees, known)
    few.rename()
    for tree in [*trees.values(), *readable.values()]:
        classes.write_out(tree)
    return Program(_texts(trees), _texts(readable), few.new)


def _texts(trees: dict[str, ast.Module]) -> dict[str, str]:
    return {name: ast.unparse(ast.fix_missing_locations(tree)) + "\n" for name, tree in trees.items()}


def _passing(main: str, modules: Iterable[str]) -> set[str]:
    """The modules that main.py throws away."""
    texts = {ast.unparse(node.targets[0]): node.value for node in ast.parse(main).body if isinstance(node, ast.Assign)}
    names = [name for text in ("GROUNDWORK", "ASSEMBLY") for name in ast.literal_eval(texts[text]).split()]
    return {module for module in modules for name in names if module == name or (name.endswith(".") and module.startswith(name))}


def main(arguments: list[str] | None = None) -> int:
    """The command line: 0 done, 1 did not work, 2 wrong input."""
    parser = argparse.ArgumentParser(prog="python -m firmware.bench.bundle", description=__doc__)
    parser.add_argument("out", type=Path, help="the folder to fill")
    parser.add_argument("--board", default="esp32_wroom", choices=boards(), help="the board type (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        sizes = build(chosen.out, chosen.board)
    except (BundleError, linker.LinkError, romfs.CompileError, OSError, subprocess.TimeoutExpired) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    sys.stdout.write(f"{len(sizes)} modules, {sum(sizes.values()) / 1000:.1f} kB in {chosen.out}, and as {chosen.out / IMAGE}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
