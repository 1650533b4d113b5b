"""Colors outside sRGB: chroma is reduced until they fit, lightness and hue are kept."""

from __future__ import annotations

import torch
from torch import Tensor

from .lab import lab_to_rgb, lab_to_rgb_linear

__all__ = ["lab_to_rgb_keeping_lightness", "vivid"]

_STEPS = 14  # halvings: the chroma that is left is found to a 16,000th
_BELOW, _ABOVE = -1e-6, 1 + 5e-4  # linear light that still counts as inside: the white of Lab is not quite 1, 1, 1


def lab_to_rgb_keeping_lightness(lab: Tensor) -> Tensor:
    """Lab to sRGB in 0…1, [3,H,W] to [3,H,W]; what lies outside the gamut loses chroma, and keeps its L and its hue.

    Clipping R, G and B one by one, as `lab_to_rgb` does, would change L by up to tens of units there.
    """
    rgb = lab_to_rgb(lab)
    outside = _outside(lab)  # [H,W]
    if outside.any():
        colors = lab[:, outside].unsqueeze(-1)  # [3,N,1]
        rgb[:, outside] = lab_to_rgb(_inside(colors)).squeeze(-1)
    neutral = (lab[1:] == 0).all(0)
    return torch.where(neutral, rgb[1], rgb)  # rounding leaves R, G and B up to 3 of 65535 codes apart


def vivid(lab: Tensor, factor: float) -> Tensor:
    """ab of Lab [3,H,W] with its chroma multiplied; what would leave the gamut gets the most that lies inside.

    A color that was outside already is not changed.
    """
    scaled = torch.cat([lab[:1], factor * lab[1:]])
    outside = _outside(scaled) & ~_outside(lab) if factor > 1 else torch.zeros_like(lab[0], dtype=torch.bool)
    ab = torch.where(_outside(lab) & (factor > 1), lab[1:], scaled[1:])
    if outside.any():
        ab[:, outside] = _inside(scaled[:, outside].unsqueeze(-1)).squeeze(-1)[1:]
    return ab


def _inside(lab: Tensor) -> Tensor:
    """Shorten ab of [3,N,1] until it is inside the gamut, by bisection along the line to gray."""
    low, high = torch.zeros_like(lab[0]), torch.ones_like(lab[0])  # [N,1]; gray always is inside
    for _ in range(_STEPS):
        middle = (low + high) / 2
        out = _outside(_scaled(lab, middle))
        low, high = torch.where(out, low, middle), torch.where(out, middle, high)
    return _scaled(lab, low)


def _scaled(lab: Tensor, chroma: Tensor) -> Tensor:
    return torch.cat([lab[:1], lab[1:] * chroma])


def _outside(lab: Tensor) -> Tensor:
    """[3,...] → bool [...]"""
    linear = lab_to_rgb_linear(lab)
    return ((linear < _BELOW) | (linear > _ABOVE)).any(0)
