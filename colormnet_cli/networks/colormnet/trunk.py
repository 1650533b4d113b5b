"""ResNet trunks up to their third stage. Names of parameters are torchvision's, as in the published checkpoint."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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


class BasicBlock(nn.Module):
    """Two 3×3 convs around a shortcut; `downsample` brings the input to the output's shape where they differ."""

    expansion = 1  # output channels for each channel within

    def __init__(self, width_in: int, planes: int, stride: int = 1, downsample: nn.Module | None = None):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x)).relu_()
        out = self.bn2(self.conv2(out))
        return out.add_(x if self.downsample is None else self.downsample(x)).relu_()


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convs around a shortcut, the 3×3 with the stride."""

    expansion = 4

    def __init__(self, width_in: int, planes: int, stride: int = 1, downsample: nn.Module | None = None):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn1(self.conv1(x)).relu_()
        out = self.bn2(self.conv2(out)).relu_()
        out = self.bn3(self.conv3(out))
        return out.add_(x if self.downsample is None else self.downsample(x)).relu_()


def _stage(block: type[BasicBlock | Bottleneck], width_in: int, width: int, depth: int, stride: int) -> nn.Sequential:
    shortcut = None
    if stride != 1 or width_in != width:
        shortcut = nn.Sequential(_Pointwise(width_in, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width))
    planes = width // block.expansion
    first = block(width_in, planes, stride, shortcut)
    return nn.Sequential(first, *(block(width, planes) for _ in range(depth - 1)))


class _Pointwise(nn.Conv2d):
    """A 1×1 conv that may skip pixels."""

    def forward(self, input: Tensor) -> Tensor:
        # oneDNN 3.13 writes past its buffer (a crash) in this conv's gradient on an AVX-512 CPU, where it skips pixels
        # of a large channels_last map of under 16 channels. Without the pixels it is the same conv, and safe.
        if input.is_cpu and self.in_channels < 16 and torch.is_grad_enabled():
            down, across = self.stride
            return F.conv2d(input[:, :, ::down, ::across], self.weight, self.bias)
        return super().forward(input)
