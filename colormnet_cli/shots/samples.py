"""The frame that shows a shot best, and the pictures of such frames."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from .looks import Look
from .similarity import Picture

__all__ = ["Samples"]

EVERY = 2  # frames
MOST = 4000  # samples that are kept of one shot; of a longer one every second is dropped


@dataclass(frozen=True)
class _Sample:
    frame: int
    coarse: Picture
    fine: float


class Samples:
    """Frames of the shots that have not ended yet."""

    def __init__(self) -> None:
        self._kept: deque[_Sample] = deque()

    def add(self, frame: int, look: Look) -> None:
        if frame % EVERY == 0:
            self._kept.append(_Sample(frame, look.coarse, look.fine))
            if len(self._kept) > MOST:
                self._kept = deque(sample for n, sample in enumerate(self._kept) if n % 2 == 0)

    def forget(self, before: int) -> None:
        """Drop frames of shots that are done."""
        while self._kept and self._kept[0].frame < before:
            self._kept.popleft()

    def best(self, begin: int, end: int, first: int, last: int) -> int:
        """The most telling frame of a shot [begin, end): the sharpest among the more typical half of [first, last).

        Where no transition-free frame was sampled, the one in the middle.
        """
        found = [sample for sample in self._kept if first <= sample.frame < last]
        if not found:
            middle = (first + last) // 2 if first < last else (begin + end) // 2
            return min(max(middle, begin), end - 1)
        pictures = np.stack([sample.coarse for sample in found])
        distance = np.abs(pictures - np.median(pictures, axis=0)).mean(1)
        typical = distance <= np.median(distance)
        fine = np.where(typical, [sample.fine for sample in found], -1.0)
        return found[int(fine.argmax())].frame
