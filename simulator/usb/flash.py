"""A board's flash: a file that behaves as NOR flash does, and the partitions in it."""

import os
import struct
from pathlib import Path
from typing import NamedTuple, Self

SECTOR = 4096
TABLE = 0x8000  # of the partitions (ESP-IDF, "Partition Tables")
TABLE_SIZE = 0xC00
ENTRY = struct.Struct("<2sBBII16sI")
APP = 0


class Partition(NamedTuple):
    """One entry of the partition table."""

    kind: int
    label: str
    offset: int
    size: int


class NorFlash:
    """`size` bytes in the file `path`, blank if it is new."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        self.size = size
        if not path.exists() or path.stat().st_size != size:
            path.write_bytes(b"\xff" * size)
        self._file = os.open(path, os.O_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def read(self, address: int, count: int) -> bytes:
        """`count` bytes from `address`."""
        return os.pread(self._file, count, address)

    def write(self, address: int, data: bytes) -> None:
        """Program: bits only go from 1 to 0."""
        old = self.read(address, len(data))
        if old.count(0xFF) != len(data):
            data = (int.from_bytes(old) & int.from_bytes(data)).to_bytes(len(data))
        os.pwrite(self._file, data, address)

    def erase(self, address: int, count: int) -> None:
        """Set whole sectors to 1."""
        start, end = address // SECTOR * SECTOR, min(-(-(address + count) // SECTOR) * SECTOR, self.size)
        os.pwrite(self._file, b"\xff" * (end - start), start)

    def partitions(self) -> list[Partition]:
        """What the table says, as far as it can be read."""
        table, found = self.read(TABLE, TABLE_SIZE), []
        for place in range(0, TABLE_SIZE, ENTRY.size):
            magic, kind, _, offset, size, label, _ = ENTRY.unpack_from(table, place)
            if magic != b"\xaa\x50":
                break
            found.append(Partition(kind, label.rstrip(b"\0").decode(errors="replace"), offset, size))
        return found
