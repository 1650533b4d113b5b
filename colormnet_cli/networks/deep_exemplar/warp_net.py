"""WarpNet's features: the same network for frame and exemplar, from VGG's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .shortcuts import InstanceNorm, instance_norm

__all__ = ["WarpNet", "normalized"]


class WarpNet(nn.Module):
    """VGG's r22, r32, r42, r52, normalized, to maps of stride 4 that `theta` (frame) and `phi` (exemplar) compare."""

    def __init__(self, width: int):
        super().__init__()
        w = width
        self.layer2_1 = nn.Sequential(*_step(2 * w, 2 * w), *_step(2 * w, w, stride=2))
        self.layer3_1 = nn.Sequential(*_step(4 * w, 2 * w), *_step(2 * w, w))
        self.layer4_1 = nn.Sequential(*_step(8 * w, 4 * w), *_step(4 * w, w), _Double())
        self.layer5_1 = nn.Sequential(*_step(8 * w, 4 * w), _Double(), *_step(4 * w, w), _Double())
        self.layer = nn.Sequential(*(ResidualBlock(4 * w) for _ in range(3)))
        self.theta_conv = nn.Conv2d(4 * w, 4 * w, 1)
        self.phi_conv = nn.Conv2d(4 * w, 4 * w, 1)

    def theta(self, taps: list[Tensor]) -> Tensor:
        """A frame's features [B, C, H/4, W/4], float32: of mean zero, then of length one."""
        return _centered(self.theta_conv(self._joined(taps)))

    def phi(self, taps: list[Tensor]) -> Tensor:
        """An exemplar's features, as `theta`."""
        return _centered(self.phi_conv(self._joined(taps)))

    def _joined(self, taps: list[Tensor]) -> Tensor:
        r22, r32, r42, r52 = taps
        fine, coarse = self.layer2_1(r22), self.layer5_1(r52)
        # VGG's pooling drops a row of eight pixels where H/16 is not whole, and a column where W/16 is not
        (h, w), (ch, cw) = fine.shape[-2:], coarse.shape[-2:]
        coarse = F.pad(coarse, ((w - cw) // 2, (w - cw) // 2, (h - ch) // 2, (h - ch) // 2), mode="replicate")
        return self.layer(torch.cat((fine, self.layer3_1(r32), self.layer4_1(r42), coarse), dim=1))


class ResidualBlock(nn.Module):
    """PReLU(x + conv2(PReLU(conv1(x)))), each convolution with InstanceNorm."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1, self.conv2 = _conv(width, width), _conv(width, width)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.prelu(instance_norm(self.conv1(x)))
        return self.prelu(x + instance_norm(self.conv2(y)))


class _Double(nn.Module):
    """Nearest, ×2."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="nearest")


def _step(width_in: int, width: int, stride: int = 1) -> tuple[nn.Module, ...]:
    """A convolution with its padding, norm and activation: four modules, since the published names count them."""
    return nn.ReflectionPad2d(1), nn.Conv2d(width_in, width, 3, stride), InstanceNorm(), nn.PReLU()


def _conv(width_in: int, width: int) -> nn.Conv2d:
    return nn.Conv2d(width_in, width, 3, padding=1, padding_mode="reflect")


def normalized(x: Tensor) -> Tensor:
    """A map [B, C, h, w] whose every pixel has length one; float32, since halves can hold neither sum nor ε."""
    x = x.float()
    return x / (x.norm(dim=1, keepdim=True) + 2.2e-16)


def _centered(x: Tensor) -> Tensor:
    x = x.float()
    return normalized(x - x.mean(dim=(2, 3), keepdim=True))
