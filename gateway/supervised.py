"""A part of `keng up`: python -m gateway.supervised PID engine --site ... runs `keng engine --site ...` and dies with the process PID.

Linux only: the kernel kills it even when the supervisor was killed itself and could tell nobody. mosquitto inherits that by exec.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends. Ends it now if the parent is no longer that process."""
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    die_with(int(sys.argv.pop(1)))
    runpy.run_module("keng", run_name="__main__", alter_sys=True)
