"""Color finer than an element of the memory, read from the exemplars.

A small network that works at one scale cannot restore what a memory of coarse elements loses. Where a frame's pixel
matches an exemplar's element (match.py), its cells (the pixels of f4) attend to the cells in and around that element.
Only exemplars are read so: their color is true, and stays sharp however long the film is.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import PreviewConfig

__all__ = ["ExemplarDetail"]

_MAX_CYCLE_ERROR = 2.0  # tens of elements: beyond it a match is as unreliable as can be
_READ = 3  # numbers read of a cell: a, b, and lightness, by which the decoder judges the match


class ExemplarDetail(nn.Module):
    """Attention of a frame's cells to those around the exemplar's element that their pixel matches."""

    def __init__(self, config: PreviewConfig):
        super().__init__()
        self.side = 2 * config.coarse_step  # cells of an element, a side
        self.window = 3 * self.side  # cells that are attended to, a side
        self.cell = config.stride // self.side  # pixels of a cell, a side
        self.key = nn.Conv2d(config.trunk_widths[0], config.detail_dim, 3, padding=1)
        # On the meta device, PyTorch would import its compiler for this.
        inner, outer = (torch.arange(count, device="cpu") for count in (self.side, self.window))
        distance = (inner[:, None] + self.side - outer).square().float()  # (side, window)
        place = -0.3 * (distance[:, None, :, None] + distance[None, :, None, :])
        self.place = nn.Parameter(place.reshape(self.side**2, self.window**2).to(self.key.weight.device))

    def remember(self, lightness: Tensor, ab: Tensor, f4: Tensor) -> Tensor:
        """Windows of an exemplar, L/50 − 1 [B, 1, H, W] and ab/110 [B, 2, H, W]: [B, hw, window², Cd + 1 + 3]."""
        key = self.key(f4).float()
        seen = F.avg_pool2d(torch.cat((ab, lightness), dim=1).float(), self.cell)
        cells = torch.cat((key, key.square().sum(1, keepdim=True), seen), dim=1)
        around = F.pad(cells, (self.side,) * 4, mode="replicate")
        windows = F.unfold(around, self.window, stride=self.side)  # (B, C·window², hw)
        return windows.unflatten(1, (cells.shape[1], -1)).permute(0, 3, 2, 1).contiguous()

    def forward(self, lightness: Tensor, f4: Tensor, windows: Tensor, cycle_error: Tensor) -> Tensor:
        """A frame's cells, and for each of its pixels the window that it matches [B, hw, window², …] and how far from
        the pixel the way back ends [B, hw]: [B, 4, h4, w4].

        That is ab/110; by how much the exemplar is lighter than the frame; and how far off the way back ends, in tens
        of elements.
        """
        query = F.pixel_unshuffle(self.key(f4).float(), self.side).flatten(2)  # (B, Cd·side², hw)
        query = query.unflatten(1, (-1, self.side**2)).permute(0, 3, 2, 1)  # (B, hw, side², Cd)
        key, seen = windows.split((query.shape[3] + 1, _READ), dim=3)
        asked = torch.cat((2 * query, query.new_full((*query.shape[:3], 1), -1)), dim=3)  # 2qk − k²
        weights = (asked @ key.transpose(2, 3) + self.place.float()).softmax(dim=3)
        read = (weights @ seen).permute(0, 3, 2, 1).flatten(1, 2)  # (B, 3·side², hw)
        h, w = (size // self.side for size in f4.shape[-2:])
        read = F.pixel_shuffle(read.unflatten(2, (h, w)), self.side)
        ab, light = read.split((2, 1), dim=1)
        lighter = light - F.avg_pool2d(lightness.float(), self.cell)
        elsewhere = (cycle_error / 10).clamp(max=_MAX_CYCLE_ERROR).view(-1, 1, h, w)
        return torch.cat((ab, lighter, F.interpolate(elsewhere, scale_factor=self.side)), dim=1)
