"""The bench's own instruments against a real broker: a floor that forwards, clients that hear it, numbers of the kernel."""

import asyncio
import json
import os
import shutil
import tomllib
from pathlib import Path

import pytest

from simulator.bench import communes, disk, turns, usage
from simulator.bench.loads import alarms, full_speed, reports
from simulator.bench.rig import Rig

needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None, reason="no mosquitto on this machine"
)


@needs_mosquitto
def test_floor_rings_receipts_posts_and_counts(tmp_path: Path) -> None:
    async def measure() -> None:
        async with Rig(tmp_path, boards=2 * communes.GROUP_SIZE) as rig, rig.fleet(range(2 * communes.GROUP_SIZE)) as fleet:
            await rig.online(rig.floor())
            timing = await alarms(rig, fleet, groups=2, enough=lambda timing: len(timing.bells_ms) == 3, resolve=False)
            assert [len(times) for times in timing] == [3, 3, 3]
            assert all(0 < time < 5000 for times in timing for time in times)
            # The floor stores nothing, so it forwards a repeat again: a board repeats after a second without a receipt.
            assert len({json.loads(post.body)["id"] for post in rig.webhook.posts}) == 3
            taken = await full_speed(fleet, 0.2, lambda: rig.desk.handled)
            assert rig.desk.handled == taken.sent > 0

    asyncio.run(measure())


@needs_mosquitto
def test_reports_come_at_the_rate_that_was_asked_for(tmp_path: Path) -> None:
    async def measure() -> None:
        async with Rig(tmp_path, boards=3) as rig, rig.fleet(range(3)) as fleet:
            await rig.online(rig.floor())
            async with reports(fleet, 400) as flow:
                assert await rig.watch.until(lambda: rig.desk.handled >= 100, 5)
            assert flow.sent >= 100

    asyncio.run(measure())


def test_a_written_commune_has_its_boards_in_groups_of_twelve(tmp_path: Path) -> None:
    communes.write(tmp_path / "site.toml", 25)
    site = tomllib.loads((tmp_path / "site.toml").read_text())
    assert len(site["boards"]) == 25
    assert [group["id"] for group in site["groups"]] == ["TLG-000", "TLG-001", "TLG-002"]
    assert [home["group"] for home in site["homes"]].count("TLG-001") == 12


def test_use_grows_with_what_a_process_writes(tmp_path: Path) -> None:
    before = usage.use(os.getpid())
    (tmp_path / "file").write_bytes(bytes(100_000))
    after = usage.use(os.getpid())
    assert after.wchar - before.wchar >= 100_000
    assert after.cpu_s >= before.cpu_s
    assert usage.memory_mib(os.getpid()) > 1


def test_disk_floor_times_every_commit(tmp_path: Path) -> None:
    assert len(disk.commit_ms(tmp_path)) == disk.LONE
    assert disk.rows_per_s(tmp_path) > 0


def test_boards_go_first_while_they_press_and_no_longer() -> None:
    before = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
    with turns.boards_at_once() as allowed:
        assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == (os.SCHED_RR if allowed else before)
    assert os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK == before
    assert turns.allowed() == allowed
