"""Which release of the group's page this is. Phones keep what it is made of, and take it anew when the name of the release is another."""

import hashlib
from collections.abc import Iterator
from pathlib import Path


def release(folder: Path) -> str:
    """A name for what phones keep of the console in `folder`, the same as long as all of it is."""
    found = hashlib.sha256()
    for path in sorted(_parts(folder)):
        content = path.read_bytes()
        found.update(f"{path.relative_to(folder)} {len(content)}\n".encode() + content)
    return found.hexdigest()[:12]


def _parts(folder: Path) -> Iterator[Path]:
    yield folder / "static" / "icon.svg"
    for place in ("static/group", "templates/group", "locale"):
        yield from (path for path in (folder / place).iterdir() if path.is_file())
