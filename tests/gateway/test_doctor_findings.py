"""What the doctor says of what was measured."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.doctor import findings, hardware, turns
from gateway.doctor.turns import Running

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("version", "state"), [(None, "wrong"), ((2, 0, 10), "wrong"), ((2, 0, 11), "ok"), ((2, 1, 0), "ok")])
def test_mosquitto_must_be_there_and_new_enough(version: tuple[int, ...] | None, state: str) -> None:
    assert findings.mosquitto(version).state == state


@pytest.mark.parametrize(
    ("free_mb", "readonly", "errors", "state"),
    [
        (20_000, False, 0, "ok"),
        (20_000, False, None, "ok"),
        (20_000, False, 2, "wrong"),
        (20_000, True, 0, "wrong"),
        (999, False, 0, "warn"),
        (299, False, 0, "wrong"),
        (None, None, None, "unknown"),
    ],
)
def test_disk(free_mb: int | None, readonly: bool | None, errors: int | None, state: str) -> None:
    free = None if free_mb is None else free_mb * findings.MB
    assert findings.disk(free, readonly=readonly, errors=errors).state == state


@pytest.mark.parametrize(
    ("life", "spares", "state"),
    [
        (None, None, "unknown"),
        (1, 1, "ok"),
        (8, 1, "warn"),
        (11, 1, "wrong"),
        (2, 2, "warn"),
        (2, 3, "wrong"),
        (None, 1, "ok"),
        (3, None, "ok"),
    ],
)
def test_wear_is_told_before_a_disk_dies(life: int | None, spares: int | None, state: str) -> None:
    assert findings.wear(life, spares).state == state


@pytest.mark.parametrize(
    ("synchronised", "has_rtc", "state"),
    [
        (True, True, "ok"),
        (True, False, "warn"),
        (False, True, "warn"),
        (False, False, "wrong"),
        (None, True, "unknown"),
        (True, None, "unknown"),
    ],
)
def test_clock(synchronised: bool | None, has_rtc: bool | None, state: str) -> None:
    assert findings.clock(synchronised=synchronised, has_rtc=has_rtc).state == state


def test_heat_and_supply() -> None:
    assert [found.state for found in findings.heat(None, None)] == ["unknown"]
    assert [found.state for found in findings.heat(50.0, 0)] == ["ok", "ok"]
    assert [found.state for found in findings.heat(72.0, 0x40000)] == ["warn", "warn"]
    assert [found.state for found in findings.heat(80.0, 0x50005)] == ["wrong", "wrong"]


@pytest.mark.parametrize(
    ("age_h", "same_disk", "state"),
    [(None, True, "wrong"), (20, False, "ok"), (20, True, "warn"), (49, False, "wrong"), (-72, True, "wrong")],
)
def test_backups_must_be_young_and_better_elsewhere(age_h: int | None, same_disk: bool, state: str) -> None:
    newest = None if age_h is None else NOW - timedelta(hours=age_h)
    assert findings.backups(newest, same_disk=same_disk, now=NOW).state == state


@pytest.mark.parametrize(("days", "state"), [(400, "ok"), (59, "warn"), (0, "wrong"), (-1, "wrong")])
def test_certificates_are_told_before_they_end(days: int, state: str) -> None:
    found = findings.certificate("broker's certificate", NOW + timedelta(days=days), now=NOW, remedy="renew")
    assert (found.state, found.remedy) == (state, "" if state == "ok" else "renew")


@pytest.mark.parametrize(("mode", "state"), [(0o100600, "ok"), (0o100640, "wrong"), (0o100604, "wrong")])
def test_secrets_are_read_by_their_owner_alone(mode: int, state: str) -> None:
    found = findings.private("accounts.json", mode)
    assert found is not None
    assert found.state == state


def test_secret_that_is_not_there_is_no_finding() -> None:
    assert findings.private("accounts.json", None) is None


@pytest.mark.parametrize(
    ("shown", "state", "words"),
    [
        ({"LoadState": "not-found", "ActiveState": "inactive"}, "wrong", "not installed"),
        ({"LoadState": "loaded", "ActiveState": "failed", "UnitFileState": "enabled"}, "wrong", "failed"),
        ({"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "disabled"}, "wrong", "does not start with the machine"),
        ({"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NRestarts": "3"}, "warn", "started again 3 times"),
        ({"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "NRestarts": "0"}, "ok", "runs"),
        ({}, "wrong", "unknown"),
    ],
)
def test_services(shown: dict[str, str], state: str, words: str) -> None:
    found = findings.service("keng-engine.service", shown)
    assert found.state == state
    assert words in found.words


@pytest.mark.parametrize(("period", "state"), [("", "unknown"), ("0", "warn"), ("infinity", "warn"), ("15s", "ok")])
def test_hardware_watchdog(period: str, state: str) -> None:
    assert findings.hardware_watchdog(period).state == state


def test_hardware_is_read_from_the_kernels_files(tmp_path: Path) -> None:
    assert hardware.throttled(tmp_path) is None
    assert hardware.wear(tmp_path, tmp_path) == (None, None)
    firmware = tmp_path / "sys/devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text("50005\n")
    assert hardware.throttled(tmp_path) == 0x50005
    (firmware / "get_throttled").write_text("rubbish\n")
    assert hardware.throttled(tmp_path) is None


def test_wear_of_a_partition_is_that_of_its_disk(tmp_path: Path) -> None:
    disk = tmp_path / "sys/devices/mmc0/block/mmcblk0"
    (disk / "device").mkdir(parents=True)
    (disk / "device/life_time").write_text("0x02 0x03\n")
    (disk / "device/pre_eol_info").write_text("0x01\n")
    (disk / "mmcblk0p2").mkdir()
    device = tmp_path.stat().st_dev
    links = tmp_path / "sys/dev/block"
    links.mkdir(parents=True)
    (links / f"{os.major(device)}:{os.minor(device)}").symlink_to(disk / "mmcblk0p2")
    assert hardware.wear(tmp_path, tmp_path) == (3, 1)


@pytest.mark.parametrize(("days", "state"), [(61, "ok"), (59, "warn"), (0, "wrong")])
def test_a_boards_certificate_that_ends_is_told_with_the_boards_name(days: int, state: str) -> None:
    ends = {"H03-02": NOW + timedelta(days=days), "H03-01": NOW + timedelta(days=days + 1), "H03-03": NOW + timedelta(days=7000)}
    found = findings.boards(ends, now=NOW)
    assert (found.state, found.words) == (state, f"good until {NOW + timedelta(days=days):%d/%m/%Y}")
    assert found.remedy == ("" if state == "ok" else f"keng device flash, for {'H03-01, ' if days < 60 and days + 1 < 60 else ''}H03-02")


def test_many_boards_are_counted() -> None:
    found = findings.boards({f"H{number:02d}": NOW for number in range(20)}, now=NOW)
    assert found.remedy == "keng device flash, for H00, H01, H02, H03, H04, H05, H06, H07 and 12 more"


def test_what_goes_first_is_in_order_and_else_the_remedy_is_that_of_its_cause() -> None:
    assert findings.turn("engine", Running(first=2, limit=0, is_service=False)).state == "ok", "root needs no limit"
    assert findings.turn("broker", Running(first=1, limit=1, is_service=True)).state == "ok"
    assert findings.turn("engine", None).state == "unknown"
    causes = {
        "its unit lacks LimitRTPRIO=1": Running(first=0, limit=0, is_service=True),
        "/etc/security/limits.conf": Running(first=0, limit=0, is_service=False),
        "RestrictRealtime= or SystemCallFilter= set after ours (systemctl cat keng-engine": Running(first=0, limit=1, is_service=True),
        "by a sandbox, or by a cgroup": Running(first=0, limit=1, is_service=False),
    }
    for remedy, running in causes.items():
        found = findings.turn("engine", running)
        assert (found.what, found.state) == ("engine's priority", "warn")
        assert "an alarm may wait" in found.words
        assert remedy in found.remedy
    assert findings.turn("engine", Running(first=1, limit=1, is_service=True)).state == "warn", "what writes to the disk does not"


def process(
    root: Path, pid: int, words: list[str], policies: list[int], *, limit: str = "1", cgroup: str = "/", cwd: Path = Path("/")
) -> None:
    """A process as /proc shows it."""
    folder = root / f"proc/{pid}"
    for number, policy in enumerate(policies):
        thread = folder / f"task/{pid + number}"
        thread.mkdir(parents=True)
        (thread / "stat").write_text(f"{pid + number} (a name) of 3) S {' '.join(['0'] * 37)} {policy} 0 0\n")
    (folder / "cmdline").write_bytes(b"".join(os.fsencode(word) + b"\0" for word in words))
    (folder / "cgroup").write_text(f"0::{cgroup}\n")
    (folder / "limits").write_text(
        f"Limit                     Soft Limit  Hard Limit  Units\nMax realtime priority     {limit:<11} {limit:<11}\n"
    )
    (folder / "cwd").symlink_to(cwd)


def test_broker_and_engine_of_this_folder_are_found_with_their_turns(tmp_path: Path) -> None:
    root, data = tmp_path / "root", tmp_path / "here/data"
    data.mkdir(parents=True)
    unit = "/system.slice/keng-engine.service"
    process(root, 10, ["/usr/sbin/mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"], [2])
    process(root, 11, ["/usr/sbin/mosquitto", "-c", f"{data}/broker/mosquitto.conf"], [os.SCHED_OTHER], limit="0")
    process(root, 12, ["keng", "engine", "--site", "s", "--data", "/another"], [2, 2])
    process(root, 20, ["keng", "engine", "--site", "s", "--data", "data"], [2, 0, 0, 2], cgroup=unit, cwd=tmp_path / "here")
    process(root, 30, ["keng", "console", "--site", "s", "--data", str(data)], [0])
    process(root, 31, [""], [0])
    assert turns.running(data, root) == {
        "broker": Running(first=0, limit=0, is_service=False),
        "engine": Running(first=2, limit=1, is_service=True),
    }
