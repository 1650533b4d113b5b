"""How fast a run is, and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from typing import Literal

import torch

from ..inference.device import peak_memory
from ..settings import Progress, ProgressCallback

__all__ = ["ProgressMeter"]

_WINDOW = 10.0  # seconds over which the rate is measured
_SHORTEST = 0.1  # seconds over which it is measured at least

Phase = Literal["seek", "color", "backward", "join", "measure", "apply"]


class ProgressMeter:
    """Measures throughput and reports progress.

    Rates are measured between two reports, since the first batch of a phase also waits for seeking and for the
    exemplars; only the first report of a phase uses the time since `begin`.

    Args:
        total: number of frames, if known.
        device: its memory is reported if it is a GPU.
        every: seconds between two reports of a phase, at least.
    """

    def __init__(
        self,
        total: int | None,
        report: ProgressCallback | None,
        device: torch.device | None = None,
        every: float = 0.1,
    ) -> None:
        self.total, self._callback, self._every = total, report, every
        self._gpu = device if device is not None and device.type == "cuda" and torch.cuda.is_available() else None
        self._began = time.monotonic()
        self._phase: Phase | None = None
        self._reported = 0.0
        self.average = 0.0  # frames colorized per second
        self.workers: int | None = None  # that color the film, where these are several processes
        self.begin(0)
        if self._gpu is not None:
            torch.cuda.reset_peak_memory_stats(self._gpu)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def begin(self, frame: int) -> None:
        """`frame` frames are done; the next report is the first of its phase."""
        self._start = (time.monotonic(), frame)
        self._average_from: tuple[float, int] | None = None  # first report of colored frames
        self._phase = None

    def report(self, phase: Phase, frame: int, total: int | None = None) -> None:
        """`frame` frames of the phase are done."""
        now, is_new = time.monotonic(), phase != self._phase
        total = total if total is not None else self.total
        if is_new:
            self._phase, self._first = phase, (now, frame)
            self._seen = deque([self._first])  # (when, frames) of the last seconds
        else:
            self._seen.append((now, frame))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        if phase == "backward" and self._average_from is None:
            self._average_from = self._start
        if phase in ("color", "apply"):
            self.average = _rate(self._average_from or self._start, (now, frame))
            self._average_from = self._average_from or (now, frame)
        if self._callback is None or (not is_new and now - self._reported < self._every and frame != total):
            return
        self._reported = now
        since = self._seen[0] if now - self._seen[0][0] >= _SHORTEST else self._start
        fps = _rate(since, (now, frame))
        remaining = max(0, total - frame) / fps if total is not None and fps > 0 else None
        memory = peak_memory(self._gpu) if self._gpu is not None else None
        self._callback(Progress(phase, frame, total, fps, self.elapsed, remaining, memory, self.workers))


def _rate(begin: tuple[float, int], end: tuple[float, int]) -> float:
    """Frames a second between two (when, frames)."""
    seconds, frames = end[0] - begin[0], end[1] - begin[1]
    return max(0, frames) / seconds if seconds > 0 else 0.0
