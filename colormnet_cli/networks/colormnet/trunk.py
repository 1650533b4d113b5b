"""ResNet trunks up to their third stage, of torchvision's blocks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck

__all__ = ["Trunk"]


class Trunk(nn.Module):
    """A 7×7 stem, a max-pool, and three stages whose maps have strides 2, 4 and 4·coarse_step times the stem's."""

    def __init__(
        self,
        in_channels: int,
        block: str,
        stem: int,
        stem_stride: int,
        widths: tuple[int, int, int],
        depths: tuple[int, int, int],
        coarse_step: int = 2,
    ):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, stem, 7, stride=stem_stride, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        kind = BasicBlock if block == "basic" else Bottleneck
        inputs, strides = (stem, *widths), (1, 2, coarse_step)
        self.stages = nn.ModuleList(_stage(kind, inputs[i], widths[i], depths[i], strides[i]) for i in range(3))

    def forward(self, x: Tensor) -> list[Tensor]:
        """A picture [B, C, H, W] to the three stages' maps, fine to coarse."""
        x = self.pool(self.bn1(self.conv1(x)).relu_())
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


def _stage(block: type[BasicBlock | Bottleneck], width_in: int, width: int, depth: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or width_in != width:
        shortcut = nn.Sequential(_Pointwise(width_in, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width))
    planes = width // block.expansion
    first = block(width_in, planes, stride, shortcut)
    return nn.Sequential(first, *(block(width, planes) for _ in range(depth - 1)))


class _Pointwise(nn.Conv2d):
    """A 1×1 conv without bias that may skip pixels."""

    def forward(self, input: Tensor) -> Tensor:
        # oneDNN 3.13 writes past its buffer (a crash) in this conv's gradient on an AVX-512 CPU, where it skips pixels
        # of a large channels_last map of under 16 channels. Without the pixels it is the same conv, and safe.
        if input.is_cpu and self.in_channels < 16 and torch.is_grad_enabled():
            down, across = self.stride
            return F.conv2d(input[:, :, ::down, ::across], self.weight)
        return super().forward(input)
