"""Matching: the exemplar's colors at the places that a frame's pixels are most like."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Exemplar", "Match", "match"]

_BLOCK = 1 << 22  # similarities held at once: 16 MB


class Exemplar(NamedTuple):
    """What is kept of an exemplar; of several, the features joined along N, then the best of all of them wins."""

    phi: Tensor  # (B, C, N)
    lab: Tensor  # (B, 3, N): L - 50, a, b


class Match(NamedTuple):
    """For each pixel of the frame's map of stride 4."""

    lab: Tensor  # (B, 3, h, w): L - 50, a, b
    similarity: Tensor  # (B, 1, h, w): cosine to the exemplar's pixel that is most alike


def match(theta: Tensor, exemplar: Exemplar, temperature: float | None = None) -> Match:
    """Warp the exemplar to a frame's features `theta` [B, C, h, w].

    `temperature` is that of a softmax over the exemplar's pixels; None takes the best pixel alone (the first, of equal
    ones), as the authors' 1e-10 does. A block of the frame's pixels at a time, so that memory does not grow with both.
    """
    h, w = theta.shape[-2:]
    pixels = theta.flatten(2).transpose(1, 2)  # (B, hw, C)
    phi = exemplar.phi.expand(len(theta), -1, -1)
    lab = exemplar.lab.expand(len(theta), -1, -1)
    warped, best = [], []
    for block in pixels.split(max(1, _BLOCK // (len(theta) * phi.shape[2])), dim=1):
        f = block @ phi  # (B, block, N)
        similarity, place = f.max(dim=2)
        if temperature is None:
            warped.append(lab.gather(2, place[:, None].expand(-1, 3, -1)))
        else:
            warped.append(lab @ (f / temperature).softmax(dim=2).transpose(1, 2))
        best.append(similarity)
    return Match(torch.cat(warped, dim=2).unflatten(2, (h, w)), torch.cat(best, dim=1).unflatten(1, (1, h, w)))
