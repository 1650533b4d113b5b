"""How fast a run is, and how long it will take."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Literal

import torch

from .settings import Progress, ProgressCallback

__all__ = ["Pace"]

_WINDOW = 10.0  # seconds over which the frame rate is taken
_EVERY = 0.1  # seconds between two reports

Phase = Literal["seek", "color", "join"]


class Pace:
    """Counts frames against the clock and reports."""

    def __init__(self, total: int | None, device: torch.device, report: ProgressCallback | None) -> None:
        self.total, self.device, self._callback = total, device, report
        self._began = time.monotonic()
        self._told: tuple[str, float] = ("", 0.0)
        self._seen: deque[tuple[float, int]] = deque()  # (when, frames) of the last seconds
        self._first = (self._began, 0)
        self.average = 0.0  # frames coloured a second
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def begin(self, frame: int) -> None:
        """A phase begins with `frame` frames done."""
        now = time.monotonic()
        self._first = (now, frame)
        self._seen.clear()
        self._seen.append((now, frame))

    def report(self, phase: Phase, frame: int, total: int | None = None) -> None:
        """`frame` frames of the phase are done."""
        now = time.monotonic()
        total = total if total is not None else self.total
        self._seen.append((now, frame))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        if phase == "color" and now > self._first[0]:
            self.average = (frame - self._first[1]) / (now - self._first[0])
        if self._callback is None or (self._told[0] == phase and now - self._told[1] < _EVERY and frame != total):
            return
        self._told = (phase, now)
        when, before = self._seen[0]
        fps = (frame - before) / (now - when) if now > when else 0.0
        remaining = max(0, total - frame) / fps if total is not None and fps > 0 else None
        memory = self.peak_memory() if self.device.type == "cuda" else None
        self._callback(Progress(phase, frame, total, fps, self.elapsed, remaining, memory))

    def peak_memory(self) -> int | None:
        """Bytes: of tensors on the device; on a CPU of the whole process; None where the system does not tell."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        try:
            import resource
        except ImportError:  # Windows
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
