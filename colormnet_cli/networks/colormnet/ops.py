"""Exact shortcuts and small operations that several parts of the network share.

Each shortcut equals its plain form to rounding; tests/test_ops.py holds the plain forms.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["attend", "channel_norm", "conv3x3_of_upsampled", "parts_of", "upsample"]

_PART = 2**24  # bytes of a map that are computed at once on a CPU


def parts_of(x: Tensor, channels: int) -> int:
    """In how many parts to compute maps of `channels` channels at the size of x [B, C, H, W], to hold less at once.

    1 on a GPU, where each part would be a kernel more, and with gradients, for which everything is held anyway.
    """
    if not x.is_cpu or torch.is_grad_enabled():
        return 1
    return -(-x[:, 0].numel() * channels * x.element_size() // _PART)


def upsample(x: Tensor, factor: int) -> Tensor:
    """Bilinear, half-pixel centers: [B, C, h, w] to [B, C, factor·h, factor·w]."""
    if factor == 1:
        return x
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


_QUERIES = 256  # queries whose scores `attend` holds at once


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q·kᵀ / √C)·v over tokens: [B, heads, N, C] three times to the same."""
    if q.device.type != "cpu" or q.dtype != torch.bfloat16:
        return F.scaled_dot_product_attention(q, k, v)
    # On processors with bfloat16, PyTorch's own takes as long as in float32; two matrix products take 0.6 of it.
    q, k, v = q * q.shape[-1] ** -0.5, k.transpose(2, 3).contiguous(), v.contiguous()
    return torch.cat([(part @ k).softmax(dim=3) @ v for part in q.split(_QUERIES, dim=2)], dim=2)


def channel_norm(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    """LayerNorm over the channels of a map [B, C, H, W]."""
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def conv3x3_of_upsampled(x: Tensor, conv: nn.Conv2d, factor: int, *, bias: bool = True) -> Tensor:
    """``conv(upsample(x, factor))`` for a zero-padded 3×3 conv, most of it at x's own resolution.

    Both are linear: the answer is the sum of nine taps, each a 1×1 conv of the small map, upsampled and shifted.
    Interpolation is separable, so the taps of a row are joined along x before the rows are joined along y.
    Interpolation clamps at the small map's edge, and what a shift brings in from outside the large map is zero.
    """
    added = conv.bias if bias else None
    if factor == 1:
        return F.conv2d(x, conv.weight, added, padding=1)
    out = conv.out_channels
    step = 16 * -(-out // (16 * parts_of(x, 3 * out * factor**2)))  # whole vectors
    if step >= out:
        return _upsampled_taps(x, conv.weight, added, factor)
    size = (len(x), out, factor * x.shape[2], factor * x.shape[3])
    result = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
    for first in range(0, out, step):
        some = slice(first, first + step)
        result[:, some] = _upsampled_taps(x, conv.weight[some], None if added is None else added[some], factor)
    return result


def _upsampled_taps(x: Tensor, weight: Tensor, bias: Tensor | None, factor: int) -> Tensor:
    h, w = x.shape[-2:]
    out = len(weight)
    taps = weight.permute(3, 2, 0, 1).reshape(9 * out, -1, 1, 1)  # ordered (dx, dy, out)
    x = F.conv2d(x, taps)
    x = F.interpolate(x, size=(h, factor * w), mode="bilinear", align_corners=False)
    x = _shifted_sum(x, 3 * out, dim=3)
    x = F.interpolate(x, size=(factor * h, factor * w), mode="bilinear", align_corners=False)
    x = _shifted_sum(x, out, dim=2)
    return x if bias is None else x.add_(bias[:, None, None])


def _shifted_sum(x: Tensor, channels: int, dim: int) -> Tensor:
    """Three taps [B, 3·channels, H, W] to their sum, the first moved one step forward along dim, the last one back."""
    before, here, after = x.split(channels, dim=1)
    size = x.shape[dim]
    total = here.clone(memory_format=torch.preserve_format)
    total.narrow(dim, 1, size - 1).add_(before.narrow(dim, 0, size - 1))
    total.narrow(dim, 0, size - 1).add_(after.narrow(dim, 1, size - 1))
    return total
