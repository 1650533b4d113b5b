"""Exact shortcuts: each equals its plain form to rounding, which tests/support/plain_deep_exemplar.py has."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["InstanceNorm", "add_conv3x3_of_doubled", "instance_norm"]


def instance_norm(x: Tensor) -> Tensor:
    """``F.instance_norm(x)``: each map of each picture with mean 0 and variance 1.

    Of one picture it is BatchNorm with the statistics of the batch, which keeps channels_last: on a CPU it takes a
    tenth of the time, and the next convolution need not change the layout.
    """
    if len(x) > 1:
        return F.instance_norm(x)
    return F.batch_norm(x, None, None, training=True)


class InstanceNorm(nn.Module):
    """`instance_norm` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x)


def add_conv3x3_of_doubled(x: Tensor, conv: nn.Conv2d, total: Tensor) -> Tensor:
    """``total.add_(conv(interpolate(x, scale_factor=2, mode="nearest")))`` for a zero-padded 3×3 convolution.

    In 4/9 of its operations: the nine pixels that an output pixel sees are four of the small map, some of them more
    than once. That is a 2×2 convolution for each of the four positions of an output pixel within its small one.
    """
    h, w = x.shape[-2:]
    rows = _joined(conv.weight, dim=2)
    kernels = torch.cat([part for row in rows for part in _joined(row, dim=3)])  # (4·out, in, 2, 2)
    bias = None if conv.bias is None else conv.bias.repeat(4)
    found = F.conv2d(x, kernels.contiguous(memory_format=torch.channels_last), bias, padding=1)  # (4·out, h + 1, w + 1)
    for i, part in enumerate(found.chunk(4, dim=1)):
        dy, dx = divmod(i, 2)
        total[:, :, dy::2, dx::2] += part[:, :, dy : dy + h, dx : dx + w]
    return total


def _joined(weight: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Three taps along a side as two of the small map, for the first and for the second pixel of a doubled one."""
    before, middle, after = weight.split(1, dim)
    return torch.cat((before, middle + after), dim), torch.cat((before + middle, after), dim)
