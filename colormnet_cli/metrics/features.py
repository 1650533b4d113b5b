"""Measures on the features of a network that is given: LPIPS and the Fréchet distance (FID). Downloads nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["FrechetDistance", "lpips"]


def lpips(result: Sequence[Tensor], reference: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """Learned perceptual image patch similarity of two lists of feature maps, layer by layer.

    result, reference: for each layer features of shape = (N, C, h, w); weights: for each layer [C], ≥ 0.
    Every pixel's features are scaled to length one; their squared differences are weighted by channel, averaged over
    the layer's pixels and summed over the layers.  Returns [N], ≥ 0.
    """
    if not len(result) == len(reference) == len(weights) > 0:
        raise ValueError(f"layers differ: {len(result)} results, {len(reference)} references, {len(weights)} weights")
    total = result[0].new_zeros(result[0].shape[0])
    for ours, theirs, weight in zip(result, reference, weights, strict=True):
        if ours.shape != theirs.shape or weight.shape != ours.shape[1:2]:
            shapes = [list(x.shape) for x in (ours, theirs, weight)]
            raise ValueError(f"expected features [N, C, h, w] twice and weights [C], got {shapes}")
        difference = _unit_length(ours) - _unit_length(theirs)
        total = total + torch.einsum("nchw,c->n", difference.square(), weight) / difference[0, 0].numel()
    return total


def _unit_length(features: Tensor) -> Tensor:
    """[N, C, h, w], each pixel's vector of C scaled to length one; 1e-8 (squared) keeps zero at zero."""
    return features / (features.square().sum(1, keepdim=True) + 1e-8).sqrt()


class FrechetDistance:
    """Fréchet distance between two sets of features, as Gaussians; with Inception's 2,048 features it is the FID.

    Streaming: it keeps a sum and a sum of products for each set, in float64 on the CPU, not the features.
    """

    def __init__(self) -> None:
        self._result, self._reference = _Moments(), _Moments()

    def update(self, result: Tensor, reference: Tensor) -> None:
        """Features of some frames of each set: shape = (N, D)."""
        self._result.add(result)
        self._reference.add(reference)

    def compute(self) -> float:
        """|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2·(Σ₁Σ₂)^½), ≥ 0; nan with fewer than two frames in a set."""
        if min(self._result.count, self._reference.count) < 2:
            return float("nan")
        (mean1, cov1), (mean2, cov2) = self._result.gaussian(), self._reference.gaussian()
        # tr (Σ₁Σ₂)^½ by symmetric matrices alone: Σ₁^½·Σ₂·Σ₁^½ has the same eigenvalues, all real and ≥ 0.
        values, vectors = torch.linalg.eigh(cov1)
        root = vectors * values.clamp_min(0).sqrt() @ vectors.T
        mixed = torch.linalg.eigvalsh(root @ cov2 @ root).clamp_min(0).sqrt().sum()
        distance = (mean1 - mean2).square().sum() + cov1.trace() + cov2.trace() - 2 * mixed
        return max(float(distance), 0.0)


class _Moments:
    """Mean and covariance of a stream of feature vectors."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = self._products = torch.zeros((), dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        if features.ndim != 2:
            raise ValueError(f"expected features of shape [N, D], got {list(features.shape)}")
        features = features.cpu().double()
        self.count += len(features)
        self._sum = self._sum + features.sum(0)
        self._products = self._products + features.T @ features

    def gaussian(self) -> tuple[Tensor, Tensor]:
        """Mean [D] and sample covariance [D, D]."""
        mean = self._sum / self.count
        return mean, (self._products - self.count * torch.outer(mean, mean)) / (self.count - 1)
