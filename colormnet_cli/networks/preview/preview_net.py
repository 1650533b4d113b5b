"""ColorMNet in small, with two additions: the memory's values carry ab itself, and exemplars are read in detail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..colormnet import ColorMNet, ColorMNetConfig, Features, Key, Remembered
from .config import PreviewConfig
from .decoder import Answer, DetailedReadout, PreviewDecoder
from .detail import ExemplarDetail

__all__ = ["PreviewNet", "new_network"]


class PreviewNet(ColorMNet):
    """The network of the preview model; the paper has none of what is added."""

    config: PreviewConfig
    decoder: PreviewDecoder
    decoder_type = PreviewDecoder

    def __init__(self, config: PreviewConfig | None = None):
        config = config or PreviewConfig()
        super().__init__(config)
        self.detail = ExemplarDetail(config) if config.detail_dim else None

    @classmethod
    def of_sizes(cls, sizes: Mapping[str, Any]) -> PreviewNet:
        return cls(PreviewConfig(**{name: size for name, size in sizes.items() if name != "raw_ab"}))

    def value(self, L: Tensor, ab: Tensor, f16: Tensor) -> Tensor:
        """The learned value, and ab itself: [B, 2, Cv + 1, h, w]."""
        own = F.avg_pool2d(ab.to(self.dtype), self.config.stride)[:, :, None]
        return torch.cat((super().value(L, ab, f16), own), dim=2)

    def deep_update(self, value: Tensor, hidden: Tensor) -> Tensor:
        return super().deep_update(value[:, :, :-1], hidden)

    def local(self, query: Key, last: Remembered) -> Tensor:
        """LA; the remembered ab is averaged by the same weights and otherwise left alone."""
        attention, value = self.local_attention, last.value
        attended = attention.attend(query.key, last.key, value.flatten(1, 2)).view(value.shape)
        return torch.cat((attention.project(attended[:, :, :-1]), attended[:, :, -1:]), dim=2)

    def decode(self, f: Features, readout: Any, hidden: Tensor, *, update_hidden: bool) -> tuple[Tensor, Tensor]:
        return self.answer(f, readout, hidden, update_hidden=update_hidden)[:2]

    def answer(self, f: Features, readout: DetailedReadout, hidden: Tensor, *, update_hidden: bool) -> Answer:
        """`decode`, and the error that is expected."""
        return self.decoder.decode(f, readout, hidden, update_hidden)

    def exemplar_windows(self, L: Tensor, ab: Tensor, f: Features) -> Tensor:
        """An exemplar in detail: a window for each of its elements [B, hw, window², …]."""
        return self._detail.remember(self._lightness(L)[:, :1], ab, f.f4)

    def exemplar_detail(self, L: Tensor, f: Features, windows: Tensor, cycle_error: Tensor) -> Tensor:
        """The exemplars' color at f4's resolution [B, 4, h4, w4], from what each pixel matches (`Match`)."""
        return self._detail(self._lightness(L)[:, :1], f.f4, windows, cycle_error)

    @property
    def _detail(self) -> ExemplarDetail:
        if self.detail is None:
            raise ValueError("a network with detail_dim 0 does not read exemplars in detail")
        return self.detail


def new_network(config: ColorMNetConfig) -> ColorMNet:
    """The network of these sizes, with random weights."""
    return PreviewNet(config) if isinstance(config, PreviewConfig) else ColorMNet(config)
