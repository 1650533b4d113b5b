"""The priority of this process's threads, which an encoder changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["kept_priority"]


@contextmanager
def kept_priority() -> Iterator[None]:
    """Undo what SVT-AV1 does where root opens it, as in containers and on servers.

    It gives its threads, and the one that opens it, real-time priority over everything else on the machine; what they
    start later inherits it. A few such processes stop a machine.
    """
    if not hasattr(os, "sched_getscheduler") or not os.path.isdir("/proc/self/task"):  # not Linux
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)  # of this thread
    try:
        yield
    finally:
        if before[0] != os.SCHED_FIFO:
            for thread in map(int, os.listdir("/proc/self/task")):
                with suppress(OSError):  # it has ended
                    if os.sched_getscheduler(thread) == os.SCHED_FIFO:
                        os.sched_setscheduler(thread, *before)
