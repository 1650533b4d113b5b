"""Deep Exemplar's opponent in training: whether two frames in a row are true."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Discriminator"]


class Discriminator(nn.Module):
    """Lab/100 of a frame and the one before [B, 6, H, W] to how true each place looks [B, 1, H/16, W/16]."""

    def __init__(self, width: int = 64):
        super().__init__()
        widths = (6, width, 2 * width, 4 * width, 8 * width)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(widths))
        self.judge = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
        return self.judge(x).float()
