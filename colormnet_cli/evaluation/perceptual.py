"""LPIPS and FID, both by torchmetrics (the extra `eval`), which also downloads the weights of their networks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import UsageError, WeightsError
from ..metrics.inputs import to_unit

if TYPE_CHECKING:
    from torchmetrics.image.fid import FrechetInceptionDistance

__all__ = ["PerceptualNetworks", "load_networks"]


@dataclass(frozen=True)
class PerceptualNetworks:
    """The network of LPIPS and the metric FID, as torchmetrics builds them."""

    lpips: Callable[..., Tensor]  # (result, reference, normalize=True), [N, 3, H, W] in 0..1 → [N, 1, 1, 1]
    fid: FrechetInceptionDistance  # may be on another device than `lpips`

    def update(self, result: Tensor, reference: Tensor) -> Tensor:
        """Add frames to FID and return their LPIPS [N].  result, reference: shape = (N, 3, H, W), uint8, RGB."""
        self.fid.update(result.to(self.fid.device), real=False)
        self.fid.update(reference.to(self.fid.device), real=True)
        return self.lpips(to_unit(result), to_unit(reference), normalize=True).flatten()

    def compute_fid(self) -> float:
        """FID of all frames since `fid.reset()`, ≥ 0; nan for fewer than two frames, which have no covariance."""
        return max(float(self.fid.compute()), 0.0) if self.fid.real_features_num_samples > 1 else float("nan")


def load_networks(device: torch.device | str = "cpu") -> PerceptualNetworks:
    """AlexNet for LPIPS and Inception-v3 for FID; their weights are downloaded on first use.

    Raises UsageError if torchmetrics is not installed, WeightsError if the weights cannot be downloaded.
    """
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance
        from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

        with redirect_stdout(sys.stderr):  # they print what they download; stdout is for results
            lpips = LearnedPerceptualImagePatchSimilarity(net_type="alex").net
            fid = FrechetInceptionDistance(feature=2048)
    except ImportError as error:
        raise UsageError(
            "LPIPS and FID need torchmetrics, which is not installed: run pip install 'torchmetrics[image]' "
            "(with pipx: pipx inject colormnet 'torchmetrics[image]')."
        ) from error
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"The weights of LPIPS (AlexNet) and FID (Inception-v3) cannot be downloaded ({error}): "
            "connect to the internet once, or leave LPIPS and FID out."
        ) from error
    on_mps = torch.device(device).type == "mps"  # which has no float64: FID adds up in it
    return PerceptualNetworks(lpips.to(device), fid.to("cpu" if on_mps else device))
