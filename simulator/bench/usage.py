"""What the kernel knows of a process: time, memory, bytes written (Linux, proc(5)). All raise OSError once it is gone."""

import os
from pathlib import Path
from typing import NamedTuple


class Use(NamedTuple):
    """Since the start of a process: CPU seconds of all its threads; bytes given to write(), files and logs but no sockets; bytes of
    pages that it made dirty for a disk."""

    cpu_s: float
    wchar: int
    write_bytes: int


def use(pid: int) -> Use:
    """What it has used so far. The CPU time is counted in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return Use(ticks / os.sysconf("SC_CLK_TCK"), int(io["wchar"]), int(io["write_bytes"]))


def memory_mib(pid: int) -> float:
    """Resident memory, shared libraries included."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024
