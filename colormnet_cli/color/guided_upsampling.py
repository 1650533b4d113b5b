"""ab from the working resolution to full size, along the edges of the full-size lightness."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .resize import bilinear

__all__ = ["upsample_ab"]

_FLAT, _GRAIN = 0.5, 8.0  # a window is flat if the variance of L is under 0.5 + 8 × that of the quieter windows


def upsample_ab(ab: Tensor, L_small: Tensor, L_full: Tensor, guided: bool = True) -> Tensor:
    """Bring ab from the working size to full size, along the edges of the full-size lightness.

    Guided is bilinear interpolation plus what it loses: near each small pixel ab is a line over L (slope A, fitted in
    3×3 pixels, as in He's guided filter), and A · (L_full − upsampled L_small) is the detail of ab that goes with the
    detail of L. Where L is flat or varies no more than the grain, or ab does not follow it, this is bilinear, unlike a
    guided filter, which blurs there. The result stays within the colors of the neighboring small pixels.

    Args:
        ab: [2,h,w] or [K,2,h,w], Lab units.
        L_small: [1,h,w] or [K,1,h,w], what the network saw.
        L_full: [1,H,W] or [K,1,H,W].
        guided: False is plain bilinear interpolation.

    Returns:
        [2,H,W] or [K,2,H,W]; `ab` itself where the two sizes are the same.
    """
    if ab.shape[-3] != 2 or ab.shape[-2:] != L_small.shape[-2:] or {L_small.shape[-3], L_full.shape[-3]} != {1}:
        raise ValueError(
            f"ab is {list(ab.shape)}, L_small {list(L_small.shape)}, L_full {list(L_full.shape)}: "
            "expected [2,h,w], [1,h,w] and [1,H,W]"
        )
    full = (L_full.shape[-2], L_full.shape[-1])
    if ab.shape[-2:] == full or not guided:
        return bilinear(ab, full)
    mean = _window_mean(torch.cat([L_small, ab, L_small * L_small, L_small * ab], dim=-3))
    mean_L, mean_ab, mean_LL, mean_Lab = torch.split(mean, [1, 2, 1, 2], dim=-3)
    variance = (mean_LL - mean_L * mean_L).clamp(min=0)  # [..,1,h,w]
    grain = variance[..., ::4, ::4].flatten(-3).quantile(0.25, dim=-1)[..., None, None, None]
    slope = (mean_Lab - mean_L * mean_ab) / (variance + _FLAT + _GRAIN * grain)
    lowest, highest = -_window_max(-ab), _window_max(ab)
    up = bilinear(torch.cat([L_small, ab, slope, lowest, highest], dim=-3), full)
    up_L, up_ab, up_slope, up_lowest, up_highest = torch.split(up, [1, 2, 2, 2, 2], dim=-3)
    return (up_ab + up_slope * (L_full - up_L)).clamp(up_lowest, up_highest)


def _window_mean(x: Tensor) -> Tensor:
    """Mean over 3×3 pixels, the border repeated: [..,C,h,w] → the same shape."""
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1).reshape(x.shape)


def _window_max(x: Tensor) -> Tensor:
    """Maximum over 3×3 pixels: [..,C,h,w] → the same shape."""
    return F.max_pool2d(x, 3, stride=1, padding=1)
