"""The last step of the preview's decoder: ab from its cells to pixels, along the edges of the lightness.

A pixel takes the color of the 3×3 cells around it, the more of a cell the nearer it is, the more its lightness is like
the pixel's, and the smaller the error that is expected there: so color ends where lightness changes, and a cell whose
color is a guess takes that of its neighbors.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["GuidedUpsampling"]

_AROUND = 9  # cells that a pixel takes color from
_NEARNESS = 1.5  # to begin with, a cell's logit falls by so much at a distance of one cell
_LIKENESS = 30.0  # and by so much where its lightness is another by all of its range
_CERTAINTY = 0.5  # and weights are divided by this power of the expected error


class GuidedUpsampling(nn.Module):
    """Joint bilateral upsampling with learned weights.

    Args:
        scale: pixels of a cell, a side.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        # On the meta device, PyTorch would import its compiler for this.
        inner = (torch.arange(scale, device="cpu") + 0.5) / scale - 0.5
        distance = (inner[:, None] - torch.tensor([-1.0, 0.0, 1.0], device="cpu")).square()  # (scale, 3)
        place = -_NEARNESS * (distance[:, None, :, None] + distance[None, :, None, :])
        self.place = nn.Parameter(place.reshape(scale**2, _AROUND).to(torch.get_default_device()))
        strength = torch.tensor([_LIKENESS, _CERTAINTY], device="cpu").sqrt()  # used squared: never negative
        self.strength = nn.Parameter(strength.to(torch.get_default_device()))

    def forward(self, ab: Tensor, L: Tensor, log_error: Tensor) -> Tensor:
        """Cells [B, 2, h, w], L in 0..100 [B, 1, H, W], log of the expected error [B, 1, h, w]: to [B, 2, H, W].

        One neighbor after the other: what is held of each stays in a CPU's cache.
        """
        h, w = ab.shape[-2:]
        likeness, certainty = self.strength.float()
        L = likeness / 100 * L.float()
        pixels = F.pixel_unshuffle(L, self.scale)  # (B, scale², h, w)
        cells = torch.cat((ab, F.avg_pool2d(L, self.scale), certainty.square() * log_error), dim=1)
        padded = F.pad(cells, (1, 1, 1, 1), mode="replicate")
        sums = [torch.zeros_like(pixels) for _ in range(3)]  # of the weights, of weighted a and b
        for neighbor, place in enumerate(self.place.float().unbind(1)):
            row, column = divmod(neighbor, 3)
            a, b, lightness, doubt = padded[..., row : row + h, column : column + w].split(1, dim=1)
            difference = pixels - lightness
            weight = (place[:, None, None] - doubt).addcmul_(difference, difference, value=-1).exp_()
            sums[0].add_(weight)
            sums[1].addcmul_(weight, a)
            sums[2].addcmul_(weight, b)
        return F.pixel_shuffle(torch.cat((sums[1] / sums[0], sums[2] / sums[0]), dim=1), self.scale)
