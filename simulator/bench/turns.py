"""Whose turn on the processor it is, where one machine plays many.

The engine and the broker go before all else where they are allowed to (docs/install.md). The bench's boards would be other machines: they
hear a bell when it is rung, and not when this machine comes to it. So they are as quick as the engine while they press and listen, and its
floor is too.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

LOWEST = 1  # of the real-time priorities, sched(7): the engine's


def at_once() -> None:
    """The calling thread, and those that it starts, go before all ordinary programs, if that is allowed."""
    _step_forward(os.SCHED_RR)


@contextmanager
def boards_at_once() -> Iterator[bool]:
    """The calling thread alone does, while `with` lasts. Gives False if it is not allowed to."""
    before, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    allowed = _step_forward(os.SCHED_RR | os.SCHED_RESET_ON_FORK)
    try:
        yield allowed
    finally:
        # Who is not root may not take the flag off again (sched(7)); it does nothing to an ordinary thread.
        os.sched_setscheduler(0, before | os.SCHED_RESET_ON_FORK, parameters)


def allowed() -> bool:
    """Whether this machine lets us, and with us the engine and the broker that we start, go before all ordinary programs."""
    with boards_at_once() as found:
        return found


def _step_forward(policy: int) -> bool:
    try:
        os.sched_setscheduler(0, policy, os.sched_param(LOWEST))
    except OSError:
        return False
    return True
