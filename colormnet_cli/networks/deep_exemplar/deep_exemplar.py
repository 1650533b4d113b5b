"""The network: VGG-19 and WarpNet find the exemplar's colors for a frame, ColorVidNet makes the frame's of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...color.lab import lab_to_rgb
from ..state_dict import Network
from .color_vid_net import ColorVidNet
from .config import DeepExemplarConfig
from .matching import Exemplar, Match, match
from .published_names import published_name
from .vgg import VGG19
from .warp_net import WarpNet, normalized

__all__ = ["DeepExemplar"]


class DeepExemplar(Network):
    """Deep Exemplar with random weights; `load_state` and `load_model` fill it.

    Pictures are Lab in Lab units, L in 0..100, sides multiples of 8 and at least 32. An exemplar's features are
    computed once; a frame needs them, its lightness and the frame before:

        exemplar = net.exemplar(lab)
        ab = net(L, exemplar, last)      # last: Lab of the frame before, None at the start
    """

    def __init__(self, width: int = 64):
        super().__init__()
        self.config = DeepExemplarConfig(width)
        self.vgg = VGG19(width)
        self.warp = WarpNet(width)
        self.color = ColorVidNet(width)
        self.eval()

    def exemplar(self, lab: Tensor) -> Exemplar:
        """What frames ask of an exemplar [B, 3, H, W]."""
        _check(lab, 3, "an exemplar")
        lab = lab.float()
        phi = self.warp.phi(self._features(lab_to_rgb(lab)))
        return Exemplar(phi.flatten(2), F.avg_pool2d(_centered(lab), 4).flatten(2))

    def features(self, L: Tensor) -> Tensor:
        """What of a frame [B, 1, H, W] is compared with an exemplar: [B, C, H/4, W/4], float32."""
        _check(L, 1, "a frame")
        return self.warp.theta(self._features((L / 100).expand(-1, 3, -1, -1)))

    def matching(self, theta: Tensor, exemplar: Exemplar, temperature: float | None = None) -> Match:
        """The exemplar's colors for a frame, from its `features`; see `matching.match`."""
        return match(theta, exemplar, temperature)

    def match(self, L: Tensor, exemplar: Exemplar, temperature: float | None = None) -> Match:
        """The exemplar's colors for a frame [B, 1, H, W] at stride 4; see `matching.match`."""
        return self.matching(self.features(L), exemplar, temperature)

    def forward(
        self, L: Tensor, exemplar: Exemplar, last: Tensor | None = None, temperature: float | None = None
    ) -> Tensor:
        """ab of a frame [B, 2, H, W] in Lab units, float32.

        Args:
            L: the frame's lightness [B, 1, H, W].
            exemplar: from `exemplar`; of one picture, or of as many as frames.
            last: Lab of the frame before with the ab that it was given, or the exemplar where that is the film's first
                frame [B, 3, H, W]; None at the start.
            temperature: None takes the exemplar's best pixel alone; the paper trains with 0.01.
        """
        return self.refine(L, self.match(L, exemplar, temperature), last)

    def refine(self, L: Tensor, matched: Match, last: Tensor | None = None) -> Tensor:
        """ColorVidNet alone: ab of a frame from what it matches, see `forward`."""
        if last is not None and last.shape != (len(L), 3, *L.shape[2:]):
            raise ValueError(f"the frame before must be [B, 3, H, W] of {list(L.shape)}, got {list(last.shape)}")
        warped = torch.cat((matched.lab[:, 1:], matched.similarity), dim=1)
        warped = F.interpolate(warped, scale_factor=4, mode="nearest")
        before = torch.zeros_like(L).expand(-1, 3, -1, -1) if last is None else _centered(last)
        return self.color(torch.cat((L - 50, warped, before), dim=1).to(self.dtype))

    @classmethod
    def of_sizes(cls, sizes: Mapping[str, Any]) -> DeepExemplar:
        """See `Network`."""
        return cls(**sizes)

    @classmethod
    def of_published(cls, state: Mapping[str, Tensor]) -> DeepExemplar:
        """See `Network`."""
        return cls()

    def published_shapes(self) -> dict[str, torch.Size]:
        """See `Network`."""
        shapes = {published_name(name): shape for name, shape in self.own_shapes().items()}
        for name in ("conv5_3", "conv5_4"):  # of VGG-19, and not asked for
            for kind in ("weight", "bias"):
                shapes[f"vgg.{name}.{kind}"] = shapes[f"vgg.conv5_2.{kind}"]
        return shapes

    def from_published(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Network`."""
        return {name: state[published_name(name)] for name in self.own_shapes()}

    def _features(self, rgb: Tensor) -> list[Tensor]:
        """VGG's r22, r32, r42, r52, normalized."""
        return [normalized(tap).to(self.dtype) for tap in self.vgg(rgb)[1:]]


def _centered(lab: Tensor) -> Tensor:
    """Lab with L - 50."""
    return torch.cat((lab[:, :1] - 50, lab[:, 1:]), dim=1)


def _check(picture: Tensor, channels: int, what: str) -> None:
    if picture.ndim != 4 or picture.shape[1] != channels or any(n < 32 or n % 8 for n in picture.shape[2:]):
        raise ValueError(
            f"{what} must be [B, {channels}, H, W], H and W multiples of 8 and at least 32; got {list(picture.shape)}"
        )
