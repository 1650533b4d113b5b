"""Fades through black (or any other plain tone), and cuts to black."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .looks import Look
from .similarity import difference

__all__ = ["PlainPassage", "find_plain_passages"]

PLAIN = 2.0  # codes: spread of a frame that shows nothing, if it is …
BLACK, WHITE = 48.0, 215.0  # … darker or brighter than these
RELATIVE = 0.12  # the same, in parts of the spread around it
SAME_SCENE = 0.4  # difference up to which a short passage to black interrupts one scene


@dataclass(frozen=True)
class PlainPassage:
    """A passage [first, last) to a plain picture and back, plain in [plain_first, plain_last).

    `kind` is "fade", "cut" (black between two cuts), or "" where no shot begins: at the ends of the film, or where the
    same scene goes on after a moment.
    """

    first: int
    last: int
    plain_first: int
    plain_last: int
    kind: str


def find_plain_passages(
    looks: Sequence[Look], cuts: Sequence[int], flashes: NDArray[np.bool_], second: int
) -> list[PlainPassage]:
    """All of them, in order; `second` is how many frames a second has."""
    count = len(looks)
    spread = np.array([look.spread for look in looks])
    passages: list[PlainPassage] = []
    level = np.array([look.level for look in looks])
    extreme = (level < BLACK) | (level > WHITE)
    for begin, end in _plain_runs(spread, extreme, cuts, flashes, second):
        low = max([c for c in cuts if c < begin - 1] + [p.last for p in passages], default=0)
        high = min((c for c in cuts if c > end + 1), default=count)
        first = begin - _ramp(spread[low:begin][::-1], second)
        last = end + _ramp(spread[end:high], second)
        kind = "fade" if max(begin - first, last - end) > 1 else "cut"
        if begin == 0 or end == count:
            kind = ""
        elif last - first <= second // 2 and first > 0 and last < count:
            same = difference(looks[first - 1].picture, looks[last].picture) < SAME_SCENE
            kind = "" if same else kind
        passages.append(PlainPassage(first, last, begin, end, kind))
    return passages


def _plain_runs(
    spread: NDArray[np.float64],
    extreme: NDArray[np.bool_],
    cuts: Sequence[int],
    flashes: NDArray[np.bool_],
    second: int,
) -> list[tuple[int, int]]:
    """Runs of frames that show nothing, or very little beside what is shown before and after them."""
    smooth = _smooth(spread)
    around = np.zeros(len(spread))
    for begin, end in zip([0, *cuts], [*cuts, len(spread)], strict=True):
        for t in range(begin, end):
            around[t] = min(smooth[max(begin, t - second) : t + 1].max(), smooth[t : min(end, t + second)].max())
    limit = np.maximum(np.where(extreme, PLAIN, 0), np.where(around > 2 * PLAIN, RELATIVE * around, 0))
    plain = (spread < limit) & ~flashes
    runs: list[tuple[int, int]] = []
    for t in np.flatnonzero(plain).tolist():
        if runs and t - runs[-1][1] <= 2:
            runs[-1] = (runs[-1][0], t + 1)
        else:
            runs.append((t, t + 1))
    return runs


def _ramp(spread: NDArray[np.float64], second: int) -> int:
    """Frames of a fade, by the spread of the frames away from the plain ones: it rises evenly, then it stays."""
    count = min(len(spread), 5 * second // 2)
    if count < 2:
        return count
    values = _smooth(spread[:count])
    best, length = np.inf, 0
    for n in range(count - 1):
        top = values[n : n + second // 2].mean()
        model = np.minimum((np.arange(count) + 1) / (n + 1), 1) * top
        error = np.minimum(((values - model) / max(top, 1)) ** 2, 0.25)[: max(second, n + 6)].mean()
        if error < best - 1e-6:
            best, length = error, n
    return length


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median over three."""
    padded = np.pad(values, 1, mode="edge")
    return np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
