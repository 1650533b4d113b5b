"""DDColor on one film: every frame is colored on its own, without an exemplar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ..color.lab import lab_to_rgb
from ..color.resize import resize
from ..errors import UsageError
from .engine import Engine, SampleCalls

__all__ = ["DDColorEngine"]


class DDColorEngine(Engine):
    """A frame is resized to the square that the network was trained with, whatever its aspect ratio."""

    default_size = 512
    takes_exemplars = False
    stages: ClassVar[Mapping[str, str]] = {"forward": "decoder"}
    has_exemplar = True  # it needs none

    def encode(self, lab: Tensor, shown: Tensor | None = None) -> Any:
        raise UsageError(
            "DDColor colors pictures without an exemplar: leave the references out (`auto`), or choose another network."
        )

    def add_encoded(self, encoded: Any) -> None:
        raise ValueError("DDColor has no exemplars")

    def set_first(self, lab: Tensor) -> None:
        self.encode(lab)

    def steps(self, L: Tensor, batch: int) -> Tensor:
        self.frame += len(L)
        return torch.cat([self._color(frame) for frame in L])

    def _color(self, L: Tensor) -> Tensor:
        """Lightness [1, H, W] to ab [1, 2, H, W]."""
        size = (self.default_size, self.default_size)
        small = resize(L, size)
        gray = lab_to_rgb(torch.cat((small, torch.zeros_like(small), torch.zeros_like(small))))
        ab = self.net.forward(gray[None])[0].float()
        return resize(ab, (L.shape[-2], L.shape[-1]))[None]

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass

    def compared(self, L: Tensor) -> Tensor:
        raise ValueError("DDColor compares no pictures")

    def likeness(self, one: Tensor, other: Tensor) -> float:
        raise ValueError("DDColor compares no pictures")

    def sample_calls(self, size: tuple[int, int], lookahead: int) -> SampleCalls:
        Ls = torch.empty(lookahead, 1, *size)
        return SampleCalls(lambda: self.steps(Ls, lookahead))
