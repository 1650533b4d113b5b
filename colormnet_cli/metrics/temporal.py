"""How steady colours are over time: CDC and the temporal warp error.

The warp error between frames t-1 and t of a film, as this project defines it:

1. Gray: 8-bit BT.601 luma of the *reference* (OpenCV's RGB2GRAY): every method is measured with the same motion.
2. Flow: OpenCV's DIS, preset FAST, at full size, both ways: `to_past` from t to t-1, `to_future` from t-1 to t.
3. Frame t-1 is warped to t: Ŵ(p) = V_{t-1}(p + to_past(p)), bilinear.
4. A pixel counts if p + to_past(p) lies inside the picture and both flows agree there:
   |u + v|² ≤ 0.01·(|u|² + |v|²) + 0.5, with u = to_past(p), v = to_future(p + u)  (the check of Sundaram et al. 2010).
5. The error is the mean over the pixels that count of the squared difference of RGB in 0..1, averaged over channels.
"""

from __future__ import annotations

from collections import deque

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ._inputs import check_frames, check_pair, in_255, in_unit

__all__ = ["ColourConsistency", "dis_flow", "gray_of", "visible_mask", "warp", "warp_error"]

DISTANCES = (1, 2, 4)


class ColourConsistency:
    """Colour distribution consistency (CDC) of a film that comes frame by frame; lower is steadier.

    The Jensen-Shannon divergence (natural logarithm) between the histograms of frames 1, 2 and 4 apart: mean over the
    channels and frame pairs of a distance, then over the distances. Memory: four histograms.
    """

    def __init__(self) -> None:
        self._last: deque[Tensor] = deque(maxlen=max(DISTANCES))  # newest last, each [3, 256] float64 on the CPU
        self._sums = dict.fromkeys(DISTANCES, 0.0)
        self._pairs = dict.fromkeys(DISTANCES, 0)

    def update(self, rgb: Tensor) -> None:
        """The film's next frames: shape = (N, 3, H, W), RGB, uint8 in 0..255 or float in 0..1."""
        for histogram in _histograms(rgb):
            for distance in DISTANCES:
                if len(self._last) >= distance:
                    self._sums[distance] += _jensen_shannon(histogram, self._last[-distance])
                    self._pairs[distance] += 1
            self._last.append(histogram)

    def compute(self) -> float:
        """CDC, 0..ln 2; nan before the second frame. Distances longer than the film are left out of the mean."""
        means = [self._sums[distance] / pairs for distance, pairs in self._pairs.items() if pairs]
        return sum(means) / len(means) if means else float("nan")


def _histograms(rgb: Tensor) -> Tensor:
    """Shares of the 256 levels in each channel: [N, 3, H, W] → [N, 3, 256], float64, on the CPU."""
    check_frames(rgb)
    n, channels = rgb.shape[:2]
    levels = rgb if rgb.dtype == torch.uint8 else in_255(rgb).round()
    offsets = torch.arange(n * channels, device=rgb.device, dtype=torch.int32).view(n, channels, 1) * 256
    bins = levels.flatten(2).to(torch.int32) + offsets
    counts = torch.bincount(bins.flatten(), minlength=n * channels * 256).view(n, channels, 256).cpu()
    return counts.double() / rgb[0, 0].numel()


def _jensen_shannon(p: Tensor, q: Tensor) -> float:
    """Mean over rows of the Jensen-Shannon divergence of distributions [3, 256]."""
    middle = (p + q) / 2
    entropies = [torch.special.entr(x).sum(-1) for x in (middle, p, q)]
    return float((entropies[0] - (entropies[1] + entropies[2]) / 2).mean())


def gray_of(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[H, W, 3] RGB → the 8-bit luma [H, W] that motion is found in."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def dis_flow(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> Tensor:
    """Optical flow by OpenCV's DIS (preset FAST) on the CPU: where each pixel of `source` lies in `target`.

    source, target: shape = (H, W), 8-bit gray.  Returns [2, H, W]: x and y displacement in pixels.
    """
    if source.shape != target.shape or source.ndim != 2:
        raise ValueError(f"expected two gray pictures [H, W] of one size, got {source.shape} and {target.shape}")
    if min(source.shape) < 12:  # OpenCV's own answer is an assertion about its patches
        raise ValueError(f"optical flow needs pictures of at least 12×12 pixels, got {source.shape}")
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = dis.calc(source, target, None)  # type: ignore[call-overload]  # None: no flow to begin with
    return torch.from_numpy(flow).permute(2, 0, 1)


def _positions(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Where flow [N, 2, H, W] points to: x and y in pixels, each [N, H, W]."""
    height, width = flow.shape[-2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)
    return flow[:, 0] + x, flow[:, 1] + y[:, None]


def warp(pictures: Tensor, flow: Tensor) -> Tensor:
    """Bilinear sampling of pictures [N, C, H, W] (float) at p + flow(p), flow [N, 2, H, W]; outside, edges go on."""
    if pictures.ndim != 4 or flow.shape != (pictures.shape[0], 2, *pictures.shape[-2:]):
        raise ValueError(f"flow {list(flow.shape)} does not fit pictures {list(pictures.shape)}")
    height, width = flow.shape[-2:]
    x, y = _positions(flow)
    grid = torch.stack((x.mul(2 / max(width - 1, 1)).sub_(1), y.mul(2 / max(height - 1, 1)).sub_(1)), dim=-1)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=True)


def visible_mask(to_past: Tensor, to_future: Tensor) -> Tensor:
    """Which pixels of frame t were to be seen in frame t-1 (point 4 above).

    to_past: the flow t → t-1; to_future: the flow t-1 → t *warped by to_past*, so that both belong to the pixels of t;
    shape = (N, 2, H, W).  Returns [N, H, W], bool.
    """
    disagreement = (to_past + to_future).square().sum(1)
    motion = to_past.square().sum(1) + to_future.square().sum(1)
    x, y = _positions(to_past)
    height, width = to_past.shape[-2:]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside & (disagreement <= 0.01 * motion + 0.5)


def warp_error(warped: Tensor, current: Tensor, visible: Tensor) -> Tensor:
    """Temporal warp error of frames t against their predecessors (point 5 above); lower is steadier.

    warped: frames t-1 as `warp` brought them to t; current: frames t; shape = (N, 3, H, W), RGB, uint8 in 0..255 or
    float in 0..1; visible: [N, H, W], bool.  Returns [N], 0..1; nan where no pixel counts.
    """
    check_pair(warped, current)
    difference = (in_unit(current) - in_unit(warped)).square_().mean(1)
    return (difference * visible).sum((1, 2)) / visible.sum((1, 2))
