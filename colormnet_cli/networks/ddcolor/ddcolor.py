"""The network: encoder, pixel decoder, color decoder, and the ab of what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..state_dict import Network
from .color_decoder import ColorDecoder
from .config import SIZES, DDColorConfig
from .encoder import Encoder
from .pixel_decoder import PixelDecoder
from .published_names import from_published, published_shapes

__all__ = ["DDColor"]


class DDColor(Network):
    """DDColor with random weights; `load_state` and `load_model` fill it.

    `size` is "tiny" (55 million parameters), "large" (228 million) or sizes of your own.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: str | DDColorConfig = "large"):
        super().__init__()
        if isinstance(size, str) and size not in SIZES:
            raise ValueError(f"DDColor comes in the sizes {', '.join(SIZES)}, not {size!r}")
        self.config = config = SIZES[size] if isinstance(size, str) else size
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1))
        self.encoder = Encoder(config)
        self.pixel_decoder = PixelDecoder(config)
        self.color_decoder = ColorDecoder(config)
        self.refine = nn.Conv2d(config.queries + 3, 2, 1)
        self.eval()

    @classmethod
    def of_sizes(cls, sizes: Mapping[str, Any]) -> DDColor:
        """See `Network`."""
        return cls(DDColorConfig(**sizes))

    @classmethod
    def of_published(cls, state: Mapping[str, Tensor]) -> DDColor:
        """See `Network`."""
        last = state.get("encoder.arch.norm3.weight")
        return cls("tiny" if last is not None and len(last) == SIZES["tiny"].widths[-1] else "large")

    def forward(self, x: Tensor) -> Tensor:
        """A gray picture as RGB in 0..1 [B, 3, H, W], H and W multiples of 32, to ab in Lab units [B, 2, H, W]."""
        if x.ndim != 4 or x.shape[1] != 3 or any(side == 0 or side % 32 for side in x.shape[2:]):
            raise ValueError(f"a picture is [B, 3, H, W], H and W multiples of 32; got {list(x.shape)}")
        x = (x.to(self.mean.dtype) - self.mean) / self.std
        maps = self.pixel_decoder(self.encoder(x))
        embeddings = self.color_decoder(maps)
        # ab = refine(each query's answer, embedding · pixel, beside x): all linear, so that only two mixes of the
        # pixels' channels are needed instead of one per query.
        of_answers, of_x = self.refine.weight.split((self.config.queries, 3), dim=1)
        mix = of_answers.flatten(1) @ embeddings  # (B, 2, C)
        return self.pixel_decoder.mixed(maps[-1], mix) + F.conv2d(x, of_x, self.refine.bias)

    def published_shapes(self) -> dict[str, torch.Size]:
        """See `Network`."""
        return published_shapes(self.own_shapes())

    def from_published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Network`."""
        return from_published(state, self.own_shapes())
