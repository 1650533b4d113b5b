"""The frames that came out worst, kept small, for a look at them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from .clips import Frame

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
    """The `keep` frames of the largest CIEDE2000, at most one from any dozen in a row; flat memory."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._found: list[WorstFrame] = []  # worst first

    def offer(self, clip: str, frame: int, ciede2000: float, result: Frame, reference: Frame) -> None:
        near = [w for w in self._found if w.clip == clip and abs(w.frame - frame) < APART]
        if any(w.ciede2000 >= ciede2000 for w in near):
            return
        others = [w for w in self._found if w not in near]
        if sum(w.ciede2000 >= ciede2000 for w in others) >= self._keep:
            return
        others.append(WorstFrame(clip, frame, ciede2000, _reduced(result), _reduced(reference)))
        self._found = sorted(others, key=lambda w: -w.ciede2000)[: self._keep]

    def frames(self) -> tuple[WorstFrame, ...]:
        """Worst first."""
        return tuple(self._found)


def _reduced(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    if width <= WIDTH:
        return frame.copy()
    size = (WIDTH, max(1, round(height * WIDTH / width)))
    reduced: Frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    return reduced
