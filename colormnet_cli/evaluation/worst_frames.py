"""The frames that came out worst, kept small, for a look at them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..media.clips import Frame

__all__ = ["WorstFrame", "WorstFrames"]

WIDTH = 480  # pixels at most: what a report shows
APART = 12  # frames: neighbours look the same, one of them is enough


@dataclass(frozen=True)
class WorstFrame:
    clip: str
    frame: int
    ciede2000: float
    result: Frame  # reduced
    reference: Frame


class WorstFrames:
    """The `keep` frames of the largest CIEDE2000, no two of them neighbours; flat memory.

    Of every dozen frames only the worst is a candidate, and three times as many candidates are held as are wanted.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._found: dict[tuple[str, int], WorstFrame] = {}  # clip, dozen → its worst frame

    def offer(self, clip: str, frame: int, ciede2000: float, result: Frame, reference: Frame) -> None:
        dozen = (clip, frame // APART)
        if dozen in self._found and self._found[dozen].ciede2000 >= ciede2000:
            return
        least = min(self._found, key=lambda key: self._found[key].ciede2000, default=None)
        if least is not None and dozen not in self._found and len(self._found) >= 3 * self._keep:
            if self._found[least].ciede2000 >= ciede2000:
                return
            del self._found[least]
        if self._keep:
            self._found[dozen] = WorstFrame(clip, frame, ciede2000, _reduced(result), _reduced(reference))

    def frames(self) -> tuple[WorstFrame, ...]:
        """Worst first."""
        chosen: list[WorstFrame] = []
        for worst in sorted(self._found.values(), key=lambda w: -w.ciede2000):
            near = any(w.clip == worst.clip and abs(w.frame - worst.frame) < APART for w in chosen)
            if not near and len(chosen) < self._keep:
                chosen.append(worst)
        return tuple(chosen)


def _reduced(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    if width <= WIDTH:
        return np.array(frame)
    size = (WIDTH, max(1, round(height * WIDTH / width)))
    reduced: Frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return reduced
