"""What the value encoder and the decoder share: joining frame features with those of the two color channels.

A map of the color channels is [B, 2, C, h, w], a's part and b's. A conv over the concatenation of frame and color
features is a shared part, computed once a frame, plus a part per color channel.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .ops import conv3x3_of_upsampled, parts_of

__all__ = ["CBAM", "FeatureFusion", "GatedUpdate", "ResidualBlock", "joined", "per_channel"]


def per_channel(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a module for maps to a's and b's: [B, 2, C, h, w] to [B, 2, C', h', w']."""
    return module(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def joined(*maps: Tensor) -> Tensor:
    """Maps [B, 2, C, h, w], concatenated: [B, 2, C + …, h, w]. Joined with four axes they keep channels_last."""
    return torch.cat([x.flatten(0, 1) for x in maps], dim=1).unflatten(0, maps[0].shape[:2])


class ResidualBlock(nn.Module):
    """conv2(relu(conv1(relu(x)))) + shortcut(x), 3×3 convs."""

    def __init__(self, width_in: int, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.shortcut = nn.Conv2d(width_in, width, 3, padding=1) if width_in != width else None

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] to [N, C', h, w]."""
        out = self.conv2(self.conv1(x.relu()).relu_())
        return out.add_(x if self.shortcut is None else self.shortcut(x))

    def forward_joined(self, frame: Tensor, color: Tensor) -> Tensor:
        """The same for x = [frame [B, F, h, w] | color [B, 2, G, h, w]] concatenated, to [B, 2, C', h, w]."""
        assert self.shortcut is not None
        inner = _conv_joined(self.conv1, frame.relu(), color.relu())
        out = self.conv2(inner.flatten(0, 1).relu_()).unflatten(0, color.shape[:2])
        return out + _conv_joined(self.shortcut, frame, color)

    def forward_skip(self, skip: Tensor, coarse: Tensor, factor: int) -> Tensor:
        """The same for x = skip [B, C, H, W] + upsampled coarse [B, 2, C, H/factor, W/factor], to [B, 2, C', H, W]."""
        B, two = coarse.shape[:2]
        x = F.interpolate(coarse.flatten(0, 1), scale_factor=factor, mode="bilinear", align_corners=False)
        x = x.unflatten(0, (B, two)).add_(skip[:, None]).flatten(0, 1)
        if self.shortcut is None:
            if parts_of(x, x.shape[1]) == 1:
                return self(x).unflatten(0, (B, two))
            for part in x.split(1):  # one map after the other, in its place
                part.copy_(self(part))
            return x.unflatten(0, (B, two))
        out = self.conv2(self.conv1(x.relu()).relu_()).unflatten(0, (B, two))
        del x
        shared = self.shortcut(skip)[:, None]  # bias included, once
        own = conv3x3_of_upsampled(coarse.flatten(0, 1), self.shortcut, factor, bias=False)
        return out.add_(shared).add_(own.unflatten(0, (B, two)))


def _conv_joined(conv: nn.Conv2d, frame: Tensor, color: Tensor) -> Tensor:
    """A conv of [frame | color] concatenated: [B, F, h, w] and [B, 2, G, h, w] to [B, 2, C, h, w]."""
    shared, own = conv.weight.split((frame.shape[1], color.shape[2]), dim=1)
    ours = F.conv2d(color.flatten(0, 1), own, padding=1).unflatten(0, color.shape[:2])
    return ours + F.conv2d(frame, shared, conv.bias, padding=1)[:, None]


class CBAM(nn.Module):
    """A gate on the channels, then one on the pixels."""

    def __init__(self, dim: int, reduction: int):
        super().__init__()
        self.channels = nn.Sequential(nn.Linear(dim, dim // reduction), nn.ReLU(), nn.Linear(dim // reduction, dim))
        self.pixels = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] to the same, gated."""
        gate = self.channels(x.mean((2, 3))) + self.channels(x.amax((2, 3)))
        x = x * gate.sigmoid()[:, :, None, None]
        gate = self.pixels(torch.stack((x.amax(1), x.mean(1)), dim=1))
        return x * gate.sigmoid()


class FeatureFusion(nn.Module):
    """Frame features and color features to one map per color channel."""

    def __init__(self, frame_dim: int, color_dim: int, dim: int, reduction: int):
        super().__init__()
        self.block1 = ResidualBlock(frame_dim + color_dim, dim)
        self.gates = CBAM(dim, reduction)
        self.block2 = ResidualBlock(dim, dim)

    def forward(self, frame: Tensor, color: Tensor) -> Tensor:
        """[B, F, h, w] and [B, 2, G, h, w] to [B, 2, C, h, w]."""
        x = self.block1.forward_joined(frame, color).flatten(0, 1)
        return self.block2(x + self.gates(x)).unflatten(0, color.shape[:2])


class GatedUpdate(nn.Module):
    """The GRU that renews the hidden state. Its third part does not see the gated state: so it was trained."""

    def __init__(self, dim_in: int, hidden_dim: int):
        super().__init__()
        self.transform = nn.Conv2d(dim_in + hidden_dim, 3 * hidden_dim, 3, padding=1)

    def forward(self, news: Tensor, hidden: Tensor) -> Tensor:
        """[B, 2, C, h, w] and the hidden state [B, 2, Ch, h, w] to the new one."""
        parts = per_channel(self.transform, joined(news, hidden))
        forget, update, new = parts.chunk(3, dim=2)
        forget, update = forget.sigmoid(), update.sigmoid()
        return forget * hidden * (1 - update) + update * new.tanh()
