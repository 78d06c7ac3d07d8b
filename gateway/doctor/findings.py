"""What a doctor says of what was measured. Pure: times come in, nothing is read here.

What cannot be measured is `unknown`, and never in order.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from gateway.doctor.turns import Running
from gateway.domain.health import CERTIFICATE_EARLY

MB = 1_000_000
BACKUP_AGE = timedelta(days=2)  # one night may be missed
NAMED = 8  # boards in a line
HOT_C, TOO_HOT_C = 70.0, 80.0  # a Raspberry Pi slows down at 80 °C (raspberrypi.com, documentation, frequency management)
FREE_MB, FREE_LEAST_MB = 1000, 300
MOSQUITTO = (2, 0, 11)
# eMMC, JEDEC JESD84-B51, 7.4.95 and 7.4.96: wear in tenths of its life, 0x0B beyond it; and how many spare blocks are used up.
WORN, WORN_OUT = 8, 11
SPARES = {1: "ok", 2: "warn", 3: "wrong"}
# vcgencmd get_throttled (raspberrypi.com, documentation, os): bits 0 and 16 under-voltage now and since the start, 2 and 18 throttled.
UNDER_VOLTAGE, THROTTLED = 1 << 0 | 1 << 16, 1 << 2 | 1 << 18

# Threads that must go first, gateway/priority.py: of the engine its loop and the one that writes to the disk.
FIRST = {"broker": 1, "engine": 2}

State = Literal["ok", "warn", "wrong", "unknown"]


class Finding(NamedTuple):
    """What was looked at, how it is, in words, and what to do ("" if nothing)."""

    what: str
    state: State
    words: str
    remedy: str = ""


def mosquitto(version: tuple[int, ...] | None) -> Finding:
    """`version` None: not installed."""
    if version is None:
        return Finding("mosquitto", "wrong", "not installed", "sudo apt install mosquitto")
    words = ".".join(map(str, version))
    if version < MOSQUITTO:
        return Finding("mosquitto", "wrong", f"version {words}, expected 2.0.11 or newer", "sudo apt upgrade mosquitto")
    return Finding("mosquitto", "ok", f"version {words}")


def disk(free: int | None, *, readonly: bool | None, errors: int | None) -> Finding:
    """Bytes that are free; `errors` counted by ext4."""
    if free is None or readonly is None:
        return Finding("disk", "unknown", "cannot be measured", "is the folder of --data there?")
    words = f"{free // MB} MB free" + (f", {errors} errors" if errors else "")
    if readonly:
        return Finding(
            "disk", "wrong", f"{words}, mounted read-only", "dmesg says why; a card that fails is replaced: keng backup, keng restore"
        )
    if errors:
        return Finding("disk", "wrong", words, "copy: keng backup; then replace the disk, or repair it with fsck while nothing runs")
    if free < FREE_MB * MB:
        return Finding(
            "disk", "wrong" if free < FREE_LEAST_MB * MB else "warn", words, "sudo journalctl --vacuum-size=100M; shorter retention"
        )
    return Finding("disk", "ok", words)


def wear(life: int | None, spares: int | None) -> Finding:
    """`life`: tenths of the device's life that are used, 1 to 11; `spares`: 1 normal, 2 warning, 3 urgent. None: it does not say."""
    if life is None and spares is None:
        return Finding("disk wear", "unknown", "this disk does not say (no SD card does)", "copy often; replace a card every two years")
    words = f"{min(life, 10) * 10} % of its life used" if life else "spare blocks " + SPARES.get(spares or 1, "?")
    worst = "wrong" if (life or 0) >= WORN_OUT or spares == 3 else "warn" if (life or 0) >= WORN or spares == 2 else "ok"
    return Finding("disk wear", worst, words, "" if worst == "ok" else "replace it: keng backup, keng install, keng restore")  # type: ignore[arg-type]


def clock(*, synchronised: bool | None, has_rtc: bool | None) -> Finding:
    """NTP or GPS, and a clock that runs without power."""
    if synchronised is None or has_rtc is None:
        return Finding("clock", "unknown", "cannot be measured")
    if not synchronised and not has_rtc:
        remedy = "a clock module (DS3231, dtoverlay=i2c-rtc,ds3231) for 2 euros, or NTP: sudo timedatectl set-ntp true"
        return Finding("clock", "wrong", "not synchronised, and no clock that runs without power", remedy)
    if not synchronised:
        return Finding("clock", "warn", "not synchronised", "sudo timedatectl set-ntp true; is there a way to an NTP server?")
    if not has_rtc:
        return Finding("clock", "warn", "synchronised, but none that runs without power", "a clock module: dtoverlay=i2c-rtc,ds3231")
    return Finding("clock", "ok", "synchronised, and one that runs without power")


def heat(celsius: float | None, throttled: int | None) -> list[Finding]:
    """The hottest sensor, and the firmware's word for a Raspberry Pi's supply, None elsewhere."""
    if celsius is None:
        found = [Finding("temperature", "unknown", "no sensor")]
    else:
        state: State = "wrong" if celsius >= TOO_HOT_C else "warn" if celsius >= HOT_C else "ok"
        found = [Finding("temperature", state, f"{celsius:.0f} °C", "" if state == "ok" else "air, shade, or a heat sink")]
    if throttled is not None and throttled & UNDER_VOLTAGE:
        found.append(Finding("supply", "wrong", "under-voltage since the start", "a supply of 5.1 V and 3 A, and a short cable"))
    elif throttled is not None:
        state = "warn" if throttled & THROTTLED else "ok"
        found.append(Finding("supply", state, "slowed down since the start" if state == "warn" else "no under-voltage since the start"))
    return found


