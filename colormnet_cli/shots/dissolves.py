"""Dissolves: one scene fades in while the other fades out.

Between its ends a dissolve is a mixture (1 − s)·A + s·B, s going evenly from 0 to 1. So the picture changes along a
straight line, where motion changes it along a crooked one; and the fine detail of A and B, which have nothing to do
with each other, loses energy: (1 − s)² + s² of it is left, a half in the middle. Neither depends on what moves much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .looks import COARSE, EDGES, Look
from .similarity import difference, motion

__all__ = ["Dissolve", "find_dissolves"]

Values = NDArray[np.float64]

HALF_LENGTHS = (0.17, 0.25, 0.33, 0.46, 0.63, 0.83, 1.1)  # seconds
# Weights of the measures in the score, fitted to synthetic films (logistic regression) and rounded. Measures: how
# straight the picture and its edges change, how much fine detail the middle has, how far the middle's energy is from
# that of a mixture; then the difference of the ends, and the logarithm of half the length in frames at 24 a second.
WEIGHTS = np.array([1.6, 4.9, -4.7, -3.0])
WEIGHT_DIFFERENCE, WEIGHT_LENGTH, CONSTANT = 7.9, 2.2, -12.7
ACCEPTED = 2.0  # score
FAST = 0.3  # median motion from frame to frame beyond which a pan is seen, and no dissolve can be
CANDIDATES = 60  # of which the difference is measured, in one stretch without a cut
SIDE = 4  # frames on either side that stand for what is shown before and after
WORST_SHARE, WORST_ENERGY = 0.1, 1.0  # a frame's error counts at most so much in the fit …
WEIGHT_SHARE = 3.0  # … and that of its shares so much more


@dataclass(frozen=True)
class Dissolve:
    """A mixture of two scenes in the frames [first, last)."""

    first: int
    last: int
    score: float


def find_dissolves(
    looks: Sequence[Look], stretches: Sequence[tuple[int, int]], flashes: NDArray[np.bool_], rate: float
) -> list[Dissolve]:
    """Dissolves in stretches [first, last) that have no cut and no fade."""
    tracks = _Tracks(looks, flashes)
    halves = sorted({max(4, round(seconds * rate)) for seconds in HALF_LENGTHS})
    found: list[Dissolve] = []
    for begin, end in stretches:
        taken: list[tuple[int, int]] = []
        for score, middle, half in _scored(tracks, begin, end, halves, rate):
            if any(first - half < middle < last + half for first, last in taken):
                continue
            first, last = tracks.fit(*tracks.fit(middle - half + 1, middle + half, begin, end), begin, end)
            taken.append((min(first, middle - half), max(last, middle + half)))
            if not any(first < other.last and other.first < last for other in found):
                found.append(Dissolve(first, last, score))
    return sorted(found, key=lambda dissolve: dissolve.first)


def _scored(tracks: _Tracks, begin: int, end: int, halves: Sequence[int], rate: float) -> list[tuple[float, int, int]]:
    """(score, middle, half length) of what may be a dissolve, the best first."""
    candidates: list[tuple[float, int, int]] = []
    for half in halves:
        middles = np.arange(begin + half, end - half)
        if len(middles):
            scores = tracks.measures(middles, half, begin, end) @ WEIGHTS
            scores += WEIGHT_LENGTH * np.log(half * 24 / rate) + CONSTANT
            likely = scores + WEIGHT_DIFFERENCE > ACCEPTED
            candidates += zip(
                scores[likely].tolist(), middles[likely].tolist(), [half] * int(likely.sum()), strict=True
            )
    scored: list[tuple[float, int, int]] = []
    for score, middle, half in sorted(candidates, reverse=True):
        if tracks.motion(middle - half, middle + half) > FAST:
            continue
        if not any(half == other and abs(middle - at) < 2 for _, at, other in scored):
            scored.append((score + WEIGHT_DIFFERENCE * tracks.difference(middle - half, middle + half), middle, half))
        if len(scored) == CANDIDATES:
            break
    return [entry for entry in sorted(scored, reverse=True) if entry[0] >= ACCEPTED]


class _Tracks:
    """The measures of many frames, and their sums from the first frame on."""

    def __init__(self, looks: Sequence[Look], flashes: NDArray[np.bool_]) -> None:
        numbers = np.maximum.accumulate(np.where(flashes, 0, np.arange(len(looks))))  # a flash: the frame before it
        self.looks = [looks[n] for n in numbers]
        self._motion = np.array([motion(one.picture, other.picture) for one, other in pairwise(self.looks)])
        self.coarse = np.array([look.coarse for look in self.looks], np.float64)
        self.fine = np.array([look.fine for look in self.looks])
        self.energy = self.coarse.var(1)
        self._coarse, self._energy, self._fine = _sums(self.coarse), _sums(self.energy), _sums(self.fine)
        self._edges = _sums(np.array([look.edges for look in self.looks], np.float64))

    def difference(self, one: int, other: int) -> float:
        return difference(self.looks[one].picture, self.looks[other].picture, enough=0.2)

    def motion(self, first: int, last: int) -> float:
        """Median from frame to frame."""
        return float(np.median(self._motion[first:last]))

    def measures(self, middle: NDArray[np.int64], half: int, begin: int, end: int) -> Values:
        """[n, 4], of frames from `middle` − `half` to `middle` + `half`, each end and the middle a mean over some."""
        width = max(2, round(half * 0.6))
        spans = (
            (np.maximum(begin, middle - half - width + 1), middle - half + 1),
            (middle - width // 2, middle - width // 2 + width),
            (middle + half, np.minimum(end, middle + half + width)),
        )
        coarse, edges, energy, fine = (
            [_mean(sums, *span) for span in spans] for sums in (self._coarse, self._edges, self._energy, self._fine)
        )
        common = (coarse[0] * coarse[2]).mean(1)
        mixture = np.maximum((energy[0] + energy[2] + 2 * common) / 4, 0)
        return np.stack(
            [
                _straightness(coarse, 2.0 * COARSE[0] * COARSE[1]),
                _straightness(edges, 0.3 * EDGES[0] * EDGES[1]),
                np.log(np.clip((2 * fine[1] + 1) / (fine[0] + fine[2] + 1), 0.3, 9)),
                np.abs(np.log(np.clip((energy[1] + 2) / (mixture + 2), 0.2, 4))),
            ],
            axis=1,
        )

    def fit(self, first: int, last: int, begin: int, end: int) -> tuple[int, int]:
        """The span [first, last), near a first guess, whose mixture comes nearest to the frames.

        Compared are the share of the new scene in every frame, and the energies of fine detail and of the whole.
        """
        around = (last - first) // 2 + 5
        low, high = max(begin, first - around - SIDE), min(end, last + around + SIDE)
        frames = np.arange(low, high)
        gram = self.coarse[low:high] @ self.coarse[low:high].T / self.coarse.shape[1]
        sums = np.pad(np.cumsum(gram, 1), ((0, 0), (1, 0)))  # [frame, k]: with the frames before k, added up
        both = np.pad(np.cumsum(sums, 0), ((1, 0), (0, 0)))
        fine, energy = self.fine[low:high], self.energy[low:high]

        def error(span: tuple[int, int]) -> float:
            a, b = span
            before, after = (max(low, a - SIDE) - low, a - low), (b - low, min(high, b + SIDE) - low)
            share = np.clip((frames - a + 1) / (b - a + 1), 0, 1)
            p, q = _inner(sums, before), _inner(sums, after)
            pp, qq, pq = _inner2(both, before, before), _inner2(both, after, after), _inner2(both, before, after)
            ridge = 0.02 * (pp + qq)
            old, new = (qq + ridge) * p - pq * q, (pp + ridge) * q - pq * p  # least squares: shares of both scenes
            scale = (pp + ridge) * (qq + ridge) - pq * pq
            measured = new / np.maximum(old + new, 0.2 * scale + 1e-9)
            total = WEIGHT_SHARE * np.minimum((measured - share) ** 2, WORST_SHARE).mean()
            left = (1 - share) ** 2, share**2
            expected = left[0] * fine[slice(*before)].mean() + left[1] * fine[slice(*after)].mean()
            total += np.minimum(np.log((fine + 1) / (expected + 1)) ** 2, WORST_ENERGY).mean()
            expected = left[0] * energy[slice(*before)].mean() + left[1] * energy[slice(*after)].mean()
            expected = np.maximum(expected + 2 * share * (1 - share) * pq, 0)
            total += np.minimum(np.log((energy + 4) / (expected + 4)) ** 2, WORST_ENERGY).mean()
            return float(total)

        def spans(first: int, last: int, around: int, step: int) -> Iterator[tuple[int, int]]:
            for a in range(first - around, first + around + 1, step):
                for b in range(last - around, last + around + 1, step):
                    if max(begin, low) < a <= b - 2 and b < min(end, high):
                        yield a, b

        rough = min(spans(first, last, around, 3), key=error, default=(first, last))
        return min(spans(*rough, 3, 1), key=error, default=rough)


def _sums(values: Values) -> Values:
    return np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, 0)])


def _mean(sums: Values, begin: NDArray[np.int64], end: NDArray[np.int64]) -> Values:
    lengths = (end - begin).astype(np.float64)
    mean: Values = (sums[end] - sums[begin]) / (lengths[:, None] if sums.ndim > 1 else lengths)
    return mean


def _straightness(places: Sequence[Values], noise: float) -> Values:
    """Cosine of the angle between the first half of the way and the second, [n]; `noise` is a squared length."""
    one, two = places[1] - places[0], places[2] - places[1]
    lengths = ((one**2).sum(1) + noise) * ((two**2).sum(1) + noise)
    cosine: Values = (one * two).sum(1) / np.sqrt(lengths)
    return cosine


def _inner(sums: Values, span: tuple[int, int]) -> Values:
    """Products of every frame with the mean of a span."""
    product: Values = (sums[:, span[1]] - sums[:, span[0]]) / (span[1] - span[0])
    return product


def _inner2(sums: Values, one: tuple[int, int], other: tuple[int, int]) -> float:
    """Product of the means of two spans."""
    (a, b), (c, d) = one, other
    return float((sums[b, d] - sums[b, c] - sums[a, d] + sums[a, c]) / ((b - a) * (d - c)))
