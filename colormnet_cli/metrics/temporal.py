"""Temporal consistency: color distribution consistency (CDC) and the temporal warp error.

The warp error between frames t-1 and t of a film, as this project defines it:

0. Size: frames are downscaled by the integer k = max(1, ⌊min(H, W) / 240⌋), each k×k pixels to their mean (incomplete
   blocks at the right and the bottom are cut off), since grain is not flicker, and to make long films feasible.
1. Luma: 8-bit BT.601 luma of the *reference* (OpenCV's RGB2GRAY), downscaled in the same way, so that all methods are
   measured with the same optical flow.
2. Flow: OpenCV's DIS, preset FAST, in both directions: `to_past` from t to t-1, `to_future` from t-1 to t.
3. Frame t-1 is warped to t: Ŵ(p) = V_{t-1}(p + to_past(p)), bilinear.
4. A pixel is unoccluded if p + to_past(p) lies inside the frame and both flows agree there:
   |u + v|² ≤ 0.01·(|u|² + |v|²) + 0.5, with u = to_past(p), v = to_future(p + u)  (the check of Sundaram et al. 2010).
5. The error is the mean over unoccluded pixels of the squared difference of RGB in 0..1, averaged over channels.

The long-term error is that between frames t-10 and t. The luma of a film changes along the motion too, which no colors
can make up for; so flicker of color alone is the error of RGB minus luma, `color_only`, of both frames.
"""

from __future__ import annotations

from collections import deque
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..color.planes import LUMA_WEIGHTS
from ..opencv import cv2
from .inputs import check_frames, check_pair, strips, to_255

__all__ = [
    "ColorDistributionConsistency",
    "color_only",
    "dis_flow",
    "downscale_for_flow",
    "flow_luma",
    "flow_scale",
    "unoccluded_mask",
    "warp",
    "warp_errors",
]

DISTANCES = (1, 2, 4)


class ColorDistributionConsistency:
    """Color distribution consistency (CDC) of a film, updated frame by frame; lower is steadier.

    The Jensen-Shannon divergence (natural logarithm) between the histograms of frames 1, 2 and 4 apart: mean over the
    channels and the frame pairs of a distance, then over the distances. Keeps four histograms.
    """

    def __init__(self) -> None:
        self._last: deque[Tensor] = deque(maxlen=max(DISTANCES))  # newest last, each [3, 256] float64 on the CPU
        self._sums = dict.fromkeys(DISTANCES, 0.0)
        self._pairs = dict.fromkeys(DISTANCES, 0)

    def update(self, rgb: Tensor) -> None:
        """Add the next frames: shape = (N, 3, H, W), RGB, uint8 in 0..255 or float in 0..1."""
        for histogram in _histograms(rgb):
            for distance in DISTANCES:
                if len(self._last) >= distance:
                    self._sums[distance] += _jensen_shannon(histogram, self._last[-distance])
                    self._pairs[distance] += 1
            self._last.append(histogram)

    def compute(self) -> float:
        """CDC in 0..ln 2; nan before the second frame. Distances longer than the film are left out of the mean."""
        means = [self._sums[distance] / pairs for distance, pairs in self._pairs.items() if pairs]
        return sum(means) / len(means) if means else float("nan")


def _histograms(rgb: Tensor) -> Tensor:
    """Normalized histograms of each channel: [N, 3, H, W] → [N, 3, 256], float64, on the CPU."""
    check_frames(rgb)
    n, channels = rgb.shape[:2]
    levels = rgb if rgb.dtype == torch.uint8 else to_255(rgb).round().to(torch.uint8)
    counts = torch.stack([torch.bincount(plane, minlength=256) for plane in levels.reshape(n * channels, -1)])
    return counts.view(n, channels, 256).cpu().double() / rgb[0, 0].numel()


def _jensen_shannon(p: Tensor, q: Tensor) -> float:
    """Mean over rows of the Jensen-Shannon divergence of distributions [3, 256]."""
    middle = (p + q) / 2
    entropies = [torch.special.entr(x).sum(-1) for x in (middle, p, q)]
    return float((entropies[0] - (entropies[1] + entropies[2]) / 2).mean())


def flow_scale(height: int, width: int) -> int:
    """The factor k by which frames are downscaled for optical flow (point 0 above)."""
    return max(1, min(height, width) // 240)


def downscale_for_flow(rgb: Tensor) -> Tensor:
    """Downscale frames for the warp error: [N, C, H, W], uint8 or float in 0..1 → [N, C, H/k, W/k], float in 0..1."""
    height, width = rgb.shape[-2:]
    factor = flow_scale(height, width)
    height, width = height // factor, width // factor
    blocks = rgb[..., : height * factor, : width * factor]
    dtype = torch.float32 if rgb.dtype == torch.uint8 else rgb.dtype
    total = torch.zeros((*rgb.shape[:-2], height, width), device=rgb.device, dtype=dtype)
    for row, column in product(range(factor), repeat=2):  # on a CPU more than twice as fast as avg_pool2d
        total += blocks[..., row::factor, column::factor]
    return total / (factor**2 * (255 if rgb.dtype == torch.uint8 else 1))


def color_only(rgb: Tensor) -> Tensor:
    """RGB minus its luma (BT.601): F films [N, F·3, H, W], float, to the same shape."""
    red, blue = LUMA_WEIGHTS["bt601"]
    films = rgb.unflatten(1, (-1, 3))
    luma = (films * films.new_tensor([red, 1 - red - blue, blue])[:, None, None]).sum(2, keepdim=True)
    return (films - luma).flatten(1, 2)


def flow_luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H, W, 3] RGB → 8-bit luma for optical flow, downscaled: [H/k, W/k]."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    factor = flow_scale(height, width)
    if factor > 1:
        height, width = height // factor, width // factor
        gray = cv2.resize(gray[: height * factor, : width * factor], (width, height), interpolation=cv2.INTER_AREA)
    return gray.astype(np.uint8, copy=False)


