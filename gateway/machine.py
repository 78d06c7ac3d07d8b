"""What the machine says of itself: disk, temperature, clock, broker, supply. Each reader gives None for what is not to be had here.

All of them read small files of the kernel, or ask one program with a time-out; none raises for what it does not find. `root` is the root of
the file system, another one in tests.
"""

import ctypes
import os
import subprocess
from pathlib import Path

from gateway.domain.health import Power

ROOT = Path("/")
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
TIMEX_BYTES = 512  # struct timex takes 208 of them on 64-bit machines, fewer elsewhere
ASK_S = 5.0


def disk(path: Path) -> tuple[int | None, int | None, bool | None]:
    """Of the disk that holds `path`: free bytes, all bytes, whether it can only be read."""
    try:
        found = os.statvfs(path)
    except OSError:
        return None, None, None
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize, bool(found.f_flag & os.ST_RDONLY)


def disk_errors(path: Path, root: Path = ROOT) -> int | None:
    """Errors that ext4 has counted on the disk that holds `path`; they stay until somebody repairs it."""
    try:
        device = path.stat().st_dev
        name = (root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    except OSError:
        return None
    return _number(root / "sys/fs/ext4" / name / "errors_count")


def temperature_c(root: Path = ROOT) -> float | None:
    """The hottest of the machine's sensors."""
    found = [_number(path) for path in root.glob("sys/class/thermal/thermal_zone*/temp")]
    known = [value for value in found if value is not None]
    return max(known) / 1000 if known else None


def synchronised() -> bool | None:
    """Whether something keeps the machine's clock right (NTP, GPS)."""
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR


def has_rtc(root: Path = ROOT) -> bool | None:
    """Whether the machine has a clock that runs without power."""
    folder = root / "sys/class"
    return any((folder / "rtc").glob("rtc*")) if folder.is_dir() else None


def mosquitto_bytes(root: Path = ROOT) -> int | None:
    """Memory of the greatest mosquitto on this machine."""
    found = []
    for name in root.glob("proc/[0-9]*/comm"):
        try:
            if name.read_text(encoding="ascii").strip() == "mosquitto":
                found.append(int(name.with_name("statm").read_text(encoding="ascii").split()[1]))
        except (OSError, ValueError):
            continue  # it has just ended
    return max(found) * os.sysconf("SC_PAGE_SIZE") if found else None


def power(source: str, root: Path = ROOT) -> Power | None:
    """What the supply says: of the kernel ("kernel"), or of NUT's upsc ("nut:<name>"); None for no source."""
    if source == "kernel":
        return _kernel_power(root)
    return _nut_power(source.removeprefix("nut:")) if source.startswith("nut:") else None


def _kernel_power(root: Path) -> Power:
    """linux/Documentation/ABI/testing/sysfs-class-power."""
    mains, charges = [], []
    for supply in root.glob("sys/class/power_supply/*"):
        if _text(supply / "type") in ("Mains", "USB", "UPS") and (online := _number(supply / "online")) is not None:
            mains.append(online > 0)
        if _text(supply / "type") in ("Battery", "UPS") and (charge := _number(supply / "capacity")) is not None:
            charges.append(charge)
    return Power(any(mains) if mains else None, min(charges) if charges else None)


def _nut_power(name: str) -> Power:
    """ups.status begins with OL (on line) or OB (on battery), networkupstools.org, developer guide, 4.1."""
    try:
        done = subprocess.run(["upsc", name], capture_output=True, encoding="utf-8", errors="replace", timeout=ASK_S, check=True)  # noqa: S607
    except (OSError, subprocess.SubprocessError):
        return Power()
    said = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    status, charge = said.get("ups.status", "").split(), said.get("battery.charge", "")
    on_mains = True if "OL" in status else False if "OB" in status else None
    return Power(on_mains, int(float(charge)) if charge.replace(".", "", 1).isdigit() else None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> int | None:
    try:
        return int(_text(path))
    except ValueError:
        return None
