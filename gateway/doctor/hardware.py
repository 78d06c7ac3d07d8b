"""What only a doctor asks the machine: how worn its disk is, and how a Raspberry Pi's supply does. None for what is not to be had here."""

import os
from pathlib import Path

ROOT = Path("/")


def wear(path: Path, root: Path = ROOT) -> tuple[int | None, int | None]:
    """Of the eMMC that holds `path`: tenths of its life that are used (1 to 11), and its spare blocks (1 normal, 2 warning, 3 urgent).

    JEDEC JESD84-B51, 7.4.95 and 7.4.96, as linux/Documentation/driver-api/mmc shows them.
    """
    try:
        device = path.stat().st_dev
        folder = (root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve()
    except OSError:
        return None, None
    disk = folder if (folder / "device").is_dir() else folder.parent  # a partition lies in its disk's folder
    lives = [_hex(word) for word in _text(disk / "device/life_time").split()]
    known = [life for life in lives if life]
    return (max(known) if known else None), _hex(_text(disk / "device/pre_eol_info")) or None


def throttled(root: Path = ROOT) -> int | None:
    """The bits of a Raspberry Pi's firmware: see findings.UNDER_VOLTAGE."""
    return _hex(_text(root / "sys/devices/platform/soc/soc:firmware/get_throttled"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _hex(word: str) -> int | None:
    try:
        return int(word, 16)
    except ValueError:
        return None
