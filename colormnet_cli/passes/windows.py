"""Long shots cut into windows that overlap: they can be colored independently, but are not the same as in one piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from ..shots.shot import Transition
from .schedule import ScheduledShot

__all__ = ["OVERLAP", "cut_into_windows"]

OVERLAP = 24  # frames that two windows share, in which their colors are cross-faded


def cut_into_windows(shots: Sequence[ScheduledShot], longest: int) -> list[ScheduledShot]:
    """The same shots, those with more than `longest` frames as windows of equal length.

    A window has all exemplars of its shot, and a memory of its own; dissolves with other shots are left whole.
    """
    longest, found = max(longest, 2 * OVERLAP), list[ScheduledShot]()
    for shot, after in zip(shots, [*shots[1:], None], strict=True):
        begin = shot.start if shot.dissolve is None or shot.dissolve.last is None else shot.dissolve.last
        fades = None if after is None or after.dissolve is None else after.dissolve.first
        end = shot.end if fades is None else fades
        if end is None or end - begin <= longest:
            found.append(shot)
            continue
        count = -(-(end - begin) // longest)
        cuts = [begin + (end - begin) * k // count for k in range(1, count)]
        ways = [Transition("dissolve", cut - OVERLAP // 2, cut + OVERLAP // 2) for cut in cuts]
        for number, (before, following) in enumerate(pairwise([None, *ways, None]), 1):
            window = replace(shot, window=number)
            if before is not None and before.first is not None:
                window = replace(window, start=before.first, dissolve=before)
            if following is not None:
                window = replace(window, end=following.last)
            found.append(window)
    return found
