"""What the engine does with its memory once it has started."""

import json
import subprocess
import sys

FREED = """
import gc, json
from gateway import memory

def resident_mib():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) / 1024

used = [bytes(1000) for _ in range(50_000)]
last = bytes(1000)  # lies above them: the C library cannot give back what is below by itself
used.clear()
before = resident_mib()
memory.settle()
print(json.dumps([before - resident_mib(), gc.get_freeze_count()]))
"""


def test_what_a_start_has_used_is_given_back_and_what_lives_is_not_walked_over():
    told = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout
    given_back_mib, frozen = json.loads(told)
    assert given_back_mib > 20
    assert frozen > 1000
