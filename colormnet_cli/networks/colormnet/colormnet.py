"""The network: its parts, and what is computed with them for a frame."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..state_dict import Network
from .config import ColorMNetConfig
from .decoder import Decoder
from .local_attention import LocalAttention
from .published_names import UNREAD, our_name, published_name
from .pvgfe import PVGFE, Features
from .value_encoder import Key, KeyProjection, ValueEncoder

__all__ = ["ColorMNet", "Readout", "Remembered"]


class Remembered(NamedTuple):
    """What LA needs of the frame that was remembered last."""

    key: Tensor  # (B, Ck, h, w)
    value: Tensor  # (B, 2, Cv, h, w)


class Readout(NamedTuple):
    """What a frame is decoded from beside its own features."""

    memory: Tensor  # (B, 2, Cv, h, w): MFP
    local: Tensor | None  # (B, 2, Cv, h, w): LA; None if there is no frame yet that it could look at


class ColorMNet(Network):
    """ColorMNet with random weights; `load_state` and `load_model` fill it.

    Pictures are lightness L in 0..100 [B, 1, H, W], H and W multiples of `config.pad_multiple`; color is ab/110.
    The network holds parameters only: what belongs to one film is the Colorizer's.
    """

    unread = UNREAD
    decoder_type: ClassVar[type[Decoder]] = Decoder

    def __init__(self, config: ColorMNetConfig | None = None):
        super().__init__()
        self.config = config = config or ColorMNetConfig()
        self.pvgfe = PVGFE(config)
        self.key_projection = KeyProjection(config.trunk_widths[-1], config.key_dim)
        self.value_encoder = ValueEncoder(config)
        self.local_attention = LocalAttention(config)
        self.decoder = self.decoder_type(config)
        self.eval()

    @classmethod
    def of_sizes(cls, sizes: Mapping[str, Any]) -> ColorMNet:
        """See `Network`."""
        return cls(ColorMNetConfig(**sizes))

    @classmethod
    def of_published(cls, state: Mapping[str, Tensor]) -> ColorMNet:
        """See `Network`."""
        return cls()

    def train(self, mode: bool = True) -> ColorMNet:
        """BatchNorm keeps its stored statistics in training too: the paper trains with them frozen."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def fold_batch_norm(self) -> None:
        """See `Network`."""
        for module in list(self.modules()):
            for (first, conv), (second, norm) in pairwise(list(module.named_children())):
                if isinstance(norm, nn.BatchNorm2d):
                    setattr(module, first, fuse_conv_bn_eval(cast(nn.Conv2d, conv), norm))
                    setattr(module, second, nn.Identity())

    def features(self, L: Tensor) -> Features:
        """PVGFE: [B, 1, H, W] to f16, f8, f4."""
        return self.pvgfe(self._lightness(L))

    def key(self, f16: Tensor) -> Key:
        """The frame's query, and its key once it is remembered, of its coarse features."""
        return self.key_projection(f16)

    def value(self, L: Tensor, ab: Tensor, f16: Tensor) -> Tensor:
        """The value of a frame with this color [B, 2, H, W] in the memory: [B, 2, Cv, h, w]."""
        return self.value_encoder(self._lightness(L), ab.to(self.dtype), f16)

    def deep_update(self, value: Tensor, hidden: Tensor) -> Tensor:
        """The hidden state after a frame was remembered."""
        return self.value_encoder.deep_update(value, hidden)

    def local(self, query: Key, last: Remembered) -> Tensor:
        """LA: attention to the last remembered frame, [B, 2, Cv, h, w]."""
        return self.local_attention(query, last.key, last.value)

    def decode(self, f: Features, readout: Readout, hidden: Tensor, *, update_hidden: bool) -> tuple[Tensor, Tensor]:
        """Features and readout to ab/110 [B, 2, H, W] in float32, and the hidden state."""
        combined = readout.memory if readout.local is None else readout.memory + readout.local
        return self.decoder(f, combined, hidden, update_hidden=update_hidden)

    def hidden_zero(self, h: int, w: int, batch: int = 1) -> Tensor:
        """The hidden state of a film that has not begun: [B, 2, Ch, h, w]."""
        return torch.zeros(batch, 2, self.config.hidden_dim, h, w, dtype=self.dtype, device=self.device)

    def published_shapes(self) -> dict[str, torch.Size]:
        """See `Network`."""
        return {published_name(name): shape for name, shape in self.own_shapes().items()}

    def from_published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Network`."""
        return {our_name(name): tensor for name, tensor in state.items()}

    def _lightness(self, L: Tensor) -> Tensor:
        """L in 0..100 [B, 1, H, W] as the trunks want it: (L − 50) / 50, three times."""
        x = ((L - 50) / 50).expand(-1, 3, -1, -1).to(self.dtype)
        return x.contiguous(memory_format=torch.channels_last)


def pad(picture: Tensor, multiple: int, value: float) -> Tensor:
    """Pad [..., H, W] to multiples of that, centered, the top and left getting the smaller half."""
    (top, bottom), (left, right) = (padding(size, multiple) for size in picture.shape[-2:])
    return F.pad(picture, (left, right, top, bottom), value=value)


def padding(size: int, multiple: int) -> tuple[int, int]:
    """What is added before and after an axis of that size."""
    missing = -size % multiple
    return missing // 2, missing - missing // 2
