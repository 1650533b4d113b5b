"""Removes flicker from the chroma of a film: a robust average along the motion of its luma, within a shot.

Motion is DIS optical flow between neighboring frames, in both directions; that to frames further away is chained from
it. A pixel of a neighbor counts where forward and backward flow agree and the luma is the same. Where no neighbor
shows a pixel, the correction of the pixels around it is taken, by a guided filter along the luma's edges. The average
is then moved towards the steady chroma of the frame before, so that what is left of flicker decays over many frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import MediaError
from ...metrics.temporal import dis_flow, flow_scale, unoccluded_mask, warp
from ...opencv import cv2
from ...video.probe import VideoInfo

__all__ = ["Chroma", "check_side", "steady_chroma"]

Plane = NDArray[np.float32]
Chroma = Plane  # [h, w, 2]: Cb and Cr on the chroma grid, -0.5 to 0.5

MIN_SIDE = 12  # pixels of a frame that optical flow needs
LUMA_FALLOFF = 150.0  # a pixel whose luma (0..1) differs by d counts exp(-150 d²): 0.1 for 0.12
OUTLIER = 0.06  # chroma further from the median than this counts little
BLEND = 0.85  # share of the last steady frame where it shows the pixel: the larger, the steadier and the less sharp
DETAIL = 0.012  # of a correction that is finer than its surroundings, less than this is mostly blur of warping
EDGE = 1e-3  # variance of luma (0..1) that is an edge for the guided filter


def check_side(info: VideoInfo) -> None:
    """Raise a MediaError where a film is too small for optical flow."""
    if min(info.width, info.height) < MIN_SIDE:
        size = f"{info.width}×{info.height}"
        raise MediaError(f"{info.path} is {size}: motion needs at least {MIN_SIDE}×{MIN_SIDE} pixels.")


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
    pictures: Iterable[tuple[NDArray[np.uint8], Chroma]],
    starts: Collection[int],
    radius: int = 3,
    first: int = 0,
    last: tuple[int, Chroma] | None = None,
) -> Iterator[Chroma]:
    """The chroma of each frame without flicker; `radius` frames are read ahead, 2·radius + 1 are in memory.

    Args:
        pictures: luma [H, W] of the black-and-white film, 8 bit, at least 12×12, and chroma [h, w, 2] of the colored
            one.
        starts: numbers of the frames with which shots begin; nothing is averaged over these.
        radius: of the average, in frames.
        first: number of the first picture.
        last: number and steady chroma of the frame after which an earlier call stopped; it needs `radius` frames up to
            that one again, whose chroma comes as it is.
    """
    steadier = _Steadier(radius, first, last)
    for number, (luma, chroma) in enumerate(pictures, first):
        if number in starts:
            yield from steadier.end_shot()
        yield from steadier.add(_Picture(luma, chroma))
    yield from steadier.end_shot()


class _Steadier:
    """Frames of a shot around the next one that comes out, and the one that came out last."""

    def __init__(self, radius: int, first: int, last: tuple[int, Chroma] | None) -> None:
        self.radius, self.next = radius, first
        self.window: deque[_Picture] = deque(maxlen=2 * radius + 1)
        self.waiting = 0  # pictures at the end of the window that have not come out
        self.done = first - 1 if last is None else last[0]  # frames up to this one come out as they are
        self.before = None if last is None else last[1]

    def add(self, picture: _Picture) -> Iterator[Chroma]:
        self.window.append(picture)
        self.waiting += 1
        if len(self.window) > 1:
            _link(self.window[-2], picture)
        if self.waiting > self.radius:
            yield self._step()

    def end_shot(self) -> Iterator[Chroma]:
        while self.waiting:
            yield self._step()
        self.window.clear()
        if self.next > self.done:
            self.before = None

    def _step(self) -> Chroma:
        at = len(self.window) - self.waiting
        self.waiting -= 1
        self.next += 1
        if self.next - 1 <= self.done:
            return self.window[at].chroma
        self.before = _steady(self.window, at, self.radius, self.before)
        return self.before


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


def _steady(window: Sequence[_Picture], at: int, radius: int, before: Chroma | None) -> Chroma:
    """The chroma of one frame of the window, corrected; `before`: that of the frame before it."""
    picture = window[at]
    neighbors = [*_neighbors(window, at, 1, radius), *_neighbors(window, at, -1, radius)]
    if not neighbors:
        return picture.chroma
    average, known = _average(picture, neighbors)
    if before is not None:
        link = picture.links[-1]
        moved = _sampled(np.dstack([before, window[at - 1].luma]), _places(picture.luma) + link.flow)
        weight = link.visible * _likeness(moved, picture)
        average = average + BLEND * weight[..., None] * (moved[..., :2] - average)
        known = np.maximum(known, weight)
    correction = average - picture.chroma
    around = _guided(picture.luma, correction, known)
    detail = known[..., None] * (correction - around)
    size = np.square(detail).sum(-1, keepdims=True)
    corrected: Chroma = picture.chroma + around + detail * (size / (size + DETAIL**2))
    return corrected


def _average(picture: _Picture, neighbors: Sequence[tuple[Plane, Plane]]) -> tuple[Chroma, Plane]:
    """The robust average of a frame and its neighbors, and how well it is known [h, w], 0..1."""
    own, colors, weights = picture.chroma, [picture.chroma], [np.ones_like(picture.luma)]
    for samples, visible in neighbors:
        colors.append(samples[..., :2])
        weights.append(visible * _likeness(samples, picture))
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
    known = np.minimum(1, 2 * sum(weights[1:]) / len(neighbors)).astype(np.float32)  # enough: those of one side
    return summed / total[..., None], known


def _likeness(samples: Plane, picture: _Picture) -> Plane:
    """How much pixels [h, w, 3] count whose luma should be that of the picture: [h, w], 0..1."""
    weight: Plane = np.exp(-LUMA_FALLOFF * np.square(samples[..., 2] - picture.luma))
    return weight


def _neighbors(window: Sequence[_Picture], at: int, step: int, radius: int) -> Iterator[tuple[Plane, Plane]]:
    """The samples [h, w, 3] of each neighbor in one direction, warped to the frame, and where it shows the pixel."""
    last = min(len(window) - 1, at + radius) if step > 0 else max(0, at - radius)
    here = _places(window[at].luma)
    place, visible = here, np.ones_like(window[at].luma)
    for one, other in pairwise(range(at, last + step, step)):
        link = window[one].links[step]
        if one == at:
            place, visible = here + link.flow, link.visible
        else:
            visible = visible * _sampled(link.visible, place, cv2.BORDER_CONSTANT)  # outside: 0
            place = place + _sampled(link.flow, place)
        yield _sampled(window[other].samples, place), visible


def _places(luma: Plane) -> Plane:
    """x and y of each sample: [h, w, 2]."""
    height, width = luma.shape
    return np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))


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
