"""How many threads the network gets beside other programs; decided before PyTorch is loaded.

Where a thread of OpenMP waits for another one, it spins. That is fastest on an idle machine, but beside other programs
it takes the time from the very thread that it waits for.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["CpuLoad"]

MIN_SECONDS = 0.2  # that are measured; the counters count hundredths of a second
_STAT = Path("/proc/stat")
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100  # a second
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")  # by which a user decides how threads wait


class CpuLoad:
    """Measures how many cores other programs use, from when it is made on."""

    def __init__(self) -> None:
        self._began, self._busy, self._own = time.monotonic(), _busy_seconds(), time.process_time()

    def idle_cores(self) -> int | None:
        """Of those that this process may use; at least 1. None where the system does not tell (only Linux does)."""
        time.sleep(max(0.0, self._began + MIN_SECONDS - time.monotonic()))
        busy, own = _busy_seconds(), time.process_time()
        if busy is None or self._busy is None:
            return None
        others = (busy - self._busy - (own - self._own)) / (time.monotonic() - self._began)
        cores = len(os.sched_getaffinity(0))
        return max(1, min(cores, round(cores - others)))

    def prepare(self) -> int | None:
        """Choose how threads wait, and return how many the network should have; None: as many as PyTorch chooses.

        To be called before PyTorch is imported. What the user has set in the environment is left alone.
        """
        idle = self.idle_cores()
        if idle is None or idle == len(os.sched_getaffinity(0)):
            return None
        if not any(name in os.environ for name in _WAITING):
            os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        return idle


def _busy_seconds() -> float | None:
    """CPU time of all programs, on the cores that this process may use; what a hypervisor took is counted too."""
    try:
        lines = _STAT.read_text().splitlines()
        cores = {f"cpu{number}" for number in os.sched_getaffinity(0)}
    except (OSError, AttributeError):  # not Linux
        return None
    counts = [[int(field) for field in line.split()[1:9]] for line in lines if line.split()[0] in cores]
    return sum(sum(row) - row[3] - row[4] for row in counts) / _TICKS  # without idle and iowait
