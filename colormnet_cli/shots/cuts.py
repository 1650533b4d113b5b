"""Hard cuts, and flashes, which are none."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .looks import Look
from .similarity import Picture, difference, motion

__all__ = ["MIN_SHOT", "find_cuts"]

MIN_SHOT = 5  # frames: what is shorter is damage, or a flash
CUT = 0.4  # difference from frame to frame
NOISY_CUT = 0.6  # the same, where the neighbors differ among each other
QUIET = 0.6  # of a cut's difference: the neighbors' second largest must be smaller
BACK = 0.55  # of a cut's difference: below it the old scene is back, and there was no cut
FAST = 0.45  # median motion on both sides beyond which the camera whips around, and nothing stands out
NEIGHBORS = 5  # frames on either side
PLAIN = 1.0  # codes: spread of a frame that shows nothing
PLAIN_LEVELS = 40.0  # codes between two plain frames that have nothing in common
FLASH_LEVEL = 8.0  # codes by which a flash is at least brighter, or darker


def find_cuts(looks: Sequence[Look], flash: int) -> tuple[list[int], NDArray[np.bool_]]:
    """First frames of shots that begin with a cut, and which frames are part of a flash.

    A cut differs from the frame before it, while its neighbors do not differ among each other as much (a fast pan),
    and the old scene does not come back within `flash` frames.
    """
    count = len(looks)
    changes = np.zeros(count)
    for t in range(1, count):
        changes[t] = _change(looks[t - 1], looks[t], enough=0.15)
    cuts: list[int] = []
    flashes = np.zeros(count, np.bool_)
    t = 0
    while t < count - 1:
        t += 1
        if changes[t] < CUT or not MIN_SHOT <= t <= count - MIN_SHOT:
            continue
        if not _stands_out(looks, changes, t):
            continue
        back = _back(looks, changes[t], t, flash)
        if back is None:
            if not cuts or t - cuts[-1] >= MIN_SHOT:
                cuts.append(t)
        else:
            flashes[back[0] : back[1]] = True
            t = max(t, back[1])
    return cuts, flashes


def _change(before: Look, after: Look, enough: float) -> float:
    """From 0 to 1; of frames that show nothing, by their brightness."""
    if max(before.spread, after.spread) < PLAIN:
        return min(1.0, abs(after.level - before.level) / PLAIN_LEVELS)
    return difference(before.picture, after.picture, enough)


def _stands_out(looks: Sequence[Look], changes: NDArray[np.float64], t: int) -> bool:
    """Whether the change at `t` is larger than those around it; where grain hides that, by means over three frames."""
    before, after = looks[max(0, t - NEIGHBORS - 1) : t], looks[t : t + NEIGHBORS + 1]
    if min(_motion(before), _motion(after)) > FAST:
        return False
    sides = (changes[max(1, t - NEIGHBORS) : t], changes[t + 1 : t + 1 + NEIGHBORS])
    if all(len(side) < 2 or np.sort(side)[-2] <= QUIET * changes[t] for side in sides):
        return True
    if changes[t] < NOISY_CUT or t < 6 or t + 6 > len(looks):
        return False
    means = [_mean(looks[t + k : t + k + 3]) for k in (-6, -3, 0, 3)]
    across = difference(means[1], means[2])
    within = max(difference(means[0], means[1]), difference(means[2], means[3]))
    return across >= 0.5 and within <= QUIET * across


def _motion(looks: Sequence[Look]) -> float:
    steps = [motion(one.picture, other.picture) for one, other in pairwise(looks)]
    return float(np.median(steps)) if steps else 0.0


def _mean(looks: Sequence[Look]) -> Picture:
    return np.asarray(np.mean([look.picture for look in looks], axis=0), np.float32)


def _back(looks: Sequence[Look], change: float, t: int, flash: int) -> tuple[int, int] | None:
    """The frames [first, last) in between, if what was shown before `t` is shown again soon after; None if not."""
    pairs = [(1, k) for k in range(1, flash + 1)] + [(k, 0) for k in range(2, flash + 2)] + [(2, 2), (3, 3)]
    for before, after in pairs:
        if t - before < 0 or t + after >= len(looks):
            continue
        limit = BACK * change
        if before == 1 and t - 2 - after >= 0 and _flashes(looks, t, after):
            usual = difference(looks[t - 2 - after].picture, looks[t - 1].picture)  # what moves in as many frames
            limit = max(limit, min(0.8, 1.3 * usual + 0.2))
        if _change(looks[t - before], looks[t + after], enough=0.1) < limit:
            return t - before + 1, t + after
    return None


def _flashes(looks: Sequence[Look], t: int, length: int) -> bool:
    """Whether the light goes up (or down) at `t` and is back after `length` frames."""
    usual = float(np.median([look.level for look in looks[max(0, t - 3) : t]]))
    steps = [look.level - usual for look in looks[t : t + length]]
    height = min(steps) if steps[0] > 0 else -max(steps)
    return height >= FLASH_LEVEL and abs(looks[t + length].level - usual) < 0.4 * height + 2
