"""Whose turn on the processor it is: what an alarm passes through goes before everything else, what people look at behind it.

Niceness alone does not do that. Since Linux 6.6 (EEVDF) a process that wakes up may wait until the one that runs has used its slice, which
the timer finds out every 4 ms, however little weight that one has; an alarm wakes somebody up a dozen times. Only a real-time policy is
served at once (sched(7)).
"""

import os
from contextlib import suppress
from pathlib import Path

LOWEST = 1  # of the real-time priorities: before all ordinary programs, behind those of the machine that have one


def step_forward() -> bool:
    """Let the calling thread go before all ordinary programs as soon as it has something to do. False where that is not allowed: it needs
    RLIMIT_RTPRIO (LimitRTPRIO= of its unit) or root.

    What the thread starts, threads and programs, is ordinary again: whatever an alarm does not pass through takes no turn from anybody.
    A program that it becomes (exec) keeps its place.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(LOWEST))
    except OSError:
        return False
    return True


def step_back(niceness: int) -> None:
    """Let others of this machine go first: 0 to 19, the more the later.

    Linux may share the processor between sessions before it looks at their processes (sched(7), The autogroup feature): a process that has
    a session to itself, as each part of `keng up` has, steps back with all of it.
    """
    with suppress(OSError):  # a sandbox may forbid even that
        os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness))
