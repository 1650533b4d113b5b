"""Removes flicker from the chroma of a film: a robust average along the motion of its luma, within a shot.

Motion is DIS optical flow between neighboring frames, in both directions; that to frames further away is chained from
it. A pixel of a neighbor counts where forward and backward flow agree and the luma is the same. Where no neighbor
shows a pixel, the correction of the pixels around it is taken, by a guided filter along the luma's edges.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.temporal import dis_flow, flow_scale, unoccluded_mask, warp
from ..opencv import cv2

__all__ = ["MIN_SIDE", "Chroma", "steady_chroma"]

Plane = NDArray[np.float32]
Chroma = Plane  # [h, w, 2]: Cb and Cr on the chroma grid, -0.5 to 0.5

MIN_SIDE = 12  # pixels of a frame that optical flow needs
LUMA_FALLOFF = 150.0  # a pixel whose luma (0..1) differs by d counts exp(-150 d²): 0.1 for 0.12
OUTLIER = 0.06  # chroma further from the median than this counts little
DETAIL = 0.015  # of a correction that is finer than its surroundings, less than this is mostly blur of warping
EDGE = 1e-3  # variance of luma (0..1) that is an edge for the guided filter


@dataclass(frozen=True)
class _Link:
    """Motion from one frame to a neighbor, on the chroma grid."""

    flow: Plane  # [h, w, 2], x and y in samples
    visible: Plane  # [h, w], 1 where the neighbor shows the pixel


class _Picture:
    """A frame of the window, and its motion to both neighbors."""

    def __init__(self, luma: NDArray[np.uint8], chroma: Chroma) -> None:
        height, width = luma.shape
        factor = flow_scale(height, width)
        size = width // factor, height // factor
        self.small: Any = luma if factor == 1 else cv2.resize(luma, size, interpolation=cv2.INTER_AREA)
        grid = cv2.resize(luma, chroma.shape[1::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        self.samples = np.dstack([chroma, grid])  # [h, w, 3]: Cb, Cr, luma
        self.links: dict[int, _Link] = {}  # by the step, 1 or -1

    @property
    def chroma(self) -> Chroma:
        return self.samples[..., :2]

    @property
    def luma(self) -> Plane:
        return self.samples[..., 2]


def steady_chroma(
    pictures: Iterable[tuple[NDArray[np.uint8], Chroma]], starts: Collection[int], radius: int = 3, first: int = 0
) -> Iterator[Chroma]:
    """The chroma of each frame without flicker; `radius` frames are read ahead, 2·radius + 1 are in memory.

    Args:
        pictures: luma [H, W], 8 bit, at least 12×12, of the gray film, and chroma [h, w, 2] of the colored one.
        starts: numbers of the frames with which shots begin; nothing is averaged over these.
        radius: of the average, in frames.
        first: number of the first picture.
    """
    window: deque[_Picture] = deque(maxlen=2 * radius + 1)
    waiting = 0  # pictures at the end of the window that are not averaged yet
    for number, (luma, chroma) in enumerate(pictures, first):
        if number in starts:
            yield from (_average(window, at, radius) for at in range(len(window) - waiting, len(window)))
            window.clear()
            waiting = 0
        window.append(_Picture(luma, chroma))
        waiting += 1
        if len(window) > 1:
            _link(window[-2], window[-1])
        if waiting > radius:
            yield _average(window, len(window) - waiting, radius)
            waiting -= 1
    yield from (_average(window, at, radius) for at in range(len(window) - waiting, len(window)))


def _link(before: _Picture, after: _Picture) -> None:
    """Find the motion between two neighbors, in both directions."""
    forward, backward = dis_flow(before.small, after.small)[None], dis_flow(after.small, before.small)[None]
    for picture, step, there, back in ((before, 1, forward, backward), (after, -1, backward, forward)):
        height, width = picture.luma.shape
        visible = unoccluded_mask(there, warp(back, there))[0].numpy().astype(np.float32)
        flow = there[0].permute(1, 2, 0).contiguous().numpy()
        scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
        resized: list[Any] = [
            cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA if scale[0] < 1 else cv2.INTER_LINEAR)
            for plane in (flow, visible)
        ]
        picture.links[step] = _Link(resized[0] * scale, resized[1])


def _average(window: Sequence[_Picture], at: int, radius: int) -> Chroma:
    """The chroma of one frame of the window, corrected."""
    picture = window[at]
    neighbors = [*_neighbors(window, at, 1, radius), *_neighbors(window, at, -1, radius)]
    if not neighbors:
        return picture.chroma
    own, colors, weights = picture.chroma, [picture.chroma], [np.ones_like(picture.luma)]
    for samples, visible in neighbors:
        colors.append(samples[..., :2])
        weights.append(visible * np.exp(-LUMA_FALLOFF * np.square(samples[..., 2] - picture.luma)))
    trusted = (
        own + np.minimum(1, 2 * weight)[..., None] * (color - own)
        for color, weight in zip(colors, weights, strict=True)
    )
    middle = _median(list(trusted))
    total, summed = np.full_like(picture.luma, 1e-6), middle * 1e-6
    for color, weight in zip(colors, weights, strict=True):
        weight = weight * np.exp(-np.square(color - middle).sum(-1) / OUTLIER**2)
        total += weight
        summed += weight[..., None] * color
    correction = summed / total[..., None] - own
    known = np.minimum(1, 2 * sum(weights[1:]) / len(neighbors)).astype(np.float32)  # enough: those of one side
    around = _guided(picture.luma, correction, known)
    detail = known[..., None] * (correction - around)
    size = np.square(detail).sum(-1, keepdims=True)
    corrected: Chroma = own + around + detail * (size / (size + DETAIL**2))
    return corrected


def _neighbors(window: Sequence[_Picture], at: int, step: int, radius: int) -> Iterator[tuple[Plane, Plane]]:
    """The samples [h, w, 3] of each neighbor in one direction, warped to the frame, and where it shows the pixel."""
    last = min(len(window) - 1, at + radius) if step > 0 else max(0, at - radius)
    height, width = window[at].luma.shape
    here = np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))
    place, visible = here, np.ones((height, width), np.float32)
    for one, other in pairwise(range(at, last + step, step)):
        link = window[one].links[step]
        if one == at:
            place, visible = here + link.flow, link.visible
        else:
            visible = visible * _sampled(link.visible, place, cv2.BORDER_CONSTANT)  # outside: 0
            place = place + _sampled(link.flow, place)
        yield _sampled(window[other].samples, place), visible


def _sampled(array: Plane, place: Plane, outside: int = 1) -> Plane:  # 1: BORDER_REPLICATE
    """[h, w] or [h, w, C] at the places [h, w, 2], bilinearly."""
    sampled: Plane = cv2.remap(array, place, None, cv2.INTER_LINEAR, borderMode=outside)  # type: ignore[call-overload]
    return sampled


def _median(values: Sequence[Plane]) -> Plane:
    """Of each element over a few arrays, by sorting them in place of one another: faster than np.median."""
    ordered = list(values)
    for end in range(len(ordered) - 1, 0, -1):
        for i in range(end):
            ordered[i], ordered[i + 1] = np.minimum(ordered[i], ordered[i + 1]), np.maximum(ordered[i], ordered[i + 1])
    middle: Plane = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / np.float32(2)
    return middle


def _guided(guide: Plane, values: Chroma, weight: Plane) -> Chroma:
    """Smooth `values` along the edges of the guide [h, w]; pixels count by their weight [h, w]."""
    side = max(9, min(guide.shape) // 4) | 1

    def mean(array: Plane) -> Plane:
        return cv2.boxFilter(array, -1, (side, side), borderType=cv2.BORDER_REPLICATE)  # type: ignore[return-value]

    total = mean(weight) + 1e-6
    weights, guides = weight[..., None], guide[..., None]
    mean_guide, mean_square = mean(weight * guide) / total, mean(weight * guide * guide) / total
    mean_values = mean(weights * values) / total[..., None]
    covariance = mean(weights * guides * values) / total[..., None] - mean_guide[..., None] * mean_values
    slope = covariance / (mean_square - mean_guide**2 + EDGE)[..., None]
    offset = mean_values - slope * mean_guide[..., None]
    both = mean(np.dstack([slope, offset]))
    smoothed: Chroma = both[..., :2] * guides + both[..., 2:]
    return smoothed
