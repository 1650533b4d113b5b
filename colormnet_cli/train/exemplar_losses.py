"""The losses of Deep Exemplar's paper, each a function of pictures or of VGG's features."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..metrics.temporal import warp

__all__ = [
    "contextual",
    "discriminator_loss",
    "generator_loss",
    "neighbor_weights",
    "perceptual",
    "smooth_l1",
    "smoothness",
    "temporal",
]

_PLACES = 4096  # of a map, that `contextual` compares with each other


def smooth_l1(ab: Tensor, truth: Tensor) -> Tensor:
    """Mean error in Lab units; below one unit half its square."""
    return F.smooth_l1_loss(ab, truth)


def perceptual(features: Tensor, truth: Tensor) -> Tensor:
    """Mean squared difference of VGG's features."""
    return F.mse_loss(features, truth)


def contextual(features: Tensor, exemplar: Tensor, h: float = 0.1) -> Tensor:
    """How unlike the exemplar's features [B, C, h, w] are to those of a picture, wherever they are.

    −log of the mean over the picture's places of the largest affinity, a softmax of (1 − d / min d) / h over the
    exemplar's, where d is the cosine distance of what deviates from the exemplar's mean. Maps of more than 4,096 places
    are averaged first.
    """
    while features.shape[-2] * features.shape[-1] > _PLACES:
        features, exemplar = F.avg_pool2d(features, 2), F.avg_pool2d(exemplar, 2)
    mean = exemplar.mean(dim=(2, 3), keepdim=True)
    x, y = (F.normalize((one - mean).flatten(2), dim=1) for one in (features, exemplar))  # (B, C, N)
    distance = 1 - x.transpose(1, 2) @ y
    relative = distance / (distance.amin(dim=2, keepdim=True) + 1e-5)
    affinity = ((1 - relative) / h).softmax(dim=2)
    return -affinity.amax(dim=2).mean(dim=1).log().mean()


def neighbor_weights(L: Tensor) -> Tensor:
    """For each pixel of L [B, 1, H, W] the weights of its 8 neighbors [B, 8, H, W], larger where L is alike.

    exp(−(difference of L)² / (2 · variance of L in 3×3 pixels)), divided by their sum; edges are repeated.
    """
    around = _neighborhood(L)  # (B, 1, 9, H, W)
    variance = around.var(dim=2, correction=0) + 1e-2
    difference = torch.cat((around[:, 0, :4], around[:, 0, 5:]), dim=1) - L
    weights = torch.exp(-difference.square() / (2 * variance))
    return weights / weights.sum(dim=1, keepdim=True)


def smoothness(ab: Tensor, L: Tensor) -> Tensor:
    """Mean |ab − the weighted mean of its 8 neighbors|: color may change where lightness does."""
    around = _neighborhood(ab)  # (B, 2, 9, H, W)
    neighbors = torch.cat((around[:, :, :4], around[:, :, 5:]), dim=2)
    return (ab - (neighbor_weights(L)[:, None] * neighbors).sum(dim=2)).abs().mean()


def _neighborhood(x: Tensor) -> Tensor:
    """[B, C, H, W] to the pixel and its neighbors, row by row: [B, C, 9, H, W]."""
    h, w = x.shape[-2:]
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return torch.stack([padded[..., i : i + h, j : j + w] for i in range(3) for j in range(3)], dim=2)


def temporal(ab: Tensor, before: Tensor, flow: Tensor, visible: Tensor) -> Tensor:
    """Mean squared difference from the frame before, moved by the flow, where `visible` [B, 1, H, W] was seen there.

    Each frame counts as much as any other.
    """
    difference = (ab - warp(before, flow)).square() * visible
    return (difference.sum(dim=(1, 2, 3)) / (ab.shape[1] * visible.sum(dim=(1, 2, 3))).clamp_min(1)).mean()


def generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic average least squares: the made pictures should look truer than the true ones do on average.

    Of what the discriminator says of each clip's frames [B, N]; averages are those of a clip, so that a batch can be
    split.
    """
    mean_real, mean_fake = real.mean(dim=1, keepdim=True), fake.mean(dim=1, keepdim=True)
    return ((fake - mean_real - 1).square().mean() + (real - mean_fake + 1).square().mean()) / 2


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The opposite."""
    return generator_loss(fake, real)
