"""Whose turn on the processor it is."""

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway import priority
from gateway.store.store import open_store

AUTOGROUP = Path("/proc/self/autogroup")
STEP_BACK = "import os; from gateway import priority; priority.step_back(7); print(os.nice(0)); print(open('/proc/self/autogroup').read())"
NO_AUTOGROUP = "import os; from gateway import priority; priority.step_back(7); print(os.nice(0)); print()"


def stepped_back(*, alone: bool) -> tuple[int, str]:
    """Niceness, and that of its session, of a process that steps back."""
    words = [sys.executable, "-c", STEP_BACK if AUTOGROUP.exists() else NO_AUTOGROUP]
    told = subprocess.run(words, capture_output=True, text=True, check=True, start_new_session=alone).stdout.splitlines()
    return int(told[0]), told[1]


def test_who_steps_back_does_so_with_all_of_a_session_of_its_own_and_never_with_somebody_elses():
    before = AUTOGROUP.read_text().strip() if AUTOGROUP.exists() else ""
    niceness, autogroup = stepped_back(alone=True)
    assert niceness == min(19, os.nice(0) + 7)
    assert not before or autogroup.endswith("nice 7")
    niceness, autogroup = stepped_back(alone=False)
    assert niceness == min(19, os.nice(0) + 7)
    assert autogroup == before


STEP_FORWARD = """
import os, resource, subprocess, sys, threading
from gateway import priority
if sys.argv[1] == "may not":
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    if os.geteuid() == 0:
        os.setuid(65534)
print(priority.step_forward())
policies = [os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK]
thread = threading.Thread(target=lambda: policies.append(os.sched_getscheduler(0)))
thread.start()
thread.join()
print(policies)
sys.stdout.flush()
subprocess.run(["/bin/sh", "-c", "cut -d ' ' -f 41 /proc/$$/stat"], check=True)  # proc(5): the policy
"""


def stepped_forward(who: str) -> list[str]:
    """Whether it may; the policies of the thread, of one that it starts, of a program."""
    return subprocess.run([sys.executable, "-c", STEP_FORWARD, who], capture_output=True, text=True, check=True).stdout.splitlines()


def may() -> bool:
    """Whether this machine lets us go first."""
    with ThreadPoolExecutor(1) as another:
        return another.submit(priority.step_forward).result()


@pytest.mark.skipif(not may(), reason="needs root, or a limit of real-time priority")
def test_who_may_goes_first_alone_and_what_it_starts_is_ordinary():
    assert stepped_forward("may") == ["True", f"[{os.SCHED_RR}, {os.SCHED_OTHER}]", f"{os.SCHED_OTHER}"]


def test_who_may_not_works_all_the_same():
    assert stepped_forward("may not") == ["False", f"[{os.SCHED_OTHER}, {os.SCHED_OTHER}]", f"{os.SCHED_OTHER}"]


def test_what_writes_to_the_disk_goes_first_where_it_may(tmp_path: Path):
    async def policy() -> int:
        async with open_store(tmp_path / "keng.db") as store:
            return await store.write(lambda _db: os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK)

    assert asyncio.run(policy()) == (os.SCHED_RR if may() else os.SCHED_OTHER)
