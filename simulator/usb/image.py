"""A stand-in for a MicroPython firmware image: bootloader, partition table and application in the real formats, with filler for code."""

import hashlib
import random
import struct
from pathlib import Path

from simulator.usb.chips import CHIPS, Chip
from simulator.usb.flash import ENTRY, TABLE, TABLE_SIZE

# As MicroPython's ESP32_GENERIC for 4 MiB has them: (label, type, subtype, offset, size).
PARTITIONS = (
    ("nvs", 1, 2, 0x9000, 0x6000),
    ("phy_init", 1, 1, 0xF000, 0x1000),
    ("factory", 0, 0, 0x10000, 0x1F0000),
    ("vfs", 1, 0x81, 0x200000, 0x200000),
)
DESCRIPTION = 0xABCD5432  # esp_app_desc_t, ESP-IDF "App Image Format"


def make(target: Path, *, chip: str = "esp32", version: str = "v1.29.0", app_kb: int = 400) -> None:
    """Write an image as it is downloaded. The same arguments give the same bytes. Raises OSError."""
    kind, filler = CHIPS[chip], random.Random(version)
    banner = f"MicroPython {version} on 2026-08-01\0".encode()
    text = struct.pack(
        "<IIII32s32s16s16s32s32s", DESCRIPTION, 0, 0, 0, version.encode(), b"micropython", b"12:00:00", b"Aug 01 2026", b"v5.5.1", bytes(32)
    )
    code = b"".join(filler.randbytes(700) + bytes(324) for _ in range(app_kb))  # compresses about as code does
    third = len(code) // 3
    parts = {
        kind.boot: _image(kind, [(0x3FFF0030, filler.randbytes(4096)), (0x40078000, filler.randbytes(16384))]),
        TABLE: _table(),
        0x10000: _image(
            kind,
            [
                (0x3F400020, text.ljust(256, b"\0") + banner + code[:third]),
                (0x40080000, code[third : 2 * third]),
                (0x400D0020, code[2 * third :]),
            ],
        ),
    }
    image = bytearray()
    for offset, content in parts.items():
        image += b"\xff" * (offset - kind.boot - len(image)) + content
    target.write_bytes(image)


def _table() -> bytes:
    entries = b"".join(ENTRY.pack(b"\xaa\x50", kind, sub, offset, size, label.encode(), 0) for label, kind, sub, offset, size in PARTITIONS)
    digest = hashlib.md5(entries, usedforsecurity=False).digest()
    return (entries + b"\xeb\xeb" + b"\xff" * 14 + digest).ljust(TABLE_SIZE, b"\xff")


def _image(chip: Chip, segments: list[tuple[int, bytes]]) -> bytes:
    """ESP-IDF, "App Image Format": header, segments, checksum, SHA-256."""
    found = struct.pack("<BBBBI", 0xE9, len(segments), 2, 0x20, 0x40080000)
    found += struct.pack("<B3sHBHH4sB", 0xEE, bytes(3), chip.image_id, 0, 0, 0xFFFF, bytes(4), 1)
    checksum = 0xEF
    for address, content in segments:
        padded = content + bytes(-len(content) % 4)
        found += struct.pack("<II", address, len(padded)) + padded
        for byte in padded:
            checksum ^= byte
    found += bytes(15 - len(found) % 16) + bytes([checksum])
    return found + hashlib.sha256(found).digest()
