"""The network on color alone, frame by frame: 6 channels to 2, ab guided by L."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .blind_consistency import BlindConsistency, State

__all__ = ["ColorSteadier"]

_AB_RANGE, _L_RANGE = 110.0, 100.0


class ColorSteadier:
    """Takes the frames of a shot in order, and keeps the network's state, the last L and the last steady ab."""

    def __init__(self, model: BlindConsistency) -> None:
        if (model.config.channels_in, model.config.channels_out) != (6, 2):
            raise ValueError(f"ab guided by L needs a network of 6 channels in and 2 out, got {model.config}")
        self._model = model
        self._state: State | None = None
        self._last: tuple[Tensor, Tensor] | None = None  # L and steady ab of the frame before

    def step(self, L: Tensor, ab: Tensor) -> Tensor:
        """Steady ab of the next frame; the first frame is kept as it is.

        L, ab: [B, 1, H, W] and [B, 2, H, W] in Lab units, of any size from 8×8.  Returns [B, 2, H, W].
        """
        steady = ab
        if self._last is not None:
            last_L, last_ab = self._last
            color, guide = torch.cat((ab, last_ab), 1) / _AB_RANGE, torch.cat((L, last_L), 1) / _L_RANGE - 0.5
            height, width = L.shape[-2:]
            pad = (0, -width % 4, 0, -height % 4)
            correction, self._state = self._model(F.pad(torch.cat((color, guide), 1), pad, "replicate"), self._state)
            steady = ab + _AB_RANGE * correction[..., :height, :width]
        self._last = L, steady.detach()
        return steady