def backups(newest: datetime | None, *, same_disk: bool, now: datetime) -> Finding:
    """`newest`: time of the newest backup, None if there is none."""
    if newest is None:
        return Finding("backup", "wrong", "none", "sudo systemctl start keng-backup.service; journalctl -u keng-backup")
    age = now - newest
    words = f"the newest of {newest:%d/%m/%Y %H:%M}"
    if age > BACKUP_AGE or age < -BACKUP_AGE:
        return Finding("backup", "wrong", words, "journalctl -u keng-backup; is keng-backup.timer enabled?")
    if same_disk:
        return Finding("backup", "warn", f"{words}, on the disk of the database", "mount another disk there, such as a USB stick")
    return Finding("backup", "ok", f"{words}, on another disk")


def certificate(what: str, until: datetime, *, now: datetime, remedy: str) -> Finding:
    """A certificate's last day."""
    state: State = "wrong" if until <= now else "warn" if until - now < CERTIFICATE_EARLY else "ok"
    return Finding(what, state, f"good until {until:%d/%m/%Y}", "" if state == "ok" else remedy)


def boards(ends: Mapping[str, datetime], *, now: datetime) -> Finding:
    """Board -> its certificate's last day. At least one."""
    soon = sorted(device for device, until in ends.items() if until - now < CERTIFICATE_EARLY)
    named = ", ".join(soon[:NAMED]) + (f" and {len(soon) - NAMED} more" if len(soon) > NAMED else "")
    return certificate("boards' certificates", min(ends.values()), now=now, remedy=f"keng device flash, for {named}")


def private(what: str, mode: int | None) -> Finding | None:
    """A file of secrets: nobody but its owner may read it. None if it is not there."""
    if mode is None:
        return None
    if mode & 0o077:
        return Finding(what, "wrong", f"mode {mode & 0o777:o}: others can read it", f"chmod 600 {what}; then change what was in it")
    return Finding(what, "ok", "read by its owner alone")


def service(name: str, shown: dict[str, str]) -> Finding:
    """`shown`: ActiveState, UnitFileState and NRestarts, as systemctl show says them."""
    active, enabled, restarts = shown.get("ActiveState", ""), shown.get("UnitFileState", ""), shown.get("NRestarts", "0")
    if shown.get("LoadState") == "not-found":
        return Finding(name, "wrong", "not installed", "sudo keng install")
    if active != "active":
        return Finding(name, "wrong", active or "unknown", f"journalctl -u {name}; sudo systemctl start {name}")
    if enabled not in ("enabled", "static"):
        return Finding(name, "wrong", f"runs, but is {enabled}: it does not start with the machine", f"sudo systemctl enable {name}")
    if restarts.isdecimal() and int(restarts) > 0:
        return Finding(name, "warn", f"runs, started again {restarts} times", f"journalctl -u {name} -p warning")
    return Finding(name, "ok", "runs")


def turn(part: str, found: Running | None) -> Finding:
    """Whether the broker or the engine goes before ordinary programs, as it must to be served at once. None: it was not found."""
    what = f"{part}'s priority"
    if found is None:
        return Finding(what, "unknown", "it does not run, or cannot be looked at", "sudo keng doctor, while it runs")
    if found.first >= FIRST[part]:
        return Finding(what, "ok", "real-time: an alarm waits for no other program")
    words = "not real-time: an alarm may wait some milliseconds at each step while other programs compute"
    if found.limit == 0 and found.is_service:
        remedy = f"its unit lacks LimitRTPRIO=1: sudo keng install; see systemctl cat keng-{part} for a file that takes it back"
    elif found.limit == 0:
        remedy = "sudo keng install; or a line in /etc/security/limits.conf: <user> - rtprio 1, then log in anew and start keng up again"
    elif found.is_service:
        remedy = (
            f"refused, though its limit allows it: is RestrictRealtime= or SystemCallFilter= set after ours (systemctl cat keng-{part}; "
            "sudo keng install writes ours anew)? Or has its cgroup no real-time (CONFIG_RT_GROUP_SCHED)?"
        )
    else:
        remedy = "refused, though its limit allows it: by a sandbox, or by a cgroup without real-time (CONFIG_RT_GROUP_SCHED)"
    return Finding(what, "warn", words, remedy)


def hardware_watchdog(period_usec: str) -> Finding:
    """RuntimeWatchdogUSec of systemd; "" if it says nothing, 0 or "infinity" if it is off."""
    if not period_usec:
        return Finding("watchdog", "unknown", "systemd does not say")
    if period_usec in ("0", "infinity"):
        return Finding("watchdog", "warn", "the machine's own is off", "RuntimeWatchdogSec=15 in /etc/systemd/system.conf, then restart")
    return Finding("watchdog", "ok", "the machine's own is on")
