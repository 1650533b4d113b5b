"""The encoder: ConvNeXt, of torchvision's blocks."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torchvision.models.convnext import CNBlock, LayerNorm2d

from .config import DDColorConfig

__all__ = ["Encoder"]

_EPS = 1e-6  # of every LayerNorm in here; torchvision's blocks have it too


class Encoder(nn.Module):
    """A picture [B, 3, H, W] to four maps of stride 4, 8, 16, 32, each through a LayerNorm of its own."""

    def __init__(self, config: DDColorConfig):
        super().__init__()
        widths = config.widths
        stem = nn.Sequential(nn.Conv2d(3, widths[0], 4, stride=4), LayerNorm2d(widths[0], eps=_EPS))
        steps = (
            nn.Sequential(LayerNorm2d(fine, eps=_EPS), nn.Conv2d(fine, coarse, 2, stride=2))
            for fine, coarse in pairwise(widths)
        )
        self.downsample = nn.ModuleList((stem, *steps))
        self.stages = nn.ModuleList(
            nn.Sequential(*(CNBlock(width, layer_scale=1e-6, stochastic_depth_prob=0.0) for _ in range(depth)))
            for width, depth in zip(widths, config.depths, strict=True)
        )
        self.norms = nn.ModuleList(LayerNorm2d(width, eps=_EPS) for width in widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        taps = []
        for downsample, stage, norm in zip(self.downsample, self.stages, self.norms, strict=True):
            x = stage(downsample(x))
            taps.append(norm(x))  # for the decoder alone: the next stage gets x
        return taps
