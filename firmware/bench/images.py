"""MicroPython images: what is in one, which board types take it, and the catalogue of those that are known.

The catalogue is a TOML file, by default ~/.local/share/keng/images.toml with the images beside it:

    [[image]]
    board = "esp32_wroom"
    version = "1.29.0"
    file = "ESP32_GENERIC-v1.29.0.bin"
    sha256 = "..."
    url = "https://..."        # may be left out

Kẻng ships no hash of an image that nobody of us has seen: `keng device image add` writes the line of a file that you have.
"""

import hashlib
import os
import re
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.error import URLError
from urllib.request import urlopen

from pydantic import AnyUrl, BaseModel, ConfigDict, Field, UrlConstraints

from protocol import tomlfile

TABLE = 0x8000  # where the partition table lies (ESP-IDF, "Partition Tables")
TABLE_SIZE = 0xC00
ENTRY = struct.Struct("<2sBBII16sI")
IMAGE_MAGIC = 0xE9
BOOTLOADER = {"esp32": 0x1000, "esp32s3": 0, "esp32c3": 0, "esp32c6": 0}  # esptool/targets: BOOTLOADER_FLASH_OFFSET
CHIP_IDS = {0: "esp32", 9: "esp32s3", 5: "esp32c3", 13: "esp32c6"}  # of the image header: ESP-IDF, esp_app_format.h
# board type -> chip, and MicroPython's name of the image
BOARDS = {
    "esp32_wroom": ("esp32", "ESP32_GENERIC"),
    "wt32_eth01": ("esp32", "ESP32_GENERIC"),
    "esp32_s3": ("esp32s3", "ESP32_GENERIC_S3"),
}
OLDEST = (1, 28)  # the firmware is tested with MicroPython 1.28 and 1.29
VERSION = re.compile(rb"MicroPython v(\d+)\.(\d+)(\.\d+)?[^ \0]* on \d{4}-\d\d-\d\d")
FILES = ("vfs", "ffat")
IMAGE_MAX = 16 << 20
FETCH_S, WHOLE_S = 60, 600  # without a byte; for all of it
PART = 65_536


class ImageError(ValueError):
    """This image does not do; the text says what was expected and what came."""


@dataclass(frozen=True)
class Image:
    """An image as it lies in flash from `offset`. `files_offset`, `files_size`: the partition with the file system."""

    path: Path
    chip: str
    version: str
    sha256: str
    size: int
    files_offset: int
    files_size: int

    @property
    def offset(self) -> int:
        """Where it is written."""
        return BOOTLOADER[self.chip]

    @property
    def flash_bytes(self) -> int:
        """How much flash the chip must have."""
        return self.files_offset + self.files_size


class Entry(BaseModel):
    """A known image: a line of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    board: str
    version: str
    file: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    url: Annotated[AnyUrl, UrlConstraints(allowed_schemes=["https", "http"])] | None = None


class Catalogue(BaseModel):
    """Every image that is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image: list[Entry] = []

    def entry(self, board: str, version: str = "") -> Entry:
        """The newest image of a board type, or that of this version. Raises ImageError."""
        if board not in BOARDS:
            raise ImageError(f"board: expected one of {', '.join(BOARDS)}, got {board!r}")
        found = [entry for entry in self.image if entry.board == board and version in ("", entry.version)]
        if not found:
            wanted = f"{board} {version}".strip()
            known = ", ".join(f"{entry.board} {entry.version}" for entry in self.image) or "none"
            chip_and_name = BOARDS[board][1]
            remedy = f"download {chip_and_name} from micropython.org and use --firmware FILE, or keng device image add FILE"
            raise ImageError(f"image: expected one of {wanted} in the catalogue, got {known}; remedy: {remedy}")
        return max(found, key=lambda entry: [int(part) for part in re.findall(r"\d+", entry.version)])


