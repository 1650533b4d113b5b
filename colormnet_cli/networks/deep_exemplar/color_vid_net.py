"""ColorVidNet: the frame's colors, from the warped ones, their similarity, and the last frame."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from .shortcuts import add_conv3x3_of_doubled, instance_norm

__all__ = ["ColorVidNet"]


class ColorVidNet(nn.Module):
    """l, warped a and b, similarity, last l, a and b [B, 7, H, W] to ab in Lab units [B, 2, H, W]."""

    def __init__(self, width: int):
        super().__init__()
        w = width
        self.stage1 = Stage(7, w // 2, w, w)
        self.down1 = _down(w)
        self.stage2 = Stage(w, 2 * w, 2 * w)
        self.down2 = _down(2 * w)
        self.stage3 = Stage(2 * w, 4 * w, 4 * w, 4 * w)
        self.down3 = _down(4 * w)
        self.stage4 = Stage(4 * w, 8 * w, 8 * w, 8 * w)
        self.stage5 = Stage(8 * w, 8 * w, 8 * w, 8 * w, dilation=2)
        self.stage6 = Stage(8 * w, 8 * w, 8 * w, 8 * w, dilation=2)
        self.stage7 = Stage(8 * w, 8 * w, 8 * w, 8 * w)
        self.join8 = Join(8 * w, 4 * w, 4 * w)
        self.stage8 = Stage(4 * w, 4 * w, 4 * w)
        self.join9 = Join(4 * w, 2 * w, 2 * w)
        self.stage9 = Stage(2 * w, 2 * w)
        self.join10 = Join(2 * w, w, 2 * w)
        self.conv10 = nn.Conv2d(2 * w, 2 * w, 3, padding=1)
        self.ab = nn.Conv2d(2 * w, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        n1 = self.stage1(x)
        n2 = self.stage2(self.down1(n1))
        n3 = self.stage3(self.down2(n2))
        x = self.stage4(self.down3(n3))
        x = self.stage7(self.stage6(self.stage5(x)))
        x = self.stage8(self.join8(x, n3))
        x = self.stage9(self.join9(x, n2))
        x = F.leaky_relu(self.conv10(self.join10(x, n1)), 0.2, inplace=True)
        return 128 * self.ab(x).float().tanh()


class Stage(nn.Module):
    """3×3 convolutions from width to width, each with ReLU, then InstanceNorm."""

    def __init__(self, *widths: int, dilation: int = 1):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation) for before, after in pairwise(widths)
        )

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = conv(x).relu_()
        return instance_norm(x)


class Join(nn.Module):
    """A coarse map to twice its size, plus the encoder's map of that size, each through a convolution; ReLU."""

    def __init__(self, width_in: int, skip_width: int, width: int):
        super().__init__()
        self.up = nn.Conv2d(width_in, width, 3, padding=1)
        self.short = nn.Conv2d(skip_width, width, 3, padding=1)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return add_conv3x3_of_doubled(x, self.up, self.short(skip)).relu_()


def _down(width: int) -> nn.Conv2d:
    """Every second pixel, each channel with a factor."""
    return nn.Conv2d(width, width, 1, stride=2, groups=width, bias=False)
