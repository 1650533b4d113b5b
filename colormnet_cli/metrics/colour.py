"""How far colours are apart (CIEDE2000) and how strong they are (colourfulness), one figure for each frame."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._inputs import check_frames, check_pair, in_255, strips

__all__ = ["ciede2000", "colourfulness"]


def colourfulness(rgb: Tensor, *, swapped: bool = False) -> Tensor:
    """Hasler and Süsstrunk's colourfulness, in the form that the papers' scripts use: absolute opponent values.

    rgb: shape = (N, 3, H, W), RGB, uint8 in 0..255 or float in 0..1.  swapped: read red as blue and blue as red, as the
    authors' script does.  Returns [N], ≥ 0 (a gray picture gives 0, a vivid one about 100).
    """
    check_frames(rgb)
    red, green, blue = in_255(rgb).unbind(1)  # each [N, H, W]
    if swapped:
        red, blue = blue, red
    red_green = (red - green).abs().flatten(1)
    yellow_blue = torch.lerp(red, green, 0.5).sub_(blue).abs().flatten(1)
    spread = torch.hypot(red_green.std(1, correction=0), yellow_blue.std(1, correction=0))
    return spread + 0.3 * torch.hypot(red_green.mean(1), yellow_blue.mean(1))


def ciede2000(lab: Tensor, reference: Tensor, *, per_pixel: bool = False) -> Tensor:
    """CIEDE2000 colour difference (k_L = k_C = k_H = 1), the mean of each frame.

    lab, reference: shape = (N, 3, H, W), CIE Lab.  Returns [N], ≥ 0; with per_pixel [N, H, W].
    Hues enter as unit vectors, not as angles: that is faster, and nothing has to be told apart at 360 degrees.
    """
    check_pair(lab, reference)
    parts = zip(strips(lab), strips(reference), strict=True)
    differences = torch.cat([_difference(*pair) for pair in parts], dim=-2)
    return differences if per_pixel else differences.mean((1, 2))


def _difference(lab: Tensor, reference: Tensor) -> Tensor:
    """CIEDE2000 of every pixel: [N, 3, H, W] twice → [N, H, W]."""
    (l1, a1, b1), (l2, a2, b2) = lab.unbind(1), reference.unbind(1)
    g = 1.5 - 0.5 * _seventh(torch.hypot(a1, b1).add_(torch.hypot(a2, b2)).mul_(0.5))  # 1 + G
    a1, a2 = a1 * g, a2 * g
    c1, c2 = torch.hypot(a1, b1), torch.hypot(a2, b2)

    r1, r2 = c1.clamp_min(1e-12).reciprocal_(), c2.clamp_min(1e-12).reciprocal_()
    hues = (a1.mul_(r1), b1 * r1, a2.mul_(r2), b2 * r2)  # two unit vectors
    cos, sin = _mean_hue(*hues)
    d_h = _hue_difference(*hues).mul_((c1 * c2).sqrt_())

    c = (c1 + c2).mul_(0.5)
    light = (l1 + l2).mul_(0.5).sub_(50).square_()
    d_l = (l2 - l1).div_(0.015 * light / (20 + light).sqrt_() + 1)
    d_c = (c2 - c1).div_(0.045 * c + 1)
    d_h.div_(0.015 * c * _hue_weight(cos, sin) + 1)
    squared = (d_l * d_l).addcmul_(d_c, d_c).addcmul_(d_h, d_h).addcmul_(_rotation(c, cos, sin), d_c * d_h)
    return squared.clamp_min_(0).sqrt_()


def _seventh(c: Tensor) -> Tensor:
    """sqrt(c⁷ / (c⁷ + 25⁷)), by (c/25)⁷ so that float32 does not overflow."""
    c = c / 25
    power = c.square().square_().mul_(c).mul_(c).mul_(c)
    return power.div_(power + 1).sqrt_()


def _mean_hue(u1: Tensor, v1: Tensor, u2: Tensor, v2: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the mean of two hues given as unit vectors; gray (0, 0) has no hue and takes the other's.

    Up to 90 degrees apart it is the direction of the sum, beyond that the perpendicular of the difference: the one that
    loses no digits. Exactly opposite hues have two means; the standard's is 90 degrees on from the hue below 180.
    """
    cross, wide = u1 * v2 - u2 * v1, torch.addcmul(u1 * u2, v1, v2) < 0
    first = (v1 > 0) | ((v1 == 0) & (u1 > 0))  # hue 1 lies in 0..180
    side = torch.where((cross > 0) | ((cross == 0) & first), 1.0, -1.0)
    x = torch.where(wide, (v2 - v1) * side, u1 + u2)
    y = torch.where(wide, (u1 - u2) * side, v1 + v2)
    scale = torch.hypot(x, y).clamp_min_(1e-12).reciprocal_()
    return x.mul_(scale), y.mul_(scale)


def _hue_difference(u1: Tensor, v1: Tensor, u2: Tensor, v2: Tensor) -> Tensor:
    """2·sin((h₂ - h₁)/2), signed, of hues given as unit vectors; each branch is the one that loses no digits."""
    cross, dot = u1 * v2 - u2 * v1, torch.addcmul(u1 * u2, v1, v2)
    near = cross / (dot + 1).clamp_min(1e-12).mul_(0.5).sqrt_()
    far = (1 - dot).clamp_min_(0).mul_(2).sqrt_()
    return torch.where(dot > 0, near, torch.where(cross < 0, -far, far))


def _hue_weight(cos: Tensor, sin: Tensor) -> Tensor:
    """T = 1 - 0.17·cos(h-30°) + 0.24·cos 2h + 0.32·cos(3h+6°) - 0.20·cos(4h-63°), from cos h and sin h."""
    cos2, sin2 = cos * cos - sin * sin, 2 * sin * cos
    cos3, sin3 = cos2 * cos - sin2 * sin, sin2 * cos + cos2 * sin
    cos4, sin4 = cos2 * cos2 - sin2 * sin2, 2 * sin2 * cos2

    def shifted(weight: float, c: Tensor, s: Tensor, degrees: float) -> Tensor:  # weight·cos(k·h - degrees)
        angle = math.radians(degrees)
        return (c * (weight * math.cos(angle))).add_(s, alpha=weight * math.sin(angle))

    return (
        shifted(-0.17, cos, sin, 30)
        .add_(cos2, alpha=0.24)
        .add_(shifted(0.32, cos3, sin3, -6))
        .add_(shifted(-0.20, cos4, sin4, 63))
        .add_(1)
    )


def _rotation(c: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """R_T = -sin(2·Δθ)·R_C, with Δθ = 30°·exp(-((h-275°)/25°)²): the blue region's tilt."""
    hue = torch.atan2(sin, cos).mul_(180 / math.pi)
    hue = hue.add_((hue < 0) * 360.0)
    bump = hue.sub_(275).div_(25).square_().neg_().exp_().mul_(math.radians(60))
    return _seventh(c).mul_(-2).mul_(bump.sin_())
