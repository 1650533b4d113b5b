"""The networks of LPIPS (AlexNet) and FID (Inception-v3): torchmetrics brings them, and fetches their weights.

Only the networks come from there; the arithmetic on their features is `colormnet_cli.metrics`. Any other feature
extractor of the same shape can be given instead.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .. import metrics
from ..errors import UsageError, WeightsError

__all__ = ["PerceptualNetworks", "from_lpips", "load_networks"]


@dataclass(frozen=True)
class PerceptualNetworks:
    """Feature extractors, as functions."""

    layers: Callable[[Tensor], Sequence[Tensor]]  # [N, 3, H, W] in 0..1 → feature maps, for LPIPS
    weights: tuple[Tensor, ...]  # of LPIPS: [C] for each of the layers
    features: Callable[[Tensor], Tensor]  # [N, 3, H, W] uint8 → [N, D], for FID

    def lpips(self, result: Tensor, reference: Tensor) -> Tensor:
        """[N, 3, H, W] in 0..1, twice → LPIPS [N]."""
        return metrics.lpips(self.layers(result), self.layers(reference), self.weights)


def load_networks(device: torch.device | str = "cpu") -> PerceptualNetworks:
    """The usual networks, on `device`; their weights are downloaded at the first use.

    Raises UsageError without the `eval` extra, WeightsError if the weights cannot be had.
    """
    try:
        from torchmetrics.image import LearnedPerceptualImagePatchSimilarity
        from torchmetrics.image.fid import FrechetInceptionDistance
    except ImportError as error:
        raise UsageError("LPIPS and FID need torchmetrics: pip install 'colormnet[eval]'.") from error
    try:
        with redirect_stdout(sys.stderr):  # they print what they download; stdout is for results
            alex = LearnedPerceptualImagePatchSimilarity(net_type="alex").net
            inception = FrechetInceptionDistance(feature=2048).inception
    except ModuleNotFoundError as error:
        raise UsageError("LPIPS and FID need more of torchmetrics: pip install 'colormnet[eval]'.") from error
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"The weights of LPIPS (AlexNet) and FID (Inception-v3) cannot be fetched ({error}): "
            "go online once, or measure without --perceptual."
        ) from error
    return from_lpips(alex.to(device), inception.to(device))


def from_lpips(network: Any, features: Callable[[Tensor], Tensor]) -> PerceptualNetworks:
    """torchmetrics' LPIPS network (its scaling, backbone and linear layers) as functions."""
    weights = tuple(layer.model[-1].weight.detach().flatten() for layer in network.lins)

    def layers(rgb: Tensor) -> Sequence[Tensor]:
        found: Sequence[Tensor] = network.net(network.scaling_layer(2 * rgb - 1))
        return found

    return PerceptualNetworks(layers, weights, features)
