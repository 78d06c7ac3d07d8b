"""What a command does for the machine it runs on."""

import os
import subprocess
import sys
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
STEP_BACK = "import os; from gateway import startup; startup.step_back(7); print(os.nice(0)); print(open('/proc/self/autogroup').read())"
NO_AUTOGROUP = "import os; from gateway import startup; startup.step_back(7); print(os.nice(0)); print()"


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