def read(path: Path) -> Image:
    """What is in an image. Raises ImageError, OSError."""
    content = path.read_bytes()
    if len(content) > IMAGE_MAX or len(content) < 0x1000 or content[0] != IMAGE_MAGIC:
        raise ImageError(f"{path}: expected a MicroPython image for an ESP32 (.bin), got something else")
    chip = CHIP_IDS.get(struct.unpack_from("<H", content, 12)[0])
    if chip is None:
        raise ImageError(f"{path}: expected an image for one of {', '.join(CHIP_IDS.values())}, got chip {content[12]}")
    version = VERSION.search(content)
    if version is None:
        raise ImageError(f"{path}: expected MicroPython inside, got none")
    if tuple(map(int, version.groups()[:2])) < OLDEST:
        raise ImageError(f"{path}: expected MicroPython {'.'.join(map(str, OLDEST))} or newer, got {version[0].decode()}")
    place = TABLE - BOOTLOADER[chip]
    files = next((part for part in _partitions(content[place : place + TABLE_SIZE]) if part[0] in FILES), None)
    if files is None:
        raise ImageError(f"{path}: expected a partition named {' or '.join(FILES)} in its table, got none")
    words = ".".join(group.decode().lstrip(".") for group in version.groups() if group)
    return Image(path, chip, words, hashlib.sha256(content).hexdigest(), len(content), files[1], files[2])


def for_board(image: Image, board: str) -> Image:
    """The image, if it is one for this board type. Raises ImageError."""
    if image.chip != BOARDS[board][0]:
        raise ImageError(f"{image.path}: expected an image for the {BOARDS[board][0]} of {board}, got one for {image.chip}")
    return image


def default_catalogue() -> Path:
    """Where the catalogue of this user lies."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(base) / "keng" / "images.toml"


def load(path: Path) -> Catalogue:
    """The catalogue in a file; empty if there is none. Raises tomlfile.FileMistakes, OSError."""
    return tomlfile.load(path, Catalogue) if path.exists() else Catalogue()


def add(catalogue: Path, source: Path, board: str, url: str = "") -> Entry:
    """Take an image into the catalogue and copy it beside it. Raises ImageError, FileMistakes, OSError."""
    image = for_board(read(source), board)
    entry = Entry.model_validate(
        {
            "board": board,
            "version": image.version,
            "file": f"{BOARDS[board][1]}-v{image.version}.bin",
            "sha256": image.sha256,
            "url": url or None,
        }
    )
    before = load(catalogue)
    catalogue.parent.mkdir(parents=True, exist_ok=True)
    target = catalogue.parent / entry.file
    if not target.exists() or target.read_bytes() != source.read_bytes():
        _write(target, source.read_bytes())
    others = [old for old in before.image if (old.board, old.version) != (board, image.version)]
    _write(catalogue, _text([*others, entry]).encode())
    return entry


def stored(catalogue: Path, entry: Entry) -> Image:
    """A known image, fetched if it is not there. Raises ImageError if it is another than the catalogue says or cannot be had."""
    path = catalogue.parent / entry.file
    if not path.exists():
        if entry.url is None:
            raise ImageError(f"{path}: expected the image of {entry.board} {entry.version}, got no file and no url in {catalogue}")
        content = _fetched(str(entry.url))
        _check(content, entry, str(entry.url))
        _write(path, content)
    _check(path.read_bytes(), entry, str(path))
    return read(path)


def _fetched(url: str) -> bytes:
    try:
        with urlopen(url, timeout=FETCH_S) as answer:  # noqa: S310  # http and https alone: see Entry
            until, content = time.monotonic() + WHOLE_S, bytearray()
            while len(content) <= IMAGE_MAX and (part := answer.read1(PART)):
                content += part
                if time.monotonic() > until:
                    raise TimeoutError(f"no end within {WHOLE_S} s")
    except (URLError, OSError) as exc:
        raise ImageError(f"{url}: expected the image, got: {getattr(exc, 'reason', exc)}; without a network use --firmware FILE") from None
    return bytes(content)


def _check(content: bytes, entry: Entry, where: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise ImageError(f"{where}: expected SHA-256 {entry.sha256[:16]}..., got {found[:16]}...: damaged, or another file")


def _partitions(table: bytes) -> list[tuple[str, int, int]]:
    """(label, offset, size) of each entry."""
    found = []
    for place in range(0, len(table) - ENTRY.size + 1, ENTRY.size):
        magic, _, _, offset, size, label, _ = ENTRY.unpack_from(table, place)
        if magic != b"\xaa\x50":
            break
        found.append((label.rstrip(b"\0").decode(errors="replace"), offset, size))
    return found


def _text(entries: list[Entry]) -> str:
    blocks = []
    for entry in entries:
        lines = [f'{name} = "{value}"' for name, value in entry.model_dump(mode="json").items() if value is not None]
        blocks.append("\n".join(["[[image]]", *lines, ""]))
    return "\n".join(blocks)


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)
