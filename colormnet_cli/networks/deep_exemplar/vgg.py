"""VGG-19: what frame and exemplar are compared by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["VGG19"]

_DEPTHS = (2, 2, 4, 4, 2)  # the last stage has two more, which nobody asks for
_TAPS = ("1_2", "2_2", "3_2", "4_2", "5_2")
_MEAN_BGR = (0.40760392, 0.45795686, 0.48501961)


class VGG19(nn.ModuleDict):
    """RGB in 0..1 [B, 3, H, W] to maps of stride 1 to 16."""

    def __init__(self, width: int):
        super().__init__()
        last = 3
        for stage, depth in enumerate(_DEPTHS, start=1):
            wide = width * min(2 ** (stage - 1), 8)
            for i in range(1, depth + 1):
                self[f"conv{stage}_{i}"] = nn.Conv2d(last, wide, 3, padding=1)
                last = wide

    def forward(self, rgb: Tensor, taps: Sequence[str] = _TAPS) -> list[Tensor]:
        """These convolutions' maps, after ReLU, in the network's order."""
        # The mean as numbers: as a tensor it would be copied to the device for each frame, which the host waits for.
        bgr = zip(rgb.flip(1).split(1, dim=1), _MEAN_BGR, strict=True)
        x = torch.cat([255 * (channel - mean) for channel, mean in bgr], dim=1).to(next(self.parameters()).dtype)
        found = []
        for stage, depth in enumerate(_DEPTHS, start=1):
            if stage > 1:
                x = F.max_pool2d(x, 2)
            for i in range(1, depth + 1):
                x = self[f"conv{stage}_{i}"](x).relu_()
                if f"{stage}_{i}" in taps:
                    found.append(x)
        return found
