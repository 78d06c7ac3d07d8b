"""What the kernel's files say, on a file system of the test's own."""

import os
from pathlib import Path

import pytest

from gateway import machine
from gateway.domain.health import Power


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_the_disk_of_this_machine(tmp_path):
    free, total, readonly = machine.disk(tmp_path)
    assert 0 < (free or 0) <= (total or 0)
    assert readonly is False


def test_a_disk_that_is_gone_is_unknown(tmp_path):
    assert machine.disk(tmp_path / "gone") == (None, None, None)
    assert machine.disk_errors(tmp_path / "gone", tmp_path) is None


def test_errors_are_those_of_the_disk_that_holds_the_path(tmp_path):
    device = tmp_path.stat().st_dev
    write(tmp_path, sys__fs__ext4__mmcblk0p2__errors_count="7")
    number = tmp_path / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    number.parent.mkdir(parents=True)
    (tmp_path / "devices/mmcblk0p2").mkdir(parents=True)
    number.symlink_to(tmp_path / "devices/mmcblk0p2")
    assert machine.disk_errors(tmp_path, tmp_path) == 7


def test_the_hottest_sensor_counts(tmp_path):
    zones = "sys__class__thermal__thermal_zone"
    write(tmp_path, **{f"{zones}0__temp": "48312", f"{zones}1__temp": "81000", f"{zones}2__temp": "nonsense"})
    assert machine.temperature_c(tmp_path) == 81.0
    assert machine.temperature_c(tmp_path / "none") is None


def test_whether_the_machine_has_a_clock_of_its_own(tmp_path):
    assert machine.has_rtc(tmp_path) is None
    (tmp_path / "sys/class/net").mkdir(parents=True)
    assert machine.has_rtc(tmp_path) is False
    (tmp_path / "sys/class/rtc/rtc0").mkdir(parents=True)
    assert machine.has_rtc(tmp_path) is True


def test_whether_the_clock_is_kept_right_is_known_or_not():
    assert machine.synchronised() in (True, False, None)


def test_the_brokers_memory_is_the_greatest_mosquittos(tmp_path):
    write(tmp_path, proc__12__comm="mosquitto", proc__12__statm="900 300 100 1 0 50 0", proc__13__comm="bash", proc__13__statm="9 9999 1")
    assert machine.mosquitto_bytes(tmp_path) == 300 * os.sysconf("SC_PAGE_SIZE")
    assert machine.mosquitto_bytes(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, Power()),
        ({"AC__type": "Mains", "AC__online": "1", "BAT0__type": "Battery", "BAT0__capacity": "77"}, Power(True, 77)),
        ({"AC__type": "Mains", "AC__online": "0"}, Power(False)),
        ({"hat__type": "UPS", "hat__online": "0", "hat__capacity": "12"}, Power(False, 12)),
        ({"BAT0__type": "Battery", "BAT0__capacity": "?"}, Power()),
    ],
)
def test_the_supply_as_the_kernel_shows_it(tmp_path, files, expected):
    write(tmp_path, **{f"sys__class__power_supply__{name}": text for name, text in files.items()})
    assert machine.power("kernel", tmp_path) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("battery.charge: 93\nups.status: OL CHRG", Power(True, 93)),
        ("battery.charge: 41.5\nups.status: OB DISCHRG", Power(False, 41)),
        ("ups.status: OFF", Power()),
        ("rubbish", Power()),
    ],
)
def test_the_supply_as_nut_shows_it(tmp_path, monkeypatch, said, expected):
    program = tmp_path / "upsc"
    program.write_text(f"#!/bin/sh\n[ \"$1\" = ups@localhost ] || exit 1\nprintf '%s\\n' '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert machine.power("nut:ups@localhost") == expected
    assert machine.power("nut:another") == Power()


def test_without_a_source_there_is_no_supply_to_ask():
    assert machine.power("") is None
