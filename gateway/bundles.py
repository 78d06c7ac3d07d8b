"""Bundles that this gateway may offer to boards: DATA/updates/<digest>.bundle, each verified before it lies there, and again before use.

The key that signs them is on no gateway: here are only public ones, [updates] trusted of the settings.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gateway import owners
from gateway.domain.campaigns import Release
from gateway.settings import Updates
from protocol import package
from protocol.package import PackageError, PublicKey
from protocol.tomlfile import FileMistakes

SUFFIX = ".bundle"
KEPT_MAX = 20


class Known(NamedTuple):
    """A bundle that lies there. `released`: Unix seconds; `wrong`: why it cannot be used, then the rest is not known."""

    bundle: str
    version: str = ""
    board: str = ""
    released: int = 0
    size: int = 0
    wrong: str = ""


class NoBundle(ValueError):
    """No bundle, or none that may be used; the text says what was expected and what came."""


def keys(settings: Updates) -> list[PublicKey]:
    """The trusted keys. Raises FileMistakes if one cannot be read, or there is none."""
    if not settings.trusted:
        raise FileMistakes(["settings: updates.trusted: expected the public key of whoever signs bundles, got none"])
    found, mistakes = [], []
    for path in settings.trusted:
        try:
            found.append(package.load_public(path))
        except PackageError as exc:
            mistakes.append(f"settings: updates.trusted: {exc}")
        except OSError as exc:
            mistakes.append(f"settings: updates.trusted: {path}: expected a file that can be read, got: {exc.strerror}")
    if mistakes:
        raise FileMistakes(mistakes)
    return found


def add(data: Path, file: Path, trusted: Iterable[PublicKey]) -> Known:
    """Take a bundle in; one that is there already stays as it is. Raises NoBundle for what is none or not trusted, OSError."""
    if file.stat().st_size > package.SIZE_MAX:
        raise NoBundle(f"{file}: expected a bundle of at most {package.SIZE_MAX} bytes, got {file.stat().st_size}")
    content = file.read_bytes()
    try:
        found = package.read(content, trusted)
    except PackageError as exc:
        raise NoBundle(f"{file}: {exc}") from None
    known = Known(found.digest, found.version, found.board, found.released, len(content))
    if len(list(_files(data))) >= KEPT_MAX and not _path(data, known.bundle).exists():
        raise NoBundle(f"{_folder(data)}: expected fewer than {KEPT_MAX} bundles, got as many: remove one that no board needs")
    _write(data, known.bundle, content)
    return known


def listed(data: Path, trusted: list[PublicKey]) -> list[Known]:
    """All that lie there, the newest first; also those that cannot be used any more."""
    return sorted((_known(path, trusted) for path in _files(data)), key=lambda one: (-one.released, one.bundle))


def remove(data: Path, bundle: str) -> None:
    """Take it away. Raises NoBundle if there is none."""
    try:
        _path(data, bundle).unlink()
    except FileNotFoundError:
        raise NoBundle(f"expected a bundle of {_folder(data)}, got {bundle}") from None


def find(data: Path, word: str, trusted: list[PublicKey]) -> tuple[Release, bytes]:
    """The one bundle with this digest, beginning of a digest, or version. Raises NoBundle, OSError."""
    known = listed(data, trusted)
    found = [one for one in known if one.bundle.startswith(word)] or [one for one in known if one.version == word]
    if len(found) != 1:
        there = ", ".join(f"{one.bundle} ({one.version})" for one in found or known)
        raise NoBundle(f"expected the digest or version of one bundle of {_folder(data)}, got {word}; there: {there or 'none'}")
    if found[0].wrong:
        raise NoBundle(f"{found[0].bundle}: {found[0].wrong}")
    return Release(found[0].bundle, found[0].size, found[0].version, found[0].board), _path(data, found[0].bundle).read_bytes()


def lies_there(data: Path, bundle: str) -> bool:
    """Whether it was not removed. Raises OSError."""
    return _path(data, bundle).exists()


def content(data: Path, bundle: str) -> bytes:
    """The file of a bundle that was verified when it was chosen; its boards verify it again. Raises NoBundle, OSError."""
    try:
        return _path(data, bundle).read_bytes()
    except FileNotFoundError:
        raise NoBundle(f"expected a bundle of {_folder(data)}, got {bundle}") from None


def _known(path: Path, trusted: list[PublicKey]) -> Known:
    try:
        whole = path.read_bytes()
        found = package.read(whole, trusted)
    except (PackageError, OSError) as exc:
        return Known(path.name.removesuffix(SUFFIX), wrong=str(exc))
    if found.digest != path.name.removesuffix(SUFFIX):
        return Known(path.name.removesuffix(SUFFIX), wrong=f"expected this bundle, got {found.digest}")
    return Known(found.digest, found.version, found.board, found.released, len(whole))


def _write(data: Path, bundle: str, whole: bytes) -> None:
    """After a power cut the file is there, whole, or not at all."""
    folder = _folder(data)
    if not folder.exists():
        folder.mkdir(mode=0o750, parents=True)
        owners.as_folder(folder)
    fresh = _path(data, bundle).with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(whole)
        file.flush()
        os.fsync(file.fileno())
    owners.as_folder(fresh)
    fresh.replace(_path(data, bundle))


def _folder(data: Path) -> Path:
    return data / "updates"


def _path(data: Path, bundle: str) -> Path:
    if not package.DIGEST.fullmatch(bundle):
        raise NoBundle(f"expected 16 hex digits, got {bundle!r}")
    return _folder(data) / (bundle + SUFFIX)


def _files(data: Path) -> Iterable[Path]:
    return _folder(data).glob(f"*{SUFFIX}")
