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
    start later inherits it. A few such processes stop a machine. Threads that had it before keep it.
    """
    if not hasattr(os, "sched_getscheduler") or not os.path.isdir("/proc/self/task"):  # not Linux
        yield
        return
    own = os.sched_getscheduler(0), os.sched_getparam(0)  # of this thread
    before = _real_time_threads()
    try:
        yield
    finally:
        for thread in _real_time_threads() - before:
            with suppress(OSError):  # it has ended
                os.sched_setscheduler(thread, *own)


def _real_time_threads() -> set[int]:
    found = set()
    for thread in map(int, os.listdir("/proc/self/task")):
        with suppress(OSError):  # it has ended
            if os.sched_getscheduler(thread) == os.SCHED_FIFO:
                found.add(thread)
    return found