def dis_flow(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> Tensor:
    """Optical flow by OpenCV's DIS (preset FAST) on the CPU: the displacement of each pixel of `source` in `target`.

    source, target: shape = (H, W), 8-bit gray.  Returns [2, H, W]: x and y in pixels.
    """
    if source.shape != target.shape or source.ndim != 2:
        raise ValueError(f"expected two gray frames [H, W] of the same size, got {source.shape} and {target.shape}")
    if min(source.shape) < 12:  # where OpenCV fails with an assertion about its patches
        raise ValueError(f"optical flow needs frames of at least 12×12 pixels, got {source.shape}")
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = dis.calc(source, target, None)  # type: ignore[call-overload]  # None: no initial flow
    return torch.from_numpy(flow).permute(2, 0, 1)


def warp_errors(before: Tensor, current: Tensor, to_past: Tensor, to_future: Tensor) -> Tensor:
    """Temporal warp error (defined above) of several films with the same motion; lower is steadier.

    before, current: frames t-1 and t of F films, concatenated along the channels: shape = (N, F·3, H, W), RGB, float in
    0..1; to_past (t → t-1), to_future (t-1 → t): shape = (N, 2, H, W).  Returns [N, F], 0..1; nan where all pixels are
    occluded.
    """
    check_pair(before, current, channels=current.shape[1])
    n, channels, height, width = current.shape
    if channels % 3 or not to_past.shape == to_future.shape == (n, 2, height, width):
        raise ValueError(f"flows {list(to_past.shape)}, {list(to_future.shape)} do not fit films {list(current.shape)}")
    counted = current.new_zeros(n, 1)
    sums = current.new_zeros(n, channels)
    top = 0
    for flow, strip in zip(strips(to_past), strips(current), strict=True):
        x, y = _positions(flow, top)
        grid = _grid(x, y, (height, width))
        unoccluded = _unoccluded(flow, _sample(to_future, grid), x, y, (height, width))
        difference = _sample(before, grid).sub_(strip).square_()
        sums += difference.mul_(unoccluded[:, None]).sum((2, 3))
        counted += unoccluded.sum((1, 2))[:, None]
        top += flow.shape[-2]
    return sums.view(n, -1, 3).mean(2) / counted


def warp(frames: Tensor, flow: Tensor) -> Tensor:
    """Sample frames [N, C, H, W] (float) at p + flow(p), flow [N, 2, H, W], bilinearly; edges are repeated outside."""
    if frames.ndim != 4 or flow.shape != (frames.shape[0], 2, *frames.shape[-2:]):
        raise ValueError(f"flow {list(flow.shape)} does not fit frames {list(frames.shape)}")
    return _sample(frames, _grid(*_positions(flow), (flow.shape[-2], flow.shape[-1])))


def unoccluded_mask(to_past: Tensor, to_future: Tensor) -> Tensor:
    """Which pixels of frame t are visible in frame t-1 (point 4 above).

    to_past: the flow t → t-1; to_future: the flow t-1 → t *warped by to_past*, so that both are at the pixels of t;
    shape = (N, 2, H, W).  Returns [N, H, W], bool.
    """
    return _unoccluded(to_past, to_future, *_positions(to_past), (to_past.shape[-2], to_past.shape[-1]))


def _unoccluded(to_past: Tensor, to_future: Tensor, x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
    """`unoccluded_mask` of some rows; x, y: where to_past points to; size: H, W of the whole frame."""
    inside = (x >= 0).logical_and_(x <= size[1] - 1).logical_and_(y >= 0).logical_and_(y <= size[0] - 1)
    motion = _squared_length(to_past).add_(_squared_length(to_future))
    disagreement = _squared_length(to_past + to_future)
    return inside.logical_and_(disagreement <= motion.mul_(0.01).add_(0.5))


def _positions(flow: Tensor, top: int = 0) -> tuple[Tensor, Tensor]:
    """Where flow [N, 2, h, W], of the rows from `top` on, points to: x and y in pixels, each [N, h, W]."""
    height, width = flow.shape[-2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(top, top + height, device=flow.device, dtype=flow.dtype)
    return flow[:, 0] + x, flow[:, 1] + y[:, None]


def _grid(x: Tensor, y: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixel positions [N, h, W] → the grid of grid_sample, [N, h, W, 2] in -1..1."""
    grid = torch.stack((x, y), dim=-1)
    scale = grid.new_tensor([2 / max(size[1] - 1, 1), 2 / max(size[0] - 1, 1)])
    return grid.mul_(scale).sub_(1)


def _sample(frames: Tensor, grid: Tensor) -> Tensor:
    return F.grid_sample(frames, grid, mode="bilinear", padding_mode="border", align_corners=True)


def _squared_length(flow: Tensor) -> Tensor:
    return (flow[:, 0] * flow[:, 0]).addcmul_(flow[:, 1], flow[:, 1])
