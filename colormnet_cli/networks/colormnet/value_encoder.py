"""Keys and values: the query of a frame, and what is kept of a remembered one."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import ColorMNetConfig
from .fusion import FeatureFusion, GatedUpdate
from .ops import parts_of
from .trunk import Trunk

__all__ = ["Key", "KeyProjection", "ValueEncoder"]


class Key(NamedTuple):
    """What the memory compares."""

    key: Tensor  # (B, Ck, h, w)
    shrinkage: Tensor  # (B, 1, h, w), ≥ 1: how sharply an element, once remembered, insists on its key
    selection: Tensor  # (B, Ck, h, w) in 0..1: which channels count for a query

    def frame(self, i: int) -> Key:
        """The i-th frame alone, B = 1."""
        return Key(*(part[i : i + 1] for part in self))


class KeyProjection(nn.Module):
    """Key, shrinkage and selection of the coarse features."""

    def __init__(self, dim: int, key_dim: int):
        super().__init__()
        self.key = nn.Conv2d(dim, key_dim, 3, padding=1)
        self.shrinkage = nn.Conv2d(dim, 1, 3, padding=1)
        self.selection = nn.Conv2d(dim, key_dim, 3, padding=1)

    def forward(self, f16: Tensor) -> Key:
        """[B, C, h, w] to the frame's key, in float32: similarities are sensitive to its rounding."""
        convs = (self.key, self.shrinkage, self.selection)
        weight, bias = (torch.cat([getattr(conv, name) for conv in convs]) for name in ("weight", "bias"))
        dim = self.key.out_channels
        key, root, selection = F.conv2d(f16, weight, bias, padding=1).float().split((dim, 1, dim), dim=1)
        return Key(key, root.square() + 1, selection.sigmoid())


class ValueEncoder(nn.Module):
    """A frame's lightness and color to the values that the memory keeps."""

    def __init__(self, config: ColorMNetConfig):
        super().__init__()
        self.trunk = Trunk(
            5,
            "basic",
            config.value_stem,
            config.stem_stride,
            config.value_widths,
            config.value_depths,
            config.coarse_step,
        )
        self.fuser = FeatureFusion(
            config.trunk_widths[-1], config.value_widths[-1], config.value_dim, config.gate_reduction
        )
        self.reinforce = GatedUpdate(config.value_dim, config.hidden_dim)

    def forward(self, lightness: Tensor, ab: Tensor, f16: Tensor) -> Tensor:
        """Normalised lightness [B, 3, H, W], ab/110 [B, 2, H, W], features [B, C, h, w] to [B, 2, Cv, h, w].

        Each of the two color channels is a picture of five: lightness three times, this channel, the other one.
        """
        pictures = torch.stack((ab, ab.flip(1)), dim=2)  # (B, 2, 2, H, W): a with b, b with a
        pictures = torch.cat((lightness[:, None].expand(-1, 2, -1, -1, -1), pictures), dim=2)
        both = pictures.flatten(0, 1)
        parts = parts_of(both, self.trunk.conv1.out_channels // self.trunk.conv1.stride[0] ** 2)
        coarse = torch.cat([self.trunk(part)[-1] for part in both.split(-(-len(both) // parts))])
        return self.fuser(f16, coarse.unflatten(0, pictures.shape[:2]))

    def deep_update(self, value: Tensor, hidden: Tensor) -> Tensor:
        """The hidden state [B, 2, Ch, h, w] renewed by what was just remembered."""
        return self.reinforce(value, hidden)
