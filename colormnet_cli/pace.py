"""How fast a run is, and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from typing import Literal

import torch

from .device import peak_memory
from .settings import Progress, ProgressCallback

__all__ = ["Pace"]

_WINDOW = 10.0  # seconds over which the frame rate is taken

Phase = Literal["seek", "color", "join", "measure"]


class Pace:
    """Counts frames against the clock and reports.

    Args:
        total: frames there will be, where that is known.
        device: whose memory is reported, if it is a GPU.
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
        self._gpu = device if device is not None and device.type == "cuda" else None
        self._began = time.monotonic()
        self._told: tuple[str, float] = ("", 0.0)
        self._first = (self._began, 0)
        self._seen = deque([self._first])  # (when, frames) of the last seconds
        self.average = 0.0  # frames coloured a second
        if self._gpu is not None:
            torch.cuda.reset_peak_memory_stats(self._gpu)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._began

    def begin(self, frame: int) -> None:
        """A phase begins with `frame` frames done."""
        self._first = (time.monotonic(), frame)
        self._seen = deque([self._first])

    def report(self, phase: Phase, frame: int, total: int | None = None) -> None:
        """`frame` frames of the phase are done."""
        now = time.monotonic()
        total = total if total is not None else self.total
        self._seen.append((now, frame))
        while len(self._seen) > 2 and now - self._seen[0][0] > _WINDOW:
            self._seen.popleft()
        if phase == "color" and now > self._first[0]:
            self.average = (frame - self._first[1]) / (now - self._first[0])
        told_phase, told = self._told
        if self._callback is None or (told_phase == phase and now - told < self._every and frame != total):
            return
        self._told = (phase, now)
        when, before = self._seen[0]
        fps = (frame - before) / (now - when) if now > when else 0.0
        remaining = max(0, total - frame) / fps if total is not None and fps > 0 else None
        memory = peak_memory(self._gpu) if self._gpu is not None else None
        self._callback(Progress(phase, frame, total, fps, self.elapsed, remaining, memory))
