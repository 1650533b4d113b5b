"""The pixel decoder: the encoder's maps back to the picture's size, by pixel shuffles.

The authors normalize its convolutions spectrally; here the weights are the normalized ones (see `published_names`).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import DDColorConfig

__all__ = ["PixelDecoder"]

_ROWS = 16  # of the map of stride 4 that are mixed at once


class PixelDecoder(nn.Module):
    """Taps of stride 4, 8, 16, 32 to maps of stride 16, 8, 4; and the last of these to full size."""

    def __init__(self, config: DDColorConfig):
        super().__init__()
        inputs = (config.widths[-1], *config.decoder_widths[:-1])
        self.layers = nn.ModuleList(
            UpLayer(*widths) for widths in zip(inputs, config.widths[-2::-1], config.decoder_widths, strict=True)
        )
        self.last = Shuffle(config.query_dim, config.query_dim, factor=4, normalized=False)

    def forward(self, taps: list[Tensor]) -> list[Tensor]:
        *finer, x = taps
        maps = []
        for layer, tap in zip(self.layers, reversed(finer), strict=True):
            x = layer(x, tap)
            maps.append(x)
        return maps

    def mixed(self, x: Tensor, weights: Tensor) -> Tensor:
        """weights [B, K, C] @ the map x of stride 4 at full size, [B, K, H, W] in float32.

        Shuffle and mean go by channel, so mixing comes before them: the map of full size is never held, whose channels
        would take most of the network's memory, and a third of its time on a CPU.
        """
        mixed = []
        for rows in x.contiguous().split(_ROWS, dim=2):  # with channels last, each mix would begin with a copy
            pixels = self.last.conv(rows).relu_().unflatten(1, (weights.shape[2], -1))  # (B, C, factor², rows, w)
            mixed.append(torch.einsum("bkc,bcsrw->bksrw", weights, pixels).flatten(1, 2))
        return blur(F.pixel_shuffle(torch.cat(mixed, dim=2).float(), self.last.factor))


class UpLayer(nn.Module):
    """A map to twice its size, joined with the encoder's tap of that size."""

    def __init__(self, width_in: int, tap_width: int, width: int):
        super().__init__()
        self.shuffle = Shuffle(width_in, width, factor=2)
        self.tap_norm = nn.BatchNorm2d(tap_width)
        self.conv = nn.Conv2d(width + tap_width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor, tap: Tensor) -> Tensor:
        x = torch.cat((self.shuffle(x), self.tap_norm(tap)), dim=1).relu_()
        return self.norm(self.conv(x).relu_())


class Shuffle(nn.Module):
    """1×1 convolution, pixel shuffle, and a 2×2 mean that hides the shuffle's grid."""

    def __init__(self, width_in: int, width: int, factor: int, *, normalized: bool = True):
        super().__init__()
        self.factor = factor
        self.conv = nn.Conv2d(width_in, width * factor**2, 1, bias=not normalized)
        self.norm = nn.BatchNorm2d(width * factor**2) if normalized else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = F.pixel_shuffle(self.norm(self.conv(x)).relu_(), self.factor)
        return blur(x)


def blur(x: Tensor) -> Tensor:
    """The mean of each pixel and its neighbors above, left, and above left; the border counts on."""
    return F.avg_pool2d(F.pad(x, (1, 0, 1, 0), mode="replicate"), 2, stride=1)
