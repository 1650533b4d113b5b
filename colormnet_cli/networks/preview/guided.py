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
        self.strength = nn.Parameter(torch.tensor([_LIKENESS, _CERTAINTY]).sqrt())  # squared: never negative

    def forward(self, ab: Tensor, L: Tensor, log_error: Tensor) -> Tensor:
        """Cells [B, 2, h, w], L in 0..100 [B, 1, H, W], log of the expected error [B, 1, h, w]: to [B, 2, H, W]."""
        batch, _, h, w = ab.shape
        L = L.float() / 100
        cells = torch.cat((ab, F.avg_pool2d(L, self.scale), log_error), dim=1)
        around = F.unfold(F.pad(cells, (1, 1, 1, 1), mode="replicate"), 3).view(batch, 4, _AROUND, h, w)
        color, lightness, doubt = around.split((2, 1, 1), dim=1)
        pixels = F.pixel_unshuffle(L, self.scale)[:, :, None]  # (B, scale², 1, h, w)
        likeness, certainty = self.strength.float().square()
        place = self.place.float()[None, :, :, None, None]
        weights = (place - likeness * (pixels - lightness).square() - certainty * doubt).softmax(dim=2)
        mixed = torch.stack([(weights * channel[:, None]).sum(2) for channel in color.unbind(1)], dim=1)
        return F.pixel_shuffle(mixed.flatten(1, 2), self.scale)
